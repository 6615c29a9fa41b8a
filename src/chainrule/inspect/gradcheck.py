"""Numerical gradient checking that names the guilty node.

    gradcheck(lambda w: F.log_softmax(w, -1)[..., 0].sum(), (x,))

compares the gradient of `backward` with finite differences of the function itself, in float64,
entry by entry up to a budget and along random directions beyond it. The vjp of every node is also
checked alone, on its real values, so the report names the wrong one. A function that reads its own
values is called again at each point. May import `compiler`,
`nn` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.compiler.trace.structure import flatten
from chainrule.graph.node import Graph, Node
from chainrule.inspect.local import find_guilty
from chainrule.inspect.numeric import Probe, unit
from chainrule.inspect.recording import Recording, in_float64, need_function, record
from chainrule.inspect.rerun import Rerun
from chainrule.inspect.valued import ValuedTrace
from chainrule.inspect.verdict import PASSING, Entry, Report, verdict_of
from chainrule.nn.module import Module
from chainrule.ops.evaluate import all_values
from chainrule.tensor.backward import gradients
from chainrule.tensor.convert import as_tensor, tensor
from chainrule.tensor.functional import arithmetic, reduce
from chainrule.tensor.handle import Handle

Array = np.ndarray[Any, Any]
_CALLS = 24  # entries of an input checked by calls of a function that reads values
_DIRECTIONS = 4  # random directions for each input not checked entry by entry


def gradcheck(
    fn: Callable[..., Any], inputs: Any, order: int = 1, *, raise_exception: bool = True,
    budget: int = 400, seed: int = 0, names: Sequence[str] = (),
) -> Report:  # fmt: skip
    """∂fn/∂input against (f(x + h) - f(x - h)) / 2h for every float input.

    `fn` takes `inputs` (a tensor, or a tuple of tensors and arrays) and returns one tensor or
    several; those of more than one element are projected on fixed random weights. Where some
    inputs require grad, only those are checked. `order=2` checks the gradient's gradient as well.
    At most `budget` entries are checked one by one, spread over the inputs; the others are checked
    along random directions chosen by `seed`. Random draws inside `fn` stay the same. `names` are
    those of the inputs.

    Returns a report that is true if the gradients are right; otherwise raises `GradcheckError`,
    with the report in `report`, unless `raise_exception` is False.
    """
    if order not in {1, 2}:
        raise ArgumentError(f"order is 1 or 2, not {order!r}")
    need_function(fn)
    given = leaf_copies(inputs)
    names = names or [f"input {i}" for i in range(len(given))]
    subject = getattr(fn, "__name__", type(fn).__name__)
    report = _check(fn, given, names, [], subject, budget, seed)
    if report and order == 2:
        report = _second(fn, given, names, subject, budget, seed)
    return report.settled(raise_exception=raise_exception)


def gradcheck_module(
    model: Module, batch: Any, loss: Callable[[Any], Any] | None = None, *,
    raise_exception: bool = True, budget: int = 400, seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:  # fmt: skip
    """`gradcheck` for every parameter and float input of a model.

    `batch` is the model's input or a tuple of them; `loss` maps its output to the number that is
    differentiated (by default a fixed random projection). Parameters are sampled: each gets its
    share of `budget` entries and some random directions. `progress(name, number, count)` is called
    before each one.
    """
    given = list(batch) if isinstance(batch, (tuple, list)) else [batch]
    given = [as_tensor(x) for x in given]
    known = dict(model.named_parameters())
    if not known:
        raise ArgumentError(f"{type(model).__name__} has no parameters to check")

    def fn(*args: Any) -> Any:
        out = model(*args)
        return out if loss is None else loss(out)

    outside = [(name, p) for name, p in known.items() if p.requires_grad]
    names = [f"input {i}" for i in range(len(given))]
    report = _check(fn, given, names, outside, type(model).__name__, budget, seed, progress)
    return report.settled(raise_exception=raise_exception)


def leaf_copies(inputs: Any) -> list[Any]:
    """Leaf copies of the inputs, which require grad if they are to be checked."""
    several = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    found = [as_tensor(x) for x in several]
    floats = [x for x in found if x.dtype.kind == "float"]
    if not floats:
        shown = ", ".join(str(x.array_type) for x in found) or "nothing"
        raise ArgumentError(f"gradcheck needs a floating-point input, not {shown}; pass x.double()")
    chosen = [x for x in floats if x.requires_grad] or floats
    for i, x in enumerate(found):
        if any(x is other for other in found[:i]):
            raise ArgumentError(
                f"input {i} is the same tensor as an earlier one, so its two gradients cannot be "
                "told apart; pass a copy (x.clone()) and let the function use it twice"
            )
        if x.dtype.kind == "float" and not np.isfinite(np.asarray(x.detach())).all():
            raise ArgumentError(f"input {i} holds NaN or infinity: there is no derivative there")
    out = []
    for x in found:
        fresh = tensor(np.asarray(x.detach()))
        if any(x is c for c in chosen):
            fresh.requires_grad = True
        out.append(fresh)
    return out


class _Objective(NamedTuple):
    """A recorded function: outputs of fn, then the analytic gradients of its projection."""

    recording: Recording
    total: Node
    analytic: list[Node | None]
    wanted: list[tuple[str, Node | None]]  # each name, with its input node if it is read


def _objective(
    fn: Callable[..., Any],
    given: Sequence[Any],
    names: Sequence[str],
    outside: Sequence[tuple[str, Handle]],
    rng: np.random.Generator,
) -> _Objective:
    """Trace fn, its projection to one number, and the gradients from autograd."""
    found_none: list[bool] = []

    def objective(*args: Any) -> Any:
        total = _projected(fn(*args), rng)
        wrt = [a for a in args if a.requires_grad] + [p for _, p in outside]
        grads = gradients(total, wrt, allow_unused=True)
        found_none.extend(g is None for g in grads)
        return [total, *(g for g in grads if g is not None)]

    recording = in_float64(record(objective, given))
    total, *some = recording.graph.outputs
    nodes = iter(some)
    analytic = [None if none else next(nodes) for none in found_none]
    chosen = [(n, x) for n, x in zip(names, given, strict=True) if x.requires_grad]
    wanted: list[tuple[str, Node | None]] = []
    for name, handle in (*chosen, *outside):
        at = recording.position(handle)
        wanted.append((name, None if at is None else recording.graph.inputs[at]))
    return _Objective(recording, total, analytic, wanted)


def _projected(result: Any, rng: np.random.Generator) -> Any:
    """One number: the only output itself, or Σ weight · output with fixed random weights."""
    outs = [o for o in flatten(result)[0] if o.dtype.kind == "float" and o.requires_grad]
    if not outs:
        raise ArgumentError(
            "the function's outputs do not depend on any input that requires grad, so there is "
            "no gradient to check (why_no_grad() names the cut)"
        )
    if len(outs) == 1 and outs[0].array_type.size == 1:
        return outs[0].reshape(())
    total: Any = None
    for out in outs:
        weight = tensor(rng.standard_normal(out.shape), dtype=out.dtype)
        part = reduce.sum(arithmetic.mul(out, weight))
        total = part if total is None else arithmetic.add(total, part)
    return total


def _check(
    fn: Callable[..., Any], given: Sequence[Any], names: Sequence[str],
    outside: Sequence[tuple[str, Handle]], subject: str, budget: int, seed: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:  # fmt: skip
    rng = np.random.default_rng(seed)
    what = _objective(fn, given, names, outside, rng)
    graph = what.recording.graph
    env = all_values(
        Graph(graph.inputs, (what.total, *(a for a in what.analytic if a is not None))),
        what.recording.values,
    )
    share = max(4, budget // max(1, len(what.wanted)))
    reads = _reads(what.recording)
    if reads:  # the function is called at each point: a graph would have one path through it only
        share = min(share, _CALLS)
    handles = [x for x in given if x.requires_grad] + [p for _, p in outside]

    def single(*args: Any) -> Any:
        return _projected(fn(*args), np.random.default_rng(seed))

    entries: list[Entry] = []
    kinks: list[str] = []
    asked = zip(what.wanted, what.analytic, handles, strict=True)
    for number, ((name, node), gradient, x) in enumerate(asked):
        if progress is not None:
            progress(name, number, len(handles))
        if node is None:
            continue  # not read: nothing depends on it
        value = np.zeros(node.shape) if gradient is None else np.asarray(env[gradient])
        probe = Rerun(single, given, x, env[node]) if reads else Probe(what.total, node, env)
        _check_input(name, probe, value, share, rng, entries, kinks)
    failures = tuple(e for e in entries if e.verdict not in PASSING)
    # Every vjp is checked, even if the sum looks right: its part may be too small to show
    reached = [n for _, n in what.wanted if n is not None]
    guilty = find_guilty(what.total, reached, env, rng, failed=bool(failures))
    return Report(
        subject=subject,
        checked=len(entries),
        entries=sum(n.array.size for _, n in what.wanted if n is not None),
        failures=failures,
        worst=max(entries, key=lambda e: e.relative, default=None),
        kinks=tuple(kinks),
        guilty=guilty,
        diagnosis="" if guilty or not failures else reads or _no_guilty_rule(),
        notes=_notes(given, outside),
    )


def _reads(recording: Recording) -> str:
    """Notes about the values that the function reads, which are constants for the gradient."""
    trace = recording.trace
    if not isinstance(trace, ValuedTrace) or not trace.reads:
        return ""
    read = trace.reads[0]
    return (
        f"what the function reads with {read.what} at {read.source} is a constant for the "
        "gradient, but changes with the input: compute with the tensor itself"
    )


def _no_guilty_rule() -> str:
    return (
        "every local rule is right, so the contributions are put together wrongly: a hook that "
        "changes gradients, or a use whose contribution is not added"
    )


def _notes(given: Sequence[Any], outside: Sequence[tuple[str, Handle]]) -> tuple[str, ...]:
    handles = [*given, *(p for _, p in outside)]
    single = [h for h in handles if h.dtype is dtypes.float32]
    return (f"{len(single)} float32 tensors were checked in float64",) if single else ()


def _check_input(
    name: str,
    probe: Probe,
    analytic: Array,
    share: int,
    rng: np.random.Generator,
    entries: list[Entry],
    kinks: list[str],
) -> None:
    """Check all entries of one input, or a sample of them and some random directions."""
    shape, size = analytic.shape, analytic.size
    whole = size <= share
    chosen = range(size) if whole else sorted(rng.choice(size, share - _DIRECTIONS, replace=False))
    scale = float(np.max(np.abs(analytic), initial=0.0))
    for flat in chosen:
        index = tuple(int(i) for i in np.unravel_index(int(flat), shape)) if shape else ()
        found = probe.difference(unit(shape, index))
        value = float(analytic[index])
        if found.kink:
            kinks.append(Entry(name, index, value, 0.0, 0.0, found.step, "").place)
            continue
        floor = 1e-12 * max(scale, 1e-3)
        verdict = verdict_of(value, found.value, found.error, floor)
        entries.append(Entry(name, index, value, found.value, found.error, found.step, verdict))
    for _ in range(0 if whole else _DIRECTIONS):
        direction = rng.standard_normal(shape) / np.sqrt(size)
        found = probe.difference(direction)
        if found.kink:
            continue  # with many entries, some mask always flips: the entries decide
        value = float(np.sum(analytic * direction))
        verdict = verdict_of(value, found.value, found.error, 1e-12 * max(scale, 1e-3))
        entries.append(Entry(name, None, value, found.value, found.error, found.step, verdict))


def _second(
    fn: Callable[..., Any],
    given: Sequence[Any],
    names: Sequence[str],
    subject: str,
    budget: int,
    seed: int,
) -> Report:
    """The gradient as a function of the inputs, for a check of the second order."""
    weights = np.random.default_rng(seed + 1)
    state = weights.bit_generator.state

    def gradient(*args: Any) -> Any:
        weights.bit_generator.state = state  # the same projection in every trace
        total = _projected(fn(*args), weights)
        wrt = [a for a in args if a.requires_grad]
        found = gradients(total, wrt, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    return _check(gradient, given, names, [], f"gradient of {subject}", budget, seed)
