"""Sinusoidal positions against the paper's formula."""

import numpy as np
import pytest

from chainrule.models.sinusoids import sinusoids


def test_they_are_those_of_the_paper():
    table = sinusoids(50, 6).numpy()
    p, i = 7, 1
    assert table[p, 2 * i] == pytest.approx(np.sin(p / 10000 ** (2 * i / 6)), abs=1e-6)
    assert table[p, 2 * i + 1] == pytest.approx(np.cos(p / 10000 ** (2 * i / 6)), abs=1e-6)


def test_an_odd_width_leaves_the_last_cosine_out():
    table = sinusoids(3, 5).numpy()
    assert table.shape == (3, 5)
    np.testing.assert_allclose(table[:, 0], np.sin([0, 1, 2]), rtol=1e-6)
    np.testing.assert_allclose(table[:, 1], np.cos([0, 1, 2]), rtol=1e-6)
