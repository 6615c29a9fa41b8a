"""`report.html`: the course of a run on one self-contained page.

    >>> page = report("run 003", facts, records)
    >>> page.startswith("<!doctype html>")
    True

May import `train` and the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from chainrule.train import report_health as health
from chainrule.train.chart import Chart, Curve, draw, section
from chainrule.train.metrics import baseline_of
from chainrule.train.monitor import Verdict

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #8895a7; --grid: #dde3ea }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf2; --paper: #12161c; --faint: #8895a7; --grid: #2a323d } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse } td, th { padding: .15rem 1rem .15rem 0; text-align: left }
th { font-weight: 400; color: var(--faint) } td.number { text-align: right }
pre { white-space: pre-wrap; border-left: 3px solid var(--grid); padding-left: 1rem;
  font: 13px/1.45 ui-monospace, monospace }
svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: var(--faint) }
.verdict { border-left: 4px solid #d55e00; padding: .1rem 0 .1rem 1rem; margin: 1rem 0 }
.verdict p { margin: .15rem 0 } .verdict .remedy::before { content: "→ " }
.well { border-left-color: #009e73 } .wide { overflow-x: auto }
.key { color: var(--faint) } .key b { font-weight: 400 }
"""
_SMOOTH = 40  # the training curve is averaged into about this many points


def report(
    title: str,
    facts: Mapping[str, str],
    records: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Verdict] | None = None,
    *,
    unit: str = "nats",
    sampled: str = "samples",
) -> str:
    """The page of `facts`, `records` (the lines of `metrics.jsonl`) and `verdicts`, if any.

    `unit` is that of the loss, `sampled` the heading of the samples.
    """
    rows = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in facts.items())
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style>\n"
        f"<h1>{escape(title)}</h1>\n<table>{rows}</table>\n"
        + health.verdicts(verdicts)
        + _losses(records, unit)
        + _scores(records)
        + _gradients(records)
        + health.layers(records)
        + health.activations(records)
        + health.table(records)
        + _samples(records, sampled)
        + "</html>\n"
    )


def _losses(records: Sequence[Mapping[str, Any]], unit: str) -> str:
    curves = [
        Curve("training", averaged(_series(records, "loss"))),
        Curve("held out", _series(records, "held_out")),
    ]
    level, level_name = _level(records, "loss")
    return section("Loss", draw(Chart("step", unit, curves, level=level), level_name=level_name))


def _scores(records: Sequence[Mapping[str, Any]]) -> str:
    """A chart for each held-out score but the loss."""
    names = dict.fromkeys(name for r in records for name in r if name.startswith("held_out_"))
    parts = []
    for key in names:
        name = key.removeprefix("held_out_")
        level, level_name = _level(records, name)
        chart = Chart("step", name, [Curve("held out", _series(records, key))], level=level)
        parts.append(section(name.capitalize(), draw(chart, level_name=level_name)))
    return "".join(parts)


def _level(records: Sequence[Mapping[str, Any]], score: str) -> tuple[float | None, str]:
    """The last baseline that has a score: its value, and its name."""
    baselines = [baseline for record in records if (baseline := baseline_of(record))]
    having = [baseline for baseline in baselines if score in baseline.scores]
    return (having[-1].scores[score], having[-1].name) if having else (None, "")


def _gradients(records: Sequence[Mapping[str, Any]]) -> str:
    chart = Chart(
        "step", "norm", [Curve("before clipping", averaged(_series(records, "norm")))], log=True
    )
    return section("Global gradient norm", draw(chart))


def _samples(records: Sequence[Mapping[str, Any]], heading: str) -> str:
    texts = [(record["step"], record["sample"]) for record in records if "sample" in record]
    if not texts:
        return ""
    return f"<h2>{escape(heading.capitalize())}</h2>\n" + "".join(
        f"<p class=key>after step {step}</p><pre>{escape(text)}</pre>\n" for step, text in texts
    )


def _series(records: Iterable[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(record["step"], record[key]) for record in records if key in record]


def averaged(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The curve as means of equal stretches, few enough to show a trend."""
    size = max(1, len(points) // _SMOOTH)
    stretches = [points[i : i + size] for i in range(0, len(points), size)]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part))
        for part in stretches
    ]
