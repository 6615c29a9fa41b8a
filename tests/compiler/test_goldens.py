"""Before → after of every pass: each file of passes has its page in `golden/passes`.

A page holds cases: `## what happens`, a graph, `→`, and what the pass makes of it. A new case is
written without its second half; `pytest tests/compiler --update-golden` fills it in.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import chainrule.compiler
from chainrule.graph.node import Graph
from chainrule.graph.text import parse_graph, print_graph
from chainrule.graph.verify import verify
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from tests.compiler.conftest import GOLDEN
from tests.compiler.shown import SHOWN

FOLDERS = ("rewrite", "fuse", "lower")
PASSES = {"access", "bodies"} | {
    p.stem
    for folder in FOLDERS
    for p in (Path(chainrule.compiler.__path__[0]) / folder).glob("[!_]*.py")
}


def cases(name: str) -> list[tuple[str, Graph]]:
    """Titles and graphs of a page."""
    text = (GOLDEN / "passes" / f"{name}.txt").read_text(encoding="utf-8")
    found = []
    for case in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = case.partition("\n")
        found.append((title, parse_graph(rest.partition("\n→\n")[0], TABLE)))
    return found


@pytest.mark.parametrize("name", SHOWN)
def test_before_and_after(name, golden):
    texts = []
    for title, graph in cases(name):
        verify(graph)
        after = SHOWN[name](graph)
        if isinstance(after, Graph):
            verify(after)
            after = print_graph(after)
        before = print_graph(graph)
        assert after not in {"", before}, f"{name} leaves this case as it is: {title}"
        texts.append(f"## {title}\n{before}\n→\n{after}")
    golden(f"passes/{name}", "\n\n".join(texts))


def test_every_pass_has_a_page():
    assert set(SHOWN) == PASSES
    assert {page.stem for page in (GOLDEN / "passes").glob("*.txt")} == PASSES


@pytest.mark.parametrize(
    "name", [name for name in SHOWN if name not in {"checks", "finite", "lift", "bodies"}]
)
def test_a_graph_after_a_pass_computes_what_it_computed_before(name):
    rng = np.random.default_rng(3)
    for _, graph in cases(name):
        after = SHOWN[name](graph)
        if not isinstance(after, Graph):
            continue
        values = [drawn(rng, n) for n in graph.inputs]
        for a, b in zip(evaluate(after, values), evaluate(graph, values), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def drawn(rng, node):
    """Values of an input; integers may be indices of two elements."""
    if node.dtype.kind == "float":
        return np.asarray(rng.normal(size=node.shape), node.dtype.numpy)
    return np.asarray(rng.integers(0, 2, node.shape), node.dtype.numpy)
