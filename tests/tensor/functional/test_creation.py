"""New tensors: shapes, dtypes and values as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DeviceError

CASES = [
    lambda lib: lib.zeros(2, 3),
    lambda lib: lib.ones((2, 3), dtype=lib.int64),
    lambda lib: lib.full((2,), 7),
    lambda lib: lib.full((2,), 7.5),
    lambda lib: lib.full((2,), True),
    lambda lib: lib.zeros(()),
    lambda lib: lib.zeros(0, 3),
    lambda lib: lib.zeros_like(lib.ones(2, dtype=lib.int32)),
    lambda lib: lib.ones_like(lib.ones(2), dtype=lib.float64),
    lambda lib: lib.full_like(lib.ones(2), 3),
    lambda lib: lib.arange(5),
    lambda lib: lib.arange(1, 2.5, 0.5),
    lambda lib: lib.arange(5, 0, -2),
    lambda lib: lib.arange(3, dtype=lib.float64),
    lambda lib: lib.linspace(0, 1, 5),
    lambda lib: lib.eye(3),
    lambda lib: lib.eye(2, 3, dtype=lib.int64),
    lambda lib: lib.as_tensor([1, 2], dtype=lib.float32),
    lambda lib: lib.tensor([[1.5], [2.5]]).T,
    lambda lib: lib.zeros(2, device="cpu"),
]


@pytest.mark.oracle
@pytest.mark.parametrize("make", CASES)
def test_as_in_pytorch(make):
    import torch

    ours, theirs = make(cr), make(torch)
    assert ours.dtype.name == str(theirs.dtype).split(".")[1]
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-7)


@pytest.mark.parametrize("make", CASES)
def test_leaves_without_gradient(make):
    x = make(cr)
    assert x.is_leaf
    assert not x.requires_grad


def test_requires_grad_and_empty():
    assert cr.rand(2, requires_grad=True).requires_grad
    assert cr.arange(3.0, requires_grad=True).requires_grad
    assert cr.empty(2, 3).shape == cr.empty_like(cr.ones(2, 3)).shape == (2, 3)
    assert cr.Tensor([1, 2]).dtype is cr.float32


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="negative"):
        cr.zeros(-1)
    with pytest.raises(ArgumentError, match="step"):
        cr.arange(0, 3, 0)
    with pytest.raises(DeviceError):
        cr.zeros(1, device=cr.device("cuda"))


def test_device_objects():
    assert str(cr.device("cpu:0")) == "cpu:0"
    assert repr(cr.device("cpu")) == "device(type='cpu')"
    assert cr.device("cpu", 0) == cr.device("cpu:0")
    assert cr.device("cpu").type == "cpu"
    assert cr.zeros(1, device=cr.device("cpu")).device == cr.device("cpu")
