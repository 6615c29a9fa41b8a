"""PyTorch's profiler: schedules, named stretches, sums, and the names of PyTorch."""

from __future__ import annotations

import gzip
import json

import pytest

import chainrule as cr
from chainrule import profiler
from chainrule.errors import ArgumentError
from chainrule.inspect.profiling import marks
from chainrule.profiler import ProfilerAction, profile, record_function, schedule


def names_of(p):
    return [each.key for each in p.key_averages()]


@pytest.mark.at_once
def test_sums_by_operation():
    x = cr.ones(20, 20, requires_grad=True)
    with profile(activities=[profiler.ProfilerActivity.CPU]) as p:
        for _ in range(2):
            (x @ x).sum().backward()
    found = {each.key: each for each in p.key_averages()}
    assert found["matmul"].count == found["matmul (backward)"].count == 2
    assert found["matmul"].cpu_memory_usage == 2 * 1600
    assert found["matmul"].cpu_time == found["matmul"].cpu_time_total / 2
    whole = p.key_averages().total_average()
    assert whole.self_cpu_time_total == pytest.approx(
        sum(each.self_cpu_time_total for each in found.values())
    )


@pytest.mark.parametrize(
    "sort_by", [None, "self_cpu_time_total", "cpu_time_total", "cpu_memory_usage", "count"]
)
def test_a_table_is_sorted(sort_by):
    with profile() as p:
        cr.ones(1000) + cr.ones(1000)
        cr.ones(2).exp()
    lines = p.key_averages().table(sort_by=sort_by, row_limit=2, header="mine").splitlines()
    assert lines[0] == "mine"
    assert len(lines) == 1 + 1 + 2 + 1
    if sort_by == "cpu_memory_usage":
        assert lines[2].split()[0] in {"full", "add"}
    p.key_averages().table(sort_by="self_cuda_time_total")
    with pytest.raises(ArgumentError, match="sort_by='size'"):
        p.key_averages().table(sort_by="size")


def test_named_stretches():
    @record_function("inside")
    def double(x):
        return x * 2.0

    with profile() as p:
        for _ in range(2):
            with record_function("outside"):
                double(cr.ones(3))
    found = {each.key: each for each in p.key_averages()}
    assert (found["outside"].count, found["inside"].count) == (2, 2)
    assert found["outside"].cpu_time_total >= found["inside"].cpu_time_total
    assert found["inside"].cpu_time_total >= found["mul"].cpu_time_total
    assert found["inside"].self_cpu_time_total <= found["inside"].cpu_time_total
    assert marks.listeners == []
    double(cr.ones(3))  # no profile runs
    assert found["inside"].count == 2


def test_the_steps_of_a_schedule():
    actions = [schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)(i) for i in range(10)]
    none, warm, record, save = ProfilerAction
    cycle = [none, warm, record, save]
    assert actions == [none, *cycle, *cycle, none]
    assert schedule(wait=3, warmup=0, active=1, skip_first_wait=1)(0) is save
    with pytest.raises(ArgumentError, match="active must be 1 at least"):
        schedule(wait=0, warmup=0, active=0)


def test_a_cycle_is_handed_over():
    found = []
    plan = schedule(wait=1, warmup=1, active=2)
    with profile(schedule=plan, on_trace_ready=lambda p: found.append((p.step_num, p))) as p:
        counts = []
        for _ in range(7):
            cr.ones(2) * 2.0
            p.step()
            counts.append(len(found))
    assert [number for number, _ in found] == [4, 7]  # the second cycle was cut short
    assert counts == [0, 0, 0, 1, 1, 1, 1]
    assert {e.key: e.count for e in p.key_averages()}["mul"] == 1


def test_cycles_can_add_up():
    with profile(schedule=schedule(wait=1, warmup=0, active=1), acc_events=True) as p:
        for _ in range(6):
            cr.ones(2) * 2.0
            p.step()
    assert {e.key: e.count for e in p.key_averages()}["mul"] == 3


def test_a_handler_writes_time_lines(tmp_path):
    handler = profiler.tensorboard_trace_handler(tmp_path / "logs", "w", use_gzip=True)
    with profile(on_trace_ready=handler), record_function("mine"):
        cr.ones(2).exp()
    (file,) = (tmp_path / "logs").iterdir()
    assert file.name.startswith("w.")
    assert file.name.endswith(".pt.trace.json.gz")
    events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    assert {"exp", "mine"} <= {each["name"] for each in events}


def test_stacks(tmp_path):
    with profile() as p:
        cr.ones(2).exp()
    p.export_stacks(tmp_path / "s.txt", "self_cpu_time_total")
    lines = (tmp_path / "s.txt").read_text(encoding="utf-8").splitlines()
    assert any(";exp " in line and "test_scheduled.py" in line for line in lines)
    assert all(line.rpartition(" ")[2].isdecimal() for line in lines)
    assert any("at tests" in each.key for each in p.key_averages(group_by_stack_n=5))


def test_what_is_not_recorded_warns():
    with pytest.warns(UserWarning, match="shapes of operands"), profile(record_shapes=True) as p:
        pass
    with pytest.warns(UserWarning, match="shapes of operands"):
        p.key_averages(group_by_input_shape=True)


def test_a_script_finds_it_under_pytorchs_names(chainrule_script):
    out = chainrule_script(
        "import torch\n"
        "from torch.profiler import profile, record_function, ProfilerActivity\n"
        "with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:\n"
        "    with record_function('model_inference'):\n"
        "        torch.nn.Linear(3, 2)(torch.ones(4, 3))\n"
        "print(prof.key_averages().table(sort_by='cpu_time_total', row_limit=10))\n"
    )
    assert "model_inference" in out
    assert "matmul" in out


@pytest.fixture
def chainrule_script(tmp_path, capsys):
    def run(text):
        from chainrule.tasks.script import run_script

        (tmp_path / "script.py").write_text(text)
        run_script(str(tmp_path / "script.py"), [])
        return capsys.readouterr().out

    return run
