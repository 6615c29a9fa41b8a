"""The trees that a flame graph draws: a program's calls, and a model's layers.

    {"name": "train.py:12  loss = f(x)", "kind": "line", "self": 0.8, "below": […]}

`self` are milliseconds that no child has. May import this folder's `rows`.
Example: `by_program(rows)`, `by_layers(rows)`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chainrule.base.source import Source, short, source_at
from chainrule.inspect.profiling.contexts import Context
from chainrule.inspect.profiling.rows import Row
from chainrule.nn.layer_path import Layer

Step = tuple[str, str]  # name, kind
Tree = dict[str, Any]
_LEAST = 2e-4  # of the whole time: what is shorter is drawn as one frame, "less"
_PHASES = {"forward": "forward", "backward": "backward", "compile": "compiling", "python": "Python"}


def by_program(rows: Sequence[Row]) -> Tree:
    """Who called whom: lines, the layers they call, and what ran there."""
    kinds = _kinds(rows)
    return _tree("program", rows, lambda row: _calls(row, kinds))


def by_layers(rows: Sequence[Row]) -> Tree:
    """Forward and backward, then the layers of the model, then lines."""
    kinds = _kinds(rows)
    return _tree("all", rows, lambda row: _layers(row, kinds))


def stacks(rows: Sequence[Row]) -> dict[str, float]:
    """Seconds by path, `outer;inner;op`."""
    found: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        found[";".join(name.replace(";", ",") for name, _ in _calls(row, {}))] += row.seconds
    return found


def _kinds(rows: Sequence[Row]) -> dict[str, str]:
    """The classes of the layers that were called, by path."""
    layers = [c.at for row in rows for c in row.context.path() if isinstance(c.at, Layer)]
    return {layer.path: layer.kind for layer in layers}


def _calls(row: Row, kinds: Mapping[str, str]) -> Iterator[Step]:
    for context in row.context.path():
        yield _frame(context, kinds)
    if row.source is not None and row.source[:2] != (row.context.source or ())[:2]:
        if row.phase == "backward":
            yield "backward", "backward"
        yield from _pieces(row.layer, kinds)
        yield line_text(row.source), "line"
    yield row.name, row.phase


def _layers(row: Row, kinds: Mapping[str, str]) -> Iterator[Step]:
    yield _PHASES[row.phase], row.phase
    yield from _pieces(row.layer, kinds)
    if row.source is not None:
        yield line_text(row.source), "line"
    if row.phase in {"forward", "backward"}:
        yield row.name, row.phase


def _pieces(layer: str, kinds: Mapping[str, str]) -> Iterator[Step]:
    pieces = layer.split(".") if layer else []
    for i in range(len(pieces)):
        yield _layer(".".join(pieces[: i + 1]), kinds), "layer"


def _layer(path: str, kinds: Mapping[str, str]) -> str:
    """The name in the layer around, and the class: `attn (Attention)`."""
    name, kind = path.rpartition(".")[2], kinds.get(path, "")
    return name if kind in {"", name} else f"{name} ({kind})"


def _frame(context: Context, kinds: Mapping[str, str]) -> Step:
    if isinstance(context.at, tuple):
        code, _ = context.at
        source = source_at(context.at)
        where = "" if code.co_name == "<module>" else f" in {code.co_qualname}"
        return f"{line_text(source)}{where}", "line"
    return _layer(context.layer, kinds), "layer"


def line_text(source: Source | None) -> str:
    """`train.py:12  loss = f(x)`."""
    return "" if source is None else f"{short(source)}  {source.text}".rstrip()


def _tree(name: str, rows: Sequence[Row], steps: Callable[[Row], Iterator[Step]]) -> Tree:
    root: dict[str, Any] = {"name": name, "kind": "root", "self": 0.0, "below": {}}
    for row in rows:
        node = root
        for step in steps(row):
            node = node["below"].setdefault(
                step, {"name": step[0], "kind": step[1], "self": 0.0, "below": {}}
            )
        node["self"] += 1e3 * row.seconds
    return _finished(root, _LEAST * _total(root))


def _total(node: Tree) -> float:
    node["total"] = node["self"] + sum(map(_total, node["below"].values()))
    return float(node["total"])


def _finished(node: Tree, least: float) -> Tree:
    """The children as a list, the longest first, those shorter than `least` as one."""
    children = sorted(node["below"].values(), key=lambda each: -each["total"])
    large = [_finished(each, least) for each in children if each["total"] >= least]
    rest = sum(each["total"] for each in children[len(large) :])
    if rest:
        large.append({"name": "less", "kind": "less", "self": round(rest, 4), "below": []})
    made = {"name": node["name"], "kind": node["kind"], "self": round(node["self"], 4)}
    return {**made, "below": large}
