"""Every function and module of ours on PyTorch's own samples; what agreed once goes on agreeing.

`counts.json` holds what `python -m tests.breadth.record` counted; it may only grow.
"""

from __future__ import annotations

import pytest

from tests.breadth import record

RECORDED = record.read()
ENTRIES = [(group, name) for group, entries in RECORDED.items() for name in entries]
SLICE = 5  # samples of each dtype in an ordinary run
AGREED = 26340  # at least so many samples stand in the table: raise it when the table grows


def test_the_page_shows_the_counts():
    assert record.PAGE.read_text(encoding="utf-8") == record.page(RECORDED), (
        "run python -m tests.breadth.record"
    )


def test_the_table_only_grows():
    assert sum(RECORDED[group][name]["passed"] for group, name in ENTRIES) >= AGREED


@pytest.mark.oracle
def test_nothing_of_the_table_was_lost():
    from tests.breadth import generators

    now = generators.entries()
    assert not [name for group, name in ENTRIES if name not in now[group]]


@pytest.mark.oracle
@pytest.mark.parametrize(("group", "name"), ENTRIES, ids=[name for _, name in ENTRIES])
def test_a_slice_agrees(group, name):
    found = record.count(group, name, SLICE)
    known = sum(RECORDED[group][name]["failed"].values())
    assert sum(found["failed"].values()) <= known, found["failed"]
    assert found["passed"] or known or found["skipped"]


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize(("group", "name"), ENTRIES, ids=[name for _, name in ENTRIES])
def test_all_samples_agree(group, name):
    found = record.count(group, name, record.FULL)
    assert found["passed"] >= RECORDED[group][name]["passed"], found["failed"]
