"""Apply an op to tensors: record it in the open trace, or evaluate it and put it on the tape.

Eager execution is the op's NumPy meaning; the tape is kept only if a gradient may be asked for.
Example: `apply(ops.mul, x, y)` returns a Tensor; `apply_many` a tuple for ops with several results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.source import caller
from chainrule.graph.node import INPUT, AnyType, Node, TupleType, Type
from chainrule.ops.control import project
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.fill import detach
from chainrule.ops.record import Op
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded, Value, record

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace


def wrap(
    value: Value | None,
    node: Node | None = None,
    *,
    requires_grad: bool = False,
    type: Type | None = None,
) -> Tensor:
    """A tensor around an array (of `type`, if known), or around the symbol `node`."""
    cls = Handle.tensor_class
    out = cls.__new__(cls)
    out._value = value
    out._type = type
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
    value, type_, made = _evaluate(op, ins, attrs)
    return wrap(value, made, requires_grad=made is not None, type=type_)  # type: ignore[arg-type]


def apply_many(op: Op, /, *ins: Handle, **attrs: Any) -> tuple[Tensor, ...]:
    """The results of an op with several."""
    trace = modes.trace
    if trace is not None:
        node, grad = _trace(trace, op, ins, attrs)
        assert isinstance(node.type, TupleType)
        items = [trace.record(project, (node,), {"index": i}) for i in range(len(node.type.items))]
        if not grad:
            trace.frozen.update(items)
        return tuple([wrap(None, n, requires_grad=grad and _is_float(n.array)) for n in items])
    values, type_, made = _evaluate(op, ins, attrs)
    assert isinstance(type_, TupleType)
    if made is None:
        return tuple([wrap(v, type=t) for v, t in zip(values, type_.items, strict=True)])
    out = []
    for i, (value, one) in enumerate(zip(values, type_.items, strict=True)):
        is_float = _is_float(one)
        picked = Recorded(project, (made,), {"index": i}, one, made.source) if is_float else None
        out.append(wrap(value, picked, requires_grad=is_float, type=one))
    return tuple(out)


def _evaluate(
    op: Op, ins: tuple[Handle, ...], attrs: dict[str, Any]
) -> tuple[Value, AnyType, Node | None]:
    """The value, its type, and the tape's node where a gradient may be asked for."""
    grad = False
    values, types = [], []
    for t in ins:
        if t._lens is not None:
            t._sync()
        value = t._value
        if value is None:
            value = t._concrete(op.name)
        values.append(value)
        types.append(t._type or t._value_type())
        grad = grad or t._requires_grad
    type_ = op.infer(tuple(types), attrs)
    try:
        out = modes.quiet.run(apply_meaning, op, values, attrs)
    except RuntimeError as error:
        if "cannot enter context" not in str(error):
            raise
        with np.errstate(all="ignore"):  # inside another op: a debugger or a finalizer asks
            out = apply_meaning(op, values, attrs)
    if not (grad and modes.grad) or not (isinstance(type_, TupleType) or _is_float(type_)):
        return out, type_, None
    nodes = tuple([t._node or t._tape_node() for t in ins])
    return out, type_, record(op, nodes, attrs, type_, caller(), values, out)


def _is_float(type_: Type) -> bool:
    return type_.dtype.kind == "float"


def _trace(
    trace: Trace, op: Op, ins: tuple[Handle, ...], attrs: dict[str, Any]
) -> tuple[Node, bool]:
    nodes = tuple([_operand(trace, t) for t in ins])
    node = trace.record(op, nodes, attrs)
    grad = modes.grad and any(t.requires_grad for t in ins)
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
