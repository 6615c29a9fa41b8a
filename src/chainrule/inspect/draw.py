"""`draw`: the graph of a loss as a picture – forward values above the edges, gradients below.

    draw(loss).save("loss.svg")          # or in a notebook: draw(step, words, tags)
    draw(loss).to_dot()                  # for Graphviz

Modules are boxes inside boxes; below `depth` a module is one box. The picture is plain SVG and
needs no other program. May import `inspect.derivation`, `inspect.arrange`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path as File
from typing import Any

import numpy as np

from chainrule.inspect.arrange import Arrangement, Path, Place, Size, arrange
from chainrule.inspect.derivation import Derivation, Step
from chainrule.inspect.explain import derive
from chainrule.inspect.outline import shown

_LEAF, _NODE, _MODULE, _LOSS = "#e8f1fb", "#ffffff", "#f4f4f6", "#fdecea"
_VALUE, _GRADIENT, _LINE = "#1a6e2e", "#b3261e", "#8a8f98"
_CHARACTER = 7.2  # width
_FEW, _LONGEST = 4, 28  # entries of an array that are shown as numbers, if they are short
_SMALL_CHARACTER, _AROUND, _LEAST = 6.1, 44, 84  # widths in a label, beside it, and of both
_SMALL = 60  # nodes that are still drawn one by one
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1d1d1f}"
    ".t{font-weight:600}.s{font-size:10px;fill:#5f6368}"
    f".v{{font-size:10px;fill:{_VALUE}}}.g{{font-size:10px;fill:{_GRADIENT}}}"
    ".v,.g{paint-order:stroke;stroke:#fff;stroke-width:3px}"
)


class Drawing:
    """A picture of a derivation: SVG, DOT or JSON; shows itself in notebooks."""

    def __init__(self, derivation: Derivation, depth: int | None) -> None:
        """`depth` levels of modules are opened; None opens all."""
        self.derivation = derivation
        self._boxes = _Boxes(derivation, depth)

    def to_svg(self) -> str:
        """The picture as an SVG document."""
        return "\n".join(_svg(self._boxes))

    _repr_svg_ = to_svg

    def save(self, path: Any) -> None:
        """Write the SVG to a file."""
        File(path).write_text(self.to_svg(), encoding="utf-8")

    def to_dot(self) -> str:
        """The same graph in Graphviz' language, modules as clusters."""
        return "\n".join(_dot(self._boxes))

    def to_json(self) -> str:
        """Every node, value and contribution."""
        return json.dumps(self.derivation.as_record())


def draw(
    target: Any,
    *args: Any,
    wrt: Any = None,
    depth: int | None = None,
    names: Sequence[str] = (),
) -> Drawing:
    """The graph of `target`, a scalar loss or a function with its arguments, as a picture.

    On each edge stands the value that goes forward and, below it, the gradient that comes back.
    Like `explain` it changes nothing. `depth` is how many levels of modules are opened (default:
    all in small graphs, one in large ones); `names` are what the arguments are called.
    """
    derivation = derive(target, args, wrt, names)
    if depth is None and len(derivation.steps) > _SMALL:
        depth = 1
    return Drawing(derivation, depth)


