"""`gradient_through_time`: ‖∂L/∂hₜ‖ of every state of a recurrent network, by step and token.

    print(gradient_through_time(step, words, tags))

`step` is a loss function or a whole training step, compiled or not: it runs on symbols, changes
nothing, and is computed in float64. Any loop is found: recurrent layers, `scan`, cells and lines
that Python repeats. May import `inspect.recording` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.source import short
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node
from chainrule.inspect.from_function import loss_of
from chainrule.inspect.recording import inner, traced, widening
from chainrule.inspect.through_time.probes import Probe, probed
from chainrule.inspect.through_time.states import State, ThroughTime
from chainrule.inspect.through_time.unrolled import chains
from chainrule.inspect.unroll import row
from chainrule.nn.cell import GRUCell, LSTMCell, RNNCell
from chainrule.nn.module import Module
from chainrule.nn.recurrent import RNNBase
from chainrule.ops.control import project
from chainrule.ops.creation import filled
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.handle import Handle

Array = np.ndarray[Any, Any]
_UNBATCHED = 2  # axes of (steps, width)


def gradient_through_time(fn: Callable[..., Any], *args: Any, tokens: Any = None) -> ThroughTime:
    """The gradients of a recurrent network's states by step: see `ThroughTime`.

    `fn(*args)` returns a scalar loss, or calls `backward()` as a training step does. `tokens` are
    the codes or words [steps, batch] of the states; the default is an argument of integers of that
    shape, or batch first. Raises ArgumentError if nothing recurs.
    """
    fn = inner(fn)
    given = [as_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    run = traced(fn, given)
    graph, roots = run.found.captured.graph, run.trace.roots
    loss = loss_of(run)
    wide = widening(Graph(graph.inputs, (loss,)))
    made, probes = probed((wide[loss],))
    stops = {made[wide[n]] for n in run.trace.frozen if n in wide and wide[n] in made}
    asked = [
        *_of_loops(made[wide[loss]], probes, stops, _modules(roots, (RNNBase,))),
        *_of_chains(made[wide[loss]], stops, _modules(roots, (RNNCell, LSTMCell, GRUCell))),
    ]
    if not asked:
        raise ArgumentError(
            "nothing recurs on the way to the loss: no scan or recurrent layer, and no line that "
            "computes a state from the one before at least three times"
        )
    leaves = [a for a in given if isinstance(a, Handle)]
    read = run.found.values(leaves)
    values = [
        *(np.asarray(v, wide[n].dtype.numpy) for n, v in zip(graph.inputs, read, strict=True)),
        *(np.zeros(p.node.shape, p.node.dtype.numpy) for p in probes),
    ]
    inputs = (*(wide[n] for n in graph.inputs), *(p.node for p in probes))
    found = iter(evaluate(Graph(inputs, tuple(n for a in asked for n in a.nodes)), values))
    codes = [
        a for a in (given if tokens is None else [tokens]) if tokens is not None or _is_codes(a)
    ]
    return ThroughTime(tuple(_state(a, [next(found) for _ in a.nodes], codes) for a in asked))


@dataclass(frozen=True)
class _Asked:
    """A state and the nodes of its gradients, stacked over the steps or one for each step."""

    name: str
    order: tuple[int, ...]
    norms: tuple[Node, ...]
    flow: tuple[Node, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes to be evaluated."""
        return (*self.norms, *self.flow)


def _of_loops(
    loss: Node, probes: Sequence[Probe], stops: set[Node], layers: Mapping[str, Module]
) -> Iterator[_Asked]:
    b = Symbolic()
    found = differentiate(b, (loss,), (filled(b, 1, loss),), [p.node for p in probes], stops=stops)
    loops: dict[str, list[Node]] = {}
    for probe, gradient in zip(probes, found, strict=True):
        if gradient is None:
            continue
        end = b(project, probe.loop, index=probe.carry)
        (flow,) = differentiate(b, (end,), (row(b, gradient, probe.last),), (probe.node,))
        if flow is None:
            continue
        layer = probe.loop.source.layer if probe.loop.source else ""
        known = loops.setdefault(layer, [])
        if probe.loop not in known:
            known.append(probe.loop)
        name = _name(layer, layers.get(layer), known.index(probe.loop), probe)
        steps = range(probe.loop.attrs["length"])
        order = tuple(reversed(steps) if probe.loop.attrs["reverse"] else steps)
        yield _Asked(name, order, (gradient,), (flow,))


