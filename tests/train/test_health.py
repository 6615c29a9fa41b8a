"""Gradients and updates by layer."""

import numpy as np
import pytest

from chainrule.train.health import describe, examine

SIZES = {"embed.weight": 100, "block.0.qkv.weight": 12, "block.0.qkv.bias": 4, "scale": 1}


def health():
    gradients, changes, weights = [400.0, 7.0, 9.0, 0.0], [1.0, 2.0, 2.0, 0.0], [4.0, 8.0, 8.0, 0.0]
    return examine(SIZES, np.array([gradients, changes, weights], np.float32), norm=3.5)


def test_a_layer_is_what_shares_a_module():
    layers = health().layers
    assert list(layers) == ["embed", "block.0.qkv", "scale"]
    assert layers["block.0.qkv"].norm == pytest.approx(4.0)
    assert layers["block.0.qkv"].rms == pytest.approx(1.0)
    assert layers["block.0.qkv"].update == pytest.approx(0.5)
    assert layers["embed"].rms == pytest.approx(2.0)


def test_no_weight_no_ratio():
    assert health().layers["scale"].update == 0.0


def test_the_whole():
    assert health().norm == 3.5
    assert health().update == pytest.approx(0.5)


def test_the_line_names_the_extremes():
    line = describe(health())
    assert "norm 3.50" in line
    assert "quietest scale 0e+00" in line
    assert "loudest embed 2e+00" in line
    assert "\n" not in line
