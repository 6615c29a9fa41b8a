"""A profile finds the heavy line and the heavy layer, adds up, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import threading

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.source import location
from chainrule.compiler import pipeline
from chainrule.compiler.runtime import program
from chainrule.errors import ArgumentError
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward
from tests.inspect.profiling.profiled_program import Model, batch, line, step

KINDS = pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])


def measured(*, compiled: bool, warm: bool = True):
    model, x = Model(), batch()
    run = cr.compile(lambda x: step(model, x)) if compiled else lambda x: step(model, x)
    if warm:
        for _ in range(3):
            run(x)
    with cr.profile() as p:
        for _ in range(5):
            run(x)
    return p


@KINDS
def test_the_heavy_line_and_layer_come_first(compiled):
    p = measured(compiled=compiled)
    worked = [s for s in p.by("line") if s.forward and s.backward]
    assert worked[0].source.line == line("# heavy")
    layers = [s.name for s in sorted(p.by("layer"), key=lambda s: -(s.forward + s.backward))]
    assert layers[:3] == ["Model", "Model.large", "Model.large.inner"]
    assert "Model.small.inner" in layers


@pytest.mark.at_once
@KINDS
def test_backward_belongs_to_the_line_that_is_pulled_back(compiled):
    p = measured(compiled=compiled)
    rows = [r for r in p.rows if r.phase == "backward" and r.name == "matmul"]
    assert {r.source.line for r in rows} == {line("# heavy")}
    assert {r.layer for r in rows} == {"Model.large.inner", "Model.small.inner"}


def test_backward_runs_where_it_was_started():
    model, x = Model(), batch()
    with cr.profile() as p:
        step(model, x)
    rows = [r for r in p.rows if r.phase == "backward" and r.name == "matmul"]
    assert {r.context.source.line for r in rows} == {line("# start")}


@KINDS
def test_the_seconds_add_up(compiled):
    p = measured(compiled=compiled, warm=False)
    total = sum(r.seconds for r in p.rows)
    assert total == pytest.approx(p.seconds, rel=1e-6)
    for by in ("line", "operation"):
        assert sum(s.total for s in p.by(by)) == pytest.approx(p.seconds, rel=1e-6)
    assert all(r.seconds >= 0 for r in p.rows)


def test_a_layer_has_those_inside_it():
    sums = {s.name: s for s in measured(compiled=False).by("layer")}
    model = sums["Model"]
    assert model.forward >= sums["Model.large"].forward + sums["Model.small"].forward
    assert model.calls >= sums["Model.large"].calls + sums["Model.small"].calls


def test_calls_and_bytes_are_counted():
    x = cr.ones(100, 10)
    with cr.profile() as p:
        for _ in range(7):
            y = x * 2.0
        z = y.reshape(10, 100)
    (product,) = [r for r in p.rows if r.name == "mul"]
    assert (product.calls, product.size) == (7, 7 * 4000)
    assert sum(r.size for r in p.rows if r.name == "reshape") == 0  # a view
    assert z.shape == (10, 100)
    assert p.peak_bytes is None or p.peak_bytes > 0


def test_compiling_is_told_apart():
    p = measured(compiled=True, warm=False)
    assert sum(s.compile for s in p.by("line")) > 0
    assert not any(s.compile for s in measured(compiled=True).by("line"))


def test_cotangents_that_meet():
    x = cr.ones(50, requires_grad=True)
    with cr.profile() as p:
        y = x * 2.0
        (y * y).sum().backward()
    (row,) = [r for r in p.rows if r.name == "sum of cotangents"]
    assert (row.phase, row.calls, row.size) == ("backward", 1, 200)
    assert ".backward()" in row.source.text


def test_an_operation_that_makes_its_kernel():
    x = cr.ones(1 << 20)
    calls = 70  # a large call is compiled once it repeats
    with cr.profile() as p:
        for _ in range(calls):
            y = x.tanh()
    numpy, native = [r for r in p.rows if r.name == "tanh"]
    compiled = [r for r in p.rows if r.phase == "compile"]
    assert numpy.calls + native.calls == calls
    assert numpy.size + native.size == calls * y.nbytes
    assert {r.source.line for r in compiled} == {native.source.line}
    assert sum(r.seconds for r in p.rows) == pytest.approx(p.seconds, rel=1e-6)


def test_a_backward_outside_of_a_compiled_call():
    model, x = Model(), batch()
    forward = cr.compile(model, fullgraph=True)
    forward(x).backward()
    with cr.profile() as p:
        forward(x).backward()
    rows = [r for r in p.rows if r.phase == "backward" and r.name == "matmul"]
    assert {r.source.line for r in rows} == {line("# heavy")}


def test_layers_recorded_before_the_profile():
    model, x = Model(), batch()
    loss = model(x)
    with cr.profile() as p:
        loss.backward()
    heavy = [r for r in p.rows if r.phase == "backward" and r.source.line == line("# heavy")]
    assert heavy
    assert {r.layer for r in heavy} == {""}


def test_a_line_of_several_layers_is_divided_by_their_forward_time():
    model, x = Model(), batch()
    loss = model(x)
    with cr.profile() as p:
        model(x)
        loss.backward()
    heavy = [r for r in p.rows if r.phase == "backward" and r.source.line == line("# heavy")]
    large = sum(r.seconds for r in heavy if r.layer == "Model.large.inner")
    small = sum(r.seconds for r in heavy if r.layer == "Model.small.inner")
    assert {r.layer for r in heavy} == {"Model.large.inner", "Model.small.inner"}
    assert all(r.estimated for r in heavy)
    assert large > small > 0


def switches():
    return (
        modes.quietly, Backward.rule, nn.Module.__call__, pipeline.optimize, pipeline.plan_graph,
        modes.layer, [*program._observers], type(location()), threading.active_count(),
    )  # fmt: skip


@pytest.mark.parametrize("end", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_stays_behind(end):
    model, before = Model(), switches()
    p = cr.profile()

    def run():
        with p:
            assert switches() != before
            model(batch())
            if end is not None:
                raise end

    with contextlib.nullcontext() if end is None else pytest.raises(end):
        run()
    assert switches() == before
    assert p.by("layer")[0].name == "Model"


@pytest.mark.parametrize("first", [0, 1])
def test_profiles_may_overlap(first):
    model, x, before = Model(), batch(), switches()
    run = cr.compile(lambda x: step(model, x))
    run(x)
    both = cr.profile(), cr.profile()
    for p in both:
        p.start()
    step(model, x)
    run(x)
    both[first].stop()
    cr.ones(2).exp()
    both[1 - first].stop()
    assert switches() == before
    for p in both:
        names = {s.name for s in p.by("operation")}
        assert {"matmul", "sum of cotangents"} <= names or {"matmul", "add"} <= names
        assert {"Model.large.inner"} <= {s.name for s in p.by("layer")}
        assert sum(r.seconds for r in p.rows) == pytest.approx(p.seconds, rel=1e-6)
    kernels = [sum(r.phase == "backward" and r.name == "matmul" for r in p.rows) for p in both]
    assert kernels[0] == kernels[1] > 0
    assert [any(s.name == "exp" for s in p.by("operation")) for p in both] == [
        first == 1, first == 0,
    ]  # fmt: skip


def test_profiles_of_two_threads():
    found = {}

    def work():
        with cr.profile() as p:
            started.set()
            cr.ones(3).exp()
            goes_on.wait(10)
            cr.ones(3).tanh()
        found["theirs"] = p

    before, started, goes_on = switches(), threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    with cr.profile() as mine:
        thread.start()
        started.wait(10)
        cr.ones(3).sin()
    goes_on.set()
    thread.join()
    assert switches() == before
    theirs = {r.name for r in found["theirs"].rows}
    assert {"exp", "tanh"} <= theirs
    assert "sin" not in theirs
    assert {"sin"} <= {r.name for r in mine.rows}
    assert not {"exp", "tanh"} & {r.name for r in mine.rows}


def test_values_are_those_without_a_profile():
    cr.manual_seed(0)
    model, x = Model(), batch()
    loss = step(model, x)
    wanted = [p.grad.clone() for p in model.parameters()]
    with cr.profile():
        again = step(model, x)
    assert again.item() == loss.item()
    for a, b in zip(wanted, model.parameters(), strict=True):
        assert (a == b.grad).all()


def test_errors_still_name_line_and_layer():
    model = Model()
    with cr.profile(), pytest.raises(cr.errors.ShapeError) as caught:
        model.large(cr.ones(2, 3))
    caught.value.testify()
    assert "in layer inner (Linear) of Block" in "".join(caught.value.__notes__)


def test_a_function_can_be_decorated():
    p = cr.profile()

    @p
    def double(x):
        return x * 2.0

    double(cr.ones(3))
    double(cr.ones(3))
    (row,) = {r.name: r for r in p.rows if r.name == "mul"}.values()
    assert sum(r.calls for r in p.rows if r.name == "mul") == 2
    assert row.source.file == __file__


def test_another_thread_cannot_end_a_profile():
    said = []

    def end(p):
        with pytest.raises(ArgumentError, match="in the thread that began it") as caught:
            p.stop()
        said.append(caught.value)

    with cr.profile() as p:
        thread = threading.Thread(target=end, args=(p,))
        thread.start()
        thread.join()
    assert len(said) == 1


def test_a_running_profile_is_refused():
    p = cr.profile()
    with p:
        with pytest.raises(ArgumentError, match="running"), p:
            pass
        with pytest.raises(ArgumentError, match="still running"):
            p.by("line")
    with pytest.raises(ArgumentError, match="by='color' is not one of line, layer, operation"):
        p.by("color")


def test_a_profile_goes_on():
    p = cr.profile()
    with p:
        cr.ones(2) * 3.0
    p.start()
    cr.ones(2) * 3.0
    p.stop()
    p.stop()
    (product,) = [s for s in p.by("operation") if s.name == "mul"]
    assert product.calls == 2


def test_other_threads_are_left_alone():
    found = []

    def work():
        found.append((cr.ones(2) * 3.0).sum().item())

    with cr.profile() as p:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [6.0]
    assert not [r for r in p.rows if r.name == "mul"]


def test_time_between_operations_is_charged_to_the_line_that_runs():
    with cr.profile() as p:
        cr.ones(2)
        sum(range(3_000_000))  # plain
        cr.ones(2)
    longest = p.by("line")[0]
    assert longest.source.text.endswith("# plain")
    assert longest.python == longest.total
