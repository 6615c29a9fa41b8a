from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base import shapes
from chainrule.base.errors import ShapeError
from chainrule.base.shapes import View

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def numbers(shape):
    return np.arange(shapes.size(shape)).reshape(shape)


def seen(buffer: np.ndarray, view: View) -> np.ndarray:
    """The elements that a view shows, one index at a time."""
    flat = buffer.reshape(-1)
    out = np.empty(view.shape, buffer.dtype)
    for place in np.ndindex(view.shape):
        out[place] = flat[
            view.offset + sum(i * s for i, s in zip(place, view.strides, strict=True))
        ]
    return out


@given(st.lists(SHAPES, max_size=3))
def test_broadcast_is_numpys(several):
    try:
        want = np.broadcast_shapes(*several)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            shapes.broadcast(*several)
    else:
        assert shapes.broadcast(*several) == want


def test_broadcast_names_the_shapes_and_the_axis():
    message = r"shapes \(2, 3\) and \(2, 4\) do not broadcast: axis -1 has sizes 3 and 4"
    with pytest.raises(ShapeError, match=message):
        shapes.broadcast((2, 3), (2, 4))


@given(SHAPES)
def test_strides_and_size_are_numpys(shape):
    x = np.zeros(shape, np.int8)
    assert shapes.size(shape) == x.size
    if x.size:
        assert shapes.contiguous_strides(shape) == x.strides


@given(SHAPES, st.integers(-6, 5))
def test_normal_axis_is_numpys(shape, axis):
    rank = len(shape)
    if rank and -rank <= axis < rank:
        assert shapes.normal_axis(axis, rank) == axis % rank
    elif rank or axis not in {0, -1}:
        with pytest.raises(ShapeError, match=f"axis {axis} is out of range"):
            shapes.normal_axis(axis, rank)
    else:
        assert shapes.normal_axis(axis, rank) == 0, "a scalar takes axis 0 and -1"


def test_normal_axes():
    assert shapes.normal_axes(None, 3) == (0, 1, 2)
    assert shapes.normal_axes(-1, 3) == (2,)
    assert shapes.normal_axes((2, 0), 3) == (0, 2)
    assert shapes.normal_axes((), 3) == ()
    assert shapes.normal_axes(0, 0) == ()
    with pytest.raises(ShapeError, match="same axis twice"):
        shapes.normal_axes((0, -3), 3)


def test_reduced_and_with_ones():
    assert shapes.reduced((2, 3, 4), (0, 2)) == (3,)
    assert shapes.with_ones((2, 3, 4), (0, 2)) == (1, 3, 1)


@given(SHAPES, st.data())
def test_fill_unknown_is_numpys(shape, data):
    x = numbers(shape)
    target = data.draw(st.permutations(shape).map(list))
    if target and data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    try:
        want = x.reshape(target).shape
    except ValueError:
        with pytest.raises(ShapeError, match="cannot hold"):
            shapes.fill_unknown(target, x.size)
    else:
        assert shapes.fill_unknown(target, x.size) == want


def test_fill_unknown_says_why_not():
    with pytest.raises(ShapeError, match="only one -1"):
        shapes.fill_unknown((-1, -1), 4)
    with pytest.raises(ShapeError, match=r"\(3, -1\) cannot hold 4 elements"):
        shapes.fill_unknown((3, -1), 4)


@given(SHAPES)
def test_the_whole_view_is_the_buffer(shape):
    view = View.whole(shape)
    assert view.is_contiguous
    np.testing.assert_array_equal(seen(numbers(shape), view), numbers(shape))


@given(SHAPES, st.data())
def test_a_chain_of_views_is_numpys(shape, data):
    buffer = numbers(shape)
    x, view = buffer, View.whole(shape)
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["transpose", "slice", "broadcast_to", "reshape"]))
        if kind == "transpose":
            axes = tuple(data.draw(st.permutations(range(x.ndim))))
            x, view = x.transpose(axes), view.transpose(axes)
        elif kind == "broadcast_to":
            target = (2, *(3 if n == 1 else n for n in x.shape))
            x, view = np.broadcast_to(x, target), view.broadcast_to(target)
        elif kind == "reshape":
            target = tuple(data.draw(st.permutations([*x.shape, 1])))
            again = view.reshape(target)
            if again is None:
                continue
            x, view = x.reshape(target), again
        else:
            cuts = [_cut(data, n) for n in x.shape]
            x = x[tuple(slice(a, None if a + s * n < 0 else a + s * n, s) for a, s, n in cuts)]
            start, step, size = zip(*cuts, strict=True) if cuts else ((), (), ())
            view = view.slice(start, step, size)
        assert view.shape == x.shape
    np.testing.assert_array_equal(seen(buffer, view), x)
    if view.is_contiguous and x.size:
        base = buffer.reshape(-1)[view.offset : view.offset + x.size]
        np.testing.assert_array_equal(base, x.reshape(-1))


def _cut(data, n):
    """A start, step and size that stay inside an axis of n elements."""
    if n == 0:
        return 0, 1, 0
    start = data.draw(st.integers(0, n - 1))
    step = data.draw(st.sampled_from([-2, -1, 1, 2]))
    room = (start if step < 0 else n - 1 - start) // abs(step) + 1
    return start, step, data.draw(st.integers(1, room))


def test_reshape_merges_and_splits_where_strides_allow():
    assert View.whole((6, 4)).reshape((2, 3, 4)) == View((2, 3, 4), (12, 4, 1))
    assert View.whole((2, 3, 4)).reshape((6, 4)) == View((6, 4), (4, 1))
    assert View.whole((4, 6)).transpose((1, 0)).reshape((24,)) is None
    rows = View.whole((4, 6)).slice((0, 0), (1, 1), (4, 3))
    assert rows.reshape((12,)) is None
    assert rows.reshape((2, 2, 3)) == View((2, 2, 3), (12, 6, 1))


def test_a_size_is_a_tuple_that_counts():
    size = shapes.Size([2, 3, 4])
    assert size == (2, 3, 4)
    assert size.numel() == 24
    assert (size[0], size[-1]) == (2, 4)
    assert size[:2].numel() == 6
    assert (size[1:] + size).numel() == 12 * 24
    assert hash(size) == hash((2, 3, 4))
