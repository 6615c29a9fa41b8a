"""`out=` rebinds a tensor to the result, and integer powers are exact."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError

CALLS = [
    lambda **k: cr.matmul(cr.ones(2, 3), cr.ones(3, 2), **k),
    lambda **k: cr.softmax(cr.arange(4.0), 0, **k),
    lambda **k: cr.where(cr.tensor([True, False]), 1.0, cr.zeros(2), **k),
    lambda **k: cr.cat([cr.ones(2), cr.zeros(1)], 0, **k),
    lambda **k: cr.gather(cr.arange(4.0), 0, cr.tensor([2, 0]), **k),
    lambda **k: cr.addmm(cr.ones(2), cr.ones(2, 3), cr.ones(3, 2), beta=2, **k),
    lambda **k: cr.tril(cr.ones(2, 2), **k),
    lambda **k: cr.index_add(cr.zeros(3), 0, cr.tensor([1]), cr.ones(1), alpha=2, **k),
]


@pytest.mark.parametrize("call", CALLS)
def test_out_is_rebound_to_the_result(call):
    given = cr.empty(0)
    assert call(out=given) is given
    assert given.tolist() == call().tolist()
    compiled = cr.compile(lambda: call(out=cr.empty(0)))()
    np.testing.assert_allclose(compiled.tolist(), call().tolist(), rtol=1e-6)
    with pytest.raises(ArgumentError, match="does not fit out="):
        call(out=cr.empty(7, 5))


def test_powers_of_integers_are_exact():
    x = cr.tensor([3, -3, 7, 2, -1, 0, 5, 1])
    y = cr.tensor([39, 39, 20, 70, -3, -1, -2, -9])
    want = [3**39, -(3**39), 7**20, 0, -1, 0, 0, 1]
    assert (x**y).tolist() == want
    assert cr.compile(cr.pow)(x, y).tolist() == want
    assert (2 ** cr.tensor([62, 63])).tolist() == [2**62, -(2**63)]


def test_equal_elements_share_the_gradient_of_the_median_of_all():
    x = cr.tensor([1.0, 2.0, 2.0, 3.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5, 0]


def test_in_place_functions_at_the_root_are_the_methods():
    x = cr.tensor([-1.0, 2.0])
    assert cr.relu_(x) is x
    assert cr.clamp_(x, max=1.0) is x
    assert cr.exp_(cr.fill_(x, 0.0)).tolist() == [1.0, 1.0]
    assert x.greater_(0.5).tolist() == [1.0, 1.0]
