"""The plan of a length is the same whether other lengths were planned before it or not."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base import shapes
from chainrule.compiler.codegen.target import AVX512
from chainrule.compiler.lower import remember
from chainrule.compiler.lower.schedule import Repeat, works
from chainrule.compiler.lower.templates.gemm_tile import choose_tile
from chainrule.compiler.pipeline import optimize, plan_graph
from chainrule.compiler.shared.kernel_writer import BufferArgument
from chainrule.compiler.trace.capture import capture
from chainrule.kernel import index
from chainrule.kernel.text import print_kernel

WORDS, TAGS, WIDTH, BATCH = 60, 5, 16, 3
LENGTHS = (1, 4, 17, 64)
CACHES = (
    *(getattr(shapes, name) for name in ("contiguous_strides", "_repeated", "_reshaped")),
    *(getattr(index, name) for name in ("symbol", "_number", "_sum", "_product")),
    choose_tile,
)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * WIDTH, TAGS)

    def forward(self, words):
        return self.out(self.lstm(self.embed(words))[0])


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.block = nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, 0.0, batch_first=True)
        self.out = nn.Linear(WIDTH, TAGS)

    def forward(self, words):
        return self.out(self.block(self.embed(words)))


def planner(model):
    """A function from a length to the plan of a training step."""
    opt = optim.AdamW(model.parameters())

    def step(words, tags):
        loss = F.cross_entropy(model(words).flatten(0, 1), tags.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        return loss

    def plan(length):
        batch = np.zeros((BATCH, length), np.int64)
        captured = capture(step, (batch, batch), {}, keep_grads=False).captured
        return plan_graph(optimize(captured), AVX512)

    return plan


def text(plan):
    """All of a plan: kernels, what they are bound to, loops, memory; arrays are numbers."""
    number = {}

    def of(node):
        return number.setdefault(node, len(number))

    def lines(units):
        for unit in units:
            work = unit.work
            yield f"level {unit.level} late {unit.late}"
            if isinstance(work, Repeat):
                yield f"repeat {work.trips} in {work.blocks} kept {[of(n) for n in work.kept]}"
                yield from lines(work.units)
                yield str([(of(n), of(m.root), *m[1:]) for n, m in work.moving.items()])
                continue
            yield print_kernel(work.kernel)
            yield str(
                [
                    (of(a.node), a.offset) if isinstance(a, BufferArgument) else a
                    for a in work.arguments
                ]
            )

    found = [f"{of(node)} {node.type}" for node in plan.externals]
    found += lines(plan.units)
    found += [f"{of(node)} at {at}" for node, at in plan.offsets.items()]
    return "\n".join([*found, f"{plan.arena_bytes} {plan.work}"])


def forget():
    """What earlier plans left behind."""
    remember._known.clear()
    for cache in CACHES:
        cache.cache_clear()


@pytest.mark.parametrize("model", [Recurrent, Attending])
def test_a_length_has_one_plan(model):
    after_others = planner(model())
    for length in (*LENGTHS, 5):  # what others leave behind
        after_others(length)
    assert remember._known
    plan = planner(model())
    for length in LENGTHS:
        found = text(after_others(length))
        forget()
        assert found == text(plan(length)), length


@pytest.mark.parametrize("model", [Recurrent, Attending])
def test_lengths_share_their_kernels(model):
    plan = planner(model())
    kernels = [
        # products choose their tile by how many rows there are
        {print_kernel(w.kernel) for w in works(plan(n).units) if w.kernel.name != "gemm"}
        for n in (37, 41)
    ]
    assert kernels[0] == kernels[1]
    assert len(kernels[0]) > 10
