"""The cause of a gradient that arrives as zeros: the node that made it zero.

    judged(derivation, "fc.weight")     # Cause("zero", …, "relu is 0 for all 12 values …")

May import `inspect.derivation`, `inspect.cause`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.source import short
from chainrule.inspect.cause import Cause
from chainrule.inspect.derivation import Derivation, Step

_STEPS = frozenset({"sign", "floor", "ceil", "round", "trunc", "floor_divide"})
_SAME = frozenset({"broadcast_to", "reshape", "transpose", "cast"})  # ops that keep the numbers
_SHOWN = 3
_FACTOR = "check that factor: a mask, a dropout of everything, weights that start at zero?"


def judged(d: Derivation, subject: str) -> Cause:
    """The cause found in the derivation of one tensor's gradient."""
    (wanted,) = d.wanted
    gradient = d.steps[wanted].gradient
    if gradient is not None and np.any(gradient):  # NaN counts as arrived
        size = float(np.linalg.norm(np.asarray(gradient, np.float64)))
        return Cause("arrives", subject, f"gets a gradient of norm {size:.3g}")
    if gradient is None:
        return _silent(d, subject)
    stops = [s for s in d.steps if s.parts and np.any(s.gradient) and not _sends(s)]
    if not stops:
        text = "gets a gradient whose contributions cancel: their sum is zero"
        return Cause("zero", subject, text, "")
    words, way = _explained(d, stops[-1])
    more = f" (and {len(stops) - 1} more like it)" if len(stops) > 1 else ""
    lines = tuple(s.source for s in reversed(stops[-_SHOWN:]) if s.source is not None)
    return Cause("zero", subject, f"gets a gradient of zeros: {words}{more}", way, lines)


def _silent(d: Derivation, subject: str) -> Cause:
    """The cause if a vjp sends no gradient to an operand that leads to the tensor."""
    last = [s for s in d.steps if s.gradient is not None and not s.is_leaf and not s.parts]
    lines = tuple(s.source for s in last[:1] if s.source is not None)
    text = "gets no gradient: the backward() of the function on this line returns none for it"
    way = "let that backward() return a gradient instead of None"
    return Cause("rule", subject, text, way, lines)


def _sends(s: Step) -> bool:
    return any(p.value is not None and np.any(p.value) for p in s.parts)


def _explained(d: Derivation, s: Step) -> tuple[str, str]:
    """The reason why a node sends only zeros, and the remedy."""
    x = d.steps[s.operands[0]].value if s.operands else None
    count = np.size(x) if x is not None else 0
    if s.op == "relu":
        return (
            f"relu lets none of its {count} values pass, all are at most 0 (dead units)",
            "a smaller learning rate, another start (bias above 0, kaiming), or leaky_relu, gelu",
        )
    if s.op in _STEPS:
        return (
            f"{s.op} is flat: its derivative is 0 everywhere",
            f"pass the gradient straight through: x + ({s.op}(x) - x).detach()",
        )
    return _GENERAL.get(s.op, _by_values)(d, s, count)


def _by_values(d: Derivation, s: Step, count: int) -> tuple[str, str]:
    del d
    return (
        f"{s.op} passes nothing back at its {count} values",
        "look at the values that come into this line",
    )


def _product(d: Derivation, s: Step, count: int) -> tuple[str, str]:
    zeros = [d.steps[i] for i in s.operands if not np.any(_known(d.steps[i].value))]
    if not zeros:
        return _by_values(d, s, count)
    words, way = f"it is multiplied by {_told(d, zeros[0])}, which is zero everywhere", _FACTOR
    dead = _dead(d, zeros[0])
    if dead is not None:
        reason, way = _explained(d, dead)
        words = f"{words}: {reason}"
    return words, way


def _told(d: Derivation, s: Step) -> str:
    """A value in the program's terms: its name, or the operation and line that made it."""
    while s.op in _SAME and s.operands:
        s = d.steps[s.operands[0]]
    if s.name:
        return s.name
    where = f" at {short(s.source)}" if s.source else ""
    return f"what {s.op}{where} gives" if s.operands else "a constant"


def _dead(d: Derivation, s: Step) -> Step | None:
    """The ReLU whose zeros make up a value, if there is one."""
    while s.op != "relu" and s.operands:
        zeros = [d.steps[i] for i in s.operands if not np.any(_known(d.steps[i].value))]
        if not zeros:
            return None
        s = zeros[0]
    return s if s.op == "relu" else None


def _choice(d: Derivation, s: Step, count: int) -> tuple[str, str]:
    del d
    return (
        f"{s.op} takes the other side at all {count} places",
        "look at the bound or mask: the values lie on its flat side",
    )


def _flat(d: Derivation, s: Step, count: int) -> tuple[str, str]:
    del d
    return (
        f"{s.op} is saturated at all {count} values: its slope there is too small for the dtype",
        "smaller inputs: scale, normalise, or start with smaller weights",
    )


def _known(value: Any) -> Any:
    return np.ones(1) if value is None else value


_GENERAL: dict[str, Callable[[Derivation, Step, int], tuple[str, str]]] = {
    "mul": _product,
    "matmul": _product,
    **dict.fromkeys(("maximum", "minimum", "where"), _choice),
    **dict.fromkeys(("sigmoid", "tanh", "exp", "softmax", "gelu", "silu"), _flat),
}
