"""The derivation of a loss: values forward, the seed, every upstream × local backward, the update.

A `Derivation` has numbers and text only, ready to be printed, drawn or written as JSON. It comes
from a function (`from_function.py`) or from the recorded graph of a loss (`from_loss.py`).
May import `inspect.node_check` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.base.arguments import counted
from chainrule.base.source import Source
from chainrule.graph.node import Graph, Node
from chainrule.inspect.node_check import Measured, measured
from chainrule.ops.control import call

Array = np.ndarray[Any, Any]
_BUDGET = 2_000_000  # the most numbers read to measure all nodes


@dataclass
class Part:
    """The gradient that a node sends to one of its inputs: upstream × local."""

    operand: int  # the input's position at the node
    to: int  # the number of the input's step
    value: Array | None
    measured: Measured | None = None
    windows: tuple[Window, ...] = ()  # the part of each block of windows, for a sliding kernel


@dataclass(frozen=True)
class Window:
    """A range of positions of a kernel along one axis, and their part of its gradient."""

    first: int
    last: int
    value: Array


@dataclass
class Step:
    """One node: its value, its upstream gradient, and what it sends to its inputs."""

    number: int
    op: str
    operands: tuple[int, ...]
    type: str
    attrs: dict[str, Any]
    layer: str
    source: Source | None
    value: Array | None
    gradient: Array | None = None
    parts: list[Part] = field(default_factory=list)
    name: str = ""  # of a parameter or argument
    formula: str = ""
    local: tuple[str, ...] = ()  # the local derivative for each operand that has a formula
    sends: tuple[str, ...] = ()  # else the formula of the gradient for each operand
    box: str = ""  # `layer` in a later call: `cell[call 2]`

    @property
    def is_leaf(self) -> bool:
        """Whether the step is a parameter, an argument or a constant."""
        return self.op == "input"

    @property
    def called(self) -> str:
        """The name, or else the number."""
        return self.name or f"%{self.number}"


@dataclass
class Update:
    """A parameter before and after the step's update."""

    name: str
    before: Array
    after: Array


@dataclass
class Derivation:
    """A derivation in four steps; `steps` are in forward order, `loss` is the last one's number."""

    title: str
    steps: list[Step]
    loss: int
    wanted: tuple[int, ...]  # the leaves whose gradients are derived
    updates: list[Update]
    modules: dict[str, str] = field(default_factory=dict)  # path → class; of the model itself: ""

    @property
    def extent(self) -> str:
        """`3 nodes, 1 gradient`."""
        computed = sum(not s.is_leaf for s in self.steps)
        return f"{counted(computed, 'node')}, {counted(len(self.wanted), 'gradient')}"

    def uses(self, number: int) -> list[tuple[Step, Part]]:
        """Each use of a step's value, and its contribution to the gradient."""
        return self._uses.get(number, [])

    @cached_property
    def _uses(self) -> dict[int, list[tuple[Step, Part]]]:
        found: dict[int, list[tuple[Step, Part]]] = {}
        for s in self.steps:
            for p in s.parts:
                found.setdefault(p.to, []).append((s, p))
        return found

    @cached_property
    def readers(self) -> dict[int, list[Step]]:
        """The steps that read each step's value."""
        found: dict[int, list[Step]] = {}
        for s in self.steps:
            for number in dict.fromkeys(s.operands):
                found.setdefault(number, []).append(s)
        return found

    def upstream(self, step: Step) -> Any:
        """The upstream gradient of a node: an array, or one for each result that has one."""
        if step.gradient is not None:
            return step.gradient
        results = [s for s in self.readers.get(step.number, ()) if s.op == "project"]
        return tuple(s.gradient for s in results if s.gradient is not None) or None

    def names(self, step: Step) -> dict[str, str]:
        """The values of the variables in a step's formulas."""
        operands = [self.steps[i].called for i in step.operands]
        return {**dict(zip("xyz", operands, strict=False)), "out": step.called}

    def repeated_rows(self, step: Step) -> dict[int, list[tuple[tuple[int, ...], Array]]]:
        """For a look-up by index: each row read more than once, its positions, and their gradients.

        The gradient of a repeated word's embedding is the sum over its positions.
        """
        if step.op != "gather" or step.gradient is None:
            return {}
        index = np.asarray(self.steps[step.operands[1]].value)
        places: dict[int, list[tuple[tuple[int, ...], Array]]] = {}
        for at in np.ndindex(*index.shape):
            places.setdefault(int(index[at]), []).append((at, step.gradient[at]))
        return {row: found for row, found in places.items() if len(found) > 1}

    def as_record(self, most: int | None = None) -> dict[str, Any]:
        """The derivation in JSON's types; arrays of over `most` entries are summarised."""
        return {
            "title": self.title,
            "left_out": _left_out(self._arrays(), most),
            "loss": self.loss,
            "wanted": list(self.wanted),
            "steps": [_step_json(s, most) for s in self.steps],
            "updates": [
                {"name": u.name, "before": _listed(u.before, most), "after": _listed(u.after, most)}
                for u in self.updates
            ],
        }

    def _arrays(self) -> Iterator[Array]:
        """Every array of the derivation."""
        for s in self.steps:
            windows = [w.value for p in s.parts for w in p.windows]
            for value in (s.value, s.gradient, *(p.value for p in s.parts), *windows):
                if isinstance(value, np.ndarray):
                    yield value
        for u in self.updates:
            yield from (u.before, u.after)


