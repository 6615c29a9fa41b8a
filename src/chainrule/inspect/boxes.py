"""The content of a picture: boxes for nodes and closed modules, and the edges between them.

    boxes = Boxes(derivation, depth=1)
    for a, b, step, gradient in boxes.edges(): …

A parameter is in the module that uses it. May import `inspect.derivation`, `inspect.outline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.arguments import counted
from chainrule.base.source import short
from chainrule.inspect.arrange import Path
from chainrule.inspect.derivation import Array, Derivation, Step
from chainrule.inspect.outline import AUTO, shown

LEAF, NODE, MODULE, LOSS = "#e8f1fb", "#ffffff", "#eef0f3", "#fdecea"
_MOST = 45  # the most boxes with which modules are opened
_CALL, _STEP = re.compile(r"\[call (\d+)\]"), re.compile(r"\[(step \d+)\]")
_FEW, _LONGEST = 4, 28  # entries of an array shown as numbers, if they are short


class Link(NamedTuple):
    """An edge between two boxes: the step whose value it carries, and the gradient on it."""

    source: Any
    target: Any
    step: Step
    gradient: Array | None


class Boxes:
    """The boxes of a derivation; `members` are the steps of each box, `paths` its modules."""

    def __init__(self, d: Derivation, depth: int | None) -> None:
        """`depth` levels of modules are opened; None opens all, AUTO as many as fit a picture."""
        self.d = d
        self._path = _paths(d)
        if depth == 0:  # a model is one box
            self._path = _paths(d, whole=True)
            depth = 1
        if depth == AUTO:
            fitting = self._fitting()
            if not fitting:  # the calls of a module are one box
                self._path = _paths(d, calls=False)
                fitting = self._fitting()
            depth = fitting[-1] if fitting else 1
            if not fitting:  # a node outside of modules is named by its line
                self._path = {s.number: self._path[s.number] or _line(s) for s in d.steps}
        self._of = self._kept(depth)
        self.members: dict[Any, list[Step]] = {}
        self.paths: dict[Any, Path] = {}
        for s in d.steps:
            key = self._of.get(s.number)
            if key is not None:
                self.members.setdefault(key, []).append(s)
                self.paths[key] = key[:-1] if isinstance(key, tuple) else self._path[s.number]

    def _fitting(self) -> list[int | None]:
        """The depth with few enough boxes for a picture; None for all levels."""
        deepest = max(map(len, self._path.values()), default=0)
        depths = [*range(1, deepest + 1), None]
        return [k for k in depths if len(set(self._kept(k).values())) <= _MOST]

    def _kept(self, depth: int | None) -> dict[int, Any]:
        """The box of each shown step: its number, or the path of a closed module."""
        of: dict[int, Any] = {}
        for s in self.d.steps:
            path = self._path[s.number]
            of[s.number] = path[:depth] if depth and len(path) >= depth else s.number
            if of[s.number] == s.number != self.d.loss and self._is_bare(s):
                of[s.number] = of[s.operands[0]]
        readers: dict[Any, set[Any]] = {}
        for s in self.d.steps:
            for child in s.operands:
                readers.setdefault(of[child], set()).add(of[s.number])
        crowding = {  # constants used by a single box
            s.number
            for s in self.d.steps
            if not (s.operands or s.name) and s.gradient is None and of[s.number] == s.number
            if len(readers.get(s.number, set()) - {s.number}) <= 1
        }
        return {number: box for number, box in of.items() if box not in crowding}

    def _is_bare(self, s: Step) -> bool:
        """Whether a step only changes axes of size 1, and needs no box."""
        return s.op == "reshape" and _long_axes(s) == _long_axes(self.d.steps[s.operands[0]])

    def edges(self) -> Iterator[Link]:
        """One edge for each value and box that reads it."""
        found: dict[tuple[Any, Any, int], Array | None] = {}
        for s in self.d.steps:
            parts = {p.operand: p.value for p in s.parts}
            for place, child in enumerate(s.operands):
                a, b = self._of.get(child), self._of.get(s.number)
                if a is None or b is None or a == b:
                    continue
                part, before = parts.get(place), found.get((a, b, child))
                both = part is not None and before is not None
                found[a, b, child] = before + part if both else part if before is None else before  # type: ignore[operator]
        for (a, b, child), gradient in found.items():
            yield Link(a, b, self.d.steps[child], gradient)

    def title(self, key: Any) -> str:
        """The op, the name of a leaf, the module."""
        if isinstance(key, tuple):
            return self.module(key)
        s = self.members[key][0]
        if not s.name:
            return "constant" if s.is_leaf else s.op
        within = ".".join(_without_calls(self.paths[key])) + "."
        return s.name.removeprefix(within)

    def module(self, path: Path) -> str:
        """The name of a module, its class, and the number of the call."""
        plain, number = _without_calls(path), _CALL.search(path[-1])
        text = f"{plain[-1]} {self.d.modules.get('.'.join(plain), '')}".strip()
        return f"{text}, call {number[1]}" if number else text

    def subtitle(self, key: Any) -> str:
        """The type of a value, or the size of a closed module."""
        steps = self.members[key]
        if isinstance(key, tuple):
            leaves = sum(s.is_leaf for s in steps)
            inside = counted(len(steps) - leaves, "node")
            return f"{inside}, {counted(leaves, 'parameter')}" if leaves else inside
        return f"%{key}  {steps[0].type}"

    def total(self, key: Any) -> str:
        """The sum of the gradients of a leaf that is used several times."""
        s = self.members[key][0]
        if isinstance(key, tuple) or not s.is_leaf or len(self.d.uses(s.number)) < 2:
            return ""
        return f"Σ {label(s.gradient)}"

    def color(self, key: Any) -> str:
        """The colour of the box's kind."""
        if isinstance(key, tuple):
            return MODULE
        s = self.members[key][0]
        return LEAF if s.is_leaf else LOSS if s.number == self.d.loss else NODE

    def tip(self, key: Any) -> str:
        """The tooltip of the box."""
        s = self.members[key][-1 if isinstance(key, tuple) else 0]
        lines = [f"{self.title(key)} {s.type}", s.formula, f"value {shown(s.value)}"]
        if s.gradient is not None:
            lines.append(f"gradient {shown(s.gradient)}")
        return "\n".join(filter(None, [*lines, s.layer, str(s.source or "")]))


