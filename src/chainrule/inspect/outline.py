"""The text of an explanation, as rows of pieces, for plain text and for the terminal.

    for row in Outline(derivation, depth=None).rows(): print(row.text)

Small computations are shown node by node; large ones by layer, on one screen. May import
`inspect.derivation`, `inspect.formula`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.arguments import counted
from chainrule.base.source import short
from chainrule.inspect.derivation import Array, Derivation, Part, Step, Update
from chainrule.inspect.formula import spoken

AUTO = -1
SCREEN = 48  # the lines of a screen
_NUMBERS = 6  # the most entries shown of an array
_SHORT = len("x + y")  # the characters of a formula that needs the op's name too
_ROWS = 3  # the most rows shown of an embedding
_DEEPEST = 6  # the level of layers shown on a screen
_USES = 8  # the most uses listed of a shared parameter
_GROUPS, _LEAVES, _UPDATES = 10, 4, 4  # that fit a screen


@dataclass(frozen=True)
class Row:
    """A line: its indentation, and its pieces, each a text and a kind.

    The kinds are title, head, name, formula, type, value, gradient, ok, bad, where and "".
    """

    indent: int
    pieces: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The line as plain text."""
        return (" " * self.indent + "".join(text for text, _ in self.pieces)).rstrip()


class Outline:
    """The four steps of a derivation in rows."""

    def __init__(self, derivation: Derivation, depth: int | None) -> None:
        """Show `depth` levels of layers; None shows every node, AUTO what fits a screen."""
        self.d = derivation
        self._short = self._terse = False  # on one screen, without each contribution
        self._brief = False  # every node, without what it sends to each operand
        self._whole = depth is None
        self._depth = 1 if depth is None or depth == AUTO else depth
        if depth == AUTO:
            self._fit()

    def _fit(self) -> None:
        """Choose what fits a screen: every node, or layers with or without contributions."""
        if len(self.d.steps) <= SCREEN:
            self._whole = True
            if self._fits():
                return
            self._brief = len(self._grouped()) == 1  # the line of a single layer says nothing
            if self._brief and self._fits():
                return
            self._whole = self._brief = False
        self._short = True
        while self._depth < _DEEPEST:
            self._depth += 1
            if len(self._grouped()) > _GROUPS:
                self._depth -= 1
                break
        self._terse = not self._fits()

    def _fits(self) -> bool:
        return sum(1 for _ in self.rows()) <= SCREEN

    def rows(self) -> Iterator[Row]:
        """All lines, in order."""
        d = self.d
        loss = d.steps[d.loss]
        yield _row(0, (d.title, "title"), ": loss ", (shown(loss.value), "value"),
                   f", {d.extent}")  # fmt: skip
        yield _row(0)
        yield _row(0, ("1 forward", "head"))
        yield from (self._forward_row(s) for s in d.steps) if self._whole else self._layers(True)
        yield _row(0)
        yield _row(0, ("2 seed", "head"), "      ∂loss/∂loss = ", ("1", "gradient"),
                   "   at ", (self._named(loss), "name"))  # fmt: skip
        yield _row(0)
        yield _row(0, ("3 backward", "head"), self._legend())
        yield from self._backward() if self._whole else self._layers(False)
        yield _row(0)
        yield _row(2, ("gradients", "head"))
        yield from self._gradients()
        if d.updates:
            yield _row(0)
            yield _row(0, ("4 update", "head"))
            yield from self._updates()

    def _named(self, step: Step) -> str:
        return step.name or f"%{step.number} {step.op}"

    def _legend(self) -> str:
        measured = any(p.measured for s in self.d.steps for p in s.parts)
        text = "      ✓ as by central differences, to 1e-9 unless a number says how far"
        if self._brief:
            return "      what each node passes on: depth=None"
        return text if self._whole and measured else ""

    # -- forward and backward, node by node ------------------------------------------------------

    def _forward_row(self, s: Step) -> Row:
        value = (shown(s.value), "value")
        if s.is_leaf:
            name = (s.name or "constant", "name")
            return _row(2, f"%{s.number} = ", name, " : ", (s.type, "type"), "   ", value)
        formula = computed(self.d, s)
        where = "   ".join(filter(None, [s.layer, short(s.source)]))
        return _row(2, f"%{s.number} = ", (formula, "formula"), " : ", (s.type, "type"), "   ",
                    value, "   ", (where, "where"))  # fmt: skip

    def _backward(self) -> Iterator[Row]:
        for s in reversed(self.d.steps):
            if s.parts:
                yield _row(2, (f"%{s.number} {s.op}", "name"), ": upstream ",
                           (shown(self.d.upstream(s)), "gradient"), *self._fan_out(s))  # fmt: skip
                yield from (self._part_row(s, p) for p in s.parts if not self._brief)

    def _fan_out(self, s: Step) -> Iterator[tuple[str, str]]:
        """The terms of a sum, for a value that is used several times."""
        uses = self.d.uses(s.number)
        for i, (user, part) in enumerate(uses[:_USES] if len(uses) > 1 else ()):
            yield " + " if i else " = ", ""
            yield shown(part.value), "gradient"
            yield f" (from %{user.number} {user.op})", "where"
        if len(uses) > _USES:
            yield f" + … {len(uses) - _USES} more", ""

    def _part_row(self, s: Step, p: Part) -> Row:
        judged = ("", "")
        if p.measured is not None:
            judged = (f"   {p.measured}", "ok" if p.measured.holds else "bad")
        target = self.d.steps[p.to]
        return _row(6, "→ ", (self._named(target), "name"), " : ", (target.type, "type"), "   ",
                    (how(self.d, s, p), "formula"), " = ", (shown(p.value), "gradient"),
                    judged)  # fmt: skip

    # -- by layer --------------------------------------------------------------------------------

    def _layers(self, forward: bool) -> Iterator[Row]:
        """One line for each layer, in order of first use: its nodes, and its result or gradient."""
        groups = self._grouped()
        names = list(groups) if forward else list(groups)[::-1]
        width = max(map(len, names), default=0)
        left_out = max(0, len(names) - _GROUPS) if self._short else 0
        first = (len(names) - left_out + 1) // 2 if left_out else len(names)
        for at, name in enumerate(names):
            if left_out and first <= at < first + left_out:
                if at == first:
                    yield _row(2, f"… {left_out} more (depth=None tells every node)")
                continue
            last = groups[name][-1]
            count = f"  {counted(len(groups[name]), 'node'):>9s}   "
            label = (f"{name:{width}s}", "name")
            if forward:
                yield _row(2, label, count, "→ ", (last.type, "type"), "   ",
                           (shown(last.value), "value"))  # fmt: skip
            elif last.gradient is not None:
                yield _row(2, label, count, "← ", (shown(last.gradient), "gradient"))

    def _grouped(self) -> dict[str, list[Step]]:
        groups: dict[str, list[Step]] = {}
        for s in self.d.steps:
            if not s.is_leaf:
                groups.setdefault(self._group(s), []).append(s)
        return groups

    def _group(self, s: Step) -> str:
        """The first names of a layer's path, or the line of a node outside of layers."""
        if not s.layer:
            return short(s.source) or "(outside layers)"
        path, step, number = s.layer.partition("[step ")
        if self._depth == 0:
            return self.d.modules.get("", path)
        parts = path.split(".")
        at = ".".join(parts[: self._depth])
        return at if self._short or at != path else at + step + number

    # -- gradients and updates -------------------------------------------------------------------

    def _gradients(self) -> Iterator[Row]:
        wanted = self.d.wanted
        if self._short:  # those that are used several times are worth a line
            wanted = tuple(sorted(wanted, key=lambda n: len(self.d.uses(n)) < 2)[:_LEAVES])
        for number in wanted:
            leaf, uses = self.d.steps[number], self.d.uses(number)
            yield _row(4, (self._named(leaf), "name"), " : ", (leaf.type, "type"), "   ",
                       (shown(leaf.gradient), "gradient"))  # fmt: skip
            if self._terse:
                yield from self._uses_in_short(uses)
                continue
            if len(uses) > 1:
                yield _row(6, f"the sum of {len(uses)} uses:")
                yield from (self._use_row(s, part) for s, part in uses[:_USES])
                if len(uses) > _USES:
                    yield _row(6, f"+ … {len(uses) - _USES} more")
            for s, part in uses:
                yield from self._repeated(s)
                yield from self._windows(part)
        if len(self.d.wanted) > len(wanted):
            more = len(self.d.wanted) - len(wanted)
            yield _row(4, f"… {more} more (wrt= chooses, depth=None tells all)")

    def _uses_in_short(self, uses: Sequence[tuple[Step, Part]]) -> Iterator[Row]:
        if len(uses) > 1:
            sizes = ", ".join(rms(part.value) for _, part in uses[:_USES])
            more = ", …" if len(uses) > _USES else ""
            yield _row(6, f"the sum of {len(uses)} uses, in size (rms) ",
                       (sizes + more, "gradient"))  # fmt: skip
            return
        windows = [w for _, part in uses for w in part.windows]
        if windows:
            sizes = ", ".join(rms(w.value) for w in windows)
            yield _row(6, f"the sum over {windows[-1].last + 1} windows, in size (rms) ",
                       (sizes, "gradient"))  # fmt: skip
        rows = [len(places) for s, _ in uses for places in self.d.repeated_rows(s).values()]
        if rows:
            yield _row(6, f"{len(rows)} rows are sums over the {sum(rows)} places that read them")

    def _use_row(self, s: Step, part: Part) -> Row:
        where = s.layer or short(s.source)
        return _row(6, "+ ", (shown(part.value), "gradient"), "   from ",
                    (f"%{s.number} {s.op}", "name"), " ", (where, "where"))  # fmt: skip

    def _repeated(self, s: Step) -> Iterator[Row]:
        """Rows of an embedding that are read more than once."""
        rows = self.d.repeated_rows(s)
        for row, places in list(rows.items())[:_ROWS]:
            yield _row(6, f"row {row} is the sum of {len(places)} places:")
            for at, part in places[:_USES]:
                yield _row(6, "+ ", (shown(part), "gradient"), f"   at {list(at)}")
            if len(places) > _USES:
                yield _row(6, f"+ … {len(places) - _USES} more")
        if len(rows) > _ROWS:
            yield _row(6, f"and {len(rows) - _ROWS} more rows are read more than once")

    def _windows(self, part: Part) -> Iterator[Row]:
        """The blocks of windows of a sliding kernel."""
        if len(part.windows) < 2:
            return
        yield _row(6, f"the sum over {part.windows[-1].last + 1} windows:")
        for w in part.windows:
            places = f"window {w.first}" if w.first == w.last else f"windows {w.first} to {w.last}"
            yield _row(6, "+ ", (shown(w.value), "gradient"), f"   from {places}")

    def _updates(self) -> Iterator[Row]:
        updates = self.d.updates[: _UPDATES if self._short else None]
        for u in updates:
            yield _row(2, (u.name, "name"), f": {change_of(u)}   now ", (shown(u.after), "value"))
        if len(self.d.updates) > len(updates):
            yield _row(2, f"… {len(self.d.updates) - len(updates)} more")


