"""Dependency trees of Python statements."""

import ast
import inspect
import textwrap

import pytest

from chainrule.text import python_dependencies
from chainrule.text.library_source import SourceFile
from chainrule.text.parsed import Parsed, arc_of, is_projective
from chainrule.text.python_dependencies import _distinct, dependency_trees
from chainrule.text.python_tokens import python_words


def arcs(statement):
    (tree,) = dependency_trees(statement)
    assert tree.words == python_words(statement)
    return [f"{word} < {arc_of(tree, at)}" for at, word in enumerate(tree.words)]


def test_a_node_is_headed_by_its_first_own_token():
    assert arcs("total += price[i]") == [
        "total < += target", "+= < ROOT root", "price < [ value", "[ < += value",
        "i < [ slice", "] < [ punct",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("x = (a + b) * c", ["( < + punct", "+ < * left", ") < + punct", "* < = value"]),
        ("(f)(x)", ["( < f punct", "f < ( func", "( < ROOT root", ") < ( punct"]),
        ("f((x))", ["( < ROOT root", "( < x punct", "x < ( args"]),
        ("f(x for x in y)", ["( < ROOT root", "for < ( args", "x < for target", "y < for iter"]),
        ("f((x for x in y), 1)", ["( < ( args", "x < ( elt", "1 < ( args"]),
        ("((a))", ["( < a punct", "a < ROOT root"]),
        ("a = b = 'c' 'd'", ["= < ROOT root", "b < = targets", "= < = punct", "'…' < '…' part"]),
        ("a < b < c", ["a < < left", "< < ROOT root", "< < < op", "c < < comparators"]),
        ("from .a import b as c", ["from < ROOT root", "a < from name", "b < from names"]),
        ("self.x = lambda a, b=1: b", ["x < . name", "a < lambda args", "1 < lambda defaults"]),
        ("é = 'ü' + ñ(ö)", ["é < = targets", "'…' < + left", "ö < ( args"]),
        ("raise E(f'{x}') from e", ["'…' < ( args", "from < raise keyword", "e < raise cause"]),
        ("x: (int) = 1", [": < ROOT root", "( < int punct", "int < : annotation", "1 < : value"]),
    ],
)
def test_arcs(statement, expected):
    found = arcs(statement)
    rest = iter(found)
    assert all(arc in rest for arc in expected), found


def test_statements_inside_others_are_found_and_docstrings_left_out():
    source = '"""Text."""\nif a: b(); pass\nfor x in (\n    y\n):\n    return (\n        z)\n'
    assert [" ".join(tree.words) for tree in dependency_trees(source)] == ["b ( )", "return ( z )"]
    assert dependency_trees("print 'old'") == []


def test_trees_of_a_module_have_one_root_and_no_crossing_arcs():
    for module in (ast, textwrap, inspect):
        trees = dependency_trees(inspect.getsource(module))
        assert len(trees) > 100
        for tree in trees:
            assert is_projective(tree.heads)
            assert tree.heads.count(0) == 1
            assert all(tree.relations)
            assert all(head != at for at, head in enumerate(tree.heads, 1))


def test_each_statement_is_there_once_and_neither_short_nor_long():
    files = [SourceFile("a.py", "x = 1\nx = 1\nf\n" + "y = " + "1 + " * 40 + "1\n")]
    seen = {("y", "=", "1")}
    assert [tree.words for tree in _distinct(files, seen)] == [("x", "=", "1")]
    assert _distinct(files, seen) == []


@pytest.mark.slow
def test_the_library_has_enough_statements():
    learnt, held_out = python_dependencies.python_dependencies()
    assert len(learnt) > 30_000
    assert len(held_out) > 3_000
    assert {tree.words for tree in learnt}.isdisjoint(tree.words for tree in held_out)
    assert all(isinstance(tree, Parsed) and is_projective(tree.heads) for tree in held_out)
