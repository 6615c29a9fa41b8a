"""What is prose in a program, and what the library of this Python has."""

from __future__ import annotations

import pytest

from chainrule.text.library_prose import english_words, library_prose, prose

SOURCE = '''# Copyright
# of nobody.

"""Module text."""
x = "not prose"  # a note


# another block
def f(a="nor this"):
    """Return a copy.

    Not a word more.
    """
    b"bytes"
    return f(
        "nor that"  # inside
    )
'''


def test_docstrings_and_blocks_of_comments_are_prose():
    assert prose(SOURCE) == [
        "Copyright of nobody.", "Module text.", "a note", "another block",
        "Return a copy.\n\nNot a word more.", "", "inside",
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["def f(:\n  '''", "x = (", "\0"])
def test_what_is_no_program_has_no_prose(source):
    assert prose(source) == []


def test_words_are_runs_of_letters():
    assert english_words("It’s os.path_join, 2nd – naïve!") == [
        "it's",
        "os",
        "path",
        "join",
        "naïve",
    ]


@pytest.mark.slow
def test_the_library_has_half_a_million_words_each_passage_once():
    passages = library_prose()
    assert sum(map(len, passages)) > 300_000
    assert all(len(words) > 1 for words in passages)
    assert len({tuple(words) for words in passages}) > 0.9 * len(passages)
