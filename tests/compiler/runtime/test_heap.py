"""Freed memory goes back to the system, where the C library can give it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.structure.package import run_python

CODE = """
from benchmarks.memory import resident
from chainrule.compiler.runtime.heap import trim_heap
kept = [bytearray(1000) for _ in range(200_000)]
full = resident()
del kept[: len(kept) - 1]
before = resident()
trim_heap()
print(full - before < 20, full - resident() > 100)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can")
def test_freed_memory_goes_back():
    assert run_python("-c", CODE, cwd=Path(__file__).parents[3]).split() == ["True", "True"]
