"""Line charts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from chainrule.train.chart import Chart, Curve, draw

NUMBERS = st.floats(-1e6, 1e6)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20).map(sorted)


@given(st.lists(POINTS, max_size=3), st.none() | NUMBERS, st.booleans())
def test_everything_drawn_lies_inside(curves, level, log):
    chart = Chart("x", "y", [Curve("c", points) for points in curves], level, log=log)
    if log and level is not None and level <= 0:
        chart = Chart("x", "y", chart.curves, None, log=True)
    svg = draw(chart)
    places = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", svg)
    assert all(0 <= float(x) <= 800 and 0 <= float(y) <= 300 for x, y in places)
    drawable = any(y > 0 or not log for points in curves for _, y in points)
    assert bool(svg) == drawable
    assert "nan" not in svg


def test_the_highest_point_is_at_the_top():
    svg = draw(Chart("x", "y", [Curve("c", [(0, 1.0), (1, 3.0), (2, 2.0)])]))
    path = re.search(r"d='(M[^']*L[^']*)'", svg)[1]
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    assert heights[1] < heights[2] < heights[0]


def test_names_cannot_break_out():
    svg = draw(Chart("<x>", "&y", [Curve("<script>", [(0, 1.0), (1, 2.0)])]))
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg


def test_a_notebook_shows_the_chart_in_the_colours_of_the_page():
    chart = Chart("x", "y", [Curve("c", [(0, 1.0), (1, 2.0)])])
    html = chart._repr_html_()
    assert draw(chart) in html
    assert "fill:currentColor" in html
    assert "--grid:" in html
