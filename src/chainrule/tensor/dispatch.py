"""Apply an op to tensors: record it in the open trace, or evaluate it and put it on the tape.

Eager execution is the op's NumPy meaning; the tape is kept only if a gradient may be needed.
This is the way of all ops and operands; `fast_path.py` repeats a call with types met before.
Example: `apply(ops.mul, x, y)` returns a Tensor; `apply_many` a tuple for ops with several results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy import asarray

from chainrule.base.source import location
from chainrule.graph.node import INPUT, Node, TupleType, Type
from chainrule.ops import TABLE
from chainrule.ops.control import project
from chainrule.ops.creation import detach
from chainrule.ops.record import Op
from chainrule.tensor.calls import Call, call_for, inside_another
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded, Value, record

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace

new: Any = object.__new__


def wrap(
    value: Value | None, node: Node | None = None, *, requires_grad: bool = False,
    type: Type | None = None,
) -> Tensor:  # fmt: skip
    """A tensor of an array (of `type`, if known), or of the symbol `node`."""
    out = fresh(value, type, node)
    out._requires_grad = requires_grad
    if modes.trace is not None:
        modes.trace.bear(out)
    return out


def fresh(value: Value | None, type: Any, node: Node | None) -> Tensor:
    """A tensor outside traces, which requires grad if it has a node."""
    out = new(Handle._result)
    out._value = value
    out._type = type
    out._node = node
    out._requires_grad = node is not None
    out._grad = None
    out._lens = None
    out._version = 0
    return out  # type: ignore[no-any-return]


def apply(op: Op, /, *ins: Handle, **attrs: Any) -> Tensor:
    """The result of a single-result op.

    A single operand, usual for an op with attributes, is read here: this is the hot path.
    """
    here = modes.__dict__  # of this thread
    if here["trace"] is not None:
        node, grad = _trace(here["trace"], op, ins, attrs)
        return wrap(None, node, requires_grad=grad)
    if len(ins) != 1:
        return fresh(*_evaluate(op, ins, attrs))
    (x,) = ins
    if x._lens is not None or x._type is None:
        x._ready(op.name)
    call = op.prepared.get(x._type)
    if call is None or call.attrs != attrs:
        call = _other_call(op, x._type, attrs)
    given = x._value
    recorder = here["recorder"]
    if recorder is None and type(given) is Pending:
        given = x._concrete(op.name)
    if recorder is not None:
        value = recorder.record(call, (given,))
    else:
        try:
            value = here["quietly"](call.compute, given)
        except RuntimeError as error:
            value = inside_another(error, call, (given,))
        if call.single:
            value = asarray(value)
    made = None
    if x._requires_grad and call.smooth and here["grad"]:
        nodes = (x._node or x._tape_node(),)
        made = record(call, nodes, call.keep((given, value)), location(2))
    return fresh(value, call.type, made)


def zeros_of(like: Handle) -> Tensor:
    """Zeros of the same type."""
    return apply(TABLE["full"], value=0, dtype=like.dtype, shape=like.shape)


def _other_call(op: Op, kind: Any, attrs: dict[str, Any]) -> Call:
    """The call of one operand with new attributes, kept as the last call."""
    found = op.prepared.get((kind, *attrs.items()))
    if found is None:
        return call_for(op, (kind,), attrs)
    op.prepared[kind] = found
    return found  # type: ignore[no-any-return]


def apply_many(op: Op, /, *ins: Handle, **attrs: Any) -> tuple[Tensor, ...]:
    """The results of an op with several results."""
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
    out = []
    for i, (value, one) in enumerate(zip(values, type_.items, strict=True)):
        picked = None
        if made is not None and _is_float(one):
            picked = Recorded(project, (made,), {"index": i}, one, made.location)
        out.append(fresh(value, one, picked))
    return tuple(out)


def _evaluate(
    op: Op, ins: tuple[Handle, ...], attrs: dict[str, Any]
) -> tuple[Value, Any, Recorded | None]:
    """The value, its type, and the node on the tape if a gradient may be needed."""
    values, types, grad = _read(op, ins)
    call = op.prepared.get((*types, *attrs.items())) or call_for(op, types, attrs)
    here = modes.__dict__  # of this thread
    if here["recorder"] is not None:
        out = here["recorder"].record(call, values)
    else:
        try:
            out = here["quietly"](call.compute, *values)
        except RuntimeError as error:
            out = inside_another(error, call, values)
        if call.single:
            out = asarray(out)
    if not (grad and call.smooth and here["grad"]):
        return out, call.type, None
    nodes = tuple([t._node or t._tape_node() for t in ins])
    return out, call.type, record(call, nodes, call.keep((*values, out)), location(3))


def _read(op: Op, ins: tuple[Handle, ...]) -> tuple[tuple[Value, ...], tuple[Any, ...], bool]:
    """The values and types of the operands, and whether one requires grad."""
    values, types, grad = [], [], False
    now = modes.recorder is None
    for t in ins:
        if t._lens is not None or t._type is None:
            t._ready(op.name)
        value = t._value
        values.append(t._concrete(op.name) if now and type(value) is Pending else value)
        types.append(t._type)
        if t._requires_grad:
            grad = True
    return tuple(values), tuple(types), grad


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
    """The operand's node, detached if the handle does not require its gradient."""
    node = trace.node_of(handle)
    if not handle.requires_grad and node.op is not INPUT and node not in trace.frozen:
        node = trace.record(detach, (node,), {})
        trace.frozen.add(node)
    return node
