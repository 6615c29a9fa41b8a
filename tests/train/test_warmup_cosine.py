"""Warm-up, then a cosine."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.train.warmup_cosine import WarmupCosine


def test_landmarks():
    schedule = WarmupCosine(peak=2.0, warmup=10, steps=110, decay_to=0.1)
    assert schedule(1) == pytest.approx(0.2)
    assert schedule(10) == 2.0
    assert schedule(60) == pytest.approx(2.0 * 0.55)
    assert schedule(110) == pytest.approx(0.2)
    assert schedule(1000) == pytest.approx(0.2)


@given(st.integers(0, 50), st.integers(1, 200), st.floats(0, 1))
def test_up_then_down_and_never_out_of_range(warmup, steps, decay_to):
    schedule = WarmupCosine(1.0, warmup, steps, decay_to)
    rates = [schedule(step) for step in range(1, steps + 1)]
    assert all(0 <= rate <= 1 + 1e-12 for rate in rates)
    assert all(rate > 0 for rate in rates[:-1])
    rising, falling = rates[: max(warmup - 1, 0)], rates[max(warmup - 1, 0) :]
    assert rising == sorted(rising)
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(falling))
