"""Plans are kept within a bound of memory: the least recently used go first."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.settings import reload_settings
from chainrule.compiler.calls import plan_cache
from chainrule.compiler.calls.plan_cache import PLANS, PlanCache


class Plan:
    def __init__(self, size):
        self.size = size

    def arena_bytes(self):
        return self.size


class Owner:
    def __init__(self):
        self.dropped: list[Plan] = []

    def evict(self, plan):
        self.dropped.append(plan)


def test_the_least_recently_used_go_first(monkeypatch):
    monkeypatch.setenv("CHAINRULE_PLAN_MB", "1")
    reload_settings()
    kept, owner = PlanCache(), Owner()
    a, b, c, d = (Plan(size << 10) for size in (400, 400, 400, 2000))
    for plan in (a, b):
        kept.put(plan, owner)
    kept.touch(a)
    kept.put(c, owner)
    assert owner.dropped == [b]
    assert kept.bytes_in_use() == 800 << 10
    kept.touch(b)  # is gone, which is no error
    kept.put(d, owner)
    assert owner.dropped == [b, a, c]
    assert kept.bytes_in_use() == 2000 << 10  # larger than the bound, and in use
    kept.remove(d)
    assert kept.bytes_in_use() == 0
    monkeypatch.undo()
    reload_settings()


def test_a_bound_on_their_number_and_nothing_is_kept_alive(monkeypatch):
    monkeypatch.setattr(plan_cache, "MOST_PLANS", 3)
    kept, owner = PlanCache(), Owner()
    plans = [Plan(1) for _ in range(5)]
    for plan in plans:
        kept.put(plan, owner)
    assert owner.dropped == plans[:2]
    owner.dropped.clear()
    del plan, plans
    gc.collect()
    assert kept.bytes_in_use() == 0


def test_a_function_that_is_gone_leaves_nothing_in_the_cache():
    before = PLANS.bytes_in_use()
    fn = cr.compile(lambda x: (x @ x).sin() @ x)
    fn(np.ones((64, 64), np.float32))
    assert PLANS.bytes_in_use() > before
    del fn
    gc.collect()
    assert PLANS.bytes_in_use() == before


@pytest.mark.parametrize("most", [1, 4])
def test_compiled_functions_evict_and_make_again(most, monkeypatch):
    monkeypatch.setattr(plan_cache, "MOST_PLANS", most)
    weight = cr.tensor(np.arange(6.0), requires_grad=True)
    fn = cr.compile(lambda x: (x.exp() * weight).sin().sum())
    for n in (*range(1, 7), 1, 6):
        x = cr.ones(n, 6, dtype=cr.float64)
        weight.grad = None
        fn(x).backward()
        want = n * np.e * np.cos(np.e * np.arange(6.0))
        np.testing.assert_allclose(weight.grad.numpy(), want, rtol=1e-12)
    report = fn.explain_cache()
    assert len(report) <= most
    assert report.evicted == 7 - len(report) + (most == 1)
    assert report.bytes_in_use == PLANS.bytes_in_use()
    assert report.limit == 1024 << 20
    assert sum(entry.arena_bytes for entry in report) <= report.bytes_in_use
