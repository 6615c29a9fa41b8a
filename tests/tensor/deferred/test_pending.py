"""Pending values: what an error leaves behind, who keeps what alive, threads and interrupts."""

from __future__ import annotations

import copy
import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.modes import modes
from tests.tensor.deferred.running import evaluation


@pytest.fixture(autouse=True, params=["always", "compiled"])
def recorded(request):
    with evaluation(request.param):
        yield


def is_pending(x: cr.Tensor) -> bool:
    return type(x._value) is Pending and x._value.array is None


def test_a_value_is_pending_until_it_is_read():
    x = cr.ones(3)
    y = x * 2
    z = y + 1
    assert is_pending(y)
    assert z.tolist() == [3.0, 3.0, 3.0]
    assert not is_pending(y)  # it is alive: computed with the rest


def test_what_nobody_holds_is_not_computed():
    x = cr.ones(3)
    y = x.exp()
    value = weakref.ref(y)
    z = y + 1
    del y
    gc.collect()
    assert value() is None
    assert is_pending(z)
    z.tolist()
    assert modes.recorder.batch.values == []


def test_an_error_is_raised_at_each_read_with_the_line_that_recorded_it():
    table = cr.arange(12.0).reshape(4, 3)
    wrong = F.embedding(cr.tensor([1, 7]), table)
    after = wrong * 2
    for value in (wrong, after, wrong):
        with pytest.raises(IndexError, match="index 7") as caught:
            value.tolist()
        where, code = caught.value.__notes__  # nothing about who reads it
        assert where.endswith("wrong = F.embedding(cr.tensor([1, 7]), table)")
        assert "CR103" in code


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": cr.ones(3)}])
def test_a_label_out_of_range_names_the_line_of_the_loss(options):
    scores = cr.ones(2, 3, requires_grad=True)
    loss = F.cross_entropy(scores, cr.tensor([0, 3]), **options)
    with pytest.raises(IndexError, match="3 classes: index 3 at position") as caught:
        loss.item()
    (where,) = (note for note in caught.value.__notes__ if "recorded at" in note)
    assert where.endswith("loss = F.cross_entropy(scores, cr.tensor([0, 3]), **options)")


def test_values_recorded_before_the_error_are_there():
    table = cr.arange(12.0).reshape(4, 3)
    before = table + 1
    kept = before.clone()
    wrong = F.embedding(cr.tensor([7]), table)
    independent = table * 2  # its line would not have run
    with pytest.raises(IndexError):
        wrong.tolist()
    assert kept.tolist()[0] == [1.0, 2.0, 3.0]
    with pytest.raises(IndexError):
        independent.tolist()
    assert (table * 3).tolist()[0] == [0.0, 3.0, 6.0]


def test_writes_recorded_after_the_error_are_undone():
    table, buffer, early = cr.arange(12.0).reshape(4, 3), cr.zeros(3), cr.zeros(3)
    row = buffer[1:]
    early += 1
    early *= 3
    state = cr.get_rng_state()
    wrong = F.embedding(cr.tensor([7]), table)
    buffer.add_(wrong.sum(0))
    buffer[1] = 5.0
    early.mul_(wrong[0, 0])
    cr.rand(3)
    with pytest.raises(IndexError):
        buffer.tolist()
    assert buffer.tolist() == [0.0, 0.0, 0.0]
    assert row.tolist() == [0.0, 0.0]
    assert early.tolist() == [3.0, 3.0, 3.0]
    assert cr.equal(cr.get_rng_state(), state)


def step(model: nn.Module, table: nn.Embedding, optimizer: cr.optim.Optimizer, index: int) -> float:
    loss = model(table(cr.tensor([0, index]))).square().mean()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_a_bad_batch_changes_nothing(kind):
    def trained(indices):
        cr.manual_seed(0)
        table, model = nn.Embedding(5, 6), nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2))
        params = [*table.parameters(), *model.parameters()]
        optimizer = getattr(cr.optim, kind)(params, lr=0.1)
        losses, errors = [], 0
        for index in indices:
            try:
                losses.append(step(model, table, optimizer, index))
            except IndexError:
                errors += 1
                assert all(p.grad is None for p in params)
        assert errors == sum(i > 4 for i in indices)
        return losses, {**model.state_dict(), **table.state_dict()}

    losses, state = trained([1, 2, 9, 3, 4, 1, 7, 8, 2, 3])
    wanted, good = trained([1, 2, 3, 4, 1, 2, 3])
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
    for name, value in good.items():
        np.testing.assert_allclose(state[name].numpy(), value.numpy(), rtol=1e-3, atol=1e-5)


