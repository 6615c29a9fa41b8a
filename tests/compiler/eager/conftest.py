"""Kernels from the second call on, in a process that knows none."""

from __future__ import annotations

import pytest

from chainrule.compiler.eager import offers
from chainrule.ops import TABLE
from chainrule.tensor import large


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    """Kernels are made at the second call; nothing is known of earlier ones."""
    monkeypatch.setattr(large, "_ENOUGH", 0)
    monkeypatch.setattr(large, "PLAN", 0)
    monkeypatch.setattr(large, "FIRST_PLAN", 0)
    monkeypatch.setattr(large, "_spent", {})
    monkeypatch.setattr(offers, "_patterns", {})
    for op in TABLE.values():
        op.prepared.clear()
    yield
    for op in TABLE.values():
        op.prepared.clear()