def _row(indent: int, *pieces: str | tuple[str, str]) -> Row:
    made = ((p, "") if isinstance(p, str) else p for p in pieces)
    return Row(indent, tuple((text, kind) for text, kind in made if text))


# -- numbers and formulas in a few characters -----------------------------------------------------


def shown(value: Any) -> str:
    """An array in a few characters: its numbers if few, else a summary."""
    if value is None:
        return "(not kept)"
    if isinstance(value, tuple):
        return " ".join(shown(v) for v in value)
    array = np.asarray(value)
    if array.size <= _NUMBERS:
        text = np.array2string(array, precision=4, suppress_small=False, separator=", ")
        return " ".join(text.split())
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return f"mean {array.mean():.3g} sd {array.std():.3g} |max| {np.abs(array).max():.3g}"
    return f"{array.min()} … {array.max()}"


def rms(value: Array | None) -> str:
    """√mean(x²), the size of a gradient."""
    if value is None:
        return "?"
    with np.errstate(all="ignore"):
        return f"{np.sqrt(np.mean(np.square(value, dtype=np.float64))):.2g}"


def computed(d: Derivation, s: Step) -> str:
    """The computation of a node: `%4 + b`, or `sigmoid(%6) = 1 / (1 + exp(−%6))`."""
    call = f"{s.op}({', '.join(d.steps[i].called for i in s.operands)})"
    if not s.formula:
        return call
    formula = spoken(s.formula, d.names(s))
    return formula if len(s.formula) <= _SHORT or formula == call else f"{call} = {formula}"


def how(d: Derivation, s: Step, p: Part) -> str:
    """The source of a part: upstream times a local derivative, or the op's own vjp."""
    if p.operand < len(s.local):
        return f"upstream × local {spoken(s.local[p.operand], d.names(s))}"
    if p.operand < len(s.sends):
        return spoken(s.sends[p.operand], d.names(s))
    return f"upstream through {s.op}"


def change_of(u: Update) -> str:
    """The size of a parameter and of its change."""
    change = float(np.linalg.norm(np.asarray(u.after) - u.before))
    size = float(np.linalg.norm(u.before))
    ratio = f", update:weight {change / size:.1e}" if size else ""
    return f"‖w‖ {size:.4g}, ‖Δw‖ {change:.3g}{ratio}"