def test_accumulated_gradients_survive_a_bad_batch():
    table = nn.Embedding(4, 3)
    table(cr.tensor([1])).sum().backward()
    before = table.weight.grad.tolist()
    table(cr.tensor([2])).sum().backward()
    between = [[a + b for a, b in zip(r, s, strict=True)] for r, s in
               zip(before, [[0] * 3, [0] * 3, [1] * 3, [0] * 3], strict=True)]  # fmt: skip
    table(cr.tensor([5])).sum().backward()
    with pytest.raises(IndexError):
        table.weight.grad.sum().item()
    assert table.weight.grad.tolist() == between


def test_an_operand_that_failed_raises_at_the_line_that_uses_it():
    wrong = F.embedding(cr.tensor([7]), cr.zeros(4, 3))
    with pytest.raises(IndexError):
        wrong.tolist()
    with pytest.raises(IndexError):
        wrong + 1
    assert not modes.recorder.batch.adding  # another thread may evaluate
    assert (cr.ones(2) + 1).tolist() == [2.0, 2.0]


def test_another_thread_reads_a_pending_value():
    found: list[list[float]] = []
    y = cr.ones(3) * 2
    thread = threading.Thread(target=lambda: found.append((y + 1).tolist()))
    thread.start()
    thread.join(timeout=60)
    assert found == [[3.0, 3.0, 3.0]]
    assert (y * 2).tolist() == [4.0, 4.0, 4.0]


def test_operands_that_the_program_dropped_bound_a_batch():
    weight, seen = cr.ones(1 << 20), []
    results = [(weight * cr.tensor(np.full(1 << 20, i, np.float32))).sum() for i in range(60)]
    seen = [is_pending(r) for r in results]
    assert seen[-1]  # the last are recorded
    assert not any(seen[:15])  # 4 MB each: the first are evaluated
    assert [r.item() for r in results] == [float(i << 20) for i in range(60)]


def test_operands_that_the_program_holds_do_not():
    held = [cr.tensor(np.full(1 << 20, i, np.float32)) for i in range(30)]
    results = [x.sum() for x in held]
    assert all(is_pending(r) for r in results)


class Interrupted(BaseException):
    """A signal at a chosen line of deferred evaluation."""


@contextmanager
def interrupted_at(event: int) -> Iterator[list[int]]:
    """Raise at the `event`-th line of the package's files that record and evaluate batches."""
    passed = [0]

    def lines(_frame: Any, kind: str, _: Any) -> Any:
        if kind == "line":
            passed[0] += 1
            if passed[0] == event:
                raise Interrupted
        return lines

    def calls(frame: Any, *_: Any) -> Any:
        name = frame.f_code.co_filename
        return lines if "deferred" in name or name.endswith(("batch.py", "effect.py")) else None

    before = sys.gettrace()
    sys.settrace(calls)
    try:
        with suppress(Interrupted):
            yield passed
    finally:
        sys.settrace(before)


def training(model: nn.Module, optimizer: cr.optim.Optimizer, steps: int) -> list[float]:
    losses = []
    for i in range(steps):
        x = cr.linspace(-1, 1 + i, 12).reshape(4, 3)
        optimizer.zero_grad()
        loss = (model(x) - 1).square().mean() * 0.5
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def survives(event: int) -> bool:
    """Whether the interrupt struck; what follows is as if the state had been loaded then."""
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
    training(model, optimizer, 3)
    with interrupted_at(event) as passed:
        training(model, optimizer, 2)
    state = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    found = training(model, optimizer, 3)
    model.load_state_dict(state[0])
    optimizer.load_state_dict(state[1])
    np.testing.assert_allclose(found, training(model, optimizer, 3), rtol=1e-4)
    return passed[0] >= event


@pytest.mark.parametrize("event", range(7, 900, 61))
def test_an_interrupt_leaves_a_state_to_go_on_from(event):
    assert survives(event)


@pytest.mark.slow
def test_an_interrupt_at_many_lines_leaves_a_state_to_go_on_from():
    event = 1
    while survives(event):
        event += 97
    assert event > 900
