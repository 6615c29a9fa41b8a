"""Tensors are values; views are lenses: writing through one rebinds its base."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.base.errors import ArgumentError, GradientError


def test_in_place_rebinds_and_leaves_other_handles_alone():
    x = cr.tensor([1.0, 2.0])
    y = x.detach().clone()
    kept = x.numpy()
    x.add_(1.0)
    assert x.tolist() == [2.0, 3.0]
    assert y.tolist() == [1.0, 2.0]
    assert kept.tolist() == [1.0, 2.0]  # an export is a value too
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 5.0


def test_arrays_that_came_in_are_copied():
    array = np.ones(2, np.float32)
    x = cr.from_numpy(array)
    array[0] = 7.0
    assert x.tolist() == [1.0, 1.0]


def test_a_slice_of_data_writes_through():
    bias = cr.nn.Parameter(cr.zeros(8))
    n = bias.numel()
    bias.data[n // 4 : n // 2].fill_(1)
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert bias.is_leaf
    assert bias.requires_grad


def test_views_of_views_write_to_the_root():
    x = cr.zeros(2, 3)
    row = x[1]
    row[2] = 5.0
    x.view(-1)[0] = 7.0
    x.t()[1, 0] = 3.0
    x.unsqueeze(0).transpose(1, 2)[0, 1, 1] = 4.0
    assert x.tolist() == [[7, 3, 0], [0, 4, 5]]
    assert row.tolist() == [0, 4, 5]


def test_a_view_looks_again_when_its_base_moved_on():
    x = cr.tensor([1.0, 2.0, 3.0])
    tail, whole = x[1:], x.detach()
    x.mul_(10.0)
    assert tail.tolist() == [20.0, 30.0]
    assert whole.tolist() == [10.0, 20.0, 30.0]
    tail.zero_()
    assert whole.tolist() == [10.0, 0.0, 0.0]


def test_a_view_survives_its_base_being_changed_by_another_view():
    x = cr.arange(6).view(2, 3)
    first, column = x[0], x[:, 0]
    column.fill_(9)
    assert first.tolist() == [9, 1, 2]
    assert x.tolist() == [[9, 1, 2], [9, 4, 5]]


def test_gradients_flow_through_written_views():
    x = cr.ones(3, requires_grad=True)
    y = x * 2.0
    y[1:] = y[1:] * 10.0
    y[0] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 20.0, 20.0]


def test_copying_a_tensor_that_requires_grad_is_an_operation():
    x = cr.ones(2, requires_grad=True)
    y = cr.zeros(2)
    y.copy_(x)
    assert not y.is_leaf
    (y * 3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    z = cr.zeros(2)
    with cr.no_grad():
        z.copy_(x)
    assert not z.requires_grad
    x.grad = None
    z.requires_grad = True
    z.sum().backward()
    assert x.grad is None
    assert z.grad.tolist() == [1.0, 1.0]


def test_a_leaf_cannot_be_changed_in_place_while_recording():
    x = cr.ones(2, requires_grad=True)
    for write in (lambda: x.add_(1), lambda: x[0:1].fill_(0), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(GradientError, match="no_grad"):
            write()
    with cr.no_grad():
        x.add_(1)
    x.data += 1
    assert x.tolist() == [3.0, 3.0]
    assert x.is_leaf


def test_a_parameter_keeps_its_identity_through_updates():
    p = cr.ones(2, requires_grad=True)
    for _ in range(3):
        (p * p).sum().backward()
        with cr.no_grad():
            p -= 0.1 * p.grad
        p.grad = None
    assert p.requires_grad
    assert p.is_leaf
    assert p.numpy(force=True) == pytest.approx(0.8**3)


def test_in_place_keeps_dtype_and_shape():
    x = cr.zeros(2, dtype=cr.float32)
    x.add_(cr.ones(2, dtype=cr.float64))
    assert x.dtype is cr.float32
    with pytest.raises(ArgumentError, match="does not fit"):
        cr.zeros(2, dtype=cr.int64).add_(0.5)
    with pytest.raises(ArgumentError, match="does not fit shape"):
        x.add_(cr.ones(3, 2))


def test_data_can_be_replaced_by_another_type():
    p = cr.ones(2, requires_grad=True)
    (p * 2).sum()
    p.data = cr.zeros(3, dtype=cr.float64)
    assert p.array_type == cr.zeros(3, dtype=cr.float64).array_type
    (p * 2).sum().backward()
    assert p.grad.tolist() == [2.0, 2.0, 2.0]


def test_detach_cuts_and_shares():
    x = cr.ones(2, requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert (x.detach() * x).sum().requires_grad


def test_deepcopy_is_a_leaf_of_its_own():
    x = cr.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    twin = copy.deepcopy(x)
    with cr.no_grad():
        x.zero_()
        x.grad.zero_()
    assert twin.tolist() == [1.0, 1.0]
    assert twin.grad.tolist() == [3.0, 3.0]
    with pytest.raises(GradientError, match="leaf"):
        copy.deepcopy(x * 2)


def test_numpy_reads_and_refuses():
    x = cr.ones(2, requires_grad=True)
    with pytest.raises(GradientError, match="detach"):
        x.numpy()
    assert np.asarray(x).tolist() == [1.0, 1.0]
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.from_dlpack(x.detach()).tolist() == [1.0, 1.0]
    assert (np.ones(2, np.float32) + x).requires_grad  # the tensor's rule, not NumPy's


def test_text_shows_what_matters():
    assert repr(cr.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(cr.tensor([1], dtype=cr.int32)) == "tensor([1], dtype=chainrule.int32)"
    x = cr.ones(1, requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert "grad_fn=<MulBackward0>" in repr(x * x)
    assert f"{cr.tensor(2.0):.2f}" == "2.00"


def test_scalars_convert_and_others_refuse():
    assert float(cr.tensor(2.5)) == 2.5
    assert int(cr.tensor([3])) == 3
    assert [10, 20][cr.tensor(1)] == 20
    assert bool(cr.tensor([True]))
    with pytest.raises(ArgumentError, match="one element"):
        cr.ones(2).item()
    with pytest.raises(TypeError):
        len(cr.tensor(1.0))


VIEWS = {
    "flat": lambda _, x: x.reshape(-1),
    "turn": lambda lib, x: x.transpose(0, 1) if lib is cr else x.T,
    "first": lambda _, x: x[0],
    "tail": lambda _, x: x[1:],
    "even": lambda _, x: x[::2],
    "lift": lambda _, x: x[None],
}
RANK_TWO = {"turn"}


@given(st.lists(st.sampled_from(sorted(VIEWS)), min_size=1, max_size=5), st.integers(0, 99))
def test_writing_through_any_chain_of_views_is_what_numpy_does(names, seed):
    array = np.arange(12.0).reshape(3, 4)
    tensor = cr.tensor(array)
    part, view = array, tensor
    for name in names:
        if part.ndim < 1 or part.shape[0] < 2 or (name in RANK_TWO and part.ndim != 2):
            continue
        following = VIEWS[name](np, part)
        if not np.shares_memory(following, array):
            break  # NumPy had to copy: no view to compare with
        part, view = following, VIEWS[name](cr, view)
    assert view.tolist() == part.tolist()
    value = np.random.default_rng(seed).normal(size=part.shape)
    part[...] = value
    view[...] = value
    assert tensor.tolist() == array.tolist()
    tensor.mul_(2.0)
    array *= 2.0
    assert view.tolist() == part.tolist()


def test_shapes_are_sizes():
    x = cr.zeros(2, 3)
    assert isinstance(x.shape, cr.Size)
    assert x.shape.numel() == x.size().numel() == 6
    assert cr.compile(lambda y: y.reshape(*y.shape[:1], 3, 1))(x).shape == (2, 3, 1)


def unrecorded(w):
    """A computed tensor and a view of it, written through `.data`, detach() and under no_grad()."""
    y = w * 2
    v = y[:2]
    y.data.masked_fill_(cr.tensor([False, False, True]), -9.0)
    y.detach()[0] = 7.0
    with cr.no_grad():
        v.mul_(3.0)
        y.add_(0.5)
    assert y.requires_grad
    assert v.requires_grad
    return (y**2).sum() + (v**3).sum()


@pytest.mark.parametrize("how", ["eager", "compiled", "backward inside"])
def test_an_unrecorded_write_changes_the_value_and_not_the_graph(how):
    """∂/∂w of y² + v³ is 4y + 6v² at the values that were written."""
    w = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def inside(w):
        loss = unrecorded(w)
        loss.backward()
        return loss.detach()

    if how == "backward inside":
        loss = cr.compile(inside)(w)
    else:
        loss = (cr.compile(unrecorded) if how == "compiled" else unrecorded)(w)
        loss.backward()
    y = np.array([21.5, 12.5, -8.5])
    assert loss.item() == (y**2).sum() + (y[:2] ** 3).sum()
    np.testing.assert_array_equal(w.grad.numpy(), 4 * y + np.array([6, 6, 0]) * y**2)


def test_detach_in_place_and_set_grad_zero_cut_the_graph():
    y = cr.ones(2, requires_grad=True) * 2
    with cr.no_grad():
        y.detach_()
    assert not y.requires_grad
