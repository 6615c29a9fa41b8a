"""Normalisation, eager and compiled: values, gradients and running averages are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from tests.nn.twins import Twins

pytestmark = pytest.mark.oracle

CASES = [
    ("N.BatchNorm1d(4)", (5, 4)),
    ("N.BatchNorm1d(4, momentum=None, eps=1e-3)", (5, 4, 3)),
    ("N.BatchNorm1d(4, affine=False)", (5, 4)),
    ("N.BatchNorm1d(4, bias=False)", (5, 4)),
    ("N.GroupNorm(2, 4, bias=False)", (5, 4)),
    ("N.BatchNorm1d(4, track_running_stats=False)", (5, 4)),
    ("N.BatchNorm2d(3, momentum=0.4)", (2, 3, 4, 5)),
    ("N.BatchNorm3d(3)", (2, 3, 2, 2, 3)),
    ("N.InstanceNorm1d(4)", (3, 4, 5)),
    ("N.InstanceNorm1d(4, affine=True, track_running_stats=True)", (3, 4, 5)),
    ("N.InstanceNorm2d(4, affine=True)", (4, 3, 2)),
    ("N.InstanceNorm3d(2, track_running_stats=True)", (2, 2, 2, 2, 3)),
    ("N.GroupNorm(2, 6)", (3, 6, 4)),
    ("N.GroupNorm(3, 6, eps=1e-2, affine=False)", (3, 6)),
    ("N.LayerNorm((3, 4), eps=1e-3, bias=False)", (2, 3, 4)),
    ("N.RMSNorm(4)", (2, 3, 4)),
    ("N.RMSNorm((3, 4), eps=1e-3, elementwise_affine=False)", (2, 3, 4)),
    ("N.LocalResponseNorm(3, alpha=0.5)", (2, 7, 3)),
    ("N.LocalResponseNorm(2, 0.3, 0.5, 2.0)", (2, 5, 3, 2)),
]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("text", "shape"), CASES)
def test_training_then_evaluation(text, shape, compiled):
    twins = Twins(text, compiled=compiled)
    rng = np.random.default_rng(1)
    for mode in (True, True, False):
        twins.train(mode)
        twins.check(rng.normal(1, 2, shape))
    ours, theirs = twins.state()
    assert list(ours) == list(theirs)
    assert all(ours[k].numpy().dtype == theirs[k].numpy().dtype for k in ours)


def test_float32():
    twins = Twins("N.BatchNorm1d(4)", dtype="float32")
    twins.check(np.random.default_rng(2).normal(3, 1, (50, 4)), tolerance=1e-5)


def test_descriptions_are_pytorchs():
    import torch

    for text, _ in CASES:
        ours = eval(text, {"N": cr.nn})  # noqa: S307 - the cases above
        theirs = eval(text, {"N": torch.nn})  # noqa: S307 - the cases above
        assert repr(ours) == repr(theirs)
