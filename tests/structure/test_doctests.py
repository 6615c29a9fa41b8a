"""Examples in docstrings that are written as at Python's prompt do what they show.

An example may take for granted what its sentence speaks of (`model`, `loss`, `dataset`): a
statement with such a free variable is skipped, and so is what follows from it; so is one that needs
an extra which is not installed. All others run.
"""

from __future__ import annotations

import doctest
import importlib
import traceback

from tests.structure.package import modules


class Prompt(doctest.DocTestRunner):
    """Counts the statements that ran, and keeps the failures that no free variable explains."""

    def __init__(self) -> None:
        super().__init__(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        self.ran = 0
        self.wrong: list[str] = []

    def report_success(self, *_given):
        self.ran += 1

    def report_failure(self, _out, test, example, got):
        if example.want:  # without, the example shows only what to write
            self.wrong.append(f"{test.name}: {example.source}gives {got}, not {example.want}")

    def report_unexpected_exception(self, _out, _test, _example, exc_info):
        if not issubclass(exc_info[0], (NameError, ImportError)):
            self.wrong.append("".join(traceback.format_exception(*exc_info)))


def test_docstrings_show_what_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prompt = Prompt()
    for module in modules():
        if ">>> " in module.path.read_text(encoding="utf-8"):
            for test in doctest.DocTestFinder().find(importlib.import_module(module.name)):
                prompt.run(test, out=[].append)
    assert not prompt.wrong, "\n".join(prompt.wrong)
    assert prompt.ran >= 25
