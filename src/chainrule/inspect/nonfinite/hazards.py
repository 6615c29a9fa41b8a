"""Hazards of ops: the cause and the fix, from an op and its operands at the bad element.

    hazard("log", [0.0], …)     # log of zero: "log(0) is -inf", "log(x.clamp_min(1e-12)), …"

A table from op names to small functions of the operands' numbers; other ops are judged by their
numbers alone. Imports nothing of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

Numbers = Sequence[float]


class Hazard(NamedTuple):
    """A hazard: its kind in two or three words, a sentence, and the fix."""

    kind: str
    what: str
    fix: str


def _log(name: str, lowest: float) -> Callable[[Numbers], Hazard | None]:
    def hazard_at(ins: Numbers) -> Hazard | None:
        x = ins[0]
        if x > lowest:
            return None
        if x == lowest:
            fix = (
                "keep the argument above 0: clamp_min(1e-12), + eps; of probabilities take "
                "log_softmax or logsigmoid of the logits"
            )
            return Hazard("log of zero", f"{name}({x:g}) is -inf", fix)
        fix = (
            "the argument must not be negative: check what is subtracted, or use log1p, abs or exp"
        )
        return Hazard("log of a negative number", f"{name}({x:g}) is not defined", fix)

    return hazard_at


def _div(ins: Numbers) -> Hazard | None:
    x, y = ins[:2]
    guard = "keep it away from 0: where(y != 0, y, 1) in the denominator, y + eps, or clamp_min"
    if y == 0 and x == 0:
        return Hazard("zero divided by zero", "0 / 0 is not defined", guard)
    if y == 0:
        return Hazard("division by zero", f"{x:g} / 0 is infinite", guard)
    if math.isinf(x) and math.isinf(y):
        fix = "subtract the largest exponent first: softmax, log_softmax and logsumexp do"
        return Hazard("infinity divided by infinity", "inf / inf is not defined", fix)
    return Hazard("overflow", f"{x:g} / {y:g} is beyond the largest number", f"add eps: {guard}")


def _sqrt(ins: Numbers) -> Hazard | None:
    if ins[0] < 0:
        fix = "rounding makes differences slightly negative: clamp_min(0); or check the sign"
        return Hazard("root of a negative number", f"the root of {ins[0]:g} is not defined", fix)
    if ins[0] == 0:
        fix = "add eps inside the root: rsqrt(x + 1e-12)"
        return Hazard("division by zero", "1 / √0 is infinite", fix)
    return None


def _exp(ins: Numbers) -> Hazard:
    fix = (
        "subtract the maximum before exp, or use softmax, log_softmax, logsumexp, softplus; "
        "clamp what is learnt"
    )
    return Hazard("overflow of exp", f"exp({ins[0]:g}) is beyond the largest number", fix)


def _pow(ins: Numbers) -> Hazard | None:
    x, y = ins[:2]
    if x == 0 and y < 0:
        fix = "keep the base away from 0: (x + eps) ** y"
        return Hazard("division by zero", f"0 to the power {y:g} is infinite", fix)
    if x < 0 and y != round(y):
        fix = "keep the base positive: x.clamp_min(0), x.abs()"
        return Hazard("root of a negative number", f"{x:g} to the power {y:g} is not defined", fix)
    return Hazard("overflow", f"{x:g} to the power {y:g} is beyond the largest number", _SMALLER)


def _sum(ins: Numbers) -> Hazard | None:
    if any(math.isinf(x) for x in ins):
        fix = (
            "one of the infinities is a mask: mask after the subtraction, or keep one element of "
            "each row unmasked"
        )
        return Hazard("infinity minus infinity", "inf - inf is not defined", fix)
    return None


def _mul(ins: Numbers) -> Hazard | None:
    x, y = ins[:2]
    if (x == 0 and math.isinf(y)) or (y == 0 and math.isinf(x)):
        fix = (
            "multiplying by a mask does not hide infinity: use where or masked_fill, and mask "
            "the operand before the op that makes it infinite"
        )
        return Hazard("zero times infinity", "0 · inf is not defined", fix)
    return None


def _domain(name: str) -> Callable[[Numbers], Hazard]:
    def hazard_at(ins: Numbers) -> Hazard:
        fix = "rounding steps over the end: clamp the argument, clamp(-1 + eps, 1 - eps)"
        what = f"{name}({ins[0]:g}) is not finite: the argument is at or beyond the domain's end"
        return Hazard("outside the domain", what, fix)

    return hazard_at


_SMALLER = "scale the operands down: normalise, clip the gradients, lower the learning rate"

_TABLE: dict[str, Callable[[Numbers], Hazard | None]] = {
    "log": _log("log", 0),
    "log2": _log("log2", 0),
    "log10": _log("log10", 0),
    "log1p": _log("log1p", -1),
    "div": _div,
    "sqrt": _sqrt,
    "rsqrt": _sqrt,
    "exp": _exp,
    "expm1": _exp,
    "exp2": _exp,
    "sinh": _exp,
    "cosh": _exp,
    "pow": _pow,
    "add": _sum,
    "sub": _sum,
    "mul": _mul,
    **{name: _domain(name) for name in ("asin", "acos", "atanh", "acosh", "erfinv", "ndtri")},
    **{name: _domain(name) for name in ("lgamma", "digamma", "polygamma", "remainder", "fmod")},
}

BY_ZERO = "infinite derivative"
BEHIND_WHERE = "zero times infinity behind where"
EMPTY_MEAN = "mean of nothing"
MASKED_ROW = "fully masked row"
MASKED_LABEL = "masked label"
PARAMETER = "non-finite parameter"
INPUT = "non-finite input"
UPDATE = "overflowing update"


def hazard(op: str, ins: Numbers) -> Hazard:
    """The hazard of an elementwise op with operands `ins` at the bad element."""
    hazard_at = _TABLE.get(op)
    found = None if hazard_at is None else hazard_at(ins)
    return found or overflow(op, ins)


def overflow(op: str, ins: Numbers) -> Hazard:
    """Finite operands, and a result beyond the largest number."""
    largest = max((abs(x) for x in ins if math.isfinite(x)), default=0.0)
    what = f"{op} of numbers up to {largest:.3g} is beyond the largest number of its dtype"
    return Hazard("overflow", what, _SMALLER)


def infinite_derivative(op: str, x: float, *, hidden: bool, where: bool) -> Hazard:
    """An infinite derivative of `op` at x; `hidden`: the upstream gradient is 0, so 0 · ∞."""
    if hidden:
        by = "where selects the other branch" if where else "a mask multiplies it by 0"
        fix = (
            "where does not stop the gradient of the branch that is left out: make its operand "
            f"safe first, {op}(where(mask, x, 1))"
        )
        what = f"the derivative of {op} at {x:g} is infinite, and {by}: 0 · inf"
        return Hazard(BEHIND_WHERE if where else "zero times infinity", what, fix)
    fix = f"keep the argument off {x:g}: {op}(x + eps); for a norm, (x * x + eps).sum().sqrt()"
    return Hazard(BY_ZERO, f"{op} has an infinite derivative at {x:g}", fix)


def empty_mean() -> Hazard:
    """The mean Σ / 0 of an empty batch or selection."""
    fix = "leave out empty batches: if len(batch); or divide a sum by max(count, 1)"
    return Hazard(EMPTY_MEAN, "the mean of no elements is not defined", fix)


def masked_row(op: str) -> Hazard:
    """A reduction of elements that are all -inf."""
    fix = "let every row keep one element: unmask the diagonal, or leave out empty sequences"
    return Hazard(MASKED_ROW, f"all that {op} reads in this row is masked with -inf", fix)


def masked_label() -> Hazard:
    """A picked score of -inf."""
    fix = "the right answer must not be masked: check the mask, or set the label to ignore_index"
    return Hazard(MASKED_LABEL, "the score of the label is masked with -inf: its loss is inf", fix)


def from_outside(name: str, *, parameter: bool, value: float) -> Hazard:
    """A bad value from outside."""
    if parameter:
        fix = (
            "an earlier update made it so: train under inspect.detect_anomaly() from the last "
            "good checkpoint, or lower the learning rate and clip"
        )
        return Hazard(PARAMETER, f"{name} already holds {value:g}", fix)
    fix = "look at the data: np.isfinite(x).all(); nan_to_num, or drop the row"
    return Hazard(INPUT, f"{name} holds {value:g}", fix)


def unnamed(value: float) -> Hazard:
    """A bad value that needs no gradient: data, or computed from data without being recorded."""
    fix = "look at the data; if it is computed from them, inspect.why_nan(step, …) finds its line"
    return Hazard(INPUT, f"a value that needs no gradient holds {value:g}", fix)


def overflowing_update(what: str) -> Hazard:
    """An overflow in the optimiser's step."""
    fix = "lower the learning rate, clip the gradients, or raise the optimizer's eps"
    return Hazard(UPDATE, what, fix)
