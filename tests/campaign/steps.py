"""Random training steps give the same eagerly, compiled, by the interpreter, and in PyTorch.

Each step runs twice on the same objects, so that what the first call changed is what the second
reads. Compared are the results, every argument, every parameter, their gradients, and which of
them share memory. PyTorch takes part where it is installed. Example: `Steps().run(rng, deadline)`.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import time
import warnings
from types import ModuleType
from typing import Any

import numpy as np

import chainrule
from chainrule.compiler.trace.aliases import root_of
from chainrule.compiler.trace.capture import capture
from chainrule.graph.text import print_graph
from chainrule.ops.evaluate import evaluate
from tests.campaign.step_programs import StepProgram, write
from tests.compiler.running import planned, walk

_CLOSE = 1e-8
_REFUSED = (  # on purpose, with a way out
    "elements overlap",
    "recorded outside of it",
)


class Steps:
    """The part of the campaign."""

    name = "steps"
    about = "a training step means the same eagerly, compiled, interpreted and in PyTorch"

    def run(self, rng: random.Random, deadline: float) -> str | None:
        """One program."""
        reference = torch_if_installed() or chainrule
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = write(rng, reference)
            found = fault(program, reference)
            if found is None:
                return None
            program, found = _smallest(program, found, reference, deadline)
        return f"{program.text()}\n{found}"


def torch_if_installed() -> ModuleType | None:
    """PyTorch, or None."""
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def fault(program: StepProgram, reference: ModuleType) -> str | None:
    """What differs from the reference, or None; also None if the reference cannot run it."""
    try:
        want = outcome(program, reference)
    except Exception:  # noqa: BLE001 - then there is nothing to compare with
        return None
    ways = {"eager": lambda f: f, "compiled": lambda f: chainrule.compile(f, keep_grads=True)}
    for way, wrap in ways.items():
        try:
            got = outcome(program, chainrule, wrap)
        except Exception as error:  # noqa: BLE001 - a finding
            if any(text in str(error) for text in _REFUSED):
                return None
            return f"{way}: {type(error).__name__}: {error}"
        for name in got.keys() & want.keys():
            # on purpose: what a compiled step leaves is values, since its gradient was computed
            # inside, and a tensor forgets a history that is overwritten whole
            if "requires grad" in name and not got[name]:
                got[name] = want[name]
        difference = _difference(want, got)
        if difference:
            return f"{way}: {difference}"
    return _interpreted(program)


def outcome(program: StepProgram, torch: ModuleType, wrap: Any = lambda f: f) -> dict[str, Any]:
    """Everything that can be seen after each of two calls."""
    before = torch.get_default_dtype()
    try:
        scope = program.names(torch)
        step, seen = wrap(scope["step"]), {}
        arguments = [scope[name] for name in program.arguments]
        for call in (1, 2):
            results = step(*arguments)
            tensors = {
                **{f"result {i}": t for i, t in enumerate(results)},
                **{name: scope[name] for name in scope if name.startswith("x")},
                **{f"parameter {i}": p for i, p in enumerate(scope["held"])},
            }
            tensors |= {
                f"gradient of {name}": tensor.grad
                for name, tensor in list(tensors.items())
                if tensor.is_leaf and tensor.grad is not None
            }
            for name, tensor in tensors.items():
                seen[f"{name} after call {call}"] = np.array(tensor.detach())
                seen[f"{name} requires grad after call {call}"] = tensor.requires_grad
        return seen
    finally:
        torch.set_default_dtype(before)


def _difference(want: dict[str, Any], got: dict[str, Any]) -> str | None:
    for name in want.keys() | got.keys():
        if name not in want or name not in got:
            where = "missing" if name in want else "not expected"
            return f"{name} is {where}"
    for name, value in want.items():
        mine = got[name]
        if isinstance(value, bool):
            if mine != value:
                return f"{name}: {mine}, expected {value}"
        elif mine.shape != value.shape or mine.dtype != value.dtype:
            return f"{name}: {mine.dtype}{mine.shape}, expected {value.dtype}{value.shape}"
        elif not np.allclose(mine, value, rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
            return f"{name}: {mine.tolist()}, expected {value.tolist()}"
    return None


def _interpreted(program: StepProgram) -> str | None:
    """The plan by the tile interpreter, against the graph by its ops' meanings."""
    before = chainrule.get_default_dtype()
    try:
        scope = program.names(chainrule)
        arguments = tuple(scope[name] for name in program.arguments)
        traced = capture(scope["step"], arguments, {}, keep_grads=True)
        given = traced.captured
        roots = [root_of(arguments[i]) for i in traced.handed.roots]
        values = [np.array(v, order="C") for v in traced.values([*arguments, *roots])]
        want = evaluate(given.graph, [v.copy() for v in values])
        got = walk(planned(given), values)
        for i, (mine, value) in enumerate(zip(got, want, strict=False)):
            if not np.allclose(mine, value, rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
                return (
                    f"interpreted: output {i} is {mine.tolist()}, expected {value.tolist()}\n"
                    f"{print_graph(given.graph)}"
                )
    finally:
        chainrule.set_default_dtype(before)
    return None


def _smallest(
    program: StepProgram, found: str, reference: ModuleType, deadline: float
) -> tuple[StepProgram, str]:
    """Cut lines away as long as it stays wrong."""
    cut = True
    while cut:
        cut = False
        for smaller in program.smaller():
            if time.monotonic() > max(deadline, 0) + 60:
                return program, found
            now = fault(smaller, reference)
            if now is not None:
                program, found, cut = smaller, now, True
                break
    return program, found