class _Boxes:
    """What is drawn: single steps, and whole modules below the depth."""

    def __init__(self, d: Derivation, depth: int | None) -> None:
        self.d = d
        self.members: dict[Any, list[Step]] = {}
        self.paths: dict[Any, Path] = {}
        self._of: dict[int, Any] = {}
        for s in d.steps:
            path = () if s.is_leaf else _path(s.layer)
            folded = depth is not None and len(path) >= max(depth, 1)
            key: Any = path[:depth] if folded else s.number
            self.members.setdefault(key, []).append(s)
            self.paths[key] = path[: depth - 1] if folded and depth else path
            self._of[s.number] = key
        self._pass_through_bare_reshapes()
        self._drop_lonely_constants()

    def _pass_through_bare_reshapes(self) -> None:
        """A vector that is a column for a product, say: the same numbers, so no box."""
        for s in self.d.steps:
            if s.op != "reshape" or s.is_leaf or s.number == self.d.loss:
                continue
            (child,) = s.operands
            key = self._of[s.number]
            if key == s.number and _long_axes(s) == _long_axes(self.d.steps[child]):
                self.members.pop(key)
                self.paths.pop(key)
                self._of[s.number] = self._of[child]

    def _drop_lonely_constants(self) -> None:
        """Constants used by one box alone would only crowd the picture."""
        readers: dict[Any, set[Any]] = {}
        for a, b, _ in self.edges():
            readers.setdefault(a, set()).add(b)
        wanted = set(self.d.wanted)
        for s in self.d.steps:
            key = self._of[s.number]
            if (
                s.is_leaf
                and s.number not in wanted
                and not s.name
                and len(readers.get(key, ())) < 2
            ):
                self.members.pop(key)
                self.paths.pop(key)
        self._of = {number: key for number, key in self._of.items() if key in self.members}

    def edges(self) -> Iterator[tuple[Any, Any, Step]]:
        """(from, to, the step whose value goes along), one for each value and reader."""
        seen: set[tuple[Any, Any, int]] = set()
        for s in self.d.steps:
            for child in s.operands:
                if s.number not in self._of or child not in self._of:
                    continue
                a, b = self._of[child], self._of[s.number]
                if a != b and (a, b, child) not in seen:
                    seen.add((a, b, child))
                    yield a, b, self.d.steps[child]

    def title(self, key: Any) -> str:
        if isinstance(key, tuple):
            return str(key[-1])
        s = self.members[key][0]
        return s.name or ("constant" if s.is_leaf else s.op)

    def subtitle(self, key: Any) -> str:
        if isinstance(key, tuple):
            count = len(self.members[key])
            return f"{count} node{'s' * (count != 1)}"
        s = self.members[key][0]
        return f"%{s.number}  {s.type}"

    def color(self, key: Any) -> str:
        if isinstance(key, tuple):
            return _MODULE
        s = self.members[key][0]
        return _LEAF if s.is_leaf else _LOSS if s.number == self.d.loss else _NODE

    def size(self, key: Any) -> Size:
        longest = max(len(self.title(key)), len(self.subtitle(key)) * 0.85)
        return Size(longest * _CHARACTER + 24, 44)


def _long_axes(s: Step) -> tuple[int, ...]:
    """A value's shape without axes of size 1."""
    shape = () if s.value is None else np.shape(s.value)
    return tuple(size for size in shape if size != 1)


def _path(layer: str) -> Path:
    """`encoder.rnn[step 2]` → the step inside rnn inside encoder."""
    return tuple(filter(None, layer.replace("[", ".").replace("]", "").split(".")))


def _label(value: Any) -> str:
    """A few numbers, or how large they are: √mean(x²) tells a vanishing gradient at a glance."""
    if value is None or isinstance(value, tuple):
        return ""
    array = np.asarray(value)
    few = ", ".join(f"{v:.3g}" for v in array.reshape(-1)[:_FEW].tolist())
    if array.size <= _FEW and len(few) <= _LONGEST:
        return few
    if array.dtype.kind != "f":
        return f"{array.min()} … {array.max()}"
    with np.errstate(all="ignore"):
        return f"rms {np.sqrt(np.mean(np.square(array, dtype=np.float64))):.2g}"


def _svg(boxes: _Boxes) -> Iterator[str]:
    keys = list(boxes.members)
    edges = list(boxes.edges())
    rooms = _rooms(edges)
    at = arrange(
        {k: boxes.size(k)._replace(room=rooms.get(k, 0.0)) for k in keys},
        {k: boxes.paths[k] for k in keys},
        [(a, b) for a, b, _ in edges],
    )
    width, height = round(at.size.width), round(at.size.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">'
    )
    yield f"<title>{escape(boxes.d.title)}</title><style>{_STYLE}</style>"
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    yield from _frames(at)
    for a, b, step in edges:
        yield from _edge(at.boxes[a], at.boxes[b], step, rooms[a])
    for key in keys:
        yield from _box(at.boxes[key], boxes, key)
    yield "</svg>"


