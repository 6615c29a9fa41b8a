"""`explain`: a loss or a whole training step, derived in four steps, for people.

    print(explain(loss))                       # the graph that is there, before backward()
    print(explain(step, words, tags))          # runs on symbols: nothing is changed
    explain(step, words, tags, depth=None)     # every node, however many

Small computations are shown node by node, with every upstream × local = downstream; large ones by
layer, at most a screen. May import `inspect.derivation` and what lies below it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.inspect.derivation import Derivation, Part, Step, of_function, of_loss
from chainrule.tensor.handle import Handle

_SCREEN = 24  # nodes that are still shown one by one
_NUMBERS = 6  # entries of an array that are shown
_ROWS = 3  # of an embedding that are read more than once
_USES = 8  # of a shared parameter that are listed
_AUTO = -1


class Explanation:
    """A derivation and how much of it is shown; prints, and gives JSON."""

    def __init__(self, derivation: Derivation, depth: int | None) -> None:
        """`depth` levels of layers; None shows every node, -1 decides by size."""
        self.derivation = derivation
        self.depth = depth

    def __str__(self) -> str:
        """The four steps as text."""
        return "\n".join(line.rstrip() for line in _Text(self.derivation, self.depth).lines())

    __repr__ = __str__

    def to_json(self) -> str:
        """Every node, value and contribution."""
        return json.dumps(self.derivation.as_record())


def explain(
    target: Any,
    *args: Any,
    wrt: Any = None,
    depth: int | None = _AUTO,
    names: Sequence[str] = (),
) -> Explanation:
    """The derivation of `target`: a scalar loss, or a function with its arguments.

    A loss is explained from its recorded graph, before `backward()` or with `retain_graph=True`. A
    function – a loss function, or a training step with `backward()` and `opt.step()` in it – runs
    once on symbols: no parameter, gradient, random or optimiser state changes (an optimiser that
    has none yet gets the zeros that it starts from). `wrt` chooses the tensors whose gradients are
    derived (default: all that require grad). `depth` is how many levels of layers are told apart;
    None shows every node. `names` are what the arguments are called (default: as `fn` calls them).
    """
    return Explanation(derive(target, args, wrt, names), depth)


def derive(target: Any, args: Sequence[Any], wrt: Any, names: Sequence[str] = ()) -> Derivation:
    """The derivation of a loss, or of a function with its arguments."""
    if wrt is not None:
        wrt = [wrt] if isinstance(wrt, Handle) else list(wrt)
    if isinstance(target, Handle):
        if args:
            raise ArgumentError("a loss takes no more arguments; functions do")
        return of_loss(target, wrt)
    if callable(target):
        fn = _inner(target)
        return of_function(fn, args, wrt, names or _argument_names(fn))
    raise ArgumentError(
        f"what is explained is a loss tensor or a function with its arguments, not {target!r:.60}"
    )


def _inner(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function is explained as the function that it was made from."""
    return getattr(fn, "fn", fn)


def _argument_names(fn: Callable[..., Any]) -> list[str]:
    """What a function calls its positional arguments."""
    try:
        parameters = inspect.signature(getattr(fn, "forward", fn)).parameters.values()
    except (TypeError, ValueError):  # built in
        return []
    ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in ordered]


def shown(value: Any) -> str:
    """An array in a few characters: its numbers if they are few, else a summary."""
    if value is None:
        return "(not kept)"
    if isinstance(value, tuple):
        return " ".join(shown(v) for v in value)
    array = np.asarray(value)
    if array.size <= _NUMBERS:
        return np.array2string(array, precision=4, suppress_small=False, separator=", ").replace(
            "\n", " "
        )
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return f"mean {array.mean():.3g} sd {array.std():.3g} |max| {np.abs(array).max():.3g}"
    return f"{array.min()} … {array.max()}"


