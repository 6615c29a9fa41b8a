"""Products with the gradient of a maximum, or of a choice, pass over its zeros."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compiler.running import agree

RNG = np.random.default_rng(4)


def draw(*shape):
    return RNG.normal(size=shape)


def winners(b, x, axis):
    """x where it is the largest along an axis, else 0."""
    top = b("amax", x, axes=(axis,))
    shape = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    wide = b("broadcast_to", b("reshape", top, shape=shape), shape=x.shape)
    return b("where", b("eq", x, wide), x, b.full(0, x))


def kernels(plan):
    return [unit.work.kernel.name for unit in plan.units]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_products_with_winners(axis, turned, left):
    sizes = (97, 90) if left else (90, 97)

    def build(b, x, y):
        some = b("mul", winners(b, x, axis), b.full(0.5, x))
        some = b("transpose", some, axes=(1, 0)) if turned else some
        return b("matmul", some, y) if left else b("matmul", y, some)

    x = draw(*sizes[::-1]) if turned else draw(*sizes)
    plan = agree(build, x, draw(90, 150) if left else draw(150, 90))
    assert "sparse" in kernels(plan)


def test_ties_and_nan_are_all_found():
    x = np.where(RNG.random((60, 200)) < 0.5, 1.0, 0.0)
    x[3, 5] = np.nan

    def build(b, x, y):
        return b("matmul", b("mul", winners(b, x, 1), x), y)

    assert "sparse" in kernels(agree(build, x, draw(200, 100)))


def test_a_choice_by_index():
    def build(b, x, index, y):
        return b("matmul", b("unpick", x, index, classes=120), y)

    index = RNG.integers(0, 120, 100)
    assert "sparse" in kernels(agree(build, draw(100), index, draw(120, 100)))


def test_windows_of_padded_winners():
    def build(b, x, y):
        some = b("pad", winners(b, x, 0), start=(2, 0), step=(1, 1), shape=(64, 30))
        seen = b("windows", some, axes=(0,), size=(3,), step=(1,), dilation=(1,))
        seen = b("reshape", b("transpose", seen, axes=(0, 2, 1)), shape=(62, 90))
        return b("matmul", seen, y)

    assert "sparse" in kernels(agree(build, draw(60, 30), draw(90, 200)))


@pytest.mark.parametrize(
    "build",
    [
        lambda b, x, y: b("matmul", b("exp", winners(b, x, 1)), y),
        lambda b, x, y: b("matmul", b("add", winners(b, x, 1), x), y),
        lambda b, x, y: b("matmul", b("where", b("gt", x, b.full(0, x)), x, b.full(0, x)), y),
    ],
    ids=["exp", "a sum", "a mask of no known size"],
)
def test_others_are_products_as_before(build):
    assert "sparse" not in kernels(agree(build, draw(90, 97), draw(97, 150)))
