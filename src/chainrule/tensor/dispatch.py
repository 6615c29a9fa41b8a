"""Apply an op to tensors: record it in the open trace, or evaluate it and put it on the tape.

Eager execution is the op's NumPy meaning; the tape is kept only if a gradient may be asked for.
Example: `apply(ops.mul, x, y)` returns a Tensor; `apply_many` a tuple for ops with several results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.source import caller
from chainrule.graph.node import INPUT, Node, TupleType
from chainrule.ops.control import project
from chainrule.ops.fill import detach
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.record import Op
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded, Value, record, type_of

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace


def wrap(value: Value | None, node: Node | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor around an array, or around the symbol `node` where value is None."""
    cls = Handle.tensor_class
    out = cls.__new__(cls)
    out._value = value
    out._node = node
    out._requires_grad = requires_grad
    out._grad = None
    out._lens = None
    out._version = 0
    if modes.trace is not None:
        modes.trace.bear(out)
    return out


def apply(op: Op, /, *ins: Handle, **attrs: Any) -> Tensor:
    """The result of a single-result op."""
    trace = modes.trace
    if trace is not None:
        node, grad = _trace(trace, op, ins, attrs)
        return wrap(None, node, requires_grad=grad)
    value, node_ = _evaluate(op, ins, attrs)
    return wrap(value, node_, requires_grad=node_ is not None)


def apply_many(op: Op, /, *ins: Handle, **attrs: Any) -> tuple[Tensor, ...]:
    """The results of an op with several."""
    trace = modes.trace
    if trace is not None:
        node, grad = _trace(trace, op, ins, attrs)
        assert isinstance(node.type, TupleType)
        picked = [trace.record(project, (node,), {"index": i}) for i in range(len(node.type.items))]
        if not grad:
            trace.frozen.update(picked)
        return tuple(wrap(None, n, requires_grad=grad and n.dtype.kind == "float") for n in picked)
    values, node_ = _evaluate(op, ins, attrs)
    if node_ is None:
        return tuple(wrap(v) for v in values)
    out = []
    for i, value in enumerate(values):
        one = type_of(value)
        picked_node = Recorded(project, (node_,), {"index": i}, one, node_.source)
        is_float = value.dtype.kind == "f"
        out.append(wrap(value, picked_node if is_float else None, requires_grad=is_float))
    return tuple(out)


def _evaluate(op: Op, ins: tuple[Handle, ...], attrs: dict[str, Any]) -> tuple[Value, Node | None]:
    values = [t._concrete(op.name) for t in ins]
    type_ = op.infer(tuple([t.type for t in ins]), attrs)
    with np.errstate(all="ignore"):
        out = apply_meaning(op, values, attrs)
    if not modes.grad or not any([t._requires_grad for t in ins]):
        return out, None
    if not isinstance(type_, TupleType) and type_.dtype.kind != "float":
        return out, None
    nodes = tuple([t._tape_node() for t in ins])
    return out, record(op, nodes, attrs, type_, caller(), values, out)


def _trace(
    trace: Trace, op: Op, ins: tuple[Handle, ...], attrs: dict[str, Any]
) -> tuple[Node, bool]:
    nodes = tuple([_operand(trace, t) for t in ins])
    node = trace.record(op, nodes, attrs)
    grad = modes.grad and any([t.requires_grad for t in ins])
    if grad and not isinstance(node.type, TupleType):
        grad = node.dtype.kind == "float"
    if not grad:
        trace.frozen.add(node)
    return node, grad


def _operand(trace: Trace, handle: Handle) -> Node:
    """The operand's node, cut where it carries a gradient that the handle does not require."""
    node = trace.node_of(handle)
    if not handle.requires_grad and node.op is not INPUT and node not in trace.frozen:
        node = trace.record(detach, (node,), {})
        trace.frozen.add(node)
    return node
