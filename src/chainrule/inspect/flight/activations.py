"""Measures of a layer's activations: dead units, saturated values, entropy of attention.

A layer's new nodes are found by walking back from its results, in the eager tape as in a trace, so
functional calls count as modules do. Each measure is a tensor: a value, or in a compiled step part
of its graph. May import `nn` and what lies below it.

| op | measure |
|---|---|
| relu, gelu, silu | `dead`: share of units that are 0 for the whole batch |
| sigmoid, tanh | `saturated`: share of values where the slope is below 5 % of its largest |
| attention, softmax before a product | `entropy` of the weights over that of equal weights |

Inside loops (recurrent layers, `scan`) a few time steps are sampled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chainrule.base import dtypes
from chainrule.graph.node import Node
from chainrule.graph.walk import topological
from chainrule.inspect.flight.gates import inside
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.record import OUT
from chainrule.tensor.convert import cast
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.functional import (
    arithmetic,
    comparison,
    diagonal,
    exponential,
    layout,
    masked,
    normalize,
    products,
    reduce,
    slices,
)
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded

if TYPE_CHECKING:
    from chainrule.nn.module import Module
    from chainrule.tensor.tensor import Tensor

_FLAT = 0.05  # saturated: a slope below this share of the largest
# The distances from the middle at which σ(1 - σ) = 0.05 / 4, and 1 - tanh² = 0.05
_TAILS = {"sigmoid": (0.5, 0.5 * math.sqrt(1 - _FLAT)), "tanh": (0.0, math.sqrt(1 - _FLAT))}
_NOTHING = {"relu": 0.0, "gelu": 0.01, "silu": 0.01}  # the output of a dead unit stays below this
_PASSED = frozenset({"reshape", "mul", "broadcast_to", "cast", "where", "add"})
_HOPS = 6  # between a product and the softmax whose weights it applies
_MOST = 8  # positions of one op in a module
_ATTENDING = 1  # rows of the batch whose attention is measured
_CHANNELS = frozenset({"conv", "conv_input"})


class Measure(NamedTuple):
    """One measure of an activation: its position, its name, and a 0-d tensor."""

    place: str
    name: str
    value: Tensor


def measures(
    module: Module, path: str, roots: Sequence[Node], seen: set[Node], counts: dict[str, int]
) -> Iterator[Measure]:
    """The measures of nodes that lead to `roots` and are not in `seen`, to which they are added.

    `counts` has the number of each op in this call of the module so far; of many, as in a Python
    loop, the last replaces the earlier ones.
    """
    order = topological(roots, seen)
    seen.update(order)
    for node in order:
        if node.op.name == "scan":
            for label, name, values in inside(module, node, counts):
                yield from _of_values(f"{path} {label}".strip(), name, values, -1)
            continue
        found = _weights(node) if node.op.name == "matmul" else node
        if found is None:
            continue
        name = found.op.name
        if name in _NOTHING or name in _TAILS or name == "attention" or found is not node:
            counts[name] = number = min(counts.get(name, 0) + 1, _MOST)
            place = _label(path, name, number)
            if name == "attention":
                yield from _of_weights(place, _attention_weights(found))
            elif name == "softmax":
                yield from _of_weights(place, value_of(found))
            else:
                yield from _of_values(place, name, value_of(found), _unit_axis(found))


def _label(path: str, name: str, number: int) -> str:
    """`blocks.0 gelu 2`; a layer with the name of its op is named once."""
    own = "" if path.rpartition(".")[2] == name else f" {name}"
    return f"{path}{own}{'' if number == 1 else f' {number}'}".strip()


def value_of(node: Node) -> Tensor:
    """The value of a node: a symbol in a trace, else the array kept by the tape."""
    if modes.trace is not None or not isinstance(node, Recorded):
        return wrap(None, node)
    saved = node.kept()
    if OUT in saved:
        return wrap(saved[OUT])
    return wrap(apply_meaning(node.op, [saved[i] for i in range(len(node.inputs))], node.attrs))


def _operand(node: Node, number: int) -> Tensor:
    if modes.trace is not None or not isinstance(node, Recorded):
        return wrap(None, node.inputs[number])
    return wrap(node.kept()[number])


def _of_values(place: str, name: str, out: Tensor, unit_axis: int) -> Iterator[Measure]:
    if name in _TAILS:
        middle, tail = _TAILS[name]
        far = comparison.gt(arithmetic.abs(arithmetic.sub(out, middle)), tail)
        yield Measure(place, "saturated", _share(far))
        return
    unit_axis %= max(len(out.shape), 1)
    others = tuple(axis for axis in range(len(out.shape)) if axis != unit_axis)
    peak = arithmetic.abs(out) if not others else reduce.amax(arithmetic.abs(out), others)
    yield Measure(place, "dead", _share(comparison.le(peak, _NOTHING[name])))


def _share(holds: Tensor) -> Tensor:
    return reduce.mean(cast(holds, dtypes.float32))


def _unit_axis(node: Node) -> int:
    """The axis of the units: channels after a convolution, else the last."""
    for _ in range(_HOPS):
        if not node.inputs:
            break
        node = node.inputs[0]
        if node.op.name in _CHANNELS:
            return 1
        if node.op.name in {"matmul", "reshape"}:
            break
    return -1


def _weights(product: Node) -> Node | None:
    """The softmax over the last axis whose weights a product applies, if there is one."""
    node = product.inputs[0]
    for _ in range(_HOPS):
        if node.op.name == "softmax":
            return node if node.attrs["axis"] == len(node.shape) - 1 else None
        if node.op.name not in _PASSED or not node.inputs:
            return None
        node = node.inputs[1 if node.op.name == "where" else 0]  # dropout chooses
    return None


def _attention_weights(node: Node) -> Tensor:
    """softmax(q kᵀ·scale + mask) of the first row of the batch."""
    q, k = (slices.narrow(_operand(node, i), 0, 0, _ATTENDING) for i in (0, 1))
    scores = arithmetic.mul(products.matmul(q, layout.transpose(k, -2, -1)), node.attrs["scale"])
    if len(node.inputs) > 3:
        scores = arithmetic.add(scores, slices.narrow(_operand(node, 3), 0, 0, _ATTENDING))
    if node.attrs["causal"]:
        later = comparison.lt(diagonal.tril(arithmetic.add(arithmetic.mul(scores, 0.0), 1.0)), 0.5)
        scores = masked.masked_fill(scores, later, -math.inf)
    return normalize.softmax(scores, -1)


def _of_weights(place: str, weights: Tensor) -> Iterator[Measure]:
    """The entropy by head, relative to that of equal weights on the visible entries of each row."""
    shape = weights.shape
    heads = shape[1] if len(shape) > 3 else 1
    p = layout.reshape(weights, (shape[0] if heads > 1 else -1, heads, *shape[-2:]))
    seen = comparison.gt(p, 0.0)
    logs = exponential.log(comparison.where(seen, p, 1.0))
    own = arithmetic.neg(reduce.sum(arithmetic.mul(p, logs), (0, 2, 3)))
    counts = comparison.clamp(reduce.sum(cast(seen, p.dtype), -1), min=1.0)
    most = comparison.clamp(reduce.sum(exponential.log(counts), (0, 2)), min=1e-6)
    shares = arithmetic.div(own, most)
    yield Measure(place, "entropy", reduce.mean(shares))
    yield Measure(place, "lowest", reduce.amin(shares, 0))
