"""Curves of characters."""

from hypothesis import given
from hypothesis import strategies as st

from chainrule.cli.curve import plot

NUMBERS = st.floats(-1e9, 1e9)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20).map(sorted)


def text(rows):
    return ["".join(cell.symbol for cell in row) for row in rows]


@given(st.lists(POINTS, max_size=3), st.integers(1, 40), st.integers(1, 10), st.booleans())
def test_it_has_the_size_asked_for(curves, width, height, braille):
    rows = plot(curves, width=width, height=height, braille=braille)
    if not curves:
        assert rows == []
        return
    assert [len(row) for row in rows] == [width] * height
    marks = {cell.symbol for row in rows for cell in row} - {" "}
    assert marks
    assert all("⠀" < mark <= "⣿" for mark in marks) if braille else marks == {"*"}
    assert {cell.curve for row in rows for cell in row} <= {None, *range(len(curves))}


def test_a_falling_line():
    rows = plot([[(0, 3), (3, 0)]], width=4, height=4, braille=False)
    assert text(rows) == ["*   ", " *  ", "  * ", "   *"]


def test_every_dot_has_its_place():
    (row,) = plot([[(0, 3), (1, 3)], [(0, 0)]], width=1, height=1)
    assert row[0].symbol == chr(0x2800 + 0b01_001_001)  # ⡉: both upper dots, the lower left one


def test_the_level_is_dashed_and_below():
    rows = plot([[(0, 2.0), (9, 1.0)]], width=10, height=3, level=1.0, braille=False)
    assert {cell.curve for cell in rows[-1]} >= {-1, None}
    assert rows[-1][9].curve == 0
