"""Roles of names in Python lines."""

import ast
import keyword
import tokenize

import pytest

from chainrule.text.library_source import SourceFile, library_source
from chainrule.text.python_roles import (
    LONGEST,
    OTHER,
    ROLES,
    _distinct,
    python_roles,
    tagged_lines,
)
from chainrule.text.python_tokens import STRING, python_words


def roles(source):
    """(name, role) of all names."""
    return [
        (word, role)
        for words, tags in tagged_lines(source)
        for word, role in zip(words, tags, strict=True)
        if role != OTHER
    ]


@pytest.mark.parametrize(("role", "example"), ROLES.items())
def test_each_role_has_its_example(role, example):
    source = example + (" pass" if example.endswith(":") else "")
    assert ("NAME", role) in roles(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x, (y, *z) = w", "x target, y target, z target, w variable"),
        ("for i in n: pass", "i target, n variable"),
        ("del x[i]", "x variable, i variable"),
        ("del x, y.z", "x target, y object, z attribute-target"),
        ("x += y", "x target, y variable"),
        ("f(x=x, **y)", "f call, x keyword, x variable, y variable"),
        ("a.b.c.d()", "a object, b attribute, c attribute, d method"),
        ("(a).b = 1", "a object, b attribute-target"),
        ("f(x)(y).z", "f call, x variable, y variable, z attribute"),
        ("import a.b as c, d", "a module, b module, c target, d module"),
        ("from . a import b as c, d", "a module, b imported, c target, d imported"),
        ("if x: import y", "x variable, y module"),
        ("class A(B, c.D, metaclass=E): pass",
         "A class, B base, c object, D attribute, metaclass keyword, E variable"),
        ("def f(a, *b, c: D = e) -> h: pass",
         "f function, a parameter, b parameter, c parameter, D variable, e variable, h variable"),
        ("lambda a, *b: a", "a parameter, b parameter, a variable"),
        ("[x for x in y if z]", "x variable, x target, y variable, z variable"),
        ("with a() as b, c: pass", "a call, b target, c variable"),
        ("raise A from b", "A variable, b variable"),
        ("if (n := f(x)): pass", "n target, f call, x variable"),
        ("x: int", "x target, int variable"),
        ("@a.b\ndef f(): global g", "a object, b attribute, f function, g target"),
        ("async def f():\n  await g()", "f function, g call"),
        ("try: pass\nexcept A as b: pass", "A variable, b target"),
        ("match x:\n  case [a, *b] | C(d=e) as f: pass",
         "x variable, a target, b target, C variable, e target, f target"),
        ("print(f'{x!r} y {z}', w)", "print call, w variable"),
        ("größe.ß = 'é', naïve.é(ñ)",
         "größe object, ß attribute-target, naïve object, é method, ñ variable"),
        ("match = case(match)", "match target, case call, match variable"),
    ],
)  # fmt: skip
def test_roles(source, expected):
    assert ", ".join(f"{name} {role}" for name, role in roles(source)) == expected


def test_a_line_is_logical_and_strings_are_one_word():
    source = 'x = f("a b",  # comment\n      """c\nd""", f"{y}{z!r:>{w}}")\n\nif x: pass\n'
    words = ("x", "=", "f", "(", STRING, ",", STRING, ",", STRING, ")")
    assert [line[0] for line in tagged_lines(source)] == [words, ("if", "x", ":", "pass")]


def test_what_is_no_python_has_no_lines():
    assert tagged_lines("print 1") == []
    assert tagged_lines("x = '\0'") == []


def test_words_of_a_line_are_those_of_the_sentences():
    assert python_words("  if x == 'é':  # comment") == ("if", "x", "==", STRING, ":")
    assert python_words("f(x,") == ("f", "(", "x", ",")
    assert python_words("") == ()
    assert python_words("return f'{x}' + y") == ("return", STRING, "+", "y")


def test_lines_are_distinct_have_names_and_are_no_tables():
    table = f"x = [{', '.join(['1'] * LONGEST)}]\n"
    files = [SourceFile("a", f"x = 1\npass\n{table}x = 1\n"), SourceFile("b", "y = 1\nx = 1\n")]
    seen = set()
    assert [" ".join(words) for words, _ in _distinct(files[:1], seen)] == ["x = 1"]
    assert [" ".join(words) for words, _ in _distinct(files[1:], seen)] == ["y = 1"]


@pytest.mark.parametrize("path", ["argparse.py", "typing.py", "string.py"])
def test_every_name_of_a_library_file_has_a_role(path):
    text = next(file.text for file in library_source() if file.path == path)
    rows = [pair for line in tagged_lines(text) for pair in zip(*line, strict=True)]
    without = {
        word
        for word, role in rows
        if role == OTHER and word.isidentifier() and not keyword.iskeyword(word)
    }
    assert not without
    attributes = sum(isinstance(node, ast.Attribute) for node in ast.walk(ast.parse(text)))
    inside_f_strings = sum(
        isinstance(node, ast.Attribute)
        for string in ast.walk(ast.parse(text))
        if isinstance(string, ast.JoinedStr)
        for node in ast.walk(string)
    )
    found = sum(role in {"attribute", "attribute-target", "method"} for _, role in rows)
    assert attributes - inside_f_strings <= found <= attributes


def test_names_have_the_tokens_of_python():
    text = "a = b.c(d=1)\n"
    with_names = [t.string for t in tokenize.generate_tokens(iter(text.splitlines(True)).__next__)]
    assert list(tagged_lines(text)[0][0]) == with_names[:10]


@pytest.mark.slow
def test_the_data_of_this_python():
    learnt, held_out = python_roles()
    assert len(learnt) > 40_000
    assert not set(learnt) & set(held_out)
    assert {role for _, tags in learnt for role in tags} == {OTHER, *ROLES}
