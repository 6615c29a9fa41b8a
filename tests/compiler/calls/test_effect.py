"""An optimizer's step recorded as one call: when its trace holds, and when it does not."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.calls import effect
from tests.tensor.deferred.running import evaluation

KINDS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"]


@pytest.fixture(autouse=True)
def recorded():
    with evaluation("always"):
        yield


def stepped(optimizer: cr.optim.Optimizer, *weights: cr.Tensor) -> None:
    for w in weights:
        w.grad = None if w.grad is None and not w.requires_grad else w.detach() * 2 + 1
    optimizer.step()


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_groups_are_read_at_each_step(kind):
    def run(way: str) -> list[float]:
        with evaluation(way):
            w = cr.tensor([1.0, -2.0], requires_grad=True)
            optimizer = getattr(cr.optim, kind)([w], lr=0.1)
            out = []
            for i in range(8):
                optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
                stepped(optimizer, w)
                out += w.tolist()
            if way == "always":
                assert len(effect.effects_of(optimizer).known) == 1
            return out

    np.testing.assert_allclose(run("always"), run("off"), rtol=1e-5)


def test_another_set_of_gradients_is_another_trace():
    one, two = (cr.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = cr.optim.SGD([one, two], lr=0.1)
    stepped(optimizer, one, two)
    two.grad = None
    one.grad = cr.ones(1)
    before = two.item()
    optimizer.step()
    assert two.item() == before
    assert len(effect.effects_of(optimizer).known) == 2


def test_an_update_with_a_state_of_its_own_is_called():
    class Decaying(cr.optim.SGD):
        calls = 0

        def _update(self, group, pairs):
            self.calls += 1
            for p, g in pairs:
                p.sub_(g * (group["lr"] / self.calls))

    w = cr.tensor([1.0], requires_grad=True)
    optimizer = Decaying([w], lr=1.0)
    expected = 1.0
    for i in range(1, 6):
        w.grad = cr.ones(1)
        optimizer.step()
        expected -= 1 / i
        assert w.item() == pytest.approx(expected, rel=1e-5)
    assert optimizer.calls == 5


def test_what_a_program_holds_is_not_written_over():
    with evaluation("compiled"):
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        optimizer = cr.optim.SGD([w], lr=0.5)
        arrays, copies, views = [], [], w.detach()
        for _ in range(6):
            w.grad = cr.ones(2)
            optimizer.step()
            arrays.append(w.detach().numpy())
            copies.append(arrays[-1].copy())
            assert views.tolist() == w.tolist()
        for kept, then in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(kept, then)
        assert len({a.tobytes() for a in copies}) == 6


def test_two_optimizers_of_one_parameter():
    w = cr.tensor([1.0], requires_grad=True)
    both = [cr.optim.SGD([w], lr=0.1), cr.optim.SGD([w], lr=0.2)]
    for i in range(1, 5):
        w.grad = cr.ones(1)
        for optimizer in both:
            optimizer.step()
        assert w.item() == pytest.approx(1 - 0.3 * i, abs=1e-5)


def test_an_owner_is_not_kept_alive_by_its_traces():
    w = cr.tensor([1.0], requires_grad=True)
    optimizer = cr.optim.Adam([w], lr=0.1)
    for _ in range(3):
        stepped(optimizer, w)
    assert effect.effects_of(optimizer).known
    copied = copy.deepcopy(optimizer)
    assert effect.effects_of(copied).known == []
    pickle.dumps(optimizer)
    gone = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert gone() is None


def test_a_parameter_that_gets_its_first_gradient_late_ends_no_recording():
    def run(way: str) -> list[float]:
        with evaluation(way):
            one, two = (cr.tensor([1.0], requires_grad=True) for _ in range(2))
            optimizer = cr.optim.Adam([one, two], lr=0.1)
            out = []
            for i in range(8):
                optimizer.zero_grad()
                stepped(optimizer, *([one, two] if i > 3 else [one]))
                out += [one.item(), two.item()]
            if way == "always":
                assert len(effect.effects_of(optimizer).known) == 2
            return out

    np.testing.assert_allclose(run("always"), run("off"), rtol=1e-5)


def test_an_update_of_always_other_parameters_is_evaluated_at_once():
    def run(way: str) -> list[float]:
        random = np.random.default_rng(1)
        with evaluation(way):
            weights = [cr.tensor([1.0 + i], requires_grad=True) for i in range(8)]
            optimizer = cr.optim.Adam(weights, lr=0.1)
            out = []
            for _ in range(40):
                optimizer.zero_grad()
                stepped(optimizer, *[w for w in weights if random.random() < 0.5], weights[0])
                out += [w.item() for w in weights]
            if way == "always":
                assert effect.effects_of(optimizer).known is None
            return out

    np.testing.assert_allclose(run("always"), run("off"), rtol=1e-5)
