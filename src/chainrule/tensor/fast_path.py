"""The fast path of eager calls: functions of one and of two tensors, as short as Python allows.

`unary(tanh, long_way)` is the public function. For a tensor of a type that the op has met before,
outside of a trace, the prepared call is found at once: its function of arrays runs without NumPy's
warnings and, if a gradient may be needed, a node on the tape keeps what the vjp reads. Everything
else - numbers, lists, operands to be promoted or broadcast, a type met for the first time, `out=`,
a trace - goes through `long_way`, to `dispatch.apply`.

Both bodies are written out: a Python call costs a tenth of the whole operation.
Example: `exp = unary(TABLE["exp"], lambda x, out: deliver(apply(TABLE["exp"], floating(x)), out))`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from numpy import asarray

from chainrule.base.source import location
from chainrule.ops.record import Op
from chainrule.tensor.calls import inside_another
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.dispatch import apply
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import record

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

new: Any = object.__new__
NUMBERS = frozenset({bool, int, float})
numbers: dict[Any, Tensor] = {}  # operands full of a number, by its type, itself, their type
of_number = numbers.get


def fixed(op: Op, **attrs: Any) -> Callable[..., Tensor]:
    """`op` of one tensor with these attributes."""
    calls: dict[Any, Any] = {}

    def long_way(input: Any, _: Tensor | None) -> Tensor:
        out = apply(op, input, **attrs)
        if out._value is not None:
            calls[input._type] = op.prepared[input._type, *attrs.items()]
        return out

    return unary(op, long_way, calls)


def unary(
    op: Op, long_way: Callable[[Any, Tensor | None], Tensor], calls: Mapping[Any, Any] | None = None
) -> Callable[..., Tensor]:
    """`op` of one operand; `long_way(input, out)` if the call is not among those prepared."""
    find = (op.prepared if calls is None else calls).get

    def function(input: Any, *, out: Tensor | None = None) -> Tensor:
        here = modes.__dict__  # of this thread
        if out is not None or here["trace"] is not None or not isinstance(input, Handle):
            return long_way(input, out)
        if input._lens is not None:
            input._sync()
        call = find(input._type)
        if call is None:
            return long_way(input, None)
        value = input._value
        if here["recorder"] is not None:
            made = here["recorder"].record(call, (value,))
        elif type(value) is Pending:
            return long_way(input, None)
        else:
            try:
                made = here["quietly"](call.compute, value)
            except RuntimeError as error:
                made = inside_another(error, call, (value,))
            if call.single:
                made = asarray(made)
        result = new(Handle._result)
        result._value, result._type, result._version = made, call.type, 0
        result._grad = result._lens = None
        if input._requires_grad and call.smooth and here["grad"]:
            nodes = (input._node or input._tape_node(),)
            result._node = record(call, nodes, call.keep((value, made)), location(2))
            result._requires_grad = True
        else:
            result._node, result._requires_grad = None, False
        return result  # type: ignore[no-any-return]

    return function


def binary(op: Op, long_way: Callable[[Any, Any, Tensor | None], Tensor]) -> Callable[..., Tensor]:
    """`op` of two operands; `long_way(input, other, out)` if the call is not prepared."""
    find = op.prepared.get

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        here = modes.__dict__
        if out is not None or here["trace"] is not None:
            return long_way(input, other, out)
        if isinstance(input, Handle) and input._lens is not None:
            input._sync()
        if isinstance(other, Handle):
            if other._lens is not None:
                other._sync()
            if type(input) in NUMBERS:
                input = of_number((type(input), input, other._type), input)
        elif type(other) in NUMBERS and isinstance(input, Handle):
            other = of_number((type(other), other, input._type), other)
        if not isinstance(input, Handle) or not isinstance(other, Handle):
            return long_way(input, other, None)
        kind, kind2 = input._type, other._type
        call = find(kind if kind is kind2 else (kind, kind2))
        if call is None:
            return long_way(input, other, None)
        left, right = input._value, other._value
        if here["recorder"] is not None:
            made = here["recorder"].record(call, (left, right))
        elif type(left) is Pending or type(right) is Pending:
            return long_way(input, other, None)
        else:
            try:
                made = here["quietly"](call.compute, left, right)
            except RuntimeError as error:
                made = inside_another(error, call, (left, right))
            if call.single:
                made = asarray(made)
        result = new(Handle._result)
        result._value, result._type, result._version = made, call.type, 0
        result._grad = result._lens = None
        if (input._requires_grad or other._requires_grad) and call.smooth and here["grad"]:
            nodes = (input._node or input._tape_node(), other._node or other._tape_node())
            result._node = record(call, nodes, call.keep((left, right, made)), location(2))
            result._requires_grad = True
        else:
            result._node, result._requires_grad = None, False
        return result  # type: ignore[no-any-return]

    return function
