"""Statements and their trees: by hand, against `tokenize`, and against `ast`."""

import ast
import io
import tokenize
from collections import defaultdict

import pytest

from chainrule.errors import DataError
from chainrule.text.library_source import SourceFile, library_source
from chainrule.text.python_trees import code_tokens, statement_pairs, tree_of

TREES = {
    "x = 1": "Assign/2 x 1",
    "a = b = c": "Assign/3 a b c",
    "total += price[i]": "Add=/2 total Subscript/2 price i",
    "return": "Return/0",
    "return -x ** 2": "Return/1 USub/1 Pow/2 x 2",
    "f(a, *b, c=d, **e)": "Expr/1 Call/5 f a Starred/1 b keyword/2 c d keyword/1 e",
    "x[1:]": "Expr/1 Subscript/2 x Slice/3 1 - -",
    "x[:-1]": "Expr/1 Subscript/2 x Slice/3 - USub/1 1 -",
    "a < b < c": "Expr/1 Compare/5 a Lt Lt b c",
    "x = {'a': 1, **y}": "Assign/2 x Dict/3 'a' 1 Starred/1 y",
    "key = lambda p: p[0]": "Assign/2 key Lambda/2 p Subscript/2 p 0",
    "f = lambda: 0": "Assign/2 f Lambda/1 0",
    "y = [i for i in x if i]": "Assign/2 y ListComp/2 i comprehension/3 i x i",
    "n: int = 3": "AnnAssign/3 n int 3",
    "x = a if b else c": "Assign/2 x IfExp/3 b a c",
    "x = not a or b": "Assign/2 x Or/2 Not/1 a b",
    "raise E(1) from None": "Raise/2 Call/2 E 1 None",
    "global a, b": "Global/2 a b",
}


@pytest.mark.parametrize("statement", TREES)
def test_a_tree_in_prefix_form(statement):
    assert tree_of(statement) == TREES[statement]


@pytest.mark.parametrize(
    "statement",
    [
        "x = f'{a}'",
        "x = 'a' 'b'",
        "import os",
        "if x: y = 1",
        "f = lambda x=1: x",
        "x = 1; y = 2",
        "'a docstring'",
        "async def f(): return [x async for x in y]",
    ],
)
def test_what_the_form_cannot_express_is_refused(statement):
    with pytest.raises(DataError, match="has no tree in prefix form"):
        tree_of(statement)


def test_a_fault_of_syntax_is_told():
    with pytest.raises(DataError, match=r"'x = \(' is not a Python statement"):
        tree_of("x = (")


@pytest.fixture(scope="module")
def some_files():
    files = library_source()
    return files[:: len(files) // 25]


def test_pairs_are_those_of_single_statements(some_files):
    pairs = statement_pairs(some_files)
    assert len(pairs) > 500
    for pair in pairs[::20]:
        if not pair.source.startswith(("return", "nonlocal")) and "yield" not in pair.source:
            assert tree_of(pair.source) == pair.target
    sources = [" ".join(code_tokens(pair.source)) for pair in pairs]
    assert len(set(sources)) == len(sources)
    assert not any(pair.source == pair.target for pair in pairs)


def test_different_trees_have_different_prefix_forms(some_files):
    trees = defaultdict(set)
    for pair in statement_pairs(some_files):
        trees[pair.target].add(ast.dump(ast.parse(pair.source)))
    assert all(len(found) == 1 for found in trees.values())


def test_tokens_are_those_of_tokenize(some_files):
    kinds = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}
    for pair in statement_pairs(some_files):
        line = io.StringIO(pair.source).readline
        exact = [one.string for one in tokenize.generate_tokens(line) if one.type in kinds]
        assert code_tokens(pair.source) == exact


def test_docstrings_long_statements_and_faulty_files_are_left_out():
    text = '"""A module."""\nx = 1\ny = (1,\n     2)\nz = ' + "+".join("a" * 30) + "\n"
    files = [SourceFile("a.py", text), SourceFile("b.py", "x ="), SourceFile("c.py", "x  =  1")]
    assert [pair.source for pair in statement_pairs(files)] == ["x = 1"]
