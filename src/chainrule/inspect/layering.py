"""The order and position of boxes in layers: few crossings, straight edges, no overlaps.

    centres = stack(layers, pulls, widths, gap)      # the centre of each box across its layer

Every link joins neighbouring layers; a longer one is split at bends, which are boxes too. A box is
ordered by the mean position of its neighbours (Sugiyama, Tagawa and Toda, Methods for visual
understanding of hierarchical system structures, 1981), and moved there as far as the order and the
gaps allow. Imports the standard library only.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

_SWEEPS = 12  # sweeps for the order
_STILL = 0.05  # a negligible move
_IDLE = 0.01  # the weight of a box without neighbours
_PULLS, _FEWEST = 160, 6  # sweeps for the positions
_WORK = 600_000  # the most moves of boxes
Layers = list[list[Hashable]]
Links = Mapping[Hashable, Mapping[Hashable, float]]


def stack(
    layers: Layers, links: Links, widths: Mapping[Hashable, float], gap: float
) -> dict[Hashable, float]:
    """The centre of each box along its layer; layers are sorted in place.

    `links` are a box's neighbours in the layers before and after its own, with their weights.
    """
    _sort(layers, links)
    at = _packed(layers, widths, gap)
    for pull in range(min(_PULLS, max(_FEWEST, _WORK // (len(at) + 1)))):
        before = dict(at)
        for boxes in layers if pull % 2 == 0 else reversed(layers):
            _pull(boxes, links, widths, gap, at)
        if all(abs(at[b] - x) < _STILL for b, x in before.items()):
            break
    left = min((at[b] - widths[b] / 2 for b in at), default=0.0)
    return {b: x - left for b, x in at.items()}


def _sort(layers: Layers, links: Links) -> None:
    """Sweep forwards and backwards; keep the order with the fewest crossings."""
    best, fewest = [list(boxes) for boxes in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forth = sweep % 2 == 0
        row: dict[Hashable, float] = {}
        for boxes in layers if forth else reversed(layers):
            wish: dict[Hashable, float] = {}
            for i, b in enumerate(boxes):
                mean = _mean([(row[n], 1.0) for n in links[b] if n in row])
                wish[b] = float(i) if mean is None else mean
            boxes.sort(key=lambda b: wish[b])
            row |= {b: float(i) for i, b in enumerate(boxes)}
        found = _crossings(layers, links)
        if found < fewest:
            best, fewest = [list(boxes) for boxes in layers], found
    for boxes, kept in zip(layers, best, strict=True):
        boxes[:] = kept


def _crossings(layers: Layers, links: Links) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        row = {b: i for i, b in enumerate(lower)}
        seen: list[int] = []  # sorted
        for box in upper:
            ends = [row[n] for n in links[box] if n in row]
            total += sum(len(seen) - bisect_right(seen, e) for e in ends)
            for e in ends:
                insort(seen, e)
    return total


def _packed(layers: Layers, widths: Mapping[Hashable, float], gap: float) -> dict[Hashable, float]:
    """Positions side by side, with every layer centred on 0."""
    at: dict[Hashable, float] = {}
    for boxes in layers:
        x = -(sum(widths[b] for b in boxes) + gap * (len(boxes) - 1)) / 2
        for box in boxes:
            at[box] = x + widths[box] / 2
            x += widths[box] + gap
    return at


def _pull(
    boxes: Sequence[Hashable],
    links: Links,
    widths: Mapping[Hashable, float],
    gap: float,
    at: dict[Hashable, float],
) -> None:
    """Move a layer's boxes towards their neighbours' mean, in order and without overlap.

    Runs of boxes that would overlap move as one, to the weighted mean of their targets; the weights
    are those of their links, so that all layers converge.
    """
    runs: list[_Run] = []
    for box in boxes:
        pulls = [(at[n], pull) for n, pull in links[box].items()]
        mean = _mean(pulls)
        weight = sum(pull for _, pull in pulls) or _IDLE
        run = _Run([box], [0.0], at[box] if mean is None else mean, weight)
        while runs:
            before = runs[-1]
            shift = before.offsets[-1] + (widths[before.boxes[-1]] + widths[run.boxes[0]]) / 2 + gap
            if before.place + shift <= run.place:
                break
            runs.pop()
            total = before.weight + run.weight
            place = (before.place * before.weight + (run.place - shift) * run.weight) / total
            offsets = before.offsets + [shift + o for o in run.offsets]
            run = _Run(before.boxes + run.boxes, offsets, place, total)
        runs.append(run)
    for run in runs:
        at.update({b: run.place + o for b, o in zip(run.boxes, run.offsets, strict=True)})


class _Run(NamedTuple):
    """A run of boxes at the minimal distances: the position of the first, and offsets from it."""

    boxes: list[Hashable]
    offsets: list[float]
    place: float
    weight: float


def _mean(values: Sequence[tuple[float, float]]) -> float | None:
    """The weighted mean."""
    total = sum(weight for _, weight in values)
    return sum(value * weight for value, weight in values) / total if total else None
