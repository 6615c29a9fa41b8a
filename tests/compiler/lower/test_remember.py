"""A kernel that is remembered is the one that would have been made."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base import dtypes
from chainrule.base.shapes import View
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.lower import remember
from chainrule.compiler.lower.schedule import works
from chainrule.compiler.lower.templates.rows import RowGroup, rows
from chainrule.compiler.pipeline import optimize, plan_graph
from chainrule.compiler.runtime.encoder import extents
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.shared.kernel_writer import BufferArgument, Home
from chainrule.compiler.trace.capture import capture
from chainrule.graph.node import Node, Type, input_node
from chainrule.ops import TABLE
from tests.compiler.programs import make_program
from tests.compiler.stepping import OPTIMIZERS


def planned(captured):
    """The kernels of a plan with what they are bound to, nodes numbered in order."""
    plan = plan_graph(optimize(captured), host_target())
    number: dict = {}
    found = []
    for work in works(plan.units):
        if not hasattr(work, "kernel"):
            continue
        bound = [
            (number.setdefault(a.node, len(number)), a.offset)
            for a in work.arguments
            if isinstance(a, BufferArgument)
        ]
        sets = [sorted(number[n] for n in nodes) for nodes in (work.reads, work.writes)]
        found.append((work.kernel, bound, extents(work), sets))
    return found


def compare(captured, monkeypatch):
    monkeypatch.setattr(remember, "_known", {})
    monkeypatch.setattr(remember, "_MOST", 0)  # nothing is kept
    want = planned(captured)
    monkeypatch.undo()
    planned(captured)
    assert planned(captured) == want


def test_a_node_in_whose_memory_another_lies_has_one_number(monkeypatch):
    """y = -relu(x) written over x: what is read first lies in what is computed last."""
    monkeypatch.setattr(remember, "_known", {})
    target, kind = host_target(), Type(dtypes.float32, (4,))

    def run():
        x = input_node(kind)
        inner = Node(TABLE["relu"], (x,), {}, kind)
        y = Node(TABLE["neg"], (inner,), {}, kind)
        whole = View.whole((4,))
        homes = {x: Home(y, whole), y: Home(y, whole)}
        group = RowGroup((4,), None, (inner, y), (y,))
        work = remember.remembered(
            "rows", group, homes, target, lambda: rows(group, homes, target.lanes)
        )
        return work, y

    for work, y in (run(), run()):
        assert work.writes == {y}
        assert {a.node for a in work.arguments if isinstance(a, BufferArgument)} == {y}


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    p = make_program(lambda n: int(rng.integers(0, n)), 25)
    compare(Captured(p.graph, p.results, p.states), monkeypatch)


def test_a_training_step(monkeypatch):
    layers = [nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU()) for _ in range(3)]
    model = nn.Sequential(nn.Embedding(9, 8), *layers, nn.Linear(8, 5))
    opt = OPTIMIZERS["adamw"](model.parameters())

    def step(words, tags):
        loss = F.cross_entropy(model(words).flatten(0, 1), tags.flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    arguments = cr.zeros(3, 7, dtype=cr.int64), cr.zeros(3, 7, dtype=cr.int64)
    compare(capture(step, arguments, {}, keep_grads=False).captured, monkeypatch)


def test_layers_share_their_kernels(monkeypatch):
    monkeypatch.setattr(remember, "_known", {})
    made = []
    real = remember._numbers
    monkeypatch.setattr(remember, "_numbers", lambda w, n: made.append(w) or real(w, n))

    def run(depth, rows):
        layers = [nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(depth)]
        net = nn.Sequential(*layers)
        with cr.no_grad():
            captured = capture(net, (cr.zeros(rows, 8),), {}, keep_grads=False).captured
        before = len(made)
        planned(captured)
        return len(made) - before

    assert run(6, 5) < 6
    assert run(4, 5) == 0


def test_constants_that_are_stored_are_told_apart():
    """The gradient of a strided write of 2.5 writes zeros by a kernel that is else the same."""

    @cr.compile
    def slope(x):
        x = x.detach().requires_grad_()
        z = x.clone()
        z.view(-1)[:15:5] = cr.full((3,), 2.5)
        (z * z).sum().backward()
        return x.grad

    x = cr.ones(3, 4)
    assert slope(x).tolist() == [[0.0 if i == j else 2.0 for j in range(4)] for i in range(3)]
