"""A compiled module in a training loop: part of the recorded step, and never stale."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import TraceError
from chainrule.tensor.deferred.structure import counts

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def trained(model, call, steps=8):
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(steps):
        opt.zero_grad()
        loss = (call(cr.tensor(X)) ** 2).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(loss.item())
    return losses


def network():
    cr.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))


def test_a_compiled_module_is_part_of_the_recorded_step():
    found = []
    for compile in (lambda m: m, cr.compile):
        model = network()
        call = compile(model)
        losses = trained(model, call)
        before = counts()
        losses += trained(model, call)
        found.append((losses, counts().native - before.native, counts().eager - before.eager))
    (plain, *ran), (compiled, *same) = found
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    assert ran[0] > 0
    assert same == ran  # as many native calls as the plain program has
    report = call.explain_cache()
    assert report == []
    assert (report.plain, report.why_plain) == (16, "")
    assert "calls that ran the module's Python: 16" in str(report)


def test_compile_in_place_joins_the_step_too():
    model = network()
    model.compile()
    np.testing.assert_allclose(trained(model, model), trained(*[network()] * 2), rtol=1e-4)
    report = model.forward.explain_cache()
    assert (list(report), report.plain) == ([], 8)


def test_with_fullgraph_the_module_is_a_plan_of_its_own():
    model = network()
    call = cr.compile(model, fullgraph=True)
    losses = trained(model, call)
    np.testing.assert_allclose(losses, trained(*[network()] * 2), rtol=1e-5)
    assert [e.calls for e in call.explain_cache()] == [8]
    assert call.explain_cache().plain == 0


def test_without_gradients_the_module_is_one_native_call():
    model = network()
    call = cr.compile(model)
    trained(model, call)
    with cr.no_grad():
        for _ in range(3):
            np.testing.assert_allclose(call(cr.tensor(X)), model(cr.tensor(X)), rtol=1e-3)
    assert [e.calls for e in call.explain_cache()] == [3]


def test_outside_of_a_loop_a_kind_that_keeps_coming_is_compiled():
    call = cr.compile(network())
    for _ in range(20):
        call(cr.tensor(X))
    report = call.explain_cache()
    assert [e.calls for e in report] == [20 - report.plain]
    assert 0 < report.plain < 20


def test_arguments_that_never_come_again_are_not_compiled():
    call = cr.compile(nn.Linear(4, 2))
    with cr.no_grad():
        for n in range(1, 41):
            assert call(cr.ones(n, 4)).shape == (n, 2)
    report = call.explain_cache()
    assert len(report) == 8
    assert report.plain == 32


class Coin(nn.Module):
    """Takes one of two ways, by chance."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.tossed = []

    def forward(self, x):
        self.tossed.append(random.random())
        return self.layer(x) * (1 if self.tossed[-1] < 0.5 else -1)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.filterwarnings("error")
def test_a_coin_is_tossed_at_each_call(grad):
    random.seed(1)
    want = [random.random() for _ in range(40)]
    random.seed(1)
    model = Coin()
    call = cr.compile(model)
    with cr.set_grad_enabled(grad):
        plain = model.layer(cr.tensor(X))
        signs = [1 if cr.allclose(call(cr.tensor(X)), plain) else -1 for _ in range(40)]
    assert signs == [1 if w < 0.5 else -1 for w in want]
    report = call.explain_cache()
    assert len(report) <= 1  # the trace that met the coin
    if not grad:
        assert "random.random()" in report.why_plain


class Reading(nn.Module):
    """Reads a value."""

    def forward(self, x):
        return x * 2 if x.sum() > 0 else x * 3


def test_a_value_read_in_forward_runs_as_python_unless_fullgraph():
    call = cr.compile(Reading())
    with cr.no_grad():
        for x in (1.0, -1.0, 1.0):
            assert call(cr.tensor([x])).item() == (2.0 if x > 0 else -3.0)
    report = call.explain_cache()
    assert report == []
    assert report.plain == 3
    assert report.why_plain
    with pytest.raises(TraceError):
        cr.compile(Reading(), fullgraph=True)(cr.ones(1))


def test_packed_sequences_in_a_compiled_module():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(4, 3, batch_first=True)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            out, _ = self.rnn(packed)
            return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]

    def padded(call, _):
        return call(cr.ones(2, 5, 4), cr.tensor([5, 2]))

    found = []
    for compile in (lambda m: m, cr.compile):
        cr.manual_seed(0)
        model = Tagger()
        call = compile(model)
        losses = trained(model, functools.partial(padded, call), 4)
        with cr.no_grad():
            losses.append(padded(call, None).sum().item())
        found.append(losses)
    np.testing.assert_allclose(*found, rtol=1e-5)
