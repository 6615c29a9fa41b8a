"""`draw`: the graph of a loss as a picture – forward values above the edges, gradients below.

    draw(loss).save("loss.svg")          # or in a notebook: draw(step, words, tags)
    draw(loss).to_dot()                  # for Graphviz

Modules are boxes inside boxes; below `depth` a module is one box. The picture is plain SVG and
needs no other program. May import `inspect.svg` and what lies below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.inspect.arrange import Path
from chainrule.inspect.boxes import Boxes, label
from chainrule.inspect.derivation import Derivation
from chainrule.inspect.documents import document, write_as
from chainrule.inspect.explain import derive
from chainrule.inspect.outline import AUTO
from chainrule.inspect.svg import picture

_DIRECTIONS = {None: None, "right": False, "down": True}


class Drawing:
    """A picture of a derivation: SVG, DOT or JSON, displayed in notebooks."""

    def __init__(
        self, derivation: Derivation, depth: int | None, direction: str | None = None
    ) -> None:
        """Open `depth` levels of modules; None opens all, -1 as many as fit a picture."""
        self.derivation = derivation
        self._boxes = Boxes(derivation, depth)
        self._down = _DIRECTIONS[direction]

    def to_svg(self) -> str:
        """The picture as an SVG document."""
        return "\n".join(picture(self._boxes, self._down))

    _repr_svg_ = to_svg

    def to_html(self) -> str:
        """The picture as an HTML page."""
        return document("draw", self.to_svg())

    def save(self, path: Any) -> None:
        """Write a file in the format of its ending: .svg, .html, .dot or .json."""
        forms = {"svg": self.to_svg, "html": self.to_html, "dot": self.to_dot, "gv": self.to_dot}
        write_as(path, {**forms, "json": self.to_json})

    def to_dot(self) -> str:
        """The same graph in Graphviz' language, modules as clusters."""
        return "\n".join(_dot(self._boxes))

    def to_json(self, most: int | None = 100) -> str:
        """Every node, value and contribution; arrays of over `most` entries are summarised.

        "left_out" counts them; `most=None` gives every number.
        """
        return json.dumps(self.derivation.as_record(most))


def draw(
    target: Any,
    *args: Any,
    wrt: Any = None,
    depth: int | None = AUTO,
    names: Sequence[str] = (),
    direction: str | None = None,
) -> Drawing:
    """The graph of `target`, a scalar loss or a function with its arguments, as a picture.

    Each edge has the forward value above and the gradient below; a leaf that is used several times
    shows the sum of its gradients. Like `explain`, it changes nothing. `depth` is the number of
    levels of modules opened (0: a model is one box; None: all; by default as many as fit a
    picture), `names` are those of the arguments, `direction` is "right" or "down" (by default down
    if the picture would be wider than a page).
    """
    if direction not in _DIRECTIONS:
        raise ArgumentError(f"direction is 'right' or 'down', not {direction!r}")
    return Drawing(derive(target, args, wrt, names), depth, direction)


def _dot(boxes: Boxes) -> Iterator[str]:
    yield f"digraph {json.dumps(boxes.d.title)} {{"
    yield '  rankdir=LR; node [shape=box, style="rounded,filled", fontname="monospace"];'
    names = {key: f"n{i}" for i, key in enumerate(boxes.members)}
    by_path: dict[Path, list[Any]] = {}
    for key, path in boxes.paths.items():
        by_path.setdefault(path, []).append(key)
    for path, keys in sorted(by_path.items()):
        opened = [f"subgraph {json.dumps('cluster_' + '.'.join(path[: i + 1]))} {{ "
                  f"label={json.dumps(part)}; " for i, part in enumerate(path)]  # fmt: skip
        yield "  " + "".join(opened)
        for key in keys:
            text = json.dumps(f"{boxes.title(key)}\n{boxes.subtitle(key)}", ensure_ascii=False)
            yield f'    {names[key]} [label={text}, fillcolor="{boxes.color(key)}"];'
        yield "  " + "}" * len(path)
    for link in boxes.edges():
        text = label(link.step.value)
        if link.gradient is not None:
            text += f"\n∂ {label(link.gradient)}"
        ends = f"{names[link.source]} -> {names[link.target]}"
        yield f"  {ends} [label={json.dumps(text, ensure_ascii=False)}];"
    yield "}"
