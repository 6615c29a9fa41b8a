"""The part of `report.html` about gradients, updates and activations, with verdicts.

    >>> layers(records).startswith("<h2>")
    True

Reads the examinations ("look") in `metrics.jsonl`. May import `train.chart` and the standard
library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from chainrule.train.chart import Chart, Curve, draw, section
from chainrule.train.monitor import Verdict

_DRAWN = 8  # curves in a chart, the number of colours
_HEALTHY_UPDATE = 1e-3
_MEASURES = {
    "dead": (
        "Dead units",
        "share",
        "units of ReLU, GELU or SiLU with zero output for a whole batch",
    ),
    "saturated": ("Saturated values", "share", "where the slope is below 5 % of its largest"),
    "entropy": (
        "Attention entropy",
        "of the largest",
        "1: equal attention to all positions; 0: to a single one",
    ),
}

Looks = list[tuple[int, "Mapping[str, Any]"]]


def verdicts(given: Sequence[Verdict] | None) -> str:
    """Each verdict with evidence and remedy, or the word that all is well."""
    if given is None:
        return ""
    parts = [
        f"<div class=verdict><p><b>{escape(v.kind)}</b>"
        + (f" in {escape(v.place)}" if v.place else "")
        + f"<p>{escape(v.evidence)}<p class=remedy>{escape(v.remedy)}</div>\n"
        for v in given
    ]
    well = "<div class='verdict well'><p><b>healthy</b>: gradients, updates and losses are as they "
    return "<h2>Verdict</h2>\n" + ("".join(parts) or well + "should be</div>\n")


def layers(records: Sequence[Mapping[str, Any]]) -> str:
    """Gradient norm and update:weight over time."""
    looks = _looks(records)
    if not looks:
        return ""
    names = _spread(list(looks[-1][1]["layers"]))
    norms, updates = (
        [Curve(n, [(step, look["layers"][n][key]) for step, look in looks]) for n in names]
        for key in ("norm", "update")
    )
    ratio = Chart("step", "‖Δw‖ / ‖w‖", updates, level=_HEALTHY_UPDATE, log=True)
    return section(
        "Gradient norm by layer", draw(Chart("step", "norm", norms, log=True))
    ) + section(
        "Update : weight by layer",
        draw(ratio, level_name="1e-3, usual in healthy training"),
        "how much one step changes the weights; 0.1 is wild, below 1e-5 nothing is learnt",
    )


def activations(records: Sequence[Mapping[str, Any]]) -> str:
    """A chart per measure that the model has."""
    looks = _looks(records)
    parts = []
    for key, (title, axis, note) in _MEASURES.items():
        places = [p for p, m in (looks[-1][1]["activations"] if looks else {}).items() if key in m]
        curves = [
            Curve(place, [(s, m[key]) for s, k in looks if (m := k["activations"].get(place))])
            for place in _spread(places)
        ]
        parts.append(section(title, draw(Chart("step", axis, curves)), note))
    return "".join(parts)


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """A table of all layers at the newest examination."""
    looks = _looks(records)
    if not looks:
        return ""
    step, look = looks[-1]
    rows = "".join(
        f"<tr><td>{escape(name)}"
        + "".join(f"<td class=number>{layer[key]:.2e}" for key in ("norm", "rms", "update"))
        for name, layer in look["layers"].items()
    )
    return (
        f"<h2>All layers at step {step}</h2>\n<div class=wide><table><tr><th>layer"
        f"<th>gradient norm<th>rms gradient<th>update : weight{rows}</table></div>\n"
    )


def _looks(records: Sequence[Mapping[str, Any]]) -> Looks:
    return [(record["step"], record["look"]) for record in records if "look" in record]


def _spread(names: list[str]) -> list[str]:
    """Evenly chosen names, no more than a chart can show."""
    return names[:: max(1, -(-len(names) // _DRAWN))]
