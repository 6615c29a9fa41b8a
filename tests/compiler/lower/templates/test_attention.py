"""The attention kernels against the ops' NumPy meaning: machine code and interpreter."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.base.dtypes import float32, float64
from chainrule.base.shapes import View, contiguous_strides
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.codegen.target import AVX512, host_target
from chainrule.compiler.lower.templates import attention as forward_template
from chainrule.compiler.lower.templates import attention_grad as backward_template
from chainrule.compiler.lower.templates.attention_tiles import choose_tiling
from chainrule.compiler.runtime.native import engine
from chainrule.compiler.shared.kernel_writer import BufferArgument, Home
from chainrule.graph.node import Type, input_node
from chainrule.kernel.interpret import interpret
from chainrule.kernel.text import print_kernel
from chainrule.kernel.verify import verify
from chainrule.ops.attention import attention, attention_grad
from chainrule.ops.control import project
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import broadcast_to

GUARD, MARK = 64, 77.0
ORDERS = ((0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3))
SIZES = (1, 2, 7, 8, 15, 16, 17, 31, 33, 40, 64, 65)
LANES = [n for n in (16, 8, 4) if n <= host_target().lanes]
_SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
_numbers = itertools.count()


class Scene:
    """Attention over operands in memory of ours: nodes, homes, arrays."""

    def __init__(self, sizes, dtype=float32, *, causal=False, order=ORDERS[0], scale=0.3):
        self.b, self.dtype, self.order = Symbolic(), dtype, order
        self.rng = np.random.default_rng(0)
        self.homes, self.memory = {}, {}
        self.attrs = {"scale": scale, "causal": causal}
        batch, heads, t, s, d, e = sizes
        self.mask_shape = (batch, heads, t, s)
        self.inputs = [self.operand((batch, heads, *tail)) for tail in ((t, d), (s, d), (s, e))]

    def operand(self, shape, value=None, order=None):
        node = input_node(Type(self.dtype, shape))
        self.keep(node, order or self.order)
        self.value(node)[...] = self.rng.normal(size=shape) if value is None else value
        return node

    def keep(self, node, order=None):
        """Give the node memory of its own, its axes in the order given, with gaps behind rows."""
        order = [a for a in order or self.order if a < len(node.shape)]
        held = [node.shape[a] for a in order]
        held[-1] += 3
        root = input_node(Type(node.dtype, tuple(held)))
        strides = [0] * len(held)
        for axis, stride in zip(order, contiguous_strides(tuple(held)), strict=True):
            strides[axis] = stride
        size = int(np.prod(held))
        self.memory[root] = np.full(size + 2 * GUARD, MARK, node.dtype.numpy)
        self.homes[node] = Home(root, View(node.shape, tuple(strides)))

    def value(self, node):
        """The node's elements, in place."""
        root, view = self.homes[node]
        memory = self.memory[root][GUARD + view.offset :]
        steps = [s * memory.itemsize for s in view.strides]
        return np.lib.stride_tricks.as_strided(memory, node.shape, steps)

    def attention(self, *masks):
        return self._results(attention, *self.inputs, *masks)

    def gradient(self, d_out=None, masks=()):
        """The gradient's results; out and log-sum-exp come from NumPy."""
        node, found = self._results(attention, *self.inputs, *masks)
        for result, value in zip(found, self.meaning(node), strict=True):
            self.value(result)[...] = value
        d_out = d_out or self.operand(found[0].shape)
        return self._results(attention_grad, *self.inputs, *found, d_out, *masks)

    def _results(self, op, *inputs):
        node = self.b(op, *inputs, **self.attrs)
        found = [self.b(project, node, index=i) for i in range(len(node.type.items))]
        for result in found:
            self.keep(result)
        return node, found

    def meaning(self, node):
        with np.errstate(all="ignore"):
            return node.op.numpy([self.read(n) for n in node.inputs], node.attrs)

    def read(self, node):
        if node in self.homes:
            return self.value(node)
        return np.broadcast_to(self.read(node.inputs[0]), node.shape)

    def work(self, node, results, lanes=None):
        target = host_target()
        if lanes:
            registers = 16 if lanes == 8 else 32
            target = dataclasses.replace(target, lanes=lanes, registers=registers)
        make = {
            attention: forward_template.attention,
            attention_grad: backward_template.attention_grad,
        }
        work = make[node.op](node, results, self.homes, target)
        verify(work.kernel)
        return work, target


def execute(scene, work, target):
    """Run as machine code; nothing may be written behind or before scratch memory."""
    kernel, symbol = work.kernel, f"attention{next(_numbers)}"
    run = _SIGNATURE(engine().load({symbol: emit(kernel, target, symbol)})[symbol])
    slots, extents = np.zeros(len(kernel.params) + 1, np.int64), {}
    for slot, (param, argument) in enumerate(zip(kernel.params, work.arguments, strict=True)):
        if isinstance(argument, BufferArgument):
            memory = scene.memory[argument.node][GUARD + argument.offset :]
            slots[slot] = memory.ctypes.data
        else:
            slots[slot] = extents[param.name] = argument
    size = scratch_bytes(kernel, extents)
    raw = np.full(size + 128, 0xFF, np.uint8)  # floats are NaN
    start = -raw.ctypes.data % 64
    run(slots.ctypes.data, 0, task_count(kernel, extents), raw.ctypes.data + start)
    assert (raw[start + size :] == 0xFF).all(), "scratch memory overrun"


