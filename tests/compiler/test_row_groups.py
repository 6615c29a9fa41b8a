"""Row groups with several dependent reductions mean the same wherever they are cut.

A group grows to so many instructions, and is then cut in two; what its rows' values are, and who
reads them, must not depend on the place. So the bound is lowered until most groups are cut.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.compiler.fuse import group

KINDS = ("mean", "sum", "max", "along", "map", "by row", "tanh", "other order", "columns")
Step = tuple[str, int, int, bool]


class Values(NamedTuple):
    """Values of each element, of each row, and of other shapes."""

    full: list[Any]
    row: list[Any]
    other: list[Any]


def run(xp: Any, x: Any, steps: list[Step]) -> list[Any]:
    """What the steps compute, with NumPy's functions or ours."""
    full, row, other = Values([x], [], [])
    for kind, i, j, flag in steps:
        a, b = full[i % len(full)], full[j % len(full)]
        if kind in {"mean", "sum", "max"}:
            row.append(getattr(xp, "amax" if kind == "max" else kind)(a, -1)[..., None])
        elif kind == "along" and row:
            r = row[j % len(row)]
            full.append(a - r if flag else a * r)
        elif kind == "map":
            full.append(a + b * 0.5)
        elif kind == "by row" and row:
            r = row[i % len(row)]
            row.append(1 / xp.sqrt(r * r + 1) if flag else r - row[j % len(row)])
        elif kind == "tanh":
            full.append(xp.tanh(a))
        elif kind == "other order":
            other.append(a.reshape(-1)[::2] * 2)
        elif kind == "columns":
            other.append(a.sum(0))
    return [*full[1:], *row, *other]


@st.composite
def programs(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Step], list[int]]:
    """The shape of rows, the steps, and which values are results."""
    outer = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    inner = draw(st.sampled_from([1, 3, 16, 20, 200]))
    place = st.integers(0, 99)
    steps = draw(
        st.lists(st.tuples(st.sampled_from(KINDS), place, place, st.booleans()), min_size=4)
    )
    return (*outer, inner), steps, draw(st.lists(place, min_size=1, max_size=8))


@settings(max_examples=60)
@given(programs(), st.sampled_from([30, 100, 300, group.MOST]))
def test_groups_are_cut_anywhere(program, most):
    shape, steps, places = program
    x = np.random.default_rng(len(steps)).normal(size=shape) / 4

    def values(xp: Any, a: Any) -> list[Any]:
        found = run(xp, a, steps) or [a * 2]
        return [found[i % len(found)] for i in places]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "MOST", most)
        got = cr.compile(lambda a: values(cr, a))(cr.tensor(x))
    for g, w in zip(got, values(np, x), strict=True):
        np.testing.assert_allclose(g.numpy(), w, 1e-8, 1e-9 * max(1.0, np.abs(w).max()))
