"""Error messages from `raise` statements."""

from collections import Counter

import pytest

from chainrule.text.error_messages import LEAST, error_messages, library_messages
from chainrule.text.library_source import SourceFile


def mined(*sources):
    found = error_messages(SourceFile(f"{n}.py", text) for n, text in enumerate(sources))
    return list(zip(found.texts, found.labels, found.places, strict=True))


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("ValueError('no prime')", "no prime"),
        ("ValueError('no ' 'prime', 7)", "no prime"),
        ("ValueError(f'{n!r} is no {kind:>8} prime')", "{} is no {} prime"),
        ("ValueError('%r is no %(kind)-8.3s' % n)", "{} is no {}"),
        ("ValueError('{0} is no {kind:>3}'.format(n, kind=k))", "{} is no {}"),
        ("ValueError('no ' + kind + ' prime')", "no {} prime"),
        ("ValueError('no\\n  prime')", "no prime"),
    ],
)
def test_values_in_a_message_are_left_open(raised, message):
    assert mined(f"raise {raised}") == [(message, "ValueError", "0.py:1")]


@pytest.mark.parametrize(
    "statement",
    [
        "raise",
        "raise ValueError",
        "raise ValueError()",
        "raise ValueError(message)",
        "raise ValueError(f'{message}')",
        "raise MyError('of a class that is not built in')",
        "raise module.ValueError('perhaps another one')",
        "raise print('no exception')",
        "raise ValueError('a file that does not compile'",
    ],
)
def test_what_is_not_a_message(statement):
    assert mined(statement) == []


def test_a_message_is_there_once_where_it_occurs_first():
    first = "def f():\n    if x:\n        raise TypeError('b')\n    raise ValueError('a')"
    assert mined(first, "raise OSError('a')") == [
        ("b", "TypeError", "0.py:3"),
        ("a", "ValueError", "0.py:4"),
    ]


@pytest.mark.slow
def test_the_library_has_messages_of_several_classes():
    found = library_messages()
    counts = Counter(found.labels)
    assert len(counts) >= 3
    assert min(counts.values()) >= LEAST
    assert max(counts, key=counts.get) == "ValueError"
    assert all(":" in place for place in found.places)
