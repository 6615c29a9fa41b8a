"""Operations that are recorded and run later belong to their lines and layers."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.tensor.deferred.structure import counts
from tests.inspect.profiling.profiled_program import Model, batch, line, step


def profiled(before: int, times: int):
    """A profile of `times` plain steps after others, and how many batches ran natively in it."""
    model, x = Model(), batch()
    for _ in range(before):
        step(model, x).item()
    native = counts().native
    with cr.profile() as p:
        for _ in range(times):
            step(model, x).item()
    return p, counts().native - native


@pytest.mark.parametrize("before", [0, 12], ids=["from the start", "in steady state"])
def test_kernels_belong_to_the_lines_that_recorded_them(before):
    p, native = profiled(before, 12)
    assert native > 0
    for phase in ("forward", "backward"):
        rows = [r for r in p.rows if r.phase == phase and r.name == "matmul"]
        assert {r.source.line for r in rows} == {line("# heavy")}
        assert {r.layer for r in rows} == {"Model.large.inner", "Model.small.inner"}
    assert "call" not in {r.name for r in p.rows}  # a layer is shown as what it computes
    light = {r.layer for r in p.rows if r.source and r.source.line == line("# light")}
    assert light == {"Model.large", "Model.small"}
    assert sum(r.seconds for r in p.rows) == pytest.approx(p.seconds, rel=1e-6)


def test_a_profile_of_the_steady_state_compiles_nothing():
    model, x = Model(), batch()

    def run(times):
        for _ in range(times):
            step(model, x).item()

    run(12)
    before = counts()
    with cr.profile() as p:
        run(4)
    assert counts().compiled == before.compiled
    assert counts().eager == before.eager
    assert not [r for r in p.rows if r.phase == "compile"]


def test_loops_of_layers_on_one_line_belong_to_their_layers():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.GRU(8, 8), nn.GRU(8, 64)

        def forward(self, x):
            return self.other(self.one(x)[0])[0].sum()

    model, x = Two(), cr.randn(30, 4, 8)
    for _ in range(8):
        model(x).item()
    with cr.profile() as p:
        for _ in range(8):
            model(x).item()
    measured = {r.layer for r in p.rows if r.name == "tanh" and not r.estimated}
    assert measured == {"Two.one", "Two.other"}


def test_a_function_recorded_as_one_call_has_the_name_of_its_heaviest_operation():
    layer, x = nn.Linear(64, 32), cr.ones(16, 64)
    for _ in range(2):  # few enough to be evaluated one by one
        layer(x).sum().backward()
        loss = layer(x).sum()
        loss.item()
        with cr.profile() as p:
            layer(x).sum().backward()
    names = {(r.phase, r.name) for r in p.rows}
    assert {("forward", "matmul"), ("backward", "matmul")} <= names
    assert not [name for _, name in names if name == "call"]


def test_what_is_pending_at_the_beginning_is_not_measured():
    x = cr.ones(4, 4)
    for _ in range(12):
        before = x.exp()
        with cr.profile() as p:
            x.log().sum().item()
        names = {r.name for r in p.rows}
        assert "log" in names
        assert "exp" not in names
        assert sum(r.seconds for r in p.rows) == pytest.approx(p.seconds, rel=1e-6)
        before.sum().item()


def test_what_is_pending_at_the_end_is_measured():
    model, x = Model(), batch()
    for _ in range(12):
        step(model, x).item()
    with cr.profile() as p:
        out = model(x)
    assert [r for r in p.rows if r.phase == "forward" and r.name == "matmul"]
    assert out.item() > 0


def test_batches_of_equal_structure_keep_their_own_lines():
    def first(x):
        return (x @ x).tanh().sum()  # first

    def second(x):
        return (x @ x).tanh().sum()  # second

    x = cr.ones(300, 300)
    with cr.profile() as p:
        for _ in range(12):
            first(x).item()
            second(x).item()
    found = {r.source.text.rpartition("# ")[2] for r in p.rows if r.name == "matmul"}
    assert found == {"first", "second"}
