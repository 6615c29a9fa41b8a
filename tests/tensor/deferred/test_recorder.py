"""When operations are recorded: marks, what repeats, and what ends a step."""

from __future__ import annotations

import threading

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.tensor.deferred import recorder, structure
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.modes import modes
from tests.tensor.deferred.running import evaluation


@pytest.fixture(autouse=True)
def counted():
    with evaluation("on"):
        yield


def recorded() -> bool:
    return modes.recorder is not None


def test_what_runs_once_or_twice_is_evaluated_at_once():
    seen = []
    for _ in range(4):
        seen.append(recorded())
        cr.ones(2).sum().item()
    assert seen == [False, False, True, True]
    assert structure.counts().compiled == 0


def test_a_model_is_made_without_recording():
    for _ in range(6):
        nn.Linear(4, 4)
    assert not recorded()


def test_gradient_modes_are_marks_of_their_own():
    for _ in range(3):
        look()
    assert recorded()
    with cr.no_grad():
        look()
    assert not recorded()


def test_marks_rest_where_nothing_repeats():
    recording = 0
    for i in range(400):
        recording += recorded()
        cr.ones(i + 1).cumsum(0).max().item()
    assert recorder._NEW <= recording <= 2 * recorder._NEW
    (rest,) = recorder.resting()
    assert rest.passed == 400
    assert rest.left > 0
    assert structure.counts().compiled == 0


def test_known_batches_keep_a_mark_awake():
    for i in range(400):
        cr.ones(i % 20 + 1).cumsum(0).max().item()
    assert recorded()
    assert recorder.resting() == []


def look() -> None:
    cr.ones(2).sum().item()


def grow() -> list[bool]:
    """Read values of new lengths, as a sampling loop does; whether each was recorded."""
    seen = []
    with cr.no_grad():
        for i in range(3 * recorder._NEW_READ):
            seen.append(recorded())
            cr.ones(i + 1).cumsum(0).numpy()
    return seen


def test_a_read_that_rests_leaves_the_mark_before_it_awake():
    for _ in range(3):
        look()
    seen = grow()
    assert seen == [i <= recorder._NEW_READ for i in range(len(seen))]
    assert recorded()  # again, after the block
    look()
    assert recorded()
    (rest,) = recorder.resting()
    assert rest.place.line == grow.__code__.co_firstlineno + 6
    assert sum(grow()) == 1  # what follows the mark; then the read rests
    assert recorded()


def test_a_mark_inside_no_grad_decides_about_what_follows():
    for _ in range(3):
        look()
    grow()
    with cr.no_grad():
        cr.ones(1).numpy()
        look()  # passed once in this mode
        assert not recorded()
    assert not recorded()


def test_reads_of_what_repeats_do_not_rest():
    for _ in range(3):
        look()
    for _ in range(3 * recorder._NEW):
        cr.ones(2).cumsum(0).tolist()
    assert recorded()
    assert recorder.resting() == []


def test_another_thread_records_nothing():
    seen = []

    def work():
        for _ in range(5):
            cr.ones(2).sum().item()
            seen.append(recorded())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False] * 5


class Plain(cr.optim.Optimizer):
    """An optimizer as programs write it, with a step of its own."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.steps = 0

    @cr.no_grad()
    def step(self):
        self.steps += 1
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad, alpha=-group["lr"] / self.steps)


def test_the_step_of_a_subclass_is_a_mark():
    model = nn.Linear(3, 2)
    optimizer = Plain(model.parameters(), 0.1)
    before = structure.counts()
    for _ in range(8):
        optimizer.zero_grad()
        model(cr.ones(4, 3)).square().mean().backward()
        optimizer.step()
        value = model.weight._value
        assert not (type(value) is Pending and value.array is None)
    assert optimizer.steps == 8
    done = structure.counts()
    assert done.native + done.eager - before.native - before.eager >= 4
    assert Plain.step.__name__ == "step"


def test_a_batch_is_evaluated_at_its_bound():
    for _ in range(3):
        cr.ones(1).item()
    x = first = cr.ones(1) * 1
    for _ in range(recorder._MOST_ENTRIES):
        x = x + 1
    assert type(first._value) is Pending
    assert first._value.array is not None
    assert x.item() == recorder._MOST_ENTRIES + 1
