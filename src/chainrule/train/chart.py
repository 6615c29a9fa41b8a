"""Line charts as inline SVG, which notebooks display.

    >>> svg = draw(Chart("step", "loss", [Curve("training", [(1, 4.2), (2, 3.9)])]))

May import the standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 800, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 26, 34
_TICKS = 5
_ALONE = "max-width:50rem;font:12px system-ui,sans-serif;fill:currentColor;--grid:#8895a755"
# Distinguishable with the common colour-vision deficiencies. Source: Okabe & Ito (2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")


@dataclass(frozen=True)
class Curve:
    """A name and (x, y) points, in ascending x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Curves with common axes; `level` is a horizontal line; `log` scales y logarithmically."""

    x_name: str
    y_name: str
    curves: Sequence[Curve]
    level: float | None = None
    log: bool = False

    def _repr_html_(self) -> str:
        """The picture with its own style, in the colours of the page around it."""
        return f"<div style='{_ALONE}'>{draw(self)}</div>"


def draw(chart: Chart, level_name: str = "") -> str:
    """An `<svg>` element and its key; empty if there is nothing to draw."""
    curves = [
        Curve(curve.name, [(x, y) for x, y in curve.points if _is_drawn(y, log=chart.log)])
        for curve in chart.curves
    ]
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return ""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    ys += [chart.level] if chart.level is not None else []
    across = _Axis.fit(xs, _LEFT, _WIDTH - _RIGHT, log=False)
    up = _Axis.fit(ys, _HEIGHT - _BOTTOM, _TOP, log=chart.log)
    parts = [_grid(across, up, chart)]
    parts += [
        _line(curve, colour, across, up) for curve, colour in zip(curves, _cycle(), strict=False)
    ]
    if chart.level is not None:
        y = up.position(chart.level)
        parts.append(
            f"<path d='M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}' stroke='currentColor' "
            "stroke-dasharray='4 4' fill='none'/>"
        )
    return f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img>{''.join(parts)}</svg>" + _key(
        curves, level_name if chart.level is not None else ""
    )


def _is_drawn(y: float, *, log: bool) -> bool:
    return math.isfinite(y) and (y > 0 or not log)


def section(title: str, svg: str, note: str = "") -> str:
    """A heading, a note and a chart; empty for an empty chart."""
    text = f"<p class=key>{escape(note)}</p>\n" if note else ""
    return f"<h2>{escape(title)}</h2>\n{text}{svg}\n" if svg else ""


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    log: bool

    @classmethod
    def fit(cls, values: Sequence[float], start: float, end: float, *, log: bool) -> _Axis:
        low, high = min(values), max(values)
        if log:
            low, high = math.log10(low), math.log10(high)
        if low == high:
            low, high = low - 0.5, high + 0.5
        return cls(low, high, start, end, log)

    def position(self, value: float) -> float:
        scaled = math.log10(value) if self.log else value
        return self.start + (scaled - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            return self._powers()
        step = _round_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step)
        return [step * i for i in range(first, math.floor(self.high / step) + 1)]

    def _powers(self) -> list[float]:
        """Powers of ten, every n-th of many, with 2 and 5 times them if they are few."""
        low, high = math.floor(self.low), math.ceil(self.high)
        factors = (1, 2, 5) if self.high - self.low < 2 else (1,)
        step = max(1, (high - low) // _TICKS)
        marks = [f * 10.0**k for k in range(low, high + 1, step) for f in factors]
        return [mark for mark in marks if self.low <= math.log10(mark) <= self.high]


def _round_step(step: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)


def _label(value: float) -> str:
    """0.25, 3000 or 1e-5."""
    return re.sub(r"e([+-])0*", lambda sign: "e" + sign[1].strip("+"), f"{value:.3g}")


def _grid(across: _Axis, up: _Axis, chart: Chart) -> str:
    parts = []
    for tick in up.ticks():
        y = up.position(tick)
        parts.append(f"<path d='M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}' stroke='var(--grid)'/>")
        parts.append(f"<text x={_LEFT - 6} y={y + 4:.1f} text-anchor=end>{_label(tick)}</text>")
    for tick in across.ticks():
        x = across.position(tick)
        parts.append(f"<text x={x:.1f} y={_HEIGHT - 18} text-anchor=middle>{tick:g}</text>")
    parts.append(
        f"<text x={_WIDTH - _RIGHT} y={_HEIGHT - 3} text-anchor=end>{escape(chart.x_name)}</text>"
        f"<text x={_LEFT} y=14>{escape(chart.y_name)}</text>"
    )
    return "".join(parts)


def _line(curve: Curve, colour: str, across: _Axis, up: _Axis) -> str:
    points = [(across.position(x), up.position(y)) for x, y in curve.points]
    if len(points) == 1:
        x, y = points[0]
        return f"<circle cx={x:.1f} cy={y:.1f} r=3 fill='{colour}'/>"
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f"<path d='{path}' fill=none stroke='{colour}' stroke-width=1.8 />"


def _key(curves: Sequence[Curve], level_name: str) -> str:
    entries = [
        f"<b style='color:{colour}'>━</b> {escape(curve.name)}"
        for curve, colour in zip(curves, _cycle(), strict=False)
    ]
    entries += [f"<b>┅</b> {escape(level_name)}"] if level_name else []
    whole = [f"<span style='white-space:nowrap'>{entry}</span>" for entry in entries]
    return f"<p class=key>{' &nbsp; '.join(whole)}</p>"


def _cycle() -> list[str]:
    return list(_COLOURS) * 4
