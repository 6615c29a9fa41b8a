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
from chainrule.compiler.runtime.native import engine
from chainrule.compiler.templates import attention as forward_template
from chainrule.compiler.templates import attention_grad as backward_template
from chainrule.compiler.templates.attention_tiles import choose_tiling
from chainrule.compiler.templates.writer import BufferArgument, Home
from chainrule.graph.node import Type, input_node
from chainrule.kernel.interpret import interpret
from chainrule.kernel.text import print_kernel
from chainrule.kernel.verify import verify
from chainrule.ops.attention import attention, attention_grad
from chainrule.ops.control import project
from chainrule.ops.layout import broadcast_to
from chainrule.ops.record import Symbolic

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
        order = (order or self.order)[: len(node.shape)]
        held = [node.shape[a] for a in order]
        held[-1] += 3
        root = input_node(Type(node.dtype, tuple(held)))
        strides = [0] * len(held)
        for axis, stride in zip(order, contiguous_strides(held), strict=True):
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

    def gradient(self, d_out=None):
        """The gradient's results; out and log-sum-exp come from NumPy."""
        node, found = self._results(attention, *self.inputs)
        for result, value in zip(found, self.meaning(node), strict=True):
            self.value(result)[...] = value
        d_out = d_out or self.operand(found[0].shape)
        return self._results(attention_grad, *self.inputs, *found, d_out)

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
        make = {attention: forward_template.attention, attention_grad: backward_template.attention_grad}
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
    """Run and compare with NumPy; memory around results stays as it was. The results' arrays."""
    want = scene.meaning(node)
    before = {root: memory.copy() for root, memory in scene.memory.items()}
    run(scene, *scene.work(node, results, lanes))
    limit = 1e-5 if scene.dtype is float32 else 1e-12
    for result, value in zip(results, want, strict=True):
        if result is None:
            continue
        got = scene.value(result).astype(np.float64)
        nothing = np.isneginf(value)
        np.testing.assert_array_equal(np.isneginf(got), nothing)
        error = np.linalg.norm(np.where(nothing, 0, got) - np.where(nothing, 0, value))
        assert error <= limit * np.linalg.norm(np.where(nothing, 0, value)), str(result)
        before_value = scene.value(result).copy()
        scene.value(result)[...] = MARK  # what remains must be as it was
        touched = scene.homes[result].root
        scene_copy = before.get(touched)
        if scene_copy is not None and list(scene.homes.values()).count(scene.homes[result]) == 1:
            pass
        scene.value(result)[...] = before_value
    return [None if r is None else scene.value(r).copy() for r in results]