def walk(scene, work, target):  # noqa: ARG001 - as `execute`
    """Run by the interpreter, which checks every access."""
    interpret(
        work.kernel,
        {
            p.name: scene.memory[a.node][GUARD + a.offset : -GUARD]
            if isinstance(a, BufferArgument)
            else a
            for p, a in zip(work.kernel.params, work.arguments, strict=True)
        },
    )


def judge(scene, node, results, run=execute, lanes=None):
    """Run, compare with NumPy, see that nothing else was written; the results' values."""
    want = scene.meaning(node)
    before = {root: memory.copy() for root, memory in scene.memory.items()}
    run(scene, *scene.work(node, results, lanes))
    limit = 1e-5 if scene.dtype is float32 else 1e-12
    found = []
    for result, value in zip(results, want, strict=True):
        if result is None:
            continue
        got = scene.value(result).copy()
        found.append(got)
        nothing = np.isneginf(value)
        np.testing.assert_array_equal(np.isneginf(got), nothing)
        a, b = (np.where(nothing, 0, x).astype(np.float64) for x in (got, value))
        # operands are about 1: where results cancel to nothing, their size is the measure
        assert np.linalg.norm(a - b) <= limit * np.hypot(np.linalg.norm(b), b.size**0.5), result
        scene.value(result)[...] = MARK
    for root, memory in scene.memory.items():
        np.testing.assert_array_equal(memory, before[root], err_msg="written beside a result")
    return found


def mask_of(scene):
    """Numbers, and -inf in a third of the places; the first query sees nothing."""
    mask = scene.rng.normal(size=scene.mask_shape)
    mask[scene.rng.random(size=mask.shape) < 0.3] = -np.inf
    mask[:, :, :1] = -np.inf
    return mask


def small_chunks(patch, keys):
    """Let so many tiles of keys be a chunk, so that few keys are many."""

    def tiling(*args):
        found = choose_tiling(*args)
        return found._replace(chunk=keys * found.keys)

    for module in (forward_template, backward_template):
        patch.setattr(module, "choose_tiling", tiling)


SHAPES = st.tuples(
    st.integers(1, 2), st.integers(1, 3), st.sampled_from(SIZES), st.sampled_from(SIZES),
    st.integers(1, 50), st.integers(1, 50),
)  # fmt: skip
TINY = st.tuples(st.just(1), st.integers(1, 2), *[st.integers(1, 19)] * 2, *[st.integers(1, 6)] * 2)
SETTINGS = {
    "causal": st.booleans(),
    "dtype": st.sampled_from((float32, float64)),
    "order": st.sampled_from(ORDERS),
}


@settings(max_examples=20)
@given(SHAPES, st.fixed_dictionaries(SETTINGS), st.sampled_from(LANES), st.integers(0, 2))
def test_machine_code(sizes, choices, lanes, chunk):
    with pytest.MonkeyPatch.context() as patch:
        if chunk:
            small_chunks(patch, chunk)
        scene = Scene(sizes, **choices)
        masks = [scene.operand(scene.mask_shape, mask_of(scene))] if chunk == 1 else []
        judge(scene, *scene.attention(*masks), lanes=lanes)
        judge(scene, *scene.gradient(masks=masks), lanes=lanes)


@settings(max_examples=15)
@given(TINY, st.fixed_dictionaries(SETTINGS), st.integers(0, 2))
def test_interpreter(sizes, choices, chunk):
    with pytest.MonkeyPatch.context() as patch:
        if chunk:
            small_chunks(patch, chunk)
        scene = Scene(sizes, **choices)
        masks = [scene.operand(scene.mask_shape, mask_of(scene))] if chunk == 1 else []
        judge(scene, *scene.attention(*masks), run=walk, lanes=4)
        judge(scene, *scene.gradient(masks=masks), run=walk, lanes=4)


@pytest.mark.parametrize("causal", [False, True])
def test_more_keys_than_a_chunk(causal):
    scene = Scene((1, 1, 40, 2100, 8, 5), causal=causal)
    judge(scene, *scene.attention())
    judge(scene, *scene.gradient())


@pytest.mark.parametrize(
    "sizes",
    [
        (0, 2, 3, 3, 2, 2),
        (1, 2, 0, 3, 2, 2),
        (1, 1, 3, 0, 2, 2),
        (1, 1, 9, 9, 0, 3),
        (1, 1, 9, 9, 3, 0),
    ],
)
@pytest.mark.parametrize("run", [execute, walk])
def test_empty(sizes, run):
    scene = Scene(sizes)
    judge(scene, *scene.attention(), run=run)
    judge(scene, *scene.gradient(), run=run)


