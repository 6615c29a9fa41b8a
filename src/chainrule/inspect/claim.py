"""Checking a gradient that was derived by hand, entry by entry, with a diagnosis.

    verdict = check_gradient(lambda w: (w @ x).tanh().sum(), (w,), claimed=my_gradient)
    print(verdict)      # … it is transposed / the sum over axis 0 is missing / 2 times too large

The reference is chainrule's own gradient, itself checked against finite differences first.
May import `inspect.gradcheck` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.inspect.diagnosis import matches
from chainrule.inspect.gradcheck import gradcheck, leaf_copies
from chainrule.inspect.mistakes.finding import Finding, find_mistake
from chainrule.inspect.mistakes.uses import gradient_values
from chainrule.inspect.numeric import Probe, unit
from chainrule.inspect.recording import Recording, in_float64, record
from chainrule.inspect.verdict import PASSING, Entry, Report, verdict_of
from chainrule.ops.evaluate import all_values
from chainrule.tensor.convert import as_tensor

Array = np.ndarray[Any, Any]
_ROUNDING = 2e-6  # the tolerance of a claim computed in float32
_MOST_KINKS = 400
_SIDE, _DIGITS = 1e-5, 4  # the accuracy of one-sided derivatives


def check_gradient(
    fn: Callable[..., Any],
    inputs: Any,
    claimed: Any,
    *,
    raise_exception: bool = False,
    names: Sequence[str] = (),
) -> Report:
    """Check whether `claimed` is ∂fn/∂input for a scalar `fn(*inputs)`.

    `claimed` is an array or nested list of numbers for the only (or first) float input, a tuple
    with one for each (None skips one), or a function of the inputs that returns these. The report
    lists each wrong entry with the right value; `findings` give the mistake as a stable code, the
    node and the line; `scores` give the share of right entries of each input. With
    `raise_exception` a wrong claim raises `GradcheckError`. `names` are those of the inputs.
    """
    given = leaf_copies(inputs)
    floats = [x for x in given if x.requires_grad]
    found = claimed(*inputs_of(inputs)) if callable(claimed) else claimed
    claims = _one_for_each(found)
    if len(claims) > len(floats):
        raise ArgumentError(f"{len(claims)} gradients are claimed for {len(floats)} float inputs")
    truth = gradcheck(fn, inputs, raise_exception=False)
    if not truth:
        return truth  # chainrule's own gradient is wrong: report that instead
    recording = in_float64(record(fn, given))
    _need_scalar(recording)
    called = _called(given, floats, names)
    rights = [_right(recording, recording.position(x), x.shape) for x in floats]
    several: list[_Judged] = []
    for i, (x, claim) in enumerate(zip(floats, claims, strict=False)):
        if claim is None:
            continue
        value, at = np.asarray(as_tensor(claim).detach()), recording.position(x)
        judged = _verdicts(called[i], recording, at, value, rights[i])
        if judged.wrong and judged.finding is None:
            target = None if at is None else recording.graph.inputs[at]
            others = [(called[k], right) for k, right in enumerate(rights) if k != i]
            found = (called[i], recording.graph, recording.values, target, value, rights[i])
            earlier = [j.finding for j in several if j.finding is not None]
            judged.finding = find_mistake(*found, others, earlier)
        several.append(judged)
    size = sum(x.array_type.size for x in floats)
    return _report(several, size).settled(raise_exception=raise_exception)


@dataclass
class _Judged:
    """The verdicts on the entries of one claim; entries at kinks are kept apart."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    kinks: list[str] = field(default_factory=list)  # right: between the two sides' derivatives
    finding: Finding | None = None
    has_other_shape: bool = False

    @property
    def wrong(self) -> list[Entry]:
        return [e for e in self.entries if e.verdict not in PASSING]

    @property
    def score(self) -> float:
        """The share of right entries."""
        count = len(self.entries) + len(self.kinks)
        right = 1 - len(self.wrong) / count if count else 1.0
        return 0.0 if self.has_other_shape else right


def _report(several: Sequence[_Judged], size: int) -> Report:
    entries = [e for judged in several for e in judged.entries]
    findings = [judged.finding for judged in several if judged.finding is not None]
    faults = [f"{j.name} {j.finding.words}" for j in several if j.finding and j.has_other_shape]
    return Report(
        subject="claimed gradient",
        checked=len(entries),
        entries=size,
        failures=tuple(e for e in entries if e.verdict not in PASSING),
        worst=max(entries, key=lambda e: e.relative, default=None),
        faults=tuple(faults),
        kinks=tuple(kink for judged in several for kink in judged.kinks),
        diagnosis="; ".join(str(j.finding) for j in several if j.finding and not j.has_other_shape),
        names=("claimed", "right"),
        findings=tuple(findings),
        scores={judged.name: judged.score for judged in several},
    )


