"""A planted fault is found, and its stage named."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.base import dtypes
from chainrule.base.errors import VerifyError
from chainrule.compiler.debug import check_call, check_passes
from chainrule.compiler.lower import remember
from chainrule.compiler.lower.templates import columns
from chainrule.compiler.rewrite import reductions, simplify
from chainrule.compiler.shared.captured import Captured
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic
from tests.compiler.programs import make_program
from tests.compiler.stepping import Training, X, Y


def program() -> tuple[Captured, list[np.ndarray]]:
    """(x, w) → Σ_0 x·1·2 and w ← w + Σ_0 x·1·2."""
    b = Symbolic()
    x = input_node(Type(dtypes.float32, (7, 5)))
    w = input_node(Type(dtypes.float32, (5,)))
    one = b(TABLE["full"], value=1, dtype=x.dtype, shape=x.shape)
    two = b(TABLE["full"], value=2, dtype=x.dtype, shape=x.shape)
    total = b(TABLE["sum"], b(TABLE["mul"], b(TABLE["mul"], x, one), two), axes=(0,))
    graph = Graph((x, w), (total, b(TABLE["add"], w, total)))
    rng = np.random.default_rng(0)
    values = [rng.normal(size=n.shape).astype(np.float32) for n in graph.inputs]
    return Captured(graph, 1, {1: 1}), values


def test_a_sound_compiler_passes_and_changes_no_input():
    captured, values = program()
    before = [v.copy() for v in values]
    check_passes(captured, values)
    for a, b in zip(values, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_wrong_rule_is_named(monkeypatch):
    captured, values = program()

    def wrong(node):
        return node.inputs[0] if node.inputs[1].op is TABLE["full"] else None  # x · 2 → x

    monkeypatch.setitem(simplify._REWRITES, TABLE["mul"], wrong)
    message = (
        r"the pass decompose changes result number 0: 5 of 5 elements differ, the first at \(0"
    )
    with pytest.raises(VerifyError, match=message):
        check_passes(captured, values)


def test_a_wrong_pass_is_named(monkeypatch):
    captured, values = program()
    rule = reductions._normalize

    def wrong(node):
        if node.op is TABLE["sum"] and node.inputs[0].shape == (7, 5):
            return Symbolic()(TABLE["amax"], *node.inputs, **node.attrs)
        return rule(node)

    monkeypatch.setattr(reductions, "_normalize", wrong)
    with pytest.raises(VerifyError, match="the pass normalize_reductions changes result"):
        check_passes(captured, values)


def test_a_wrong_kernel_is_told_from_the_passes(monkeypatch):
    captured, values = program()
    monkeypatch.setitem(columns.STEP, "add", "sub")
    monkeypatch.setattr(remember, "_known", {})
    with pytest.raises(VerifyError, match="code generation changes result number 0"):
        check_passes(captured, values)


def test_a_whole_training_step_is_checked_and_not_taken():
    training = Training("adamw")
    before = training.state()
    check_call(training.step, cr.tensor(X), cr.tensor(Y))
    for a, b in zip(training.state()[: len(before)], before, strict=True):
        np.testing.assert_array_equal(a, b)
    check_call(lambda x, *, p: F.dropout(x, p).sum(), X, p=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_random_programs_pass(seed):
    rng = np.random.default_rng(seed)
    p = make_program(lambda n: int(rng.integers(0, n)), 12)
    check_passes(Captured(p.graph, p.results, p.states), p.values)