def test_parts_of_one_array():
    """q, k, v are parts of the projection's result, dq, dk, dv of its gradient."""
    b, t, h, d = 2, 33, 3, 16
    scene = Scene((b, h, t, t, d, d), causal=True, order=(0, 2, 1, 3))
    root = input_node(Type(float32, (b, t, 3, h, d)))
    steps = contiguous_strides(root.shape)

    def share(nodes, root):
        scene.memory[root] = np.full(root.array.size + 2 * GUARD, MARK, np.float32)
        for i, node in enumerate(nodes):
            view = View((b, h, t, d), (steps[0], steps[3], steps[1], 1), i * steps[2])
            scene.homes[node] = Home(root, view)

    values = [scene.value(n).copy() for n in scene.inputs]
    share(scene.inputs, root)
    for node, value in zip(scene.inputs, values, strict=True):
        scene.value(node)[...] = value
    judge(scene, *scene.attention())
    node, results = scene.gradient()
    share(results, input_node(root.type))
    judge(scene, node, results)


def test_columns_apart_in_memory():
    scene = Scene((1, 2, 20, 21, 5, 6), causal=True, order=(0, 1, 3, 2))
    judge(scene, *scene.attention())
    judge(scene, *scene.gradient())


@pytest.mark.parametrize("shape", [(2, 1, 1, 21), (1, 1, 20, 21), (2, 2, 20, 1), (1, 1, 1, 1)])
def test_repeated_mask(shape):
    scene = Scene((2, 2, 20, 21, 4, 4))
    mask = scene.b(broadcast_to, scene.operand(shape), shape=scene.mask_shape)
    judge(scene, *scene.attention(mask))
    judge(scene, *scene.gradient(masks=[mask]))


def test_repeated_gradient():
    scene = Scene((1, 2, 20, 20, 4, 4), causal=True)
    one = scene.operand((1, 1, 1, 1))
    judge(scene, *scene.gradient(scene.b(broadcast_to, one, shape=(1, 2, 20, 4))))


def test_sees_nothing():
    scene = Scene((1, 1, 3, 5, 4, 4))
    mask = np.zeros(scene.mask_shape)
    mask[:, :, 1] = -np.inf
    node, results = scene.attention(scene.operand(scene.mask_shape, mask))
    out, lse = judge(scene, node, results)
    assert not out[0, 0, 1].any()
    assert lse[0, 0, 1] == -np.inf


@pytest.mark.parametrize("chunk", [0, 1])
def test_large_scores_do_not_overflow(chunk, monkeypatch):
    if chunk:
        small_chunks(monkeypatch, chunk)
    scene = Scene((1, 1, 40, 40, 4, 4), scale=300.0, causal=True)
    judge(scene, *scene.attention())
    scene.inputs[0] = scene.operand((1, 1, 40, 4), np.full((1, 1, 40, 4), -30.0))
    judge(scene, *scene.attention())


def test_nan_stays_in_its_row():
    scene = Scene((1, 1, 20, 20, 4, 4))
    scene.value(scene.inputs[0])[0, 0, 7] = np.nan
    node, results = scene.attention()
    execute(scene, *scene.work(node, results))
    for result in results:
        lost = np.isnan(scene.value(result)[0, 0].reshape(20, -1)).all(1)
        np.testing.assert_array_equal(lost, np.arange(20) == 7)


@pytest.mark.parametrize("wanted", [(0,), (1,)])
def test_unread_results(wanted):
    scene = Scene((1, 2, 9, 9, 4, 4), causal=True)
    node, results = scene.attention()
    judge(scene, node, [r if i in wanted else None for i, r in enumerate(results)])


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_unread_gradients(wanted):
    scene = Scene((1, 2, 9, 9, 4, 4), causal=True)
    node, results = scene.gradient()
    judge(scene, node, [r if i in wanted else None for i, r in enumerate(results)])


def test_one_kernel_for_all_lengths():
    """Batch, heads and lengths are run-time numbers; only raggedness shows in the code."""
    texts = set()
    for sizes in ((2, 3, 64, 64, 32, 32), (5, 7, 96, 96, 32, 32), (2, 3, 1024, 1024, 32, 32)):
        scene = Scene(sizes, causal=True)
        for node, results in (scene.attention(), scene.gradient()):
            work, _ = scene.work(node, results)
            texts.add(print_kernel(work.kernel))
    assert len(texts) == 2


def test_tiles_fit_the_registers():
    for lanes, registers in ((16, 32), (8, 16), (4, 32)):
        target = dataclasses.replace(AVX512, lanes=lanes, registers=registers)
        for dtype in (float32, float64):
            t = choose_tiling(target, dtype, 64)
            assert t.queries % t.rows == t.queries % t.turn == t.chunk % t.keys == 0
            assert t.keys * t.queries // t.unit + t.queries // t.unit + 1 <= registers
            for width in (1, 3, 16, 32, 40, 48, 64, 80, 128):
                columns = t.columns(width)
                across = -(-columns // t.unit)
                assert t.rows * across + across + 1 <= registers
                assert columns <= width * 2
