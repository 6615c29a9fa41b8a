"""Faults around `chainrule train`: whatever ends or hinders it, the run goes on and loses nothing.

A tiny run is hindered a few times – killed, stopped, its disk full, its reader gone, its cache
read-only or damaged, a second process in its folder – and resumed after each. In the end its
losses are the same numbers, in an unbroken sequence, as those of a run that nobody disturbed, and
no half-written file is left.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.structure.package import package

_STEPS = 60
_SETTINGS = ("layers=1", "heads=1", "width=8", "context=8", "batch=2", "sample_length=4",
             "evaluate_every=10", "save_every=7", "health_every=15", "threads=1")  # fmt: skip
_SLOW = 120  # seconds after which a process hangs


class Run:
    """A run in a folder of its own, with a cache of its own."""

    def __init__(self, folder: Path, *, eager: bool) -> None:
        self.folder = folder
        self.mode = ["--eager"] if eager else []
        self.cache = folder / "cache"
        (folder / "text").write_text("the quick brown fox jumps over the lazy dog.\n" * 20)

    def start(self, *, limit: str = "", **options: object) -> subprocess.Popen[str]:
        """`chainrule train`, or `--resume` where there is a run; `limit` goes before it."""
        began = (self.folder / "runs" / "001" / "config.toml").exists()
        how = ["--resume", "1"] if began else [
            "--data", str(self.folder / "text"), "--steps", str(_STEPS), *self.mode,
            *(part for setting in _SETTINGS for part in ("--set", setting)),
        ]  # fmt: skip
        environment = {**os.environ, "CHAINRULE_CACHE_DIR": str(self.cache), "CHAINRULE_CHECK": "0",
                       "PYTHONPATH": str(package().parent)}  # fmt: skip
        return subprocess.Popen(
            ["sh", "-c", f'{limit} exec "$@"', "sh",
             sys.executable, "-m", "chainrule", "train", *how, "--runs", "runs"],
            cwd=self.folder, env=environment, text=True, stderr=subprocess.PIPE,
            **{"stdout": subprocess.DEVNULL, **options},
        )  # fmt: skip

    def finish(self) -> str | None:
        """Resume to the end; what is wrong with that."""
        done = self.start()
        _, said = done.communicate(timeout=_SLOW)
        complete = done.returncode == 2 and "has done its" in said
        return None if done.returncode == 0 or complete else f"--resume: {said}"

    def losses(self) -> list[tuple[int, float]]:
        """(step, loss) of all records."""
        lines = (self.folder / "runs" / "001" / "metrics.jsonl").read_bytes().split(b"\n")
        records = [json.loads(line) for line in lines[:-1]]
        return [(r["step"], r["loss"]) for r in records if "loss" in r]


def _wait(rng: random.Random) -> None:
    """Any moment of a short run, its start included."""
    time.sleep(rng.choice((rng.uniform(0, 0.4), rng.uniform(0.4, 2.5))))


def _signalled(name: signal.Signals) -> Callable[[Run, random.Random], None]:
    def hinder(run: Run, rng: random.Random) -> None:
        process = run.start()
        _wait(rng)
        process.send_signal(name)
        process.communicate(timeout=_SLOW)

    return hinder


def _full_disk(run: Run, rng: random.Random) -> None:
    blocks = rng.choice((0, 1, 4, 16, 40))  # of 512 bytes, that a file may have
    process = run.start(limit=f"ulimit -f {blocks};")
    process.communicate(timeout=_SLOW)


def _reader_gone(run: Run, rng: random.Random) -> None:
    process = run.start(stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(rng.randrange(6)):
        process.stdout.readline()
    process.stdout.close()
    process.wait(timeout=_SLOW)
    assert process.stderr is not None
    process.stderr.close()


def _read_only_cache(run: Run, rng: random.Random) -> None:
    run.cache.mkdir(exist_ok=True)
    run.cache.chmod(0o500)
    _signalled(signal.SIGKILL)(run, rng)
    run.cache.chmod(0o700)


def _damaged_cache(run: Run, rng: random.Random) -> None:
    for path in (run.cache / "objects").glob("*.object"):
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.choice((0, 40, len(data), len(data)))])
    _signalled(signal.SIGTERM)(run, rng)


def _two_processes(run: Run, rng: random.Random) -> None:
    if not (run.folder / "runs" / "001" / "config.toml").exists():
        return
    both = [run.start(), run.start()]
    _wait(rng)
    both[0].kill()
    said = [process.communicate(timeout=_SLOW)[1] for process in both]
    codes = [process.returncode for process in both]
    refused = codes[1] == 1 and "being trained by" in said[1]
    if not (refused or codes[1] in {0, 2} or codes[0] == 1):
        raise AssertionError(f"two processes in one folder: {codes} {said}")


FAULTS: dict[str, Callable[[Run, random.Random], None]] = {
    "killed": _signalled(signal.SIGKILL),
    "SIGTERM": _signalled(signal.SIGTERM),
    "Ctrl-C": _signalled(signal.SIGINT),
    "SIGHUP": _signalled(signal.SIGHUP),
    "full disk": _full_disk,
    "reader gone": _reader_gone,
    "read-only cache": _read_only_cache,
    "damaged cache": _damaged_cache,
    "two processes": _two_processes,
}


@functools.cache
def undisturbed(*, eager: bool) -> list[tuple[int, float]]:
    """The losses of a run that nothing happens to."""
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(Path(scratch), eager=eager)
        wrong = run.finish()
        assert wrong is None, wrong
        return run.losses()


class FaultedRuns:
    """See the module's docstring."""

    name = "faults"
    about = "a run that is hindered goes on, and its losses are those of one that was not"

    def run(self, rng: random.Random, deadline: float) -> str | None:
        """A few faults, one after another, to one run."""
        del deadline
        eager = rng.random() < 0.5
        chosen = [rng.choice(list(FAULTS)) for _ in range(rng.randint(1, 4))]
        with tempfile.TemporaryDirectory() as scratch:
            run = Run(Path(scratch), eager=eager)
            for name in chosen:
                FAULTS[name](run, rng)
            wrong = run.finish() or differs(run, undisturbed(eager=eager))
        return (
            wrong and f"faults: {', '.join(chosen)} ({'eager' if eager else 'compiled'})\n{wrong}"
        )


def differs(run: Run, expected: list[tuple[int, float]]) -> str | None:
    """What is not as it was without the faults."""
    folder = run.folder / "runs" / "001"
    found = run.losses()
    if [step for step, _ in found] != [step for step, _ in expected]:
        return f"the steps recorded are {[step for step, _ in found]}"
    if found != expected:
        step = next(a[0] for a, b in zip(found, expected, strict=True) if a != b)
        return f"from step {step} on the losses differ from those of an undisturbed run"
    left = [path.name for path in folder.glob(".*") if path.name != ".lock"]
    return f"left behind: {left}" if left else None
