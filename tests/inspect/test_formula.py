"""Formulas of op records printed for people: as text, and as MathML that parses."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from chainrule.inspect.formula import math, mathml, spoken
from chainrule.ops import TABLE

NAMES = {"x": "%3", "y": "W", "z": "%5", "out": "%7"}
TEXTS = sorted(
    {
        text
        for op in TABLE.values()
        for formula in ([op.formula] if op.formula else [])
        for text in (formula.value, *formula.derivatives)
        if text
    }
    | {text for op in TABLE.values() for text in op.sends}
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("out / (1 + exp(x))", "%7 / (1 + exp(%3))"),
        ("x - (y - z)", "%3 − (W − %5)"),
        ("(x + y) * -z", "(%3 + W)·(−%5)"),
        ("y * x ** (y - 1)", "W·%3^(W − 1)"),
        ("x > 0", "[%3 > 0]"),
        ("~x", "[not %3]"),
        ("1 / sqrt(x)", "1 / √(%3)"),
        ("maximum(x, 0)", "max(%3, 0)"),
        ("T(x) @ ct", "%3ᵀ @ upstream"),
        ("2 / sqrt(pi)", "2 / √(π)"),
    ],
)
def test_text(text, said):
    assert spoken(text, NAMES) == said


@pytest.mark.parametrize("text", TEXTS)
def test_every_formula_of_every_op_is_printed(text):
    assert spoken(text, NAMES)
    root = ET.fromstring(math(mathml(text, NAMES)))  # noqa: S314 - ours
    assert root.tag.endswith("math")
    for element in root.iter():  # numbers, names and signs stand in elements of their own
        leaf = element.tag.rpartition("}")[2] in {"mi", "mn", "mo", "mtext"}
        assert leaf or not (element.text or "").strip()


def test_mathml_stands_as_in_a_book():
    shown = mathml("1 / (1 + exp(-x)) ** 2", NAMES)
    assert "<mfrac><mrow><mn>1</mn></mrow>" in shown
    assert "<msup>" in shown
    assert "<msub><mi>v</mi><mn>3</mn></msub>" in shown
    assert "<msub><mi>δ</mi><mn>7</mn></msub>" in mathml("ct", {"ct": "δ%7"})
    assert "&lt;" in mathml("x < y", {"y": "a<b"})
