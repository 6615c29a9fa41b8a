"""Verdicts on a history, each with its evidence and a remedy.

    for verdict in verdicts(history):
        print(verdict)

A rule reads the newest half of the looks (at least three), so that a verdict is about the present
state, not about one unlucky batch. May import `inspect.flight`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from textwrap import fill

import numpy as np

from chainrule.base.arguments import first_few
from chainrule.inspect.flight.history import History, Look
from chainrule.inspect.flight.traps import REMEDIES

_WIDTH = 96
_LEAST_LOOKS = 3
_VANISHED = 1e-3  # a layer's gradient norm relative to the largest
_OVER_WEIGHTS = 10.0  # the gradient norm relative to that of the weights
_EXPLODED = 1e3  # the gradient norm relative to its earlier value
_DEAD = 0.5  # share of units
_SATURATED = 0.6  # share of values
_HASTY, _SLOW = 0.05, 1e-5  # update:weight of a step
_RESTLESS = 0.3  # the mean difference of successive losses, relative to their mean
_WORSE = 1.05  # the held-out loss relative to its best
_STUCK = 0.3  # share of the first loss gone, after which a plateau is normal
_FLAT = 0.01  # share of the first loss that counts as a change
_LEAST_LOSSES = 20


@dataclass(frozen=True)
class Verdict:
    """A verdict: what is wrong, where, the evidence, and the remedy."""

    kind: str
    place: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        """The kind and place, then the evidence, then the remedy."""
        place = f" in {self.place}" if self.place else ""
        evidence = fill(self.evidence, _WIDTH, initial_indent="    ", subsequent_indent="    ")
        remedy = fill(self.remedy, _WIDTH, initial_indent="    → ", subsequent_indent="      ")
        return f"{self.kind}{place}\n{evidence}\n{remedy}"

    def as_record(self) -> dict[str, str]:
        """In JSON's types."""
        return asdict(self)


def verdicts(history: History) -> list[Verdict]:
    """The findings of all rules, the gravest first."""
    found = [verdict for rule in _RULES for verdict in rule(history)]
    kinds = {v.kind for v in found}
    return [v for v in found if not kinds & _EXPLAINED_BY.get(v.kind, frozenset())]


