"""Reads files that may be hostile, in a process of its own: `python -m tests.campaign.reading DIR`.

A line for each file says how it went: `read`, `refused`, or what must not be. The process may use
a bounded amount of memory, and ends itself with a traceback when one file takes too long; so what
the last line names is where a crash or a hang came from.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import chainrule as cr
from chainrule.base.errors import ChainruleError, NonFiniteError
from chainrule.models.generation import Sampling
from chainrule.tasks.language_model import LanguageModel, continue_text
from chainrule.tasks.run import open_run, train_new
from chainrule.text.corpus import read_text
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics

MEMORY = 2 << 30  # bytes beyond what the process has at its start
SECONDS = 30  # for one file
TINY = ("layers=1", "heads=1", "width=4", "context=4", "batch=1", "steps=2", "baseline=false",
        "sample_length=0", "health_every=0", "eager=true")  # fmt: skip


@functools.cache
def run_folder() -> Path:
    """A small run that is complete."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("CAMPAIGN_SCRATCH")))
    (folder / "text").write_text("abcd\n" * 100)
    task = LanguageModel()
    config = task.configure(None, TINY, data=str(folder / "text"))
    for _ in train_new(task, config, folder / "runs", Interrupts()):
        pass
    return folder / "runs" / "001"


@contextlib.contextmanager
def in_the_run(path: Path, name: str) -> Iterator[Path]:
    """The run, where `path` stands in the place of the file `name`."""
    kept = (run_folder() / name).read_bytes()
    (run_folder() / name).write_bytes(path.read_bytes())
    try:
        yield run_folder()
    finally:
        (run_folder() / name).write_bytes(kept)


def _state(path: Path) -> None:
    with in_the_run(path, "state.safetensors") as folder:
        open_run(folder)


def _model(path: Path) -> None:
    with in_the_run(path, "model.safetensors") as folder:
        list(continue_text(folder, "", 2, Sampling(), seed=0))


READERS: dict[str, Callable[[Path], Any]] = {
    "pt": cr.load,
    "safetensors": cr.load,
    "saved": cr.load,
    "state": _state,
    "model": _model,
    "toml": lambda path: LanguageModel().configure(path, ()),
    "jsonl": read_metrics,
    "text": read_text,
}


def outcome(path: Path) -> str:
    """How reading one file went, in one line."""
    try:
        READERS[path.suffix[1:]](path)
    except NonFiniteError:
        return "read"
    except ChainruleError as error:
        named = path.name in str(error) or str(run_folder()) in str(error)
        return "refused" if named else f"refused without its name: {error}".replace("\n", "|")
    except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
        return traceback.format_exc(limit=-4).strip().replace("\n", "|")
    return "read"


def main(folder: Path) -> None:
    """Read all files of a folder in order."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    run_folder()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for path in sorted(folder.iterdir()):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        click.echo(path.name)
        click.echo(outcome(path))
        sys.stdout.flush()
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
