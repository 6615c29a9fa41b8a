"""Plans of batches: what they write in place, leave out, and read from outside."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.calls.batch import _own
from chainrule.tensor.deferred import structure
from tests.tensor.deferred.running import evaluation


@pytest.fixture(autouse=True)
def compiled():
    with evaluation("compiled"):
        yield


def plan() -> object:
    (found,) = [v.plan for s in structure.structures() for v in s.variants.values() if v.plan]
    return found


def test_only_what_is_alive_is_a_result():
    x = cr.ones(5)
    y = x.exp()
    z = (y + 1) * 2
    del y
    z.tolist()
    assert [shape for shape, _ in plan().results] == [(5,)]


@pytest.mark.parametrize("view", [lambda a: a[::2], lambda a: a.T, lambda a: a[:, 1:3], np.flip])
def test_operands_of_any_strides(view):
    base = np.arange(24.0).reshape(6, 4)
    for _ in range(2):
        x = cr.tensor(base)
        part = cr.tensor(view(base).copy())
        y = x.T.contiguous().T * 2
        assert (part * 2 + 1).tolist() == (view(base) * 2 + 1).tolist()
        np.testing.assert_array_equal(y.numpy(), base * 2)


def test_empty_and_single_elements():
    for n in (0, 1, 3, 0):
        x = cr.ones(n, 2) * 3
        total, single = x.sum(), cr.tensor(2.0) * cr.tensor(4.0)
        assert (total.item(), single.shape, single.item()) == (6.0 * n, (), 8.0)


def test_an_index_out_of_range_leaves_plan_and_operands_alone():
    table = cr.arange(6.0).reshape(3, 2)
    for index in (0, 2, 7, 1):
        rows = table[cr.tensor([float(index)]).long()] * 2
        if index == 7:
            with pytest.raises(IndexError, match="7"):
                rows.tolist()
        else:
            assert rows.tolist() == [[4.0 * index, 4.0 * index + 2]]


def test_an_array_is_owned_by_a_copy_unless_it_is_held_by_the_batch_alone():
    outside = [np.zeros(3), np.zeros(3), np.zeros((2, 3))[0]]
    held, alone = outside[1], id(outside[0])
    for slot in range(3):
        _own(outside, slot)
    assert id(outside[0]) == alone
    assert outside[1] is not held
    assert outside[2].base is None
    assert sys.getrefcount(held) >= 2