class _Text:
    """Lines of the four steps."""

    def __init__(self, d: Derivation, depth: int | None) -> None:
        self.d = d
        computed = [s for s in d.steps if not s.is_leaf]
        self.whole = depth is None or (depth == _AUTO and len(computed) <= _SCREEN)
        self.depth = 1 if depth in {None, _AUTO} else depth

    def lines(self) -> list[str]:
        d = self.d
        computed = sum(not s.is_leaf for s in d.steps)
        loss = d.steps[d.loss]
        head = f"{d.title}: loss {shown(loss.value)}, {computed} nodes, {len(d.wanted)} gradients"
        out = [head, "", "1 forward"]
        out += self._forward()
        out += ["", f"2 seed      ∂loss/∂loss = 1   at {self.name(loss)}", "", "3 backward"]
        out += self._backward()
        out += self._leaves()
        if d.updates:
            out += ["", "4 update"]
            out += [_update_line(u.name, u.before, u.after) for u in d.updates]
        return out

    def name(self, step: Step) -> str:
        return step.name or f"%{step.number} {step.op}"

    def _forward(self) -> list[str]:
        if not self.whole:
            return [f"  {line}" for line in self._by_layer(forward=True)]
        return [f"  {self._forward_line(s)}" for s in self.d.steps]

    def _forward_line(self, s: Step) -> str:
        if s.is_leaf:
            return f"%{s.number} = {s.name or 'constant'} : {s.type}   {shown(s.value)}"
        operands = ", ".join(f"%{i}" for i in s.operands)
        where = "   ".join(filter(None, [s.layer, _short(s.source)]))
        return f"%{s.number} = {s.op}({operands}) : {s.type}   {shown(s.value)}   {where}"

    def _backward(self) -> list[str]:
        if not self.whole:
            return [f"  {line}" for line in self._by_layer(forward=False)]
        lines = []
        for s in reversed(self.d.steps):
            if not s.parts:
                continue
            lines.append(f"  %{s.number} {s.op}: upstream {shown(s.gradient)}")
            lines += [f"      {self._part_line(s, p)}" for p in s.parts]
        return lines

    def _part_line(self, s: Step, p: Part) -> str:
        target = self.d.steps[p.to]
        local = s.local[p.operand] if p.operand < len(s.local) else ""
        how = f" × local {_named(local)}" if local else f" through {s.op}"
        return f"→ {self.name(target)}: upstream{how} = {shown(p.value)}"

    def _leaves(self) -> list[str]:
        out: list[str] = ["", "  gradients"]
        for number in self.d.wanted:
            leaf, uses = self.d.steps[number], self.d.uses(number)
            out.append(f"    {self.name(leaf)} : {leaf.type}   {shown(leaf.gradient)}")
            if len(uses) > 1:
                out.append(f"      the sum of {len(uses)} uses:")
                out += [
                    f"      + {shown(part.value)}   from %{s.number} {s.op} "
                    f"{s.layer or _short(s.source)}"
                    for s, part in uses[:_USES]
                ]
                if len(uses) > _USES:
                    out.append(f"      + … {len(uses) - _USES} more")
            for s, _ in uses:
                out += self._rows(s)
        return out

    def _rows(self, s: Step) -> list[str]:
        """Rows of an embedding that are read more than once."""
        rows = self.d.repeated_rows(s)
        out = []
        for row, places in list(rows.items())[:_ROWS]:
            out.append(f"      row {row} is the sum of {len(places)} places:")
            out += [f"      + {shown(part)}   at {list(at)}" for at, part in places[:_USES]]
            if len(places) > _USES:
                out.append(f"      + … {len(places) - _USES} more")
        if len(rows) > _ROWS:
            out.append(f"      and {len(rows) - _ROWS} more rows are read more than once")
        return out

    def _by_layer(self, *, forward: bool) -> list[str]:
        """One line a layer, in order of first use: nodes, and what comes out or goes back."""
        groups: dict[str, list[Step]] = {}
        for s in self.d.steps:
            if not s.is_leaf:
                groups.setdefault(_level(s.layer, self.depth), []).append(s)
        lines = []
        for layer, steps in groups.items():
            last = steps[-1]
            if forward:
                line = f"{len(steps):4d} nodes   → {last.type}   {shown(last.value)}"
            elif last.gradient is None:
                continue
            else:
                line = f"{len(steps):4d} nodes   ← {shown(last.gradient)}"
            lines.append(f"{layer or '(outside layers)':28s} {line}")
        return lines if forward else lines[::-1]


def _level(layer: str, depth: int) -> str:
    """The first `depth` names of a layer's path; a loop's step belongs to the last."""
    parts = layer.split(".")
    return layer if len(parts) <= depth else ".".join(parts[:depth])


def _named(local: str) -> str:
    """The local derivative, without what only a program needs."""
    return local.replace(" ** ", "^").replace(" * ", "·")


def _short(source: str) -> str:
    """A file's name and line without its folders."""
    return source.replace("\\", "/").rpartition("/")[2]


def _update_line(name: str, before: Any, after: Any) -> str:
    change = float(np.linalg.norm(np.asarray(after) - before))
    size = float(np.linalg.norm(before))
    ratio = f", update:weight {change / size:.1e}" if size else ""
    return f"  {name}: ‖w‖ {size:.4g}, ‖Δw‖ {change:.3g}{ratio}   now {shown(after)}"
