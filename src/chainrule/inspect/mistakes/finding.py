"""The finding about a wrong claimed gradient: the code, a sentence, and the node of the mistake.

From the most specific to the most general: one error in the whole gradient, a classic mistake at
one node, a use that was left out, the same mistake along a line, two mistakes, and last a pattern
of the numbers. Example: `find_mistake(graph, values, target, claim, right)`. May
import `inspect.mistakes` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.graph.node import Graph, Node
from chainrule.graph.walk import topological
from chainrule.inspect.diagnosis import (
    UNKNOWN,
    Pattern,
    matches,
    named_sizes,
    of_rest,
    of_whole,
    tolerance,
)
from chainrule.inspect.mistakes.explanations import Explanation, explanations, matching, pairs
from chainrule.inspect.mistakes.uses import uses_left_out

Array = np.ndarray[Any, Any]
_LEAST_FOR_PAIRS = 4  # differing entries
_VAGUE = frozenset({"sign", "factor", "sum-for-mean", "mean-for-sum"})  # a node says more


@dataclass(frozen=True)
class Finding:
    """A mistake in the gradient of `input`, with its node if one explains it."""

    input: str
    code: str
    words: str
    op: str = ""
    layer: str = ""
    source: str = ""

    def __str__(self) -> str:
        """`gradient W: it is transposed …`, with the line."""
        where = f" ({self.source})" if self.source else ""
        return f"{self.input}: {self.words}{where}"


def find_mistake(
    name: str, graph: Graph, values: Sequence[Any], target: Node | None, claim: Array, right: Array,
    others: Iterable[tuple[str, Array]] = (), earlier: Sequence[Finding] = (),
) -> Finding:  # fmt: skip
    """The finding for one input; `others` are the right gradients of the other inputs, by name.

    `earlier` are findings of other inputs: one mistake is more likely than two.
    """
    a, n = np.asarray(claim, np.float64), np.asarray(right, np.float64)
    if np.max(np.abs(n), initial=0.0) <= 1e-12 * np.max(np.abs(a), initial=0.0):
        n = np.zeros_like(n)  # the rounding errors of a zero gradient
    sizes = named_sizes([x.shape for x in topological(graph.outputs) if hasattr(x.type, "shape")])
    whole = of_whole(a, n, sizes)
    if whole is not None and whole.code not in {*_VAGUE, "not-zero"}:
        return Finding(name, *whole)
    exchanged = _exchanged(a, n, others)
    if exchanged is not None:
        return Finding(name, *exchanged)
    if target is None or target not in topological(graph.outputs):
        return Finding(name, *(whole or UNKNOWN))
    off = a - n
    found = explanations(graph, values, target)
    said = {f.words for f in earlier}
    near = sorted(matching(found, off, _limit(a, off)), key=lambda e: e.words not in said)
    if whole is not None and whole.code in _VAGUE:
        exact = [e for e in near if e.code in {"factor-left-out", "mean-for-sum", "scale-left-out"}]
        return _located(name, whole, exact[:1], said=True)
    if whole is not None:
        return _located(name, _not_zero(near), near[:1])
    return _searched(name, graph, values, target, (a, n), found, near, said)


def _searched(
    name: str, graph: Graph, values: Sequence[Any], target: Node, both: tuple[Array, Array],
    found: Sequence[Explanation], near: Sequence[Explanation], said: Container[str],
) -> Finding:  # fmt: skip
    a, n = both
    off = a - n
    limit = _limit(a, off)
    sure = [e for e in near if not e.is_path and len(e.nodes) == 1]
    if sure:
        return _located(name, Pattern(sure[0].code, sure[0].words), sure[:1])
    for pattern, part in uses_left_out(graph, values, target):
        if matching([Explanation(*pattern, (), part - n, 0)], off, limit):
            return Finding(name, *pattern)
    if near:
        return _located(name, Pattern(near[0].code, near[0].words), near[:1])
    different = np.count_nonzero(np.abs(off) > 1e-9 * np.max(np.abs(off)))
    for two in pairs(found, off, limit):
        words = f"two mistakes together: {two[0].words}; and {two[1].words}"
        if different >= _LEAST_FOR_PAIRS or words in said:
            return _located(name, Pattern(f"{two[0].code}+{two[1].code}", words), two[:1])
    return Finding(name, *of_rest(a, n))


def _limit(claim: Array, off: Array) -> float:
    """The largest distance of an explanation from a claim."""
    return tolerance(off) * float(min(np.max(np.abs(off)), np.max(np.abs(claim))))


def _exchanged(a: Array, n: Array, others: Iterable[tuple[str, Array]]) -> Pattern | None:
    for other, gradient in others:
        if matches(a, gradient) and not matches(n, gradient):
            words = f"it equals {other}: the gradients of the inputs are exchanged"
            return Pattern("inputs-exchanged", words)
    return None


def _not_zero(near: Sequence[Explanation]) -> Pattern:
    if near:
        return Pattern(near[0].code, f"it should be zero: {near[0].words}")
    words = (
        "it should be zero: what arrives over the paths from this input to the output cancels or "
        "is blocked, as for the sum of a softmax, which is always 1"
    )
    return Pattern("not-zero", words)


def _located(
    name: str, pattern: Pattern, found: Sequence[Explanation], *, said: bool = False
) -> Finding:
    """The finding with the first explanation's node, and its words if a pattern is `said`."""
    if not found:
        return Finding(name, *pattern)
    node = found[0].nodes[0]
    words = f"{pattern.words}: {found[0].words}" if said else pattern.words
    code = found[0].code if said else pattern.code
    layer = node.source.layer if node.source else ""
    label = str(node.attrs.get("label", node.op.name))
    return Finding(name, code, words, label, layer, str(node.source) if node.source else "")
