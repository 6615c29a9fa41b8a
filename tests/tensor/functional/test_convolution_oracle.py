"""Convolution and pooling are PyTorch's, in float64, gradients included; ties and NaN too."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from tests.tensor.functional.convolution_cases import CONVOLUTIONS, POOLS
from tests.tensor.functional.oracle import agree, find

pytestmark = pytest.mark.oracle

CASES = [*CONVOLUTIONS, *POOLS]


@pytest.mark.parametrize(("call", "shapes", "low", "high"), CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)


@pytest.mark.parametrize("size", [3, 9])
def test_the_first_of_equal_maxima_wins_and_nan_is_larger(size):
    import torch

    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (2, 3, 20)).astype("f")
    x[0, 1, 7] = np.nan
    found = []
    for lib in (cr, torch):
        leaf = lib.tensor(x, requires_grad=True)
        top, where = find(lib, "nn.functional.max_pool1d")(leaf, size, 2, return_indices=True)
        lib.where(lib.isnan(top), lib.zeros_like(top), top * top + top).sum().backward()
        found.append([np.asarray(t.detach()) for t in (top, where)] + [np.asarray(leaf.grad)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_second_order():
    import torch

    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(2, 3, 9)), rng.normal(size=(4, 3, 3))
    found = []
    for lib in (cr, torch):
        leaves = [lib.tensor(v, requires_grad=True) for v in (x, w)]
        y = find(lib, "nn.functional.conv1d")(*leaves, padding=1).tanh()
        grads = lib.autograd.grad((y * y).sum(), leaves, create_graph=True)
        sum((g * g).sum() for g in grads).backward()
        found.append([np.asarray(leaf.grad) for leaf in leaves])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize(
    "call",
    [
        "F.conv1d(t(2, 3, 8), t(4, 2, 3))",
        "F.conv1d(t(2, 3, 8), t(4, 3, 9))",
        "F.conv1d(t(2, 2, 3, 8), t(4, 3, 3))",
        "F.conv1d(t(2, 3, 8), t(4, 3, 3), t(5))",
        "F.conv1d(t(2, 3, 8), t(4, 3, 3), stride=2, padding='same')",
        "F.conv1d(t(2, 3, 8), t(4, 3, 3).float())",
        "F.conv_transpose1d(t(2, 3, 8), t(4, 3, 3))",
        "F.conv_transpose1d(t(2, 3, 8), t(3, 4, 3), output_padding=1)",
        "F.max_pool1d(t(2, 3, 8), 9)",
        "F.max_pool1d(t(2, 3, 8), 3, padding=2)",
        "F.avg_pool2d(t(3, 8, 8), 2, divisor_override=0)",
        "F.adaptive_avg_pool2d(t(3, 8, 8), (2, 2, 2))",
        "F.fold(t(2, 12, 11), (4, 5), 2)",
    ],
)
def test_what_pytorch_refuses_is_refused_with_a_reason(call):
    import torch

    for lib in (cr, torch):
        known = {"F": find(lib, "nn.functional")}
        known["t"] = lambda *shape, lib=lib: lib.ones(*shape, dtype=lib.float64)
        with pytest.raises((RuntimeError, ValueError)) as caught:
            eval(call, known)  # noqa: S307 - the cases above
        if lib is cr:
            assert isinstance(caught.value, cr.base.errors.ChainruleError)
