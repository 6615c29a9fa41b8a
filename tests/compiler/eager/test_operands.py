"""Operands with strides: those read where they are, and that the graph reads what NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.dtypes import float32
from chainrule.compiler.eager.operands import layout_of
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops.evaluate import evaluate

BASE = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)
READ = {
    "row-major": BASE,
    "transposed": BASE.transpose(3, 0, 4, 1, 2),
    "part of the last axis": BASE[..., 2:5],
    "part of a middle axis": BASE[:, :, 1:3],
    "heads of a projection": BASE.reshape(6, 4, 30)[:, :, 10:20].reshape(6, 4, 2, 5).swapaxes(1, 2),
    "extents of 1": BASE[:1, :, 2:3].transpose(2, 1, 0, 3, 4),
    "every other row": BASE[:, :, ::2],
}
COPIED = {
    "rows that do not nest": BASE[:, ::2],
    "every other element": BASE[..., ::2],
    "reversed": BASE[::-1],
    "windows": np.lib.stride_tricks.sliding_window_view(BASE[0, 0, 0], 2, axis=0),
    "a diagonal": np.einsum("ii->i", BASE[0, 0, 0, :, :5]),
    "repeated": np.broadcast_to(BASE[:, :1], BASE.shape),
    "one number": np.broadcast_to(np.float32(3), (4, 5)),
}


def read(layout, array):
    x = input_node(Type(float32, layout.base))
    return evaluate(Graph((x,), (layout.read(x),)), [array])[0]


@pytest.mark.parametrize("name", READ)
def test_the_graph_reads_the_array(name):
    array = READ[name]
    layout = layout_of(array)
    size = int(np.prod(layout.base))
    start = (array.__array_interface__["data"][0] - BASE.__array_interface__["data"][0]) // 4
    behind = np.full(size, np.nan, np.float32)  # what lies there does not matter
    memory = np.append(BASE.reshape(-1)[start:], behind)[:size]
    np.testing.assert_array_equal(read(layout, memory.reshape(layout.base)), array)


@pytest.mark.parametrize("name", READ)
def test_other_operands_are_laid_out_like_it(name):
    layout = layout_of(READ[name])
    other = np.random.default_rng(0).normal(size=layout.shape).astype(np.float32)
    np.testing.assert_array_equal(read(layout, layout.placed(other)), other)


@pytest.mark.parametrize("name", COPIED)
def test_other_strides_have_no_layout(name):
    assert layout_of(COPIED[name]) is None
