"""The held-out loss counts every character once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.tasks.held_out import evaluate


def never():
    return False


@given(st.integers(2, 2000), st.integers(1, 70))
def test_it_is_the_mean_over_all_targets(length, context):
    codes = np.random.default_rng(length).integers(0, 50, length)
    found = evaluate(lambda _, targets: targets.ravel().astype(np.float32), codes, context, never)
    assert found == pytest.approx(codes[1:].mean())


def test_it_can_be_stopped():
    asked = iter([False, False, True])
    seen = []

    def losses(inputs, _targets):
        seen.append(inputs)
        return np.zeros(inputs.size)

    assert evaluate(losses, np.zeros(10_000, np.int64), 8, lambda: next(asked)) is None
    assert len(seen) == 2
