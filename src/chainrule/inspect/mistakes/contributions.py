"""Mistakes possible at any node: a path left out, a sign, a factor of two, counted twice.

Reverse mode adds the contributions of all paths; a path left out or counted twice is the most
frequent mistake. Example: `list(of_paths(node, active))`. May import
`inspect.mistakes.mistake`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from chainrule.graph.node import Node
from chainrule.inspect.mistakes.mistake import PLUMBING, Mistake, noun, scaled

PATHS = ("held-constant", "path-left-out", "sign", "counted-twice", "factor-left-out")  # by rank
_PICKED = (
    "what the picked entry gets is left out: in a cross-entropy, p stands where p − onehot belongs"
)


def of_choice(node: Node) -> Iterator[Mistake]:
    """Mistakes at where(condition, x, y): the mask left out or inverted."""
    if node.op.name != "where":
        return
    _, x, y = node.inputs
    for i, other in ((1, y), (2, x)):
        yield Mistake(
            "mask-left-out",
            "the mask is left out: the gradient passes where the other side was chosen",
            lambda at, i=i: at.only(i, at.ct),  # type: ignore[misc]
        )
        if other.op.name == "full":
            yield Mistake(
                "mask-inverted",
                "the mask is inverted: the gradient passes where the other side was chosen",
                lambda at, i=i: at.only(i, at.parts[3 - i]),  # type: ignore[misc]
            )


def of_paths(node: Node, active: Container[Node]) -> Iterator[Mistake]:
    """Mistakes at each input of a node; `active` are the nodes on paths to the target."""
    ways = [i for i, child in enumerate(node.inputs) if child in active]
    name = noun(node)
    for i in ways:
        statistic = _statistic(node)
        if node.op.name == "broadcast_to" and statistic is not None:
            words = f"what {noun(statistic)} gives is held constant: it depends on the input too"
            yield Mistake("held-constant", words, lambda at, i=i: at.only(i, None))  # type: ignore[misc]
        elif node.op.name not in {"reshape", "transpose", "cast"}:
            which = f" to its operand {i}" if len(ways) > 1 else ""
            words = (
                _PICKED if node.op.name == "pick" else f"the path through {name}{which} is left out"
            )
            yield Mistake("path-left-out", words, lambda at, i=i: at.only(i, None))  # type: ignore[misc]
    if node.op.name in PLUMBING:
        return
    for i in ways:
        which = f", operand {i}" if len(ways) > 1 else ""
        for code, words, factor in (
            ("sign", f"the sign of what {name} sends back is reversed{which}", -1.0),
            ("counted-twice", f"what {name} sends back is counted twice{which}", 2.0),
            (
                "factor-left-out",
                f"what {name} sends back is halved{which}: a factor 2 is missing",
                0.5,
            ),
        ):
            yield Mistake(code, words, scaled(i, factor))


def _statistic(node: Node) -> Node | None:
    """The computed value that a broadcast repeats; None for an input."""
    while node.op.name in {"broadcast_to", "reshape", "cast"}:
        node = node.inputs[0]
    return node if node.inputs else None