def _called(given: Sequence[Any], floats: Sequence[Any], names: Sequence[str]) -> list[str]:
    """`gradient`, or `gradient W` with several inputs or names."""
    if len(floats) == 1 and not names:
        return ["gradient"]
    places = [_index_of(given, x) for x in floats]
    return [f"gradient {names[k] if k < len(names) else k}" for k in places]


def inputs_of(inputs: Any) -> list[Any]:
    """One input, or several, as a list."""
    return list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]


def _one_for_each(found: Any) -> list[Any]:
    """One gradient for each input: from a tuple, or a list that is not an array's numbers."""
    if isinstance(found, list) and not _is_nested_numbers(found):
        return found
    return list(found) if isinstance(found, tuple) else [found]


def _is_nested_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_nested_numbers, value))
    return isinstance(value, (int, float, np.number))


def _index_of(given: Sequence[Any], x: Any) -> int:
    return next(i for i, other in enumerate(given) if other is x)


def _need_scalar(recording: Recording) -> None:
    if len(recording.graph.outputs) != 1 or recording.graph.outputs[0].array.size != 1:
        shown = ", ".join(str(o.type) for o in recording.graph.outputs)
        raise ArgumentError(
            f"the function returns {shown}; a gradient is that of one number: return a scalar"
        )


def _right(recording: Recording, at: int | None, shape: tuple[int, ...]) -> Array:
    """The gradient of one input; zeros where the function does not read it."""
    if at is None:
        return np.zeros(shape)
    return gradient_values(recording.graph, recording.values, [recording.graph.inputs[at]])[0]


def _wrong_shape(name: str, claim: Array, right: Array) -> Finding:
    """The finding for a claim of a wrong shape: transposed, or not summed over the batch."""
    words = f"has shape {claim.shape}, its input {right.shape}"
    if claim.ndim == 2 and claim.T.shape == right.shape and matches(claim.T, right):
        return Finding(name, "transposed", f"{words}: transposed it would be right")
    extra = claim.ndim - right.ndim
    if extra > 0 and claim.shape[extra:] == right.shape:
        axes = tuple(range(extra))
        for code, verb, total in (
            ("sum-left-out", "summed", claim.sum(axes)),
            ("sum-left-out", "averaged", claim.mean(axes)),
        ):
            if matches(total, right):
                over = ", ".join(map(str, axes))
                hint = f"{verb} over axis {over} (the batch) it would be right"
                return Finding(name, code, f"{words}: {hint}")
    return Finding(name, "shape", words)


def _verdicts(
    name: str, recording: Recording, at: int | None, claim: Array, right: Array
) -> _Judged:
    judged = _Judged(name)
    if claim.shape != right.shape:
        judged.finding, judged.has_other_shape = _wrong_shape(name, claim, right), True
        return judged
    scale = float(np.max(np.abs(right), initial=0.0))
    slack = (_ROUNDING if claim.dtype == np.float32 else 1e-12) * max(scale, 1e-6)
    probe = None if at is None else _probe(recording, at)
    outside: list[str] = []
    for index in np.ndindex(*claim.shape):
        a, n = float(claim[index]), float(right[index])
        verdict = "exact" if abs(a - n) <= slack else verdict_of(a, n, 0.0, slack)
        entry = Entry(name, tuple(map(int, index)), a, n, slack, 0.0, verdict)
        sides = None
        if verdict not in PASSING and probe is not None and len(judged.wrong) < _MOST_KINKS:
            sides = probe.sides(unit(claim.shape, index))
        if sides is not None:
            low, high = (round(side, _DIGITS) + 0.0 for side in sides)
            between = sides[0] - _SIDE <= a <= sides[1] + _SIDE
            place = f"{entry.place} (any value from {low:g} to {high:g} is right)"
            (judged.kinks if between else outside).append(place)
            if between:
                continue
        judged.entries.append(entry)
    if outside and len(outside) == len(judged.wrong):
        judged.finding = Finding(name, "kink", f"at a kink: {', '.join(outside)}")
    return judged


def _probe(recording: Recording, at: int) -> Probe:
    graph = recording.graph
    return Probe(graph.outputs[0], graph.inputs[at], all_values(graph, recording.values))
