"""The debug mode of compiled functions: trace again before each call, and compare.

What a function reads besides tensors, arguments, training flags and learning rates is constant
once it was traced. In debug mode a constant that has changed is an error that names the line:

    scale = 2.0
    step = compile(lambda x: x * scale, debug=True)
    step(x); scale = 3.0; step(x)          # TraceError: full(value=2.0 …) is now full(value=3.0 …)

Example: `check_constants("step", old_capture, new_capture)`; `alike(old_capture, new_capture)` says
whether the plan of one serves the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from types import FunctionType
from typing import Any

from chainrule.base.errors import TraceError
from chainrule.base.source import at
from chainrule.compiler.trace.capture import Capture
from chainrule.graph.node import INPUT, Attrs, Graph, Node
from chainrule.graph.walk import topological
from chainrule.tensor.handle import Handle

_WAY_OUT = (
    "Numbers, flags and lists that a compiled function reads from outside are constants of its "
    "trace: pass what changes as an argument, or keep it in a tensor"
)


def check_constants(name: str, old: Capture, new: Capture) -> None:
    """Raise `TraceError` at the first difference between two traces of the same call."""
    found = changed_constant(old, new)
    if found is None and not _equal_fields(old, new, but="states"):
        found = "whether a gradient is recorded, what is shared or what is changed is another now"
    if found is not None:
        raise TraceError(f"{name}: {found}. {_WAY_OUT}")


def changed_constant(old: Capture, new: Capture) -> str | None:
    """The first difference between two traces of the same call, in words; None without one."""
    for i, (before, now) in enumerate(zip_longest(old.states, new.states)):
        value, again = old.constant(i), new.constant(i)
        if value is not None and again is not None:
            if value.dtype == again.dtype and value.tobytes() == again.tobytes():
                continue
            node = new.captured.graph.inputs[new.inputs.states[i]]
            return f"the constant of type {node.type}{at(node.source)} has other values each time"
        if before is not now:
            kind = "nothing" if now is None else f"another tensor of type {now.array_type}"
            was = "nothing" if before is None else f"a tensor of type {before.array_type}"
            return (
                f"where its trace read {was} from outside (number {i}), the function now "
                f"reads {kind}"
            )
    found = difference(old.captured.graph, new.captured.graph)
    if found is None and old.structure != new.structure:
        return "the returned structure has changed"
    return found


def alike(old: Capture, new: Capture) -> bool:
    """Whether the plan of one trace does what the other says: gradients, aliases, effects too."""
    return changed_constant(old, new) is None and _equal_fields(old, new, but="states")


def _equal_fields(old: Any, new: Any, but: str = "") -> bool:
    """Whether two dataclasses agree in all fields that are compared."""
    names = [f.name for f in fields(old) if f.compare and f.name != but]
    return all(_agree(getattr(old, name), getattr(new, name)) for name in names)


def _agree(old: Any, new: Any) -> bool:
    """Whether two parts of traces mean the same: tensors are the same one, nodes of one type."""
    if old is new:
        return True
    if type(old) is not type(new) or isinstance(old, Handle):
        return False
    if isinstance(old, Graph):
        return _agree(old.inputs, new.inputs) and difference(old, new) is None
    if isinstance(old, Node):
        return bool(old.type == new.type)
    if isinstance(old, FunctionType):
        return old.__code__ is new.__code__
    if isinstance(old, (tuple, list)):
        return len(old) == len(new) and all(map(_agree, old, new))
    if isinstance(old, Mapping):
        return old.keys() == new.keys() and all(_agree(v, new[k]) for k, v in old.items())
    return _equal_fields(old, new) if is_dataclass(old) else bool(old == new)


def difference(old: Graph, new: Graph) -> str | None:
    """The first node at which two graphs differ, in words; None if they are equal."""
    numbers: list[dict[Node, int]] = [{n: i for i, n in enumerate(g.inputs)} for g in (old, new)]
    for before, now in zip_longest(topological(old.outputs), topological(new.outputs)):
        if before is None or now is None:
            more = before or now
            end = "no longer there" if now is None else "new"
            return f"{_words(more)} is {end}"
        same = before.op is now.op and before.type == now.type
        same = same and _equal(before.attrs, now.attrs)
        if before.op is not INPUT:
            same = same and _operands(before, numbers[0]) == _operands(now, numbers[1])
        if not same:
            return f"{_words(before)} in its trace is now {_words(now)}"
        numbers[0].setdefault(before, len(numbers[0]))
        numbers[1].setdefault(now, len(numbers[1]))
    ends = [[number[n] for n in g.outputs] for number, g in zip(numbers, (old, new), strict=True)]
    return None if ends[0] == ends[1] else "it returns or assigns other nodes than in its trace"


def _operands(node: Node, number: dict[Node, int]) -> list[int]:
    return [number[child] for child in node.inputs]


def _equal(old: Attrs, new: Attrs) -> bool:
    if old.keys() != new.keys():
        return False
    for key, before in old.items():
        now = new[key]
        if isinstance(before, Graph) and isinstance(now, Graph):
            if difference(before, now) is not None:
                return False
        elif repr(before) != repr(now):  # as text, NaN is NaN and -0.0 is not 0.0
            return False
    return True


def _words(node: Node) -> str:
    """`full(value=2.0) float32[3] at step.py:7`."""
    shown = ", ".join(
        f"{k}={v!r}" for k, v in node.attrs.items() if k not in {"graph", "vjp_graph"}
    )
    return f"{node.op.name}({shown}) {node.type}{at(node.source)}"
