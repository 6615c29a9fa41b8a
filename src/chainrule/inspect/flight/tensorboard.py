"""A flight in TensorBoard: scalars and histograms of each look, verdicts as text.

Example: `recorder.write(SummaryWriter("runs/first"))`. May import `inspect.flight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.inspect.flight.history import History, Look
from chainrule.inspect.flight.spread import Spread
from chainrule.inspect.flight.verdicts import Verdict


def write(history: History, verdicts: Sequence[Verdict], writer: Any, first: int) -> None:
    """Write the looks after step `first`, and the verdicts."""
    looks = [look for look in history.looks if look.step > first]
    for look in looks:
        _look(look, writer)
    if looks:
        writer.add_text("verdicts", _markdown(verdicts), looks[-1].step)


def write_losses(history: History, writer: Any, first: int) -> None:
    """Write the losses after step `first`."""
    for name, points in (("training", history.losses), ("held_out", history.held_out)):
        for step, loss in points:
            if step > first:
                writer.add_scalar(f"loss/{name}", loss, step)


def _look(look: Look, writer: Any) -> None:
    writer.add_scalar("gradient_norm/all", look.norm, look.step)
    writer.add_scalar("update_to_weight/all", look.update, look.step)
    if look.learning_rate is not None:
        writer.add_scalar("learning_rate", look.learning_rate, look.step)
    for name, layer in look.layers().items():
        writer.add_scalar(f"gradient_norm/{name}", layer["norm"], look.step)
        writer.add_scalar(f"update_to_weight/{name}", layer["update"], look.step)
    for place, found in look.activations.items():
        for measure, value in found.items():
            writer.add_scalar(f"{_TITLES[measure]}/{place.replace(' ', '_')}", value, look.step)
    for name, p in look.parameters.items():
        _histogram(f"weights/{name}", p.weights, look.step, writer)
        if p.gradient is not None:
            _histogram(f"gradients/{name}", p.gradient, look.step, writer)
            if p.gradient.not_finite:
                writer.add_scalar(f"not_finite/{name}", p.gradient.not_finite, look.step)


_TITLES = {
    "dead": "dead_units",
    "saturated": "saturated_values",
    "entropy": "attention_entropy",
    "lowest": "attention_entropy_of_the_sharpest_head",
}


def _histogram(tag: str, spread: Spread, step: int, writer: Any) -> None:
    """The histogram with bars by powers of two on both sides of zero."""
    ends = [(-(2.0**k), spread.negative[k]) for k in sorted(spread.negative, reverse=True)]
    zeros = spread.zero + spread.subnormal
    ends += [(0.0, zeros)] if zeros else []
    ends += [(2.0 ** (k + 1), spread.positive[k]) for k in sorted(spread.positive)]
    if not ends:
        return
    low = -(2.0 ** (max(spread.negative) + 1)) if spread.negative else 0.0
    limits, counts = zip(*ends, strict=True)
    writer.add_histogram_raw(
        tag,
        min=low,
        max=limits[-1],
        num=sum(counts),
        sum=spread.total,
        sum_squares=spread.norm**2,
        bucket_limits=list(limits),
        bucket_counts=list(counts),
        global_step=step,
    )


def _markdown(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "healthy"
    return "\n".join(
        f"* **{v.kind}**{f' in {v.place}' if v.place else ''}: {v.evidence}. *{v.remedy}*"
        for v in verdicts
    )
