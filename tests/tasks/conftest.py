"""Tiny runs: a quarter of a second each."""

import pytest

from chainrule.compiler.runtime.workers import get_num_threads, set_num_threads
from chainrule.tasks.language_model import LanguageModel
from chainrule.tasks.run import train_new
from chainrule.train.interrupts import Interrupts

TINY = {
    "steps": 20, "layers": 1, "heads": 2, "width": 8, "context": 8, "batch": 4, "dropout": 0.1,
    "evaluate_every": 4, "save_every": 6, "health_every": 5, "sample_length": 12, "eager": True,
}  # fmt: skip


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("the quick brown fox jumps over the lazy dog.\n" * 40, encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path, book):
    """`start(steps=…)` begins a tiny run: an iterator of its events."""

    def start(interrupts=None, root="runs", **changes):
        task = LanguageModel()
        config = task.settled(TINY | {"data": str(book)}, changes, None)
        return train_new(task, config, tmp_path / root, interrupts or Interrupts())

    threads = get_num_threads()
    yield start
    set_num_threads(threads)
