"""Plans of batches: what they write in place, leave out, and read from outside."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
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


def test_what_is_written_is_copied_unless_the_batch_alone_holds_it():
    w = cr.nn.Parameter(cr.tensor([1.0, 2.0, 3.0]))
    optimizer = cr.optim.SGD([w], lr=0.5, momentum=0.5)
    held, values = [], []
    for i in range(8):
        if i in {3, 6}:
            held.append(w.detach().numpy())  # shows the array of w
        before = w.detach().numpy().__array_interface__["data"]
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()
        values.append(w.tolist())
        after = w.detach().numpy().__array_interface__["data"]
        assert (after == before) is (i not in {3, 6})
    velocity, expected = 0.0, np.array([1.0, 2.0, 3.0])
    for found in values:
        velocity = 0.5 * velocity + 1
        expected = expected - 0.5 * velocity
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert [h.tolist() for h in held] == [values[2], values[5]]


@pytest.mark.parametrize("n", [3, 100_000])
def test_what_a_program_holds_of_earlier_results_stays(n):
    kept = []
    for i in range(9):
        x = cr.full((n,), float(i))
        y = (x * 2 + 1).exp().log()
        z = y.numpy()
        if i % 3:
            kept.append((i, z if i % 2 else y))
        del x, y, z
    for i, result in kept:
        np.testing.assert_allclose(np.asarray(result), 2 * i + 1, rtol=1e-6)
