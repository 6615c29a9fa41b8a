"""Convolution and pooling under `cr.compile` are what they are eagerly."""

from __future__ import annotations

import pytest

from tests.tensor.functional.convolution_cases import CONVOLUTIONS, POOLS
from tests.tensor.functional.oracle import compiled_agrees


@pytest.mark.parametrize("cases", [CONVOLUTIONS, POOLS], ids=["convolutions", "pools"])
def test_compiled_is_eager(cases):
    compiled_agrees(cases)
