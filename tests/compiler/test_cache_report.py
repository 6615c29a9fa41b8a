"""`explain_cache()`: what plain programs and compiled functions had compiled, why, what it cost."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.settings import settings
from tests.tensor.deferred.running import evaluation

pytestmark = pytest.mark.skipif(
    settings().defer != "on", reason="counts occurrences as they are counted by default"
)


@pytest.fixture(autouse=True)
def _from_the_start():
    cr.compiler.reset()
    yield
    cr.compiler.reset()


def training(words: int = 50, scale=lambda _: 0.5, kept=None):
    """A function that makes one step of a plain training loop: call it from one line."""
    cr.manual_seed(0)
    embed, out = nn.Embedding(words, 16), nn.Linear(16, 3)
    opt = optim.SGD([*embed.parameters(), *out.parameters()], lr=0.1)
    numbers = count()

    def step():
        n = next(numbers)
        scores = out(embed(cr.randint(words, (8,))).tanh()) * scale(n)
        loss = F.cross_entropy(scores, cr.randint(3, (8,)))
        if kept and n in kept:
            kept[n] = scores
        del scores
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.item()

    step.embed = embed
    return step


def run(step, times):
    for _ in range(times):
        step()


def line_of(text):
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


def test_nothing_is_compiled_for_what_runs_once():
    step = training()
    step()
    report = cr.explain_cache()
    assert (list(report), report.native, report.compiled, report.known) == ([], 0, 0, 0)
    assert "plans: 0 compiled" in str(report)


def test_a_training_loop_is_compiled_at_its_second_occurrence():
    run(training(), 12)
    report = cr.explain_cache()
    entry = max(report, key=lambda e: e.operations)
    assert entry.why == "occurred 2 times"
    assert entry.refused == ""
    assert entry.place.endswith(f"test_cache_report.py:{line_of('return loss.item()')}")
    assert min(entry.operations, entry.kernels, entry.arena_bytes) > 0
    assert entry.calls > 5
    assert sum(e.calls for e in report) == report.native
    assert report.compiled == len(report)
    assert report.seconds == pytest.approx(sum(e.seconds for e in report))
    assert report.seconds > 0
    assert report.bytes_in_use >= entry.arena_bytes


def test_values_that_stay_alive_make_another_plan_and_are_named():
    run(training(kept=dict.fromkeys((6, 7, 8))), 12)
    first, second = sorted(cr.explain_cache(), key=lambda e: len(e.why))
    assert first.why == "occurred 2 times"
    line = line_of("* scale(n)")
    assert second.why.startswith(
        "occurred 2 times; other values are alive than in another plan: 1 more alive"
    )
    assert f"test_cache_report.py:{line}" in second.why


def test_a_number_that_changed_is_told():
    run(training(scale=lambda n: 0.5 if n < 8 else 0.25), 16)
    (entry,) = (e for e in cr.explain_cache() if "number" in e.why)
    assert entry.why.endswith("a number changed from 0.5 to 0.25 and is an operand now")
    assert cr.explain_cache().compiled == len(cr.explain_cache()) + 1


def test_a_value_read_after_all_is_told():
    step = training(words=20_000)
    run(step, 8)
    dense = step.embed.weight.grad.abs().sum().item()
    run(step, 4)
    assert dense > 0
    (entry,) = (e for e in cr.explain_cache() if "was read" in e.why)
    told = f"test_cache_report.py:{line_of('loss.backward()')})"
    assert "; a value that the plan before left out was read (" in entry.why
    assert entry.why.endswith(told)


def test_what_is_refused_says_why(monkeypatch):
    from chainrule.base.errors import CompileError
    from chainrule.tensor.deferred.structure import native

    def refuse(*_):
        raise CompileError("no kernel for this")

    monkeypatch.setattr(native, "make", refuse)
    with pytest.warns(RuntimeWarning, match="no kernel for this"):
        run(training(), 6)
    (entry,) = cr.explain_cache()
    assert (entry.refused, entry.why, entry.kernels) == ("no kernel for this", "", 0)
    assert "no kernel for this" in str(cr.explain_cache())


def test_a_call_counts_with_its_operations():
    """A backward pass and an update are two calls, of many operations."""
    cr.manual_seed(0)
    model = nn.Linear(8, 3)
    opt = optim.AdamW(model.parameters())
    for _ in range(12):
        loss = F.cross_entropy(model(cr.ones(4, 8)), cr.zeros(4, dtype=cr.int64))
        loss.item()
        opt.zero_grad()
        loss.backward()
        opt.step()
    report = cr.explain_cache()
    update = max(report, key=lambda e: e.operations)
    assert update.place.endswith(f":{line_of('        loss.item()')}")
    assert update.operations > 20


def test_a_report_of_nothing_says_that_it_is_switched_off():
    with evaluation("off"):
        run(training(), 6)
        assert str(cr.explain_cache()).startswith("nothing is recorded: CHAINRULE_DEFER=off\n")
    assert "CHAINRULE_DEFER" not in str(cr.explain_cache())


def test_small_structures_are_counted():
    total = 0.0
    for _ in range(8):
        total += (cr.ones(3) * 2).sum().item()
    report = cr.explain_cache()
    assert (report.small, report.known, len(report)) == (1, 1, 0)


def test_marks_rest_where_nothing_repeats():
    for n in range(80):
        (cr.ones(n + 1) * 2).exp().sum().item()
    report = cr.explain_cache()
    (mark,) = report.resting
    assert json.loads(report.to_json())["resting"] == [
        {"place": str(mark.place), "passed": mark.passed, "left": mark.left}
    ]
    assert mark.place.line == line_of("(cr.ones(n + 1) * 2).exp()")
    assert mark.passed == 80
    assert mark.left > 0
    assert f"nothing is recorded after {mark.place}" in str(cr.explain_cache())
    assert f"when this line has run {mark.left} more times" in str(cr.explain_cache())


def test_an_evicted_plan_is_counted(monkeypatch):
    from chainrule.compiler.calls import plan_cache

    monkeypatch.setattr(plan_cache, "MOST_PLANS", 1)
    run(training(), 6)
    step = training(words=60)
    run(step, 6)
    report = cr.explain_cache()
    assert report.evicted == 1
    assert len(report) == 1
    assert report.compiled == 2


def test_a_report_is_data_and_a_table():
    run(training(), 12)
    report = cr.explain_cache()
    record = json.loads(report.to_json())
    assert record["entries"] == [entry._asdict() for entry in report]
    assert record["native"] == report.native
    text, page = str(report), report._repr_html_()
    assert text.startswith(f"batches: {report.native} native, {report.eager} call by call")
    for word in ("operations", "kernels", "occurred 2 times", "test_cache_report.py:"):
        assert word in text
        assert word in page
    assert "refused" not in text  # the column is empty


def test_a_compiled_function_has_the_same_kind_of_report():
    double = cr.compile(lambda x: x.exp() * 2)
    double(cr.ones(3))
    double(cr.ones(4))
    report = double.explain_cache()
    assert [entry.arguments for entry in report] == ["float32[3]", "float32[4]"]
    assert "float32[4]" in str(report)
    assert json.loads(report.to_json())["entries"][0]["calls"] == 1
    assert report.bytes_in_use == cr.explain_cache().bytes_in_use


def test_reset_forgets_all_that_was_compiled():
    step = training()
    run(step, 8)
    double = cr.compile(lambda x: x.exp() * 2)
    double(cr.ones(3))
    cr.compiler.reset()
    report = cr.explain_cache()
    assert (list(report), report.native, report.known, report.seconds) == ([], 0, 0, 0.0)
    assert double.explain_cache() == []
    run(step, 8)
    double(cr.ones(3))
    assert cr.explain_cache().compiled == 1
    assert [entry.calls for entry in double.explain_cache()] == [1]


def test_the_compiler_namespace_has_it_too():
    assert cr.compiler.explain_cache is cr.explain_cache
