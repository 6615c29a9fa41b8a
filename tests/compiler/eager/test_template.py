"""Templates: kernels whose extents are free, told by planning at two pairs of extents."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.dtypes import float32
from chainrule.compiler.eager.template import columns_of_a_template, template_of
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic


def build(name, **attrs):
    def made(rows, columns):
        shape = (rows,) if columns is None else (rows, columns)
        x = input_node(Type(float32, shape))
        return Graph((x,), (Symbolic()(TABLE[name], x, **attrs),))

    return made


@pytest.mark.parametrize("extents", [(1, 2), (3, 64), (7, 65), (200, 129), (2, 1009), (1, 2000)])
def test_one_kernel_serves_all_extents(extents):
    template = template_of(build("softmax", axis=1), None)
    x = np.random.default_rng(0).normal(size=extents).astype(np.float32)
    out = np.full_like(x, 7)
    template.launch(*extents).run([x, out])
    np.testing.assert_allclose(out, TABLE["softmax"].numpy((x,), {"axis": 1}), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("size", [1, 15, 4096, 4097, 300_001])
def test_one_axis(size):
    template = template_of(build("silu"), None, flat=True)
    x = np.random.default_rng(0).normal(size=size).astype(np.float32)
    out = np.full_like(x, 7)
    template.launch(size, None).run([x, out])
    np.testing.assert_allclose(out, x / (1 + np.exp(-x)), rtol=1e-5, atol=1e-6)


def test_a_kernel_that_contains_the_columns_is_made_for_them():
    layer_norm = build("standardize", axis=1, eps=1e-5)
    assert template_of(layer_norm, None) is None
    for columns in (100, 1013):
        template = template_of(layer_norm, columns)
        x = np.random.default_rng(0).normal(size=(90, columns)).astype(np.float32)
        out = np.empty_like(x)
        template.launch(90, columns).run([x, out])
        np.testing.assert_allclose(out.mean(1), 0, atol=1e-5)
        np.testing.assert_allclose(out.std(1), 1, rtol=1e-3)


def test_several_kernels_are_no_template():
    assert template_of(build("sum", axes=(0, 1)), None) is None


def test_sums_of_a_template_have_one_level_of_blocks():
    assert columns_of_a_template() >= 2048


def test_exponentials_near_zero():
    template = template_of(build("exp"), None, flat=True)
    x = np.array([-np.inf, -1e30, -106, -105, -104, -103.5, -95, -88, -87, 0, np.inf], np.float32)
    out = np.empty_like(x)
    template.launch(x.size, None).run([x, out])
    expected = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1.5e-45)
    assert out[6] == np.float32(expected[6])  # subnormal
    template.launch(1, None).run([np.array([np.nan], np.float32), out])
    assert np.isnan(out[0])
