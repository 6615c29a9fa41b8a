"""The driver's side of a worker: start it, ask, stop it. Standard library only.

with Contestant("torch-eager", "gpt_nano", python="…/bin/python") as rival:
    rival.ask("first")["seconds"]
    rival.ask("slice", seconds=1.0, least=5)["median_ms"]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]

# The folder of each contestant's compiled code; an empty one makes a cold start.
CACHE_VARIABLES = {
    "chainrule": "CHAINRULE_CACHE_DIR",
    "chainrule-undeferred": "CHAINRULE_CACHE_DIR",
    "chainrule-module": "CHAINRULE_CACHE_DIR",
    "torch-compile": "TORCHINDUCTOR_CACHE_DIR",
    "jax": "JAX_COMPILATION_CACHE_DIR",
}
_ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CHAINRULE_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
_SETTINGS = {"chainrule-undeferred": {"CHAINRULE_DEFER": "off"}}
# JAX keeps only slow compilations by default; a warm start needs all.
_JAX_KEEP_ALL = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_PLATFORMS": "cpu",
}


class WorkerError(RuntimeError):
    """A worker ended or stopped answering; the message has its output."""


def environment(contestant: str, cores: str, cache: str | None) -> dict[str, str]:
    """The worker's environment: this checkout on the path, threads as `cores` says."""
    source = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    env = {**os.environ, "PYTHONPATH": source, "PYTHONUNBUFFERED": "1", **_JAX_KEEP_ALL}
    env |= _SETTINGS.get(contestant, {})
    env.pop("CHAINRULE_CHECK", None)  # verification is for tests, not for the clock
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # with byte code, as after pip install
    if cores == "one":
        env |= _ONE_CORE
    if cache is not None and contestant in CACHE_VARIABLES:
        env[CACHE_VARIABLES[contestant]] = cache
    return env


def pinned(command: list[str], cores: str) -> list[str]:
    """The command, pinned to the last core if `cores` is "one"."""
    if cores != "one":
        return command
    last = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return ["taskset", "-c", str(last), *command]


class Contestant:
    """A running worker, `python -m MODULE ARGUMENTS`. Use it as a context manager."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        python: str = sys.executable,
        cores: str = "all",
        cache: str | None = None,
        module: str = "benchmarks.worker",
    ) -> None:
        """Start `module` for contestant `name` and wait until it is ready."""
        self.name = name
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by close
        command = [python, "-m", module, name, *arguments]
        self._process = subprocess.Popen(
            pinned(command, cores),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=environment(name, cores, cache),
        )
        self.ready = self._answer(600.0)

    def ask(self, what: str, *, patience: float = 600.0, **details: float) -> dict[str, Any]:
        """Send a command and wait for its answer, at most `patience` seconds."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **details}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure("has ended") from None
        return self._answer(patience)

    def _answer(self, patience: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        late = threading.Timer(patience, self._process.kill)
        late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        if not line:
            raise self._failure("has ended or stopped answering")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self, what: str) -> WorkerError:
        self.close()
        return WorkerError(f"{self.name} {what}:\n{self._said}")

    def close(self) -> None:
        """End the worker and wait for it."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._errors.closed:
            self._errors.seek(0)
            self._said = "\n".join(self._errors.read().splitlines()[-15:])
            self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def pythons(rival_python: str) -> Mapping[str, str]:
    """Contestant → its interpreter: the current one, or that of the rivals."""
    ours = sys.executable
    return {
        name: ours if name.startswith("chainrule") else rival_python
        for name in (*CACHE_VARIABLES, "chainrule-eager", "torch-eager")
    }
