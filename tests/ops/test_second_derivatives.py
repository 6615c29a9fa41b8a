"""Second derivatives where special values meet: zeros, ones, equal operands.

Where the first derivative is smooth – its slope is the same from both sides – the second one, which
is the derivative of the rule, is that slope. Where it has a kink, the second one is finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.base.errors import ChainruleError
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from tests.ops.calls import (
    Call,
    call,
    calls,
    differentiable,
    directions,
    generator,
    gradient,
    inner,
    is_float,
)

STEP = 1e-6
CLOSE = 1e-4  # of a difference over STEP in float64, relative and absolute
POINTS = (0.0, 1.0, -1.0, 0.5, 2.0)
NAMES = differentiable(dtypes.float64, smooth=True)
ELEMENTWISE = [n for n in NAMES if "elementwise" in TABLE[n].traits]


def slopes(back: Any, values: list[Any], move: dict[int, Any], ups: list[Any]) -> Any:
    """The first derivative's own slope along `move`: from below and from above."""

    def at(t: float) -> float:
        moved = [v + t * move[i] if i in move else v for i, v in enumerate(values)]
        return inner(evaluate(back.graph, moved), ups)

    with np.errstate(all="ignore"):
        here, below, above = at(0.0), at(-STEP), at(STEP)
        return (here - below) / STEP, (above - here) / STEP


def check(c: Call, rng: np.random.Generator) -> bool:
    """Whether the point is smooth; then the second derivative is the difference."""
    back = gradient(c.graph)
    weights = directions(rng, [c.graph.outputs[i] for i in back.seeded])
    values = [*c.values, *weights]
    ups = directions(rng, list(back.graph.outputs))
    again = gradient(back.graph)
    moves = {i: directions(rng, [back.graph.inputs[i]])[0] for i in back.moving}
    below, above = slopes(back, values, moves, ups)
    size = 1 + abs(below)
    if not (np.isfinite([below, above]).all() and abs(below - above) <= CLOSE * size):
        return False
    if size > 1 / np.sqrt(STEP):  # a jump of the first derivative
        return False
    claimed = evaluate(again.graph, (*values, *ups))
    found = inner(
        [g for i, g in zip(again.moving, claimed, strict=True) if i in moves],
        [moves[i] for i in again.moving if i in moves],
    )
    assert found == pytest.approx((below + above) / 2, rel=CLOSE, abs=CLOSE), c
    return True


def at_points(name: str) -> list[Call]:
    """An elementwise op's calls at every pairing of the special points, each alone."""
    (first, *_) = calls(name, dtypes.float64)
    floats = [v.dtype.kind == "f" for v in first.sample.inputs]
    grid = np.stack(np.meshgrid(*[np.array(POINTS)] * len(floats))).reshape(len(floats), -1)
    found = []
    for column in grid.T:
        given = tuple(
            np.array([x]) if f else np.array([x > 0], v.dtype)
            for x, f, v in zip(column, floats, first.sample.inputs, strict=True)
        )
        found.append(call(TABLE[name], first.sample._replace(inputs=given)))
    return found


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if "cut" not in TABLE[n].traits])
def test_at_special_points(name):
    rng = generator(name)
    found = at_points(name)
    if not gradient(found[0].graph).moving:
        return
    assert sum(check(c, rng) for c in found) >= 1


def replaced(c: Call, fill: Any) -> Call | None:
    """The call with other numbers in its float inputs, if it is legal with them."""

    def other(v: Any) -> Any:
        if isinstance(v, tuple):
            return tuple(other(x) for x in v)
        return fill(v).astype(v.dtype) if v.dtype.kind == "f" else v

    try:
        new = call(c.op, c.sample._replace(inputs=tuple(other(v) for v in c.sample.inputs)))
        evaluate(gradient(new.graph).graph, [*new.values, *_ones(new)])
    except (ChainruleError, np.linalg.LinAlgError):
        return None
    return new


def _ones(c: Call) -> list[Any]:
    return [np.ones(n.shape) for n in c.graph.outputs if is_float(n)]


FILLS = {
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "ties": np.round,
    "a zero": lambda v: np.where(np.arange(v.size).reshape(v.shape) % 3 == 1, 0.0, v),
}


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ELEMENTWISE])
@pytest.mark.parametrize("fill", FILLS)
def test_where_values_are_equal_or_zero(name, fill):
    rng = generator(name)
    for c in calls(name, dtypes.float64):
        if not c.sample.smooth or not gradient(c.graph).moving:
            continue
        special = replaced(c, FILLS[fill])
        if special is not None:
            check(special, rng)


def test_the_law_sees_a_rule_that_is_flat_at_a_tie(monkeypatch):
    from chainrule.ops import exponential

    def flat(b: Any, node: Any, ct: Any) -> Any:
        x, y = node.inputs
        apart = b(
            TABLE["where"], b(TABLE["eq"], x, y), b(TABLE["sub"], x, x), b(TABLE["sub"], x, y)
        )
        return b(TABLE["mul"], ct, b(TABLE["sigmoid"], apart)), None

    wrong = exponential.elementwise("wrong", "logaddexp(x, y)", vjp=flat, kinds=exponential.FLOATS)
    monkeypatch.setitem(TABLE, "logaddexp", wrong)
    calls.cache_clear()
    try:
        with pytest.raises(AssertionError):
            test_at_special_points("logaddexp")
    finally:
        calls.cache_clear()
