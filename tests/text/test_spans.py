"""Spans in tags, by the conventions of conlleval."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.spans import Span, are_spans, span_scores, spans_of


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", ""),
        ("O O", ""),
        ("B-a I-a I-a O", "0:3a"),
        ("B-a B-a", "0:1a 1:2a"),
        ("I-a I-a", "0:2a"),  # IOB1
        ("I-a I-b", "0:1a 1:2b"),
        ("I-a B-a I-a", "0:1a 1:3a"),
        ("B-a I-b I-b", "0:1a 1:3b"),
        ("S-a B-b E-b O S-b", "0:1a 1:3b 4:5b"),
        ("U-a B-b L-b", "0:1a 1:3b"),
        ("E-a E-a", "0:1a 1:2a"),
        ("B-a I-a S-a I-a", "0:2a 2:3a 3:4a"),
        ("B-a E-b", "0:1a 1:2b"),
        ("B-a I-a", "0:2a"),
        ("B-per-son I-per-son", "0:2per-son"),
        ("NOUN B-a", "1:2a"),
    ],
)
def test_spans(tags, expected):
    found = [f"{span.start}:{span.end}{span.kind}" for span in sorted(spans_of(tags.split()))]
    assert " ".join(found) == expected


def conlleval(tags):
    """Spans by conlleval's two questions, whether a span ends before a tag and one begins at it."""
    spans, start = set(), 0
    split = [re.fullmatch("([BIES])-(.)", tag) for tag in tags]
    pairs = [("O", ""), *((m[1], m[2]) if m else ("O", "") for m in split), ("O", "")]
    for at, ((before, old), (now, new)) in enumerate(itertools.pairwise(pairs)):
        ends = before + now in {"BB", "BO", "IB", "IO", "BS", "IS"} or before in "ES"
        ends |= before != "O" and old != new
        begins = now in "BS" or before + now in {"EE", "EI", "SE", "SI", "OE", "OI"}
        begins |= now != "O" and old != new
        if ends and before != "O":
            spans.add(Span(start, at, old))
        if begins:
            start = at
    return spans


@given(st.lists(st.sampled_from(["O", *(f"{p}-{k}" for p in "BIES" for k in "ab")]), max_size=12))
def test_spans_are_those_of_conlleval(tags):
    assert spans_of(tags) == conlleval(tags)


def test_scores_by_hand():
    gold = [["B-a", "I-a", "O", "B-b"], ["O"], ["B-a"]]
    guess = [["B-a", "I-a", "O", "B-a"], ["B-a"], ["B-a"]]
    scores = span_scores(gold, guess)
    assert scores == {"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7}


def test_scores_without_spans():
    assert span_scores([["O"]], [["O"]]) == {"precision": 0, "recall": 0, "f1": 0}
    with pytest.raises(ValueError, match="shorter"):
        span_scores([["O"]], [])


def test_which_tags_are_spans():
    assert are_spans(["O", "B-a", "U-b"])
    assert not are_spans(["O"])
    assert not are_spans(["NOUN", "O"])
    assert not are_spans(["X-a"])
    assert not are_spans([])
