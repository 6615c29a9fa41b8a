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
        self.objects = self.cache / "objects"
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
        complete = done.returncode == 2 and "has done all its" in said
        return None if done.returncode == 0 or complete else f"--resume: {said}"

    def is_complete(self) -> bool:
        """Whether its result is written: nothing can hinder it any more."""
        return (self.folder / "runs" / "001" / "result.json").exists()

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


def _until_it_steps(process: subprocess.Popen[str]) -> bool:
    """Wait for the first training step; False if the run ends without one."""
    assert process.stdout is not None
    return any(line.startswith("step ") for line in process.stdout)


def _end(process: subprocess.Popen[str], name: signal.Signals) -> str:
    """End a process by a signal; what it said on standard error."""
    process.send_signal(name)
    return process.communicate(timeout=_SLOW)[1]


def _filled_cache(run: Run) -> list[Path]:
    """The machine code that a compiled run has left, made by a few steps if there is none."""
    if not list(run.objects.glob("*.object")):
        process = run.start(stdout=subprocess.PIPE)
        _until_it_steps(process)
        _end(process, signal.SIGKILL)
    found = sorted(run.objects.glob("*.object"))
    if not found and not run.is_complete():
        raise AssertionError("a compiled run left no machine code in its cache")
    return found


def _read_only_cache(run: Run, rng: random.Random) -> None:
    """Half of the code is there, the rest is made again, and nothing can be written."""
    for path in _filled_cache(run)[::2]:
        path.unlink()
    before = sorted(run.objects.glob("*"))
    aside = run.objects.with_name("aside")
    if os.geteuid():
        run.objects.chmod(0o500)
    else:  # whom no permission stops
        run.objects.rename(aside)
        run.objects.write_bytes(b"")
    process = run.start(stdout=subprocess.PIPE)
    began = _until_it_steps(process)
    said = _end(process, rng.choice((signal.SIGKILL, signal.SIGTERM)))
    if os.geteuid():
        run.objects.chmod(0o700)
    else:
        run.objects.unlink()
        aside.rename(run.objects)
    if not began and not run.is_complete():
        raise AssertionError(f"no step with a read-only cache: {said}")
    if sorted(run.objects.glob("*")) != before:
        raise AssertionError("a read-only cache was written to")


def _damaged_cache(run: Run, rng: random.Random) -> None:
    """Every object is cut short or has a wrong bit; the run makes them again."""
    damaged = {}
    for path in _filled_cache(run):
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        damaged[path] = bytes(data[: rng.choice((0, 40, len(data), len(data)))])
        path.write_bytes(damaged[path])
    process = run.start(stdout=subprocess.PIPE)
    began = _until_it_steps(process)
    said = _end(process, signal.SIGTERM)
    if run.is_complete():
        return
    if not began:
        raise AssertionError(f"no step with a damaged cache: {said}")
    kept = [path.name for path, data in damaged.items() if path.read_bytes() == data]
    if not damaged or kept:
        raise AssertionError(f"of {len(damaged)} damaged objects these were used: {kept}")


def _two_processes(run: Run, rng: random.Random) -> None:
    """A second process is refused while a first one, held in its first steps, trains."""
    if run.is_complete():
        return
    first = run.start(stdout=subprocess.PIPE)
    assert first.stdout is not None
    said = [first.stdout.readline()]
    first.send_signal(signal.SIGSTOP)
    state = os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if state is None or state.si_code != os.CLD_STOPPED:
        raise AssertionError(f"the run ended before a second process came: {said}")
    second = run.start()
    _, refusal = second.communicate(timeout=_SLOW)
    first.send_signal(signal.SIGCONT)
    _end(first, rng.choice((signal.SIGKILL, signal.SIGTERM)))
    if (second.returncode, f"being trained by process {first.pid}:" in refusal) != (1, True):
        raise AssertionError(
            f"a second process in the folder ended with {second.returncode}: {refusal}"
        )


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


COMPILED = {"read-only cache", "damaged cache"}  # an eager run has no machine code to lose


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
        chosen = [rng.choice(list(FAULTS)) for _ in range(rng.randint(1, 4))]
        eager = rng.random() < 0.5 and COMPILED.isdisjoint(chosen)
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
