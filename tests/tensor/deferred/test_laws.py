"""Deferred evaluation is evaluation: no program can observe a difference, up to rounding.

The laws run each of `programs.py` as former eager programs ran, and in every way of deferral.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from chainrule.tensor.deferred import parts, structure
from tests.tensor.deferred.programs import PROGRAMS
from tests.tensor.deferred.running import assert_same, evaluation, observed, plain


@pytest.fixture(autouse=True)
def cut(monkeypatch):
    """The programs are small, and are evaluated in parts none the less."""
    monkeypatch.setattr(parts, "LEAST_SIZE", 1)


@functools.cache
def at_once(name: str) -> Any:
    return observed("off", PROGRAMS[name])


@pytest.mark.parametrize(
    "way", ["on", *[pytest.param(way, marks=pytest.mark.slow) for way in ("always", "compiled")]]
)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_observes_what_it_observes_at_once(name, way):
    assert_same(at_once(name), observed(way, PROGRAMS[name]), name)


@pytest.mark.parametrize("name", ["dropout", "embeddings", "alternating", "coins", "lengths"])
def test_a_program_gives_the_same_bits_again(name):
    def bits(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype, value.shape, value.tobytes()
        if isinstance(value, dict):
            return {k: bits(v) for k, v in value.items()}
        return [bits(v) for v in value] if isinstance(value, list) else value

    assert bits(observed("on", PROGRAMS[name])) == bits(observed("on", PROGRAMS[name]))


def test_the_programs_run_natively():
    """The laws compare what they are about."""
    with evaluation("on"):
        before = structure.counts().native
        plain(PROGRAMS["alternating"]())
        assert structure.counts().native > before + 10