def _recent(history: History) -> Sequence[Look]:
    """The newest half of the looks, none if there are too few."""
    looks = history.looks
    return looks[-max(_LEAST_LOOKS, len(looks) // 2) :] if len(looks) >= _LEAST_LOOKS else ()


# -- NaN and infinity -----------------------------------------------------------------------------


def _not_finite(history: History) -> Iterator[Verdict]:
    remedy = "lower the learning rate or clip; cr.autograd.detect_anomaly() names the operation"
    for look in history.looks:
        for name, p in look.parameters.items():
            for what, spread in (("gradient", p.gradient), ("weights", p.weights)):
                if spread is not None and spread.not_finite:
                    yield Verdict(
                        "not finite",
                        name,
                        f"at step {look.step} its {what} held {spread.nan} NaN, "
                        f"{spread.positive_infinity} +Inf, {spread.negative_infinity} -Inf "
                        f"of {spread.size:,}",
                        remedy,
                    )
                    return
    bad = next(((step, loss) for step, loss in history.losses if not math.isfinite(loss)), None)
    if bad is not None:
        yield Verdict("not finite", "the loss", f"at step {bad[0]} it was {bad[1]}", remedy)


# -- gradients ------------------------------------------------------------------------------------


def _never_filled(history: History) -> Iterator[Verdict]:
    looks = history.looks
    if not looks:
        return
    names = [n for n in looks[-1].parameters if all(_is_empty(look, n) for look in looks)]
    if len(names) == len(looks[-1].parameters):
        yield Verdict(
            "never-filled gradient",
            "every parameter",
            f"no backward() reached any of {len(names)} parameters in {len(looks)} looks",
            "call loss.backward() in the step, on a loss that was computed from this model",
        )
    elif names:
        yield Verdict(
            "never-filled gradient",
            first_few(names),
            f"backward() left no gradient there in any of {len(looks)} looks",
            "use the module in forward(), look for detach(), no_grad() or argmax on its way to "
            "the loss, or set requires_grad_(False) if it is frozen on purpose",
        )


def _traps(history: History) -> Iterator[Verdict]:
    for kind, evidence in history.traps.items():
        yield Verdict(kind, "", evidence, REMEDIES[kind])


def _never_updated(history: History) -> Iterator[Verdict]:
    looks = [
        each for each in history.looks if any(p.gradient_norm for p in each.parameters.values())
    ]
    moved = any(p.update for look in looks for p in look.parameters.values())
    if len(looks) >= _LEAST_LOOKS and not moved:
        yield Verdict(
            "never updated",
            "every parameter",
            f"gradients were there in {len(looks)} looks, and no parameter changed in any",
            REMEDIES["never updated"],
        )


def _is_empty(look: Look, name: str) -> bool:
    p = look.parameters.get(name)
    return p is None or p.gradient is None


def _stale(history: History) -> Iterator[Verdict]:
    recent = history.looks[-_LEAST_LOOKS:]
    names = [n for n in (recent[-1].parameters if recent else ()) if _are_stale(recent, n)]
    if names:
        steps = ", ".join(str(look.step) for look in recent)
        yield Verdict(
            "stale gradient",
            first_few(names),
            f"at steps {steps} backward() added to gradients that an update had used already",
            "call optimizer.zero_grad() once in every step, before backward()",
        )


def _are_stale(looks: Sequence[Look], name: str) -> bool:
    return all(name in look.parameters and look.parameters[name].stale for look in looks)


def _norms(look: Look) -> dict[str, float]:
    """The gradient norms of the weight matrices, without those of biases."""
    return {
        name: p.gradient_norm
        for name, p in look.parameters.items()
        if p.matrix and p.gradient_norm is not None
    }


def _typical(looks: Sequence[Look]) -> dict[str, float]:
    """The median gradient norm of each matrix over the looks."""
    tables = [_norms(look) for look in looks]
    names = [n for n in tables[-1] if all(n in table for table in tables)] if tables else []
    return {n: float(np.median([table[n] for table in tables])) for n in names}


def _vanishing(history: History) -> Iterator[Verdict]:
    recent = _recent(history)
    norms = {n: x for n, x in _typical(recent).items() if math.isfinite(x)}
    alive = {n: x for n, x in norms.items() if x > 0}
    if len(alive) < 2:
        return
    largest = max(alive, key=lambda n: alive[n])
    faint = [n for n, x in alive.items() if x < _VANISHED * alive[largest]]
    if faint:
        least = min(faint, key=lambda n: alive[n])
        yield Verdict(
            "vanishing gradient",
            first_few(faint),
            f"‖g‖ is {alive[least]:.1e} in {least} and {alive[largest]:.1e} in {largest}: "
            f"{_times(alive[largest] / alive[least])} less, over {len(recent)} looks",
            "ReLU or GELU instead of sigmoid or tanh, residual connections, LayerNorm, or "
            "an initialisation that keeps variances (nn.init.xavier_normal_, kaiming_normal_)",
        )


def _times(ratio: float) -> str:
    return f"{float(f'{ratio:.1e}'):,.0f} times" if ratio < 1e6 else f"{ratio:.0e} times"


def _exploding(history: History) -> Iterator[Verdict]:
    recent = _recent(history)
    if not recent:
        return
    norms = [look.norm for look in recent]
    weights = [sum(p.weights.norm**2 for p in look.parameters.values()) ** 0.5 for look in recent]
    over = float(np.median([g / max(w, 1e-30) for g, w in zip(norms, weights, strict=True)]))
    everything = [look.norm for look in history.looks]
    middle, top = float(np.median(everything)), max(everything)
    if over > _OVER_WEIGHTS or not math.isfinite(top) or _jumped(everything):
        look = max(history.looks, key=lambda x: x.norm)
        loudest = max(_norms(look) or {"": 0.0}, key=lambda n: _norms(look).get(n, 0.0))
        yield Verdict(
            "exploding gradient",
            loudest,
            f"the gradient norm reached {top:.1e} at step {look.step} "
            f"(median {middle:.1e}, weights {weights[-1]:.1e})",
            "nn.utils.clip_grad_norm_(model.parameters(), 1.0) before step(), smaller initial "
            "weights, LayerNorm, gates or residual connections",
        )


def _jumped(norms: Sequence[float]) -> bool:
    """Whether a norm is far above the median of those before it."""
    later = range(_LEAST_LOOKS, len(norms))
    return any(norms[i] > _EXPLODED * max(float(np.median(norms[:i])), 1e-30) for i in later)


# -- activations ----------------------------------------------------------------------------------


def _shares(history: History, name: str, least: float) -> dict[str, float]:
    """The positions whose share was at least `least` in the newest looks, with its median."""
    recent = _recent(history)
    if not recent:
        return {}
    found = {}
    for place in recent[-1].activations:
        values = [look.activations.get(place, {}).get(name) for look in recent]
        known = [v for v in values if v is not None]
        if len(known) == len(recent) and float(np.median(known)) >= least and known[-1] >= least:
            found[place] = float(np.median(known))
    return found


def _above(
    history: History, name: str, least: float, kind: str, evidence: str, remedy: str
) -> Iterator[Verdict]:
    """A verdict if a share is too large; `evidence` is about the worst share and its position."""
    found = _shares(history, name, least)
    if found:
        worst = max(found, key=lambda place: found[place])
        yield Verdict(kind, first_few(list(found)), evidence.format(found[worst], worst), remedy)


def _dead(history: History) -> Iterator[Verdict]:
    return _above(
        history, "dead", _DEAD, "dead ReLU",
        "{:.0%} of the units of {} gave 0 for a whole batch",
        "a lower learning rate, biases that start at 0 or slightly above, LeakyReLU or GELU, "
        "kaiming initialisation",
    )  # fmt: skip


def _saturated(history: History) -> Iterator[Verdict]:
    return _above(
        history, "saturated", _SATURATED, "saturated gate",
        "{:.0%} of the values of {} lie where its slope is below 5 % of the largest",
        "smaller initial weights and biases, scaled inputs (LayerNorm), weight decay, or a "
        "lower learning rate",
    )  # fmt: skip


# -- learning rate --------------------------------------------------------------------------------


def _rate(look: Look) -> str:
    """The learning rate of a look in words, if known."""
    rate = look.learning_rate
    return "" if rate is None else f" at learning rate {rate:.1e}"


def _finite_losses(history: History) -> list[float]:
    return [loss for _, loss in history.losses if math.isfinite(loss)]


def _stretches(losses: Sequence[float], count: int = 10) -> list[float]:
    """The means of equal stretches."""
    parts = np.array_split(np.asarray(losses, np.float64), min(count, len(losses)))
    return [float(part.mean()) for part in parts]


def _too_large(history: History) -> Iterator[Verdict]:
    losses = _finite_losses(history)
    if len(losses) < _LEAST_LOSSES or not _recent(history):
        return
    means = _stretches(losses)
    hastiest = max(history.looks, key=lambda look: look.update)
    first, best, last = losses[0], min(means), means[-1]
    wild = max(means) > 2 * first or last > 1.3 * best or _jumps(losses) > _RESTLESS
    if hastiest.update > _HASTY and (last > 1.2 * first or (last > 0.5 * first and wild)):
        yield Verdict(
            "learning rate too large",
            "",
            f"step {hastiest.step} changed the weights by {hastiest.update:.1e} of their size"
            f"{_rate(hastiest)}; the loss was {first:.3g} at first, {best:.3g} at best and is "
            f"{last:.3g}",
            "a tenth of the learning rate; healthy steps change weights by about 1e-3",
        )


def _jumps(losses: Sequence[float]) -> float:
    """The mean difference between successive losses of the newest half, relative to their mean."""
    half = np.asarray(losses[len(losses) // 2 :], np.float64)
    return float(np.abs(np.diff(half)).mean() / max(abs(half.mean()), 1e-30))


def _too_small(history: History) -> Iterator[Verdict]:
    recent = _recent(history)
    losses = _finite_losses(history)
    if len(losses) < _LEAST_LOSSES or not recent:
        return
    update = float(np.median([look.update for look in recent]))
    means = _stretches(losses)
    if 0 < update < _SLOW and means[-1] > 0.9 * means[0]:
        yield Verdict(
            "learning rate too small",
            "",
            f"each step changes the weights by {update:.1e} of their size{_rate(recent[-1])}; the "
            f"loss went from {means[0]:.4g} to {means[-1]:.4g} in {len(losses)} steps",
            "ten times the learning rate; healthy steps change weights by about 1e-3",
        )


# -- losses ---------------------------------------------------------------------------------------


def _plateau(history: History) -> Iterator[Verdict]:
    losses = _finite_losses(history)
    if len(losses) < _LEAST_LOSSES:
        return
    *_, third, fourth = _stretches(losses, 4)
    first = max(losses[0], _stretches(losses)[0])
    gone = first - min(third, fourth)
    if third - fourth < _FLAT * abs(first) and gone < _STUCK * abs(first) and fourth < 1.05 * first:
        yield Verdict(
            "plateau",
            "",
            f"the loss has been about {fourth:.3g} for {len(losses) // 2} steps, having started "
            f"at {first:.3g}",
            "check that labels belong to inputs and weights differ from each other at the start; "
            "then another learning rate, warm-up or initialisation",
        )


def _overfitting(history: History) -> Iterator[Verdict]:
    if len(history.held_out) < 4:
        return
    steps, values = zip(*history.held_out, strict=True)
    best = int(np.argmin(values))
    after = values[best + 1 :]
    train = [loss for step, loss in history.losses if step > steps[best]]
    before = [loss for step, loss in history.losses if step <= steps[best]]
    if len(after) < 2 or not train or not before:
        return
    recent = float(np.mean(train[-max(1, len(train) // 4) :]))
    level = float(np.mean(before[-max(1, len(before) // 4) :]))
    if min(after[-2:]) > _WORSE * values[best] and recent < level:
        yield Verdict(
            "overfitting",
            "",
            f"the held-out loss was {values[best]:.4g} at step {steps[best]} and is "
            f"{values[-1]:.4g}, while the training loss fell to {recent:.4g}",
            f"stop near step {steps[best]}, more data, dropout, weight decay or a smaller model",
        )


_RULES: tuple[Callable[[History], Iterator[Verdict]], ...] = (
    _not_finite, _traps, _never_filled, _never_updated, _stale, _too_large, _exploding, _vanishing,
    _dead, _saturated, _too_small, _plateau, _overfitting,
)  # fmt: skip
_HASTE = frozenset({"learning rate too large"})
_ILL = frozenset({"vanishing gradient", "dead ReLU", "saturated gate"})
_TRAPS = frozenset(REMEDIES) - {"growing graph", "training mode"}  # the model learns anyway
_WILD = frozenset({"not finite", "exploding gradient", "stale gradient"})
# A verdict that follows from another one is not given beside it
_EXPLAINED_BY: dict[str, frozenset[str]] = {
    **dict.fromkeys(_ILL, _HASTE),
    "learning rate too large": _WILD,
    "learning rate too small": _ILL,
    "never updated": frozenset({"optimizer of another model"}),
    "plateau": _ILL.union(
        _WILD, _HASTE, _TRAPS, {"never-filled gradient", "learning rate too small"}
    ),
}
