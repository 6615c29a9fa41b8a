"""The report on a NaN or an infinity: what, where, the operands, and the way out.

    NaN in the forward pass: log of zero
      model.py:12  loss = -(p * p.log()).sum()   in encoder.2
      log at [2, 5] of float32[4, 7] (batch 2, time 5, token 17): log(0) is -inf
      …

Imports graph and base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from chainrule.base.source import Source
from chainrule.graph.node import INPUT, Node, Type
from chainrule.inspect.nonfinite.culprit import Culprit, Scene

_PASSES = {"forward": "the forward pass", "backward": "the backward pass", "update": "the update"}


@dataclass(frozen=True)
class NonFinite:
    """The cause of the first harmful NaN or infinity; always true.

    `phase` is forward, backward or update; `index` is the element of the result of `op`, `place`
    the element in words (batch, time, token); `source`, `operands` and `loss` have the lines of the
    node, of its operands, and of the loss.
    """

    kind: str
    value: float
    phase: str
    op: str
    what: str
    fix: str
    type: str
    index: tuple[int, ...]
    place: str
    numbers: tuple[float, ...]
    layer: str
    source: Source | None
    operands: tuple[tuple[str, Source | None], ...]
    loss: Source | None

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        name = "NaN" if math.isnan(self.value) else f"{self.value:g}"
        lines = [f"{name} in {_PASSES[self.phase]}: {self.kind}"]
        line = "" if self.source is None else self.source.quoted
        layer = f"in {self.layer}" if self.layer else ""
        if line or layer:
            lines.append("  " + "   ".join(filter(None, [line, layer])))
        at = f" at {list(self.index)}" if self.index else ""
        place = f" ({self.place})" if self.place else ""
        lines.append(f"  {self.op}{at} of {self.type}{place}: {self.what}")
        for name, made in self.operands[:2]:
            if made is not None and made != self.source:
                lines.append(f"  {name} was made at {made.quoted}")
        if self.loss is not None and self.loss != self.source:
            lines.append(f"  the loss: {self.loss.quoted}")
        lines.append(f"  way out: {self.fix}")
        return "\n".join(lines)

    __repr__ = __str__

    def in_layers(self) -> NonFinite:
        """The same without source lines, for a reader who did not write the program."""
        operands = tuple((name, None) for name, _ in self.operands)
        return replace(self, source=None, operands=operands, loss=None)

    def as_record(self) -> dict[str, Any]:
        """The report in JSON's types: NaN and infinity are text."""
        record = asdict(self)
        record["value"] = str(self.value)
        record["numbers"] = [str(n) for n in self.numbers]
        record["source"], record["loss"] = _source_json(self.source), _source_json(self.loss)
        record["operands"] = [{"name": n, "source": _source_json(s)} for n, s in self.operands]
        return record


def _source_json(source: Source | None) -> dict[str, Any] | None:
    return None if source is None else {"file": source.file, "line": source.line}


def report_of(
    found: Culprit, scene: Scene, loss: Node | None, tokens: Sequence[tuple[str, Any]]
) -> NonFinite:
    """The report on a culprit; `tokens` are the integer arguments, by name."""
    node = found.shown
    source = node.source
    type_ = node.type if isinstance(node.type, Type) else node.type.items[found.shown_at.result]
    value = scene.env.get(node)
    if value is None:
        number = math.nan
    else:
        parts = value if isinstance(value, tuple) else (value,)
        number = float(np.asarray(parts[found.shown_at.result])[found.shown_at.index])
    op = node.op.name
    if found.rule_of is not None:
        op = f"the derivative of {found.rule_of.op.name}"
    elif node.op is INPUT:
        op = scene.names.get(node, "an input")
    return NonFinite(
        kind=found.hazard.kind,
        value=number,
        phase=found.phase,
        op=op,
        what=found.hazard.what,
        fix=found.hazard.fix,
        type=str(type_),
        index=found.shown_at.index,
        place=_position(found.shown_at.index, type_.shape, tokens),
        numbers=found.numbers,
        layer=source.layer if source is not None else "",
        source=Source(source.file, source.line) if source is not None and source.file else None,
        operands=_operands(found, scene.names),
        loss=None if loss is None or loss.source is None else loss.source._replace(layer=""),
    )


def _operands(found: Culprit, names: Mapping[Node, str]) -> tuple[tuple[str, Source | None], ...]:
    """The names of the operands, and the lines that made them."""
    nodes = found.rule_of.inputs if found.rule_of is not None else found.operands
    out = []
    for node in dict.fromkeys(nodes):
        if node.op is INPUT or node.op.name == "full":
            continue
        source = node.source
        name = names.get(node, f"its operand ({node.op.name})")
        out.append((name, None if source is None or not source.file else Source(*source[:2])))
    return tuple(out)


def _position(
    index: tuple[int, ...], shape: Sequence[int], tokens: Sequence[tuple[str, Any]]
) -> str:
    """`batch 2, time 5, token 17` if the leading axes are those of an integer argument."""
    for _, codes in tokens:
        whole = tuple(codes.shape)
        if not index or codes.size <= 1:
            continue
        if tuple(shape[: len(whole)]) == whole:
            at = index[: len(whole)]
        elif len(whole) == 2 and shape[0] == codes.size:
            at = divmod(index[0], whole[1])
        else:
            continue
        words = [f"{name} {i}" for name, i in zip(("batch", "time"), at, strict=False)]
        return ", ".join([*words, f"token {int(codes[at])}"])
    return ""
