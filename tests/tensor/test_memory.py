"""Which views alias, what is copied and what may be written: PyTorch's rules, by strides."""

from __future__ import annotations

import importlib

import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError

VIEWS = [
    "x.t()", "x[1:, ::2]", "x.diagonal()", "x.diagonal(-1)", "x.unfold(1, 2, 1)",
    "x.unfold(0, 1, 2)", "x.expand(2, 3, 4)", "x[:, None].expand(3, 5, 4)", "x.view(2, 6).t()",
    "x.reshape(4, 3)[1]", "x.as_strided((2, 2), (1, 2), 3)", "x.detach().t()", "x[1:].view(-1)",
    "x.t()[1:].as_strided((2, 2), (1, 2))",
]  # fmt: skip


def facts(lib, view):
    x = lib.arange(12.0).reshape(3, 4).clone()
    seen = eval(view, {"x": x})  # noqa: S307
    found = [seen.tolist(), list(seen.stride()), seen.storage_offset(), seen.is_contiguous()]
    for copied in (seen.contiguous(), seen.reshape(-1)):
        copied.view(-1)[0] = 100.0
        found.append(x.tolist())
    return found


WHAT_THEY_ARE = {
    "x.t()": [(1, 4), 0, False],
    "x[1:, ::2]": [(4, 2), 4, False],
    "x.diagonal(-1)": [(5,), 4, False],
    "x.expand(2, 3, 4)": [(0, 4, 1), 0, False],
    "x.unfold(1, 2, 1)": [(4, 1, 1), 0, False],
    "x[1:].view(-1)": [(1,), 4, True],
}


@pytest.mark.parametrize("view", WHAT_THEY_ARE)
def test_strides_are_those_of_the_place_in_the_base(view):
    _, strides, offset, whole, *_ = facts(cr, view)
    assert [tuple(strides), offset, whole] == WHAT_THEY_ARE[view]


@pytest.mark.oracle
@pytest.mark.parametrize("view", VIEWS)
def test_strides_and_copies_are_pytorchs(view):
    assert facts(cr, view) == facts(importlib.import_module("torch"), view)


def test_contiguous_and_reshape_copy_what_strides_cannot_say():
    x = cr.arange(6).reshape(2, 3).clone()
    x.t().contiguous()[0, 0] = 50
    x.t().reshape(-1)[1] = 70
    x[:, :2].flatten()[0] = 90
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    x.contiguous()[0, 0] = 50
    x.view(-1)[1] = 70
    assert x.tolist() == [[50, 70, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "view", [lambda x: x.expand(2, 3), lambda x: x.unfold(0, 2, 1), lambda x: x.expand(2, 3)[0]]
)
def test_writing_where_elements_overlap_is_refused(view):
    x = cr.zeros(3)
    with pytest.raises(ArgumentError, match=r"base, of shape \(3,\)\n.*x\.clone"):
        view(x).add_(1)
    copy = view(x).contiguous().clone()
    copy += 1
    assert x.tolist() == [0, 0, 0]


def test_expanded_views_follow_their_base():
    x = cr.zeros(3)
    wide = x.expand(2, 3)
    x[0] = 5.0
    assert wide.tolist() == [[5, 0, 0]] * 2


def test_as_strided_reads_writes_and_differentiates():
    x = cr.arange(4.0, requires_grad=True)
    windows = x.as_strided((3, 2), (1, 1))
    (windows * cr.arange(6.0).reshape(3, 2)).sum().backward()
    assert x.grad.tolist() == [0, 3, 7, 5]
    y = cr.zeros(2, 3)
    y.as_strided((2,), (3,), 1).fill_(1.0)
    assert y.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert cr.as_strided_scatter(cr.zeros(4), cr.ones(2), (2,), (2,), 1).tolist() == [0, 1, 0, 1]
    traced = cr.compile(lambda v: v.as_strided((3, 2), (1, 1)) * 2)
    assert traced(cr.arange(4.0)).tolist() == [[0, 2], [2, 4], [4, 6]]