def _line(s: Step) -> Path:
    """The line of a node as its module; none for a leaf."""
    return (short(s.source),) if s.source and not s.is_leaf else ()


def _long_axes(s: Step) -> tuple[int, ...]:
    """The shape of a value without axes of size 1."""
    shape = () if s.value is None else np.shape(s.value)
    return tuple(size for size in shape if size != 1)


def _paths(d: Derivation, *, whole: bool = False, calls: bool = True) -> dict[int, Path]:
    """The modules around each step; a leaf's is the innermost one that all its users share.

    With `whole` the model itself contains what none of its parts computes; without `calls` all
    calls of a module are one.
    """
    computed = [s for s in d.steps if not s.is_leaf]
    found = {s.number: modules(s.box if calls and s.box else s.layer) for s in computed}
    model = (d.modules.get("", ""),)
    if whole:
        found = {n: path and ("",) for n, path in found.items()}
    elif any(
        path and _without_calls(path[:1]) != model for path in found.values()
    ):  # its parts are beside its ops
        found = {n: () if _without_calls(path) == model else path for n, path in found.items()}
    for s in d.steps:
        if s.is_leaf:
            users = [found[u.number] for u in d.readers.get(s.number, ())]
            found[s.number] = _common(users) if s.number in d.wanted else ()
    return found


def modules(layer: str) -> Path:
    """`encoder.rnn[step 2]` → the step inside rnn inside encoder."""
    return tuple(filter(None, _STEP.sub(r".\1", layer).split(".")))


def _without_calls(path: Path) -> Path:
    return tuple(_CALL.sub("", name) for name in path)


def _common(paths: Sequence[Path]) -> Path:
    shared: list[str] = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return tuple(shared)


def label(value: Any) -> str:
    """A few numbers, or their root mean square, which shows a vanishing gradient at a glance."""
    if value is None or isinstance(value, tuple):
        return ""
    array = np.asarray(value)
    few = ", ".join(f"{v:.3g}" for v in array.reshape(-1)[:_FEW].tolist())
    if array.size <= _FEW and len(few) <= _LONGEST:
        return few
    if array.dtype.kind == "b":
        return f"{int(array.sum())} of {array.size} true"
    if array.dtype.kind != "f":
        return f"{array.min()} … {array.max()}"
    with np.errstate(all="ignore"):
        return f"rms {np.sqrt(np.mean(np.square(array, dtype=np.float64))):.2g}"
