"""Apply an op to tensors: record it in the open trace, or evaluate it and put it on the tape.

Eager execution is the op's NumPy meaning; the tape is kept only if a gradient may be asked for.
This is the way of all ops and operands; `quick.py` has the short one for what was called before.
Example: `apply(ops.mul, x, y)` returns a Tensor; `apply_many` a tuple for ops with several results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import asarray

from chainrule.base.source import place
from chainrule.graph.node import INPUT, Node, TupleType, Type
from chainrule.ops.control import project
from chainrule.ops.fill import detach
from chainrule.ops.record import Op
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.prepared import Call, calls_of, prepare
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
    call, value, made = _evaluate(op, ins, attrs)
    return wrap(value, made, requires_grad=made is not None, type=call.type)  # type: ignore[arg-type]


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
    call, values, made = _evaluate(op, ins, attrs)
    assert isinstance(call.type, TupleType)
    out = []
    for i, (value, one) in enumerate(zip(values, call.type.items, strict=True)):
        picked = None
        if made is not None and _is_float(one):
            picked = Recorded(project, (made,), {"index": i}, one, made.place)
        out.append(wrap(value, picked, requires_grad=picked is not None, type=one))
    return tuple(out)


def _evaluate(
    op: Op, ins: tuple[Handle, ...], attrs: dict[str, Any]
) -> tuple[Call, Value, Recorded | None]:
    """The prepared call, its value, and the tape's node where a gradient may be asked for."""
    grad = False
    values: list[Value] = []
    types: list[Any] = []
    for t in ins:
        if t._lens is not None or t._type is None:
            t._ready(op.name)
        values.append(t._value)
        types.append(t._type)
        if t._requires_grad:
            grad = True
    call = calls_of(op).get((*types, *attrs.items())) or prepare(op, tuple(types), attrs)
    try:
        out = modes.quietly(op.numpy, values, attrs)
    except RuntimeError as error:
        out = inside_another(error, call, values)
    if call.single:
        out = asarray(out)
    if not (grad and call.smooth and modes.grad):
        return call, out, None
    nodes = tuple([t._node or t._tape_node() for t in ins])
    return call, out, record(call, nodes, call.keep((*values, out)), place(3))


def inside_another(error: RuntimeError, call: Call, values: Sequence[Value]) -> Value:
    """The value where another op is being evaluated: a debugger or a finalizer asks."""
    if "cannot enter context" not in str(error):
        raise error
    with np.errstate(all="ignore"):
        return call.compute(*values)


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
