"""Stages as text: the golden ones of tiny programs, and what holds for all."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.compiler.codegen.target import AVX512
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.show import graph_stages, stages
from chainrule.graph.text import parse_graph, print_graph
from chainrule.kernel.text import parse_kernel, print_kernel
from chainrule.ops import TABLE
from tests.compiler.programs import make_program
from tests.compiler.stepping import Training, X, Y

W, B = np.ones((4, 3), np.float32), np.zeros(3, np.float32)


def scale(x):
    return x * 2 + 1


def linear(x, w, b):
    return cr.relu(x @ w + b)


def softmax(x):
    return F.softmax(x, -1)


def update(x):
    state = cr.zeros(3)

    def step(x):
        state.mul_(0.9).add_(x.sum(0), alpha=0.1)
        return (x - state).sum()

    return stages(step, x, sources=False, target=AVX512)


def texts(name):
    if name == "update":
        return update(X[:, :3])
    args = {"scale": (X,), "linear": (X, W, B), "softmax": (X,)}[name]
    return stages(globals()[name], *args, sources=False, target=AVX512)


@pytest.mark.parametrize("name", ["scale", "linear", "softmax", "update"])
def test_graphs_and_groups_of_tiny_programs(name, golden):
    found = texts(name)
    kept, before = [], ""
    for stage in [key for key in found if key not in {"plan", "kernels", "llvm"}]:
        if found[stage] != before:
            kept.append(f"== {stage}\n{found[stage]}")
        before = found[stage]
    golden(name, "\n\n".join(kept))


def test_the_plan_and_kernel_of_the_tiniest_program(golden):
    found = texts("scale")
    golden("scale_kernel", f"== plan\n{found['plan']}\n\n== kernels\n{found['kernels']}")


def test_a_training_step_is_shown_and_not_taken():
    training = Training("adamw")
    before = training.state()
    found = stages(training.step, cr.tensor(X), cr.tensor(Y), assembly=True)
    assert next(iter(found)) == "trace"
    assert list(found)[-5:] == ["groups", "plan", "kernels", "llvm", "assembly"]
    assert {"decompose", "simplify", "simplify 2", "seal"} <= set(found)
    assert "stepping.py:" in found["trace"]
    assert found["kernels"].count("kernel ") == found["llvm"].count("define void @kernel")
    assert " late" in found["groups"]
    assert "commit" in found["plan"]
    assert "ret" in found["assembly"]
    for a, b in zip(training.state()[: len(before)], before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_printed_can_be_read_again(seed):
    rng = np.random.default_rng(seed)
    p = make_program(lambda n: int(rng.integers(0, n)), 15)
    found = graph_stages(Captured(p.graph, p.results, p.states))
    for stage, text in found.items():
        if text.startswith("graph("):
            assert print_graph(parse_graph(text, TABLE)) == text, stage
    for text in filter(None, found["kernels"].split("\n\n")):
        assert print_kernel(parse_kernel(text)) == text