def _name(layer: str, module: Module | None, number: int, probe: Probe) -> str:
    """`lstm l0 h`: the layer, its loop and its state."""
    if not isinstance(module, RNNBase):
        where = probe.loop.source
        place = layer or (f"line {where.line}" if where else "loop")
        return f"{place} carry {probe.carry}" + (f" of loop {number}" if number else "")
    suffix = "_reverse" if probe.loop.attrs["reverse"] else ""
    return f"{layer} l{number // (1 + module.bidirectional)}{suffix} {'hc'[probe.carry]}"


def _of_chains(loss: Node, stops: set[Node], cells: Mapping[str, Module]) -> Iterator[_Asked]:
    b, found = Symbolic(), chains((loss,))
    targets = [node for chain in found for node in chain]
    gradients = differentiate(b, (loss,), (filled(b, 1, loss),), targets, stops=stops)
    known = dict(zip(targets, gradients, strict=True))
    for chain in found:
        entering = known[chain[-1]]
        if entering is None:
            continue
        flow = differentiate(b, (chain[-1],), (entering,), chain, stops=stops)
        yield _Asked(
            _name_of_chain(chain[-1], cells),
            tuple(range(len(chain))),
            tuple(known[n] or filled(b, 0, n) for n in chain),
            tuple(g or filled(b, 0, n) for g, n in zip(flow, chain, strict=True)),
        )


def _name_of_chain(node: Node, cells: Mapping[str, Module]) -> str:
    """`cell h`, or the line that makes the state."""
    assert node.source is not None
    cell = cells.get(node.source.layer)
    if cell is not None:
        both = isinstance(cell, LSTMCell)
        return f"{node.source.layer} {'c' if both and node.op.name == 'add' else 'h'}"
    return f"{node.source.layer} {node.op.name} at {short(node.source)}".strip()


def _modules(roots: Sequence[Module], kinds: tuple[type[Module], ...]) -> dict[str, Module]:
    """Modules of some kinds by the path in their nodes' source."""
    named = [(name or type(m).__name__, m) for root in roots for name, m in root.named_modules()]
    return {name: module for name, module in named if isinstance(module, kinds)}


def _state(asked: _Asked, found: Sequence[Array], codes: Sequence[Any]) -> State:
    count = len(asked.norms)
    norms, flow = (_by_row(part) for part in (found[:count], found[count:]))
    entering = flow[asked.order[-1]]
    with np.errstate(all="ignore"):
        shares = np.where(entering > 0, flow / entering, np.nan)
    return State(asked.name, norms, shares, asked.order, _tokens(codes, norms.shape))


def _by_row(parts: Sequence[Array]) -> Array:
    """Norms [steps, batch] of gradients (steps, batch, …), or (steps, width) of a single row."""
    stacked = parts[0] if len(parts) == 1 else np.stack(parts)
    rows = stacked.shape[1] if stacked.ndim > _UNBATCHED else 1
    squares: Array = (stacked.reshape(stacked.shape[0], rows, -1) ** 2).sum(axis=2)
    return np.sqrt(squares)


def _is_codes(value: Any) -> bool:
    return isinstance(value, Handle) and value.dtype.kind == "int"


def _tokens(codes: Sequence[Any], shape: tuple[int, ...]) -> Array | None:
    """The first codes of shape [steps, batch], or of its transpose."""
    for given in codes:
        array = np.asarray(given)
        array = array.reshape(-1, 1) if array.ndim == 1 else array
        if array.shape == shape:
            return array
        if array.T.shape == shape:
            return array.T
    return None
