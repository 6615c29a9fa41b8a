"""What an op lowers to means what its NumPy meaning says, already before any kernel exists."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.base.shapes import View
from chainrule.kernel.scalar import PRIMITIVES
from chainrule.ops import TABLE
from chainrule.ops.record import Contract, IndexMap, Map, Pieces, Reduce, Template
from tests.ops.calls import calls

by_dtype = pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda d: d.name)
FOLDS = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


def lowered(kind: type) -> pytest.MarkDecorator:
    names = sorted(n for n, op in TABLE.items() if isinstance(op.lower, kind))
    assert names
    return pytest.mark.parametrize("name", names)


class Numbers:
    """`Tiles` whose tiles are arrays: each primitive is evaluated as it is named."""

    def __init__(self, shape):
        self.shape = shape

    def __call__(self, fn, *ins, attr=None):
        if fn == "position":
            return np.indices(self.shape)[attr]
        primitive = PRIMITIVES[fn]
        assert primitive.arity == len(ins)
        out = np.asarray(primitive.numpy(ins, attr))
        kinds = tuple(dtypes.from_numpy(np.asarray(x).dtype) for x in ins)
        assert dtypes.from_numpy(out.dtype) is primitive.result(kinds, attr)
        return out


@lowered(Map)
@by_dtype
def test_a_map_is_its_scalar_expression(name, dtype):
    for c in calls(name, dtype):
        with np.errstate(all="ignore"):
            got = c.op.lower.emit(Numbers(c.node.shape), c.node, *c.values)
        want = c.results[0]
        assert got.dtype == want.dtype
        close = 4 * np.finfo(want.dtype).eps if want.dtype.kind == "f" else 0
        wide = np.broadcast_to(got, want.shape)
        np.testing.assert_allclose(wide, want, rtol=close, atol=close, err_msg=str(c))


def seen(x: np.ndarray, view: View) -> np.ndarray:
    """The view of a contiguous buffer, element by element."""
    flat = np.ascontiguousarray(x).reshape(-1)
    if 0 in view.shape:
        return np.empty(view.shape, x.dtype)
    places = view.offset + sum(
        np.indices(view.shape)[i] * stride for i, stride in enumerate(view.strides)
    )
    return flat[np.asarray(places, np.int64).reshape(view.shape)]


@lowered(IndexMap)
def test_an_index_map_is_its_view(name):
    strided = 0
    for c in calls(name, dtypes.float32):
        (x,), shape = c.values, c.node.shape
        whole = c.op.lower.view(c.sample.attrs, View.whole(x.shape), shape)
        assert whole is not None, "a contiguous input can always be renumbered"
        np.testing.assert_array_equal(seen(x, whole), c.results[0], err_msg=str(c))
        turned = View.whole(x.shape[::-1]).transpose(tuple(range(x.ndim))[::-1])
        view = c.op.lower.view(c.sample.attrs, turned, shape)
        if view is not None:
            strided += 1
            np.testing.assert_array_equal(seen(x.T, view), c.results[0], err_msg=str(c))
    assert strided


@lowered(Pieces)
@by_dtype
def test_pieces_lie_in_their_regions(name, dtype):
    for c in calls(name, dtype):
        out = np.zeros(c.node.shape, dtype.numpy)
        for x, (start, steps) in zip(c.values, c.op.lower.regions(c.node), strict=True):
            for place in np.ndindex(x.shape):
                at = tuple(a + s * p for a, s, p in zip(start, steps, place, strict=True))
                out[at] = x[place]
        np.testing.assert_array_equal(out, c.results[0], err_msg=str(c))


@lowered(Reduce)
@by_dtype
def test_a_reduction_is_a_fold(name, dtype):
    for c in calls(name, dtype):
        (x,) = c.values
        fold = FOLDS[c.op.lower.monoid]
        with np.errstate(all="ignore"):
            for axis in reversed(c.sample.attrs["axes"]):
                x = fold.reduce(x, axis=axis, dtype=x.dtype)
        np.testing.assert_allclose(x, c.results[0], rtol=1e-5, err_msg=str(c))


def test_templates_are_named_and_the_rest_is_a_contraction():
    for op in TABLE.values():
        assert isinstance(
            op.lower, Map | IndexMap | Pieces | Reduce | Contract | Template | type(None)
        )
        if isinstance(op.lower, Contract):
            assert "contraction" in op.traits
        if isinstance(op.lower, Template):
            assert op.lower.name.isidentifier()
