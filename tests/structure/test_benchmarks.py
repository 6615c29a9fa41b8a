"""The benchmarks measure what they say: same work for everyone, honest arithmetic, true tables."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from benchmarks import program_tables, report
from benchmarks.contestant import Contestant, WorkerError
from benchmarks.output import Result
from benchmarks.program_list import PROGRAMS
from benchmarks.programs import Run, difference, kept
from benchmarks.race import DifferenceError, turns
from benchmarks.workloads.spec import WORKLOADS, workload

# Milliseconds that two cores of 230 GFLOP/s need at least, from an independent count.
FLOORS_MS = {
    "textcnn": 5.3,
    "lstm_lm": 25,
    "char_gru": 11,
    "seq2seq": 34,
    "gpt_nano": 9,
    "gpt_mini": 162,
}


def losses(who: str, name: str, count: int) -> list[float]:
    with Contestant(who, name) as contestant:
        first = contestant.ask("first")["loss"]
        return [first, *contestant.ask("losses", count=count)["losses"]]


@pytest.mark.parametrize("name", FLOORS_MS)
def test_arithmetic_is_counted_right(name):
    assert workload(name).flops / 460e9 * 1e3 == pytest.approx(FLOORS_MS[name], rel=0.1)


def test_depth_can_be_chosen():
    deep = workload("gpt_nano@12")
    assert deep.sizes["layers"] == 12
    assert "blocks.11.qkv.weight" in deep.weights()
    with pytest.raises(KeyError, match="no workload 'gpt_pico'; there are window"):
        workload("gpt_pico")


def test_a_worker_times_the_steps_it_is_asked_for():
    with Contestant("chainrule", "window") as contestant:
        assert contestant.ready["parameters"] == 525_605
        assert contestant.ask("first")["loss"] == pytest.approx(1.609, abs=1e-2)
        taken = contestant.ask("slice", seconds=0.02, least=3)
        assert taken["steps"] >= 3
        assert 0 < taken["min_ms"] <= taken["median_ms"]
        assert contestant.ask("memory")["peak_mb"] > 10


def test_a_failing_worker_is_reported():
    with pytest.raises(WorkerError, match="no workload 'nothing'"):
        Contestant("chainrule", "nothing")


@pytest.mark.parametrize(
    "name",
    [
        "window",
        "mlp",
        *[pytest.param(n, marks=pytest.mark.slow) for n in ("sgns", "textcnn", "char_gru")],
    ],
)
def test_compiled_and_eager_do_the_same_work(name):
    compiled, eager = losses("chainrule", name, 5), losses("chainrule-eager", name, 5)
    assert compiled == pytest.approx(eager, rel=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("rival", ["torch-eager", "jax"])
@pytest.mark.parametrize(
    "name", ["window", "sgns", "mlp", "textcnn", "lstm_lm", "char_gru", "seq2seq", "gpt_nano"]
)
def test_rivals_do_the_same_work(name, rival):
    if rival == "jax" and importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed: nothing to compare with")
    assert losses("chainrule", name, 10) == pytest.approx(losses(rival, name, 10), rel=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("name", WORKLOADS)
def test_weights_fit_the_models(name):
    from benchmarks.workloads.torch_steps import model

    assert model(WORKLOADS[name], sparse=False) is not None


def result() -> Result:
    def contestant(ms: float) -> Result:
        return {
            "median_ms": ms, "first_cold_s": 0.5, "first_warm_s": 0.25, "above_import_mb": 12.0,
            "import_seconds": 0.1, "import_mb": 20.0, "versions": {"lib": "1.0"},
        }  # fmt: skip

    everyone = {
        "chainrule": contestant(2.0),
        "torch-eager": contestant(6.0),
        "jax": contestant(4.0),
    }
    machine = {"date": "2025-01-01", "cores": 2, "cpu": "CPU", "features": ["fma"], "system": "OS",
               "python": "3.11"}  # fmt: skip
    row = {"workload": "mlp", "summary": "s", "cores": "all", "flops": 1e8, "contestants": everyone}
    return {"machine": machine, "rounds": 3, "seconds": 1.0,
            "peak_gflops": {"one": 100.0, "all": 200.0}, "rows": [row]}  # fmt: skip


def test_the_table_compares_with_the_best_peer():
    shown = report.steps_page(result())
    assert "| mlp: s | 2.00 | 6.00 | **4.00** | 2.00 | 25% |" in shown
    assert "| mlp | 0.500 / 0.250 |" in shown


def programs() -> Result:
    def contestant(name: str, ms: float, first: float) -> Result:
        return {"mean_ms": ms, "first_cold_s": first, "first_warm_s": first / 2,
                "peak_mb": 100.0, "versions": {name: "1.0"}}  # fmt: skip

    def row(group: str, ours: float) -> Result:
        return {
            "program": "mlp", "group": group, "summary": "s",
            "contestants": {"torch-eager": contestant("torch", 2.0, 3.0),
                            "chainrule": contestant("chainrule", ours, 1.5)},
        }  # fmt: skip

    return {**result(), "starts": 3, "rows": [row("steps", 1.0), row("tests", 4.0)]}


def test_programs_are_compared_with_pytorch_and_what_is_behind_is_marked():
    shown = program_tables.programs_page(programs())
    assert "| mlp: s | 2.00 | 1.00 | 2.00 |" in shown
    assert "| mlp: s | 2.00 | 4.00 | ⚠ 0.50 |" in shown
    assert "| geometric mean, all 2 programs |  |  | **1.00** |" in shown
    assert "| mlp: s | 3.00 / 1.50 | 1.50 / 0.750 | 2.00 |" in shown


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_short_table_of_programs_has_all_means(page):
    shown = program_tables.programs_short(programs(), page)
    assert shown.count("| mlp: s |") == 1
    assert "**⚠ 0.50**" in shown
    extremes = shown.splitlines()[-3]
    assert " 0.50 " in extremes  # the slowest in steady state
    assert " 2.00 " in extremes  # the first hundred steps


def test_a_program_is_halted_between_slices_of_its_steps(tmp_path):
    run = Run("chainrule", PROGRAMS["tiny"], sys.executable, str(tmp_path))
    run.start("first_cold_s")
    try:
        assert run.row["first_cold_s"] > 100 * run.process.ready["mean_ms"] / 1e3
        assert len(run.losses) == 100
        taken = run.steps(7)
        assert taken["steps"] == 7
        assert taken["mean_ms"] > 0
    finally:
        run.end()


def test_other_work_than_pytorchs_is_refused():
    assert difference(PROGRAMS["tiny"], [2.0, 1.0], [2.0, 1.001]) == pytest.approx(1e-3, rel=0.01)
    with pytest.raises(DifferenceError, match="step 1 has loss"):
        difference(PROGRAMS["tiny"], [2.0, 1.0], [2.0, 1.1])
    assert difference(PROGRAMS["textcnn"], [2.0, 1.0], [2.0, 1.1]) < 0.05  # dropout: on average


def test_only_an_additional_contestant_may_fail():
    def fail(run: Run) -> None:
        raise WorkerError(run.who)

    with pytest.raises(WorkerError):
        kept([Run("chainrule", PROGRAMS["tiny"], "", "")], fail)
    assert kept([Run("torch-compile", PROGRAMS["tiny"], "", "")], fail) == []


@pytest.mark.parametrize(
    ("value", "shown"), [(0.03125, "0.0312"), (2.04, "2.04"), (38.53, "38.5"), (296.2, "296")]
)
def test_numbers_have_three_digits(value, shown):
    assert report.number(value) == shown


def test_tables_are_put_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- t:begin -->\nold\n<!-- t:end -->\nb\n", encoding="utf-8")
    report.insert(page, "t", "new\n")
    report.insert(page, "t", "newer\n")
    assert page.read_text(encoding="utf-8") == "a\n<!-- t:begin -->\nnewer\n<!-- t:end -->\nb\n"
    with pytest.raises(SystemExit):
        report.insert(page, "other", "x")


def test_kept_results_of_every_page_can_be_shown():
    results = report.ROOT / "benchmarks" / "results"
    for page in results.glob("*.json"):
        _, show = report.PAGES[page.name]
        assert show(json.loads(page.read_text("utf-8"))).startswith(("|", "Measured"))


def test_contestants_take_turns_in_an_order_that_changes(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert "".join(turns("abc", 4)) == "abcbcacababc"
