"""The shortest form of a call: its arrays with neighbouring axes merged, so that extents are few.

    gelu(x: f32[8, 128, 1024])          →   gelu(x: f32[rows])
    random_bits(state; shape=(8, 128))  →   random_bits(state; shape=(rows,))
    softmax(x: f32[8, 4, 64, 64], 3)    →   softmax(x: f32[rows, columns], 1)
    sum(x: f32[8, 128, 256], (2,))      →   sum(x: f32[rows, columns], (1,))
    attention(q, k, v: f32[2, 4, 9, 32])  →   attention(q, k, v: f32[1, rows, columns, 32])

The arrays lie row-major in memory, so both forms read and write the same bytes. Calls of one form
differ in the numbers `rows` and `columns` alone. float64 has no form: it is there to check others,
and random numbers are made with it, so its values stay those of NumPy to the last bit. Example:
`form_of(op, types, attrs)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chainrule.base import shapes
from chainrule.base.dtypes import DType, float64
from chainrule.graph.node import Node, Type, input_node
from chainrule.ops.random import STATE
from chainrule.ops.record import Op, Symbolic, Template

_LENGTHS = range(32, 2048)  # of attention: shorter ones and longer ones are other kernels
_OPERANDS = 3
_OWN = frozenset({"positional", "constant", "control", "host"})


class Form(NamedTuple):
    """An op on operands of shape (rows,), if `columns` is None, or (rows, columns).

    Random numbers have an operand of its own type, and their attribute `shape` is (rows,). Queries,
    keys and values of one length have `width` numbers to each of their columns.
    """

    op: Op
    dtypes: tuple[DType, ...]
    attrs: Mapping[str, Any]
    rows: int
    columns: int | None
    width: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """All but the extents."""
        return self.op, self.dtypes, self.columns is None, self.width, *self.attrs.items()

    def at(self, rows: int, columns: int | None) -> Node:
        """The node of the form with these extents, on inputs."""
        if "random" in self.op.traits:
            return Symbolic()(self.op, input_node(STATE), **self.attrs, shape=(rows,))
        shape = (rows,) if columns is None else (rows, columns)
        if self.width is not None:
            shape = (1, *shape, self.width)
        return Symbolic()(self.op, *[input_node(Type(d, shape)) for d in self.dtypes], **self.attrs)


def form_of(op: Op, types: tuple[Any, ...], attrs: Mapping[str, Any]) -> Form | None:
    """The form of a call; None for one whose axes do not merge into two."""
    if not types or op.traits & _OWN or not all(type(t) is Type for t in types):
        return None
    dtypes, shape = tuple([t.dtype for t in types]), types[0].shape
    if float64 in dtypes:
        return None
    if types == (STATE,) and "random" in op.traits:
        others = {name: value for name, value in attrs.items() if name != "shape"}
        return Form(op, dtypes, others, shapes.size(attrs["shape"]), None)
    if "elementwise" in op.traits:
        if any(t.shape != shape for t in types):
            return None
        return Form(op, dtypes, attrs, shapes.size(shape), None)
    if isinstance(op.lower, Template) and op.lower.name == "attention":
        return _attention(op, types, attrs)
    last = len(shape) - 1
    if len(types) > 1 or last < 1 or shape[-1] < 2:
        return None
    if "rows" in op.traits and attrs.get("axis") == last:
        return Form(op, dtypes, {**attrs, "axis": 1}, shapes.size(shape[:-1]), shape[-1])
    axes = attrs.get("axes")
    if "reduction" in op.traits and axes and axes[0] > 0:
        kept = len(shape) - len(axes)
        if tuple(axes) == tuple(range(kept, len(shape))):
            rows, columns = shapes.size(shape[:kept]), shapes.size(shape[kept:])
            return Form(op, dtypes, {**attrs, "axes": (1,)}, rows, columns)
    return None


def _attention(op: Op, types: tuple[Any, ...], attrs: Mapping[str, Any]) -> Form | None:
    """Queries, keys and values of one shape, without a mask."""
    if len(types) != _OPERANDS or len({*types}) > 1:
        return None
    batch, heads, columns, width = types[0].shape
    dtypes = (types[0].dtype,) * _OPERANDS
    form = Form(op, dtypes, attrs, batch * heads, columns, width)
    return form if columns in _LENGTHS else None
