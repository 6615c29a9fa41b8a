"""Activations in the body of a loop, at a few time steps: the gates of recurrent layers.

The loop keeps each step's incoming carries for its gradient; from these the body is computed again
for the chosen steps. Example: `inside(lstm, node, {})` yields
("forget gate", "sigmoid", values (times, batch, units)). May import `nn` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.graph.node import Graph, Node
from chainrule.graph.walk import substitute, topological
from chainrule.inspect.unroll import row
from chainrule.nn.recurrent import RNNBase
from chainrule.ops.control import items
from chainrule.ops.evaluate import all_values
from chainrule.ops.record import Symbolic
from chainrule.ops.scan import scan
from chainrule.tensor.deferred.pending import array_of
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.functional import join
from chainrule.tensor.tape import Recorded

if TYPE_CHECKING:
    from chainrule.nn.module import Module
    from chainrule.tensor.tensor import Tensor

_TIMES = 4
_MEASURED = frozenset({"relu", "gelu", "silu", "sigmoid", "tanh"})
_GATES = {
    "LSTM": ("input gate", "forget gate", "candidate", "output gate"),
    "GRU": ("reset gate", "update gate", "candidate"),
}


def inside(module: Module, node: Node, counts: dict[str, int]) -> Iterator[tuple[str, str, Tensor]]:
    """(label, op, values at a few steps) of each activation in the body of the loop `node`."""
    body: Graph = node.attrs["graph"]
    chosen = [n for n in topological(body.outputs) if n.op.name in _MEASURED]
    if not chosen or not node.attrs["history"] or not node.attrs["length"]:
        return
    labels = _labels(module, node, chosen, counts)
    length = node.attrs["length"]
    times = sorted({round(i * (length - 1) / max(_TIMES - 1, 1)) for i in range(_TIMES)})
    found = (
        _kept(node, chosen, times) if isinstance(node, Recorded) else _again(node, chosen, times)
    )
    for label, inner, values in zip(labels, chosen, found, strict=True):
        yield label, inner.op.name, values


def _again(node: Node, chosen: list[Node], times: list[int]) -> list[Tensor]:
    """In a trace: the body again for each chosen step."""
    b = Symbolic(node.source)
    body, xs, consts, history = _parts(node, list(node.inputs), items(b, node))
    columns: list[list[Tensor]] = [[] for _ in chosen]
    for t in times:
        now = [*(row(b, past, t) for past in history), *(row(b, x, t) for x in xs), *consts]
        made = substitute(chosen, dict(zip(body.inputs, now, strict=True)))
        for column, new in zip(columns, made, strict=True):
            column.append(wrap(None, new))
    return [join.stack(column) for column in columns]


def _kept(node: Recorded, chosen: list[Node], times: list[int]) -> list[Tensor]:
    """On the eager tape: from the kept values."""
    *inputs, results = map(array_of, node.saved)
    body, xs, consts, history = _parts(node, inputs, list(results))
    measured = Graph(body.inputs, tuple(chosen))
    found = [
        all_values(measured, [*(h[t] for h in history), *(x[t] for x in xs), *consts])
        for t in times
    ]
    return [wrap(np.stack([values[inner] for values in found])) for inner in chosen]


def _parts(node: Node, inputs: list[Any], results: list[Any]) -> tuple[Any, ...]:
    """The body, xs, constants, and each step's incoming carries."""
    body, count = node.attrs["graph"], node.attrs["carries"]
    end = count + node.attrs["xs"]
    return body, inputs[count:end], inputs[end:], results[len(body.outputs) :]


def _labels(module: Module, node: Node, chosen: list[Node], counts: dict[str, int]) -> list[str]:
    """The loop, with a gate's name in a recurrent layer, else the op and its number."""
    counts[scan.name] = number = counts.get(scan.name, 0) + 1
    loop = f"loop {number}" if number > 1 else "loop"
    names: tuple[str, ...] = ()
    if isinstance(module, RNNBase):
        layer = (number - 1) // (1 + module.bidirectional)
        loop = f"l{layer}" + ("_reverse" if node.attrs["reverse"] else "")
        names = _GATES.get(module.mode, ())
    own: dict[str, int] = {}
    labels = []
    for inner in chosen:
        gate = _gate(inner, len(names))
        kind = inner.op.name if gate is None else names[gate]
        own[kind] = again = own.get(kind, 0) + 1
        labels.append(f"{loop} {kind}{'' if again == 1 else f' {again}'}")
    return labels


def _gate(node: Node, count: int) -> int | None:
    """The number of the part, of `count` equal ones of the last axis, that an activation reads."""
    if not count:
        return None
    way = [node.inputs[0], *node.inputs[0].inputs]
    for part in way:
        if part.op.name == "slice":
            start, width = part.attrs["start"][-1], part.shape[-1]
            if width * count == part.inputs[0].shape[-1]:
                return int(start // width)
    return None
