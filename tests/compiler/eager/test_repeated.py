"""A bias in a large elementwise call: read where it is, by one kernel for all extents."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.eager import repeated
from chainrule.compiler.eager.repeated import repeated_columns
from chainrule.compiler.runtime.native import engine


def draw(*shape, seed=0):
    return cr.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.fixture
def launched(monkeypatch):
    """The extents for which kernels were launched."""
    monkeypatch.setattr(repeated, "_templates", {})
    seen, launch = [], repeated.Repeated._launch

    def noted(self, which, columns):
        seen.append((which, columns))
        return launch(self, which, columns)

    monkeypatch.setattr(repeated.Repeated, "_launch", noted)
    return seen


@pytest.mark.parametrize("function", [cr.add, cr.sub, cr.mul, cr.div])
def test_values_are_those_of_numpy(launched, function):
    x, bias = draw(400, 4, 200), draw(200, seed=1) + 3
    with np.errstate(all="ignore"):
        for left, right in ((x, bias), (bias, x), (x, bias)):
            for _ in range(3):
                found = function(left, right).numpy()
            expected = getattr(
                np,
                function.__name__.replace("sub", "subtract")
                .replace("mul", "multiply")
                .replace("div", "divide"),
            )(left.numpy(), right.numpy())
            np.testing.assert_array_equal(found, expected)
    assert {which for which, _ in launched} == {0, 1}
    assert all(template is not None for template in repeated._templates.values())


def test_new_extents_need_no_new_code(launched):
    for _ in range(3):
        draw(400, 500) + draw(500)
    made = engine().compiled + engine().reused
    for shape in ((700, 200), (300, 1000), (20, 9000), (3, 400, 129)):
        x, bias = draw(*shape), draw(shape[-1], seed=1)
        np.testing.assert_array_equal((x + bias).numpy(), x.numpy() + bias.numpy())
        np.testing.assert_array_equal((x + bias).numpy(), x.numpy() + bias.numpy())
    assert len(launched) == 5
    assert engine().compiled + engine().reused == made


def test_other_operands_stay_with_numpy(launched):
    x = draw(400, 500)
    for other in (draw(400, 1), draw(500, 400).t(), draw(1), draw(400, 1000)[:, ::2]):
        for _ in range(3):
            np.testing.assert_array_equal((x + other).numpy(), x.numpy() + other.numpy())
    assert not launched


def test_the_length_of_a_repeated_row():
    row = np.zeros(6, np.float32)
    assert repeated_columns(np.broadcast_to(row, (5, 4, 6))) == 6
    assert repeated_columns(np.broadcast_to(row.reshape(2, 3), (5, 2, 3))) == 6
    assert repeated_columns(np.broadcast_to(row.reshape(6, 1), (6, 4))) == 0
    assert repeated_columns(np.broadcast_to(row.reshape(2, 1, 3), (2, 4, 3))) == 0
    assert repeated_columns(np.zeros((4, 6), np.float32).T) == 0
    assert repeated_columns(np.broadcast_to(np.float32(1), (4, 6))) == 1
