"""Run folders: `runs/001`, `runs/002`, …, where `last` names the newest.

    >>> create_run(Path("runs")).name
    '001'

`find_run("last", Path("runs"))` finds it once its config is written and it is marked. May
import `base`, `formats` and the standard library.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chainrule.base.errors import CheckpointError, ConfigError
from chainrule.formats.atomic import remove_abandoned, write_whole
from chainrule.formats.file_lock import Hold, claim

CONFIG = "config.toml"
METRICS = "metrics.jsonl"
MODEL = "model.safetensors"
STATE = "state.safetensors"
RESULT = "result.json"
REPORT = "report.html"
LAST = "last"
LOCK = ".lock"


@contextlib.contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turn an `OSError` of writing `path` into a `CheckpointError`."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise CheckpointError(f"cannot write {str(path)!r}: {reason}") from None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an `OSError` of reading `path` into a `CheckpointError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"{str(path)!r} cannot be read: {reason}") from None


def create_run(root: Path, name: str = "") -> Path:
    """Create the folder `name`, or the next free numbered one.

    Simultaneous programs get different ones. A name that is taken or that means something else
    raises `ConfigError`.
    """
    if name:
        require_name(name, root)
    with saving(root):
        root.mkdir(parents=True, exist_ok=True)
        if name:
            (root / name).mkdir()
            return root / name
        number = max(_numbers(root), default=0) + 1
        while True:
            folder = root / f"{number:03d}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder


def require_name(name: str, root: Path) -> None:
    """Raise `ConfigError` unless a run in `root` can get this name."""
    if name == LAST or name.isdecimal() or name.startswith(".") or Path(name).name != name:
        raise ConfigError(
            f"a run cannot be named {name!r}: a name is one part of a path, not a number, not "
            f"{LAST!r}, and does not begin with a dot"
        )
    if (root / name).exists():
        raise ConfigError(f"there is a run {name!r} in {str(root)!r} already; choose another name")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Lock `folder` for this process, and remove unfinished files of killed ones.

    A second process that trains the same run raises `CheckpointError`. The lock ends with its
    process. Yields whether there is a lock: False on a file system without locks.
    """
    with saving(folder):
        claimed = claim(folder / LOCK, note=str(os.getpid()), make=True)
    with contextlib.closing(claimed):
        if claimed.hold is Hold.OTHERS:
            raise CheckpointError(
                f"{str(folder)!r} is being trained by process {claimed.holder or 'unknown'}: wait "
                "until it ends, or stop it with Ctrl-C, which saves, and repeat this command"
            )
        remove_abandoned(folder)
        yield claimed.hold is Hold.OURS


def mark_last(folder: Path) -> None:
    """Point `last` beside `folder` to it: a link, or a text file where links are not allowed."""
    mark = folder.parent / LAST
    fresh = folder.parent / f".{LAST}.{os.getpid()}"
    with saving(mark):
        try:
            fresh.unlink(missing_ok=True)  # left by a killed process with this number
            fresh.symlink_to(folder.name, target_is_directory=True)
            fresh.replace(mark)
        except OSError:
            fresh.unlink(missing_ok=True)
            write_whole(mark, folder.name.encode())


def find_run(name: str, root: Path) -> Path:
    """The folder of a run, by path, by a number such as 7 or 007, or by `last`."""
    folder = _interpret(name, root)
    if folder is not None and not (folder / CONFIG).is_file() and folder.parent == root:
        raise CheckpointError(
            f"{str(folder)!r} has no {CONFIG}: it was stopped before anything was computed. "
            "Start a new run with chainrule train"
        )
    if folder is None or not (folder / CONFIG).is_file():
        there = [run.name for run in all_runs(root)]
        hint = f"{str(root)!r} has {', '.join(there)}" if there else f"{str(root)!r} has no runs"
        raise CheckpointError(f"there is no run {name!r}; {hint}")
    return folder


def all_runs(root: Path) -> list[Path]:
    """The folders of all runs below `root`: numbered ones in order, then those with names."""
    try:
        entries = [entry for entry in root.iterdir() if (entry / CONFIG).is_file()]
    except OSError:
        return []
    runs = [entry for entry in entries if entry.name != LAST]
    return sorted(runs, key=lambda run: (not run.name.isdecimal(), run.name.zfill(9), run.name))


def read_result(folder: Path) -> dict[str, Any]:
    """What `result.json` of a run holds; empty if there is none, or if it is damaged."""
    try:
        found = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def rename_run(folder: Path, name: str) -> Path:
    """Give a run another name; `last` follows it."""
    require_name(name, folder.parent)
    _require_unused(folder)
    was_last = _is_last(folder)
    with saving(folder):
        renamed = folder.rename(folder.with_name(name))
    if was_last:
        mark_last(renamed)
    return renamed


def delete_run(folder: Path) -> None:
    """Remove a run and all its files; `last` then is the newest of the others."""
    _require_unused(folder)
    was_last = _is_last(folder)
    with saving(folder):
        shutil.rmtree(folder)
    others = all_runs(folder.parent)
    if was_last and others:
        mark_last(max(others, key=lambda run: (run / CONFIG).stat().st_mtime))
    elif was_last:
        (folder.parent / LAST).unlink(missing_ok=True)


def _require_unused(folder: Path) -> None:
    if is_trained(folder):
        raise CheckpointError(f"{str(folder)!r} is being trained: stop it first, or wait")


def is_trained(folder: Path) -> bool:
    """Whether a process trains the run at this moment."""
    if not (folder / LOCK).is_file():
        return False
    with contextlib.closing(claim(folder / LOCK)) as claimed:
        return claimed.hold is Hold.OTHERS


def _is_last(folder: Path) -> bool:
    last = _interpret(LAST, folder.parent)
    return last is not None and last.resolve() == folder.resolve()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with saving(path):
        write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def _interpret(name: str, root: Path) -> Path | None:
    plain = type(root)(name)
    if LAST in {name, plain.name}:
        mark = root / LAST if name == LAST else plain
        if mark.is_file():
            return mark.parent / mark.read_text(encoding="utf-8").strip()
        return mark.resolve() if mark.is_dir() else None
    if name.isdecimal() and (root / f"{int(name):03d}").is_dir():
        return root / f"{int(name):03d}"
    if not plain.is_dir() and plain.name == name and (root / name).is_dir():
        return root / name
    return plain if plain.is_dir() else None


def _numbers(root: Path) -> list[int]:
    try:
        return [int(entry.name) for entry in root.iterdir() if entry.name.isdecimal()]
    except OSError:
        return []