def _left_out(arrays: Iterable[Array], most: int | None) -> dict[str, Any] | None:
    """The counts of summarised arrays and entries, and how to get them; None without any."""
    sizes = [a.size for a in arrays if most is not None and a.size > most]
    if not sizes:
        return None
    return {"arrays": len(sizes), "entries": sum(sizes), "most": most, "all": "to_json(most=None)"}


def _step_json(step: Step, most: int | None) -> dict[str, Any]:
    return {
        "number": step.number,
        "op": step.op,
        "name": step.name,
        "operands": list(step.operands),
        "type": step.type,
        "layer": step.layer,
        "source": str(step.source or ""),
        "formula": step.formula,
        "local": list(step.local),
        "sends": list(step.sends),
        "value": _listed(step.value, most),
        "gradient": _listed(step.gradient, most),
        "parts": [
            {
                "operand": p.operand,
                "to": p.to,
                "value": _listed(p.value, most),
                **_judged(p.measured),
                "windows": [
                    {"first": w.first, "last": w.last, "value": _listed(w.value, most)}
                    for w in p.windows
                ],
            }
            for p in step.parts
        ],
    }


def _judged(found: Measured | None) -> dict[str, Any]:
    """The result of the comparison with the numerical derivative; empty without one."""
    if found is None:
        return {}
    return {"kink": True} if found.kink else {"error": found.error, "holds": found.holds}


def _listed(value: Any, most: int | None) -> Any:
    if value is None or isinstance(value, tuple):
        return None
    if most is None or value.size <= most:
        return value.tolist()
    numbers = np.asarray(value, np.float64)
    with np.errstate(all="ignore"):
        return {
            "shape": list(value.shape),
            "min": float(numbers.min()),
            "max": float(numbers.max()),
            "mean": float(numbers.mean()),
            "rms": float(np.sqrt(np.mean(numbers * numbers))),
        }


# -- from nodes -----------------------------------------------------------------------------------


def step_of(node: Node, number: Mapping[Node, int], value: Any) -> Step:
    """The step of a node; `number` has the numbers of its inputs."""
    formula = getattr(node.op, "formula", None)
    return Step(
        number=number[node],
        op=_named(node),
        operands=tuple(number[n] for n in node.inputs),
        type=str(node.type),
        attrs={k: v for k, v in node.attrs.items() if not isinstance(v, Graph)},
        layer=node.source.layer if node.source else "",
        source=node.source,
        value=value,
        formula=formula.value if formula else "",
        local=tuple(d or "0" for d in formula.derivatives) if formula else (),
        sends=getattr(node.op, "sends", ()),
    )


def _named(node: Node) -> str:
    """The op's name, or that of the user's Function."""
    if "label" in node.attrs:
        return str(node.attrs["label"])
    return str(node.attrs["name"]) if _is_function(node) else str(node.op.name)


def _is_function(node: Node) -> bool:
    """Whether a node is the user's Function on the eager tape: a call without a body."""
    return node.op is call and "name" in node.attrs and "graph" not in node.attrs


def add_up(steps: list[Step]) -> None:
    """Fan-out: the gradient of a value is the sum over its uses."""
    for step in steps:
        for part in step.parts:
            to = steps[part.to]
            if part.value is not None:
                before = to.gradient
                to.gradient = part.value if before is None else before + part.value


def measure(steps: list[Step], nodes: Iterable[Node]) -> None:
    """Compare what each node sends with its numerical derivative, the last nodes first."""
    left = _BUDGET
    for node, step in reversed(list(zip(nodes, steps, strict=True))):
        values = [steps[i].value for i in step.operands]
        if not step.parts or any(not isinstance(v, np.ndarray) for v in values):
            continue
        left -= sum(v.size for v in values if v is not None)
        if left < 0:
            break
        found = measured(node, values, step.gradient, {p.operand: p.value for p in step.parts})
        for part in step.parts:
            part.measured = found.get(part.operand)
