"""The default training text."""

import sys
from types import ModuleType

import pytest

from chainrule.base.errors import DataError
from chainrule.text.documentation import documentation_text


def test_it_is_english_and_long():
    text = documentation_text()
    assert len(text) > 200_000
    assert text.count(" the ") > 2_000


def test_it_is_the_same_each_time():
    assert documentation_text() == documentation_text()


def test_no_paragraph_comes_twice():
    paragraphs = [" ".join(p.split()) for p in documentation_text().split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs))


def stripped(monkeypatch, **attributes):
    module = ModuleType("pydoc_data.topics")
    module.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)


def test_repeats_are_dropped_whatever_their_indentation(monkeypatch):
    stripped(monkeypatch, topics={"b": "one\ntwo\n\nthree", "a": "  one two\n\n\nfour"})
    assert documentation_text() == "  one two\n\nfour\n\nthree"


@pytest.mark.parametrize("attributes", [{}, {"topics": {}}, {"topics": {"a": " \n"}}])
def test_a_stripped_python_is_told_what_to_do(monkeypatch, attributes):
    stripped(monkeypatch, **attributes)
    with pytest.raises(DataError, match="--data FILE"):
        documentation_text()


def test_a_python_without_the_module_is_told_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match="--data FILE"):
        documentation_text()
