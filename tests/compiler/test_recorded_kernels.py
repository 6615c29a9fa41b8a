"""The compiler emits the kernels that are recorded: hashes of their LLVM text in one file.

Recorded are the workloads of the benchmarks – their forward pass and training step, some also as a
forward pass whose gradient is a plan of its own – for each kind of CPU, and all samples of each op.
The target is explicit, so neither this machine nor its number of threads matters.

A change of emitted text that is meant is accepted with
`pytest tests/compiler/test_recorded_kernels.py --update-golden`. To read what changed, write the
texts of both checkouts and compare the folders: `python -m tests.compiler.test_recorded_kernels
gpt_nano FOLDER`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import chainrule as cr
from benchmarks.workloads.chainrule_steps import Step
from benchmarks.workloads.spec import WORKLOADS
from chainrule.base import dtypes
from chainrule.compiler.codegen import target as targets
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.pipeline import fuse, optimize, plan_graph
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.show import distinct_kernels, print_groups
from chainrule.compiler.trace.capture import capture
from chainrule.graph.node import Graph
from chainrule.graph.text import print_graph
from chainrule.ops import TABLE
from tests.compiler.running import captured
from tests.ops.calls import calls, gradient, is_float

RECORD = Path(__file__).parent / "recorded_kernels.json"
TARGETS = {name: getattr(targets, name) for name in ("AVX512", "AVX2", "NEON")}
APART = ("window", "textcnn", "char_gru", "gpt_nano")  # also with a gradient that is its own plan
DTYPES = (dtypes.float32, dtypes.int64, dtypes.bool_)  # what code generation treats differently
OPS = sorted(name for name, op in TABLE.items() if "host" not in op.traits)
Texts = dict[str, str]  # what → its text
Record = dict[str, dict[str, str]]  # program → what → hashes


@functools.cache
def programs(workload: str) -> dict[str, Captured]:
    """The traced graphs of a workload."""
    work = WORKLOADS[workload]
    if work.kind == "gpt":  # equal layers have equal kernels
        work = replace(work, sizes={**work.sizes, "layers": 2})
    made = Step(work, "eager")

    def trace(fn: Callable[..., Any]) -> Any:
        return capture(fn, made.batches[0], {}, keep_grads=False)

    with cr.no_grad():
        found = {"forward": trace(made.model).captured}
    found["step"] = trace(made.step).captured
    if workload in APART:
        whole = trace(made.model)
        found["forward, saving"] = whole.captured
        found["gradient"] = captured(whole.halves.half)
    return found


def op_programs(name: str) -> dict[str, Captured]:
    """All samples of an op as one graph, and all their gradients as another."""
    found = {"op": [c.graph for dtype in DTYPES for c in calls(name, dtype)]}
    real = [c.graph for c in calls(name, dtypes.float32)]
    found["gradient"] = [gradient(g)[0] for g in real if any(map(is_float, g.outputs))]
    return {what: captured(together(graphs)) for what, graphs in found.items() if graphs}


def together(graphs: list[Graph]) -> Graph:
    inputs = tuple(n for g in graphs for n in g.inputs)
    return Graph(inputs, tuple(n for g in graphs for n in g.outputs))


def stages(given: Captured, names: Iterable[str]) -> dict[str, Texts]:
    """The texts of a graph's stages, and those of its kernels for each target."""
    rewritten = optimize(given)
    graph = rewritten.graph
    groups = print_groups(graph, fuse(rewritten).groups)
    found = {
        "graph": {"trace": print_graph(given.graph), "last": print_graph(graph), "groups": groups}
    }
    for name in names:
        target = TARGETS[name]
        plan = plan_graph(rewritten, target)
        texts = {"plan": "\n".join(plan.lines())}
        for at, kernel in enumerate(distinct_kernels(plan)):
            texts[f"{kernel.name}.{at}"] = emit(kernel, target, "kernel")
        found[name] = texts
    return found


def hashes(texts: Texts) -> str:
    """`plan:1f2e3d4c rows:…`, sorted: in which order kernels run is part of the plan's text."""
    found = (
        f"{name.split('.')[0]}:{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        for name, text in texts.items()
    )
    return " ".join(sorted(found))


def faults(title: str, found: dict[str, str]) -> list[str]:
    """Where the hashes are not those of the record."""
    known = recorded().get(title, {})
    return [
        f"{title}, {part}: new {sorted(new - old)}, gone {sorted(old - new)}"
        for part in sorted({*known, *found})
        for old, new in [({*known.get(part, "").split()}, {*found.get(part, "").split()})]
        if old != new
    ]


def compare(request: pytest.FixtureRequest, title: str, found: dict[str, str]) -> None:
    """The found hashes are those of the record, or else become so."""
    if request.config.getoption("--update-golden"):
        RECORD.write_text(as_text({**recorded(), title: found}), encoding="utf-8")
    wrong = faults(title, found)
    assert not wrong, "\n".join([*wrong, "", *(__doc__ or "").split("\n\n")[2:]])


def recorded() -> Record:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def as_text(record: Record) -> str:
    """One line per program and target, sorted: differences are read line by line."""
    lines = [
        f"{json.dumps(title)}: {{\n"
        + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(parts.items()))
        + "\n}"
        for title, parts in sorted(record.items())
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def workload_hashes(workload: str) -> Record:
    return {
        f"{workload} {what}": {k: hashes(texts) for k, texts in stages(given, TARGETS).items()}
        for what, given in programs(workload).items()
    }


@pytest.mark.parametrize("workload", WORKLOADS)
def test_workloads_have_the_recorded_kernels(workload, request):
    for title, found in workload_hashes(workload).items():
        compare(request, title, found)


@pytest.mark.parametrize("name", OPS)
def test_ops_have_the_recorded_kernels(name, request):
    found = {what: stages(given, ("AVX2",))["AVX2"] for what, given in op_programs(name).items()}
    compare(request, f"op {name}", {what: one_hash(texts) for what, texts in found.items()})


def one_hash(texts: Texts) -> str:
    return hashlib.sha256(hashes(texts).encode()).hexdigest()[:8]


def test_the_record_has_nothing_else(request):
    known = {f"{w} {what}" for w in WORKLOADS for what in programs(w)} | {f"op {n}" for n in OPS}
    if request.config.getoption("--update-golden"):  # what is gone is forgotten
        kept = {title: parts for title, parts in recorded().items() if title in known}
        RECORD.write_text(as_text(kept), encoding="utf-8")
    gone, absent = sorted(set(recorded()) - known), sorted(known - set(recorded()))
    assert not gone + absent, f"recorded but gone: {gone}, not recorded: {absent}; --update-golden"


def test_a_changed_kernel_is_named(monkeypatch):
    plain = emit
    monkeypatch.setitem(globals(), "emit", lambda k, t, s: plain(k, t, s).replace("fadd", "fsub"))
    found = workload_hashes("window")
    wrong = [fault for title in found for fault in faults(title, found[title])]
    assert any(re.match(r"window step, NEON: new \['.*gone \['", fault) for fault in wrong)
    assert not any("graph" in fault for fault in wrong)


if __name__ == "__main__":
    chosen, folder = sys.argv[1], Path(sys.argv[2])
    given = programs(chosen) if chosen in WORKLOADS else op_programs(chosen)
    for what, one in given.items():
        for part, texts in stages(one, TARGETS).items():
            (folder / what / part).mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (folder / what / part / f"{name}.txt").write_text(text, encoding="utf-8")