def _rooms(edges: Sequence[tuple[Any, Any, Step]]) -> dict[Any, float]:
    """How much room the labels of the edges need that leave each box."""
    rooms: dict[Any, float] = {}
    for a, _, step in edges:
        longest = max(len(_label(value)) for value in (step.value, step.gradient))
        rooms[a] = max(rooms.get(a, _LEAST), longest * _SMALL_CHARACTER + _AROUND)
    return rooms


def _frames(at: Arrangement) -> Iterator[str]:
    for path, place in sorted(at.groups.items(), key=lambda item: len(item[0])):
        if not path:
            continue
        yield (
            f'<rect x="{place.x:.0f}" y="{place.y:.0f}" width="{place.width:.0f}" '
            f'height="{place.height:.0f}" rx="8" fill="{_MODULE}" stroke="#c9ccd1"/>'
            f'<text class="s" x="{place.x + 10:.0f}" y="{place.y + 15:.0f}">'
            f"{escape(path[-1])}</text>"
        )


def _edge(a: Place, b: Place, step: Step, room: float) -> Iterator[str]:
    x1, y1 = a.x + a.width, a.y + a.height / 2
    x2, y2 = b.x, b.y + b.height / 2
    bend = max(30.0, abs(x2 - x1) / 2)
    yield (
        f'<path d="M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} '
        f'{x2 - 5:.0f} {y2:.0f}" fill="none" stroke="{_LINE}"/>'
        f'<path d="M{x2:.0f} {y2:.0f}l-7 -3.5v7z" fill="{_LINE}"/>'
    )
    along = min(room / 2, (x2 - x1) / 2)
    x, y = x1 + along, y1 + (y2 - y1) * min(0.5, along / max(2 * along, x2 - x1, 1.0))
    texts = [("v", -4, step.value)]
    if step.gradient is not None:
        texts.append(("g", 12, step.gradient))
    for kind, down, value in texts:
        yield (
            f'<text class="{kind}" x="{x:.0f}" y="{y + down:.0f}" text-anchor="middle">'
            f"{escape(_label(value))}</text>"
        )


def _box(place: Place, boxes: _Boxes, key: Any) -> Iterator[str]:
    middle = place.x + place.width / 2
    yield (
        f'<g><title>{escape(_tip(boxes, key))}</title><rect x="{place.x:.0f}" y="{place.y:.0f}" '
        f'width="{place.width:.0f}" height="{place.height:.0f}" rx="6" '
        f'fill="{boxes.color(key)}" stroke="#5f6368"/>'
        f'<text class="t" x="{middle:.0f}" y="{place.y + 18:.0f}" text-anchor="middle">'
        f"{escape(boxes.title(key))}</text>"
        f'<text class="s" x="{middle:.0f}" y="{place.y + 34:.0f}" text-anchor="middle">'
        f"{escape(boxes.subtitle(key))}</text></g>"
    )


def _tip(boxes: _Boxes, key: Any) -> str:
    """What a pointer resting on the box is told."""
    s = boxes.members[key][-1]
    lines = [f"{boxes.title(key)} {s.type}", s.formula, f"value {shown(s.value)}"]
    if s.gradient is not None:
        lines.append(f"gradient {shown(s.gradient)}")
    return "\n".join(filter(None, [*lines, s.layer, s.source]))


def _dot(boxes: _Boxes) -> Iterator[str]:
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
            label = json.dumps(f"{boxes.title(key)}\n{boxes.subtitle(key)}", ensure_ascii=False)
            yield f'    {names[key]} [label={label}, fillcolor="{boxes.color(key)}"];'
        yield "  " + "}" * len(path)
    for a, b, step in boxes.edges():
        label = _label(step.value)
        if step.gradient is not None:
            label += f"\n∂ {_label(step.gradient)}"
        yield f"  {names[a]} -> {names[b]} [label={json.dumps(label, ensure_ascii=False)}];"
    yield "}"
