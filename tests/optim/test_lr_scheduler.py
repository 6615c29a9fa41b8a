"""Schedules: PyTorch's numbers, exactly."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.base.errors import ArgumentError

CASES = {
    "StepLR": lambda S, o: S.StepLR(o, 3, gamma=0.5),
    "ExponentialLR": lambda S, o: S.ExponentialLR(o, 0.9),
    "ConstantLR": lambda S, o: S.ConstantLR(o, factor=0.25, total_iters=4),
    "LinearLR": lambda S, o: S.LinearLR(o, start_factor=0.1, end_factor=0.8, total_iters=7),
    "CosineAnnealingLR": lambda S, o: S.CosineAnnealingLR(o, T_max=6, eta_min=0.01),
    "LambdaLR": lambda S, o: S.LambdaLR(o, [lambda e: 1 / (e + 1), lambda e: 0.9**e]),
    "MultiStepLR": lambda S, o: S.MultiStepLR(o, [3, 3, 9, 14], gamma=0.5),
    "MultiplicativeLR": lambda S, o: S.MultiplicativeLR(o, lambda e: 1 - 0.5 / (e + 1)),
    "PolynomialLR": lambda S, o: S.PolynomialLR(o, total_iters=12, power=1.7),
    "restarts": lambda S, o: S.CosineAnnealingWarmRestarts(o, 3, eta_min=0.001),
    "longer restarts": lambda S, o: S.CosineAnnealingWarmRestarts(o, 2, T_mult=2),
    "CyclicLR": lambda S, o: S.CyclicLR(o, 0.01, [0.2, 0.3], 4, 3),
    "halving": lambda S, o: S.CyclicLR(o, 0.01, 0.2, 3, mode="triangular2"),
    "shrinking": lambda S, o: S.CyclicLR(o, 0.01, 0.2, 3, mode="exp_range", gamma=0.9),
    "OneCycleLR": lambda S, o: S.OneCycleLR(o, [0.2, 0.3], total_steps=30),
    "three phases": lambda S, o: S.OneCycleLR(
        o, 0.2, epochs=5, steps_per_epoch=6, three_phase=True, anneal_strategy="linear"
    ),
    "ChainedScheduler": lambda S, o: S.ChainedScheduler(
        [S.ConstantLR(o, 0.1, 4), S.ExponentialLR(o, 0.9)]
    ),
    "restarts after warmup": lambda S, o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=4), S.CosineAnnealingWarmRestarts(o, 5)], [4]
    ),
    "own": lambda S, o: own(S)(o),
    "own after warmup": lambda S, o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=4), own(S)(o)], [4]
    ),
    "SequentialLR": lambda S, o: S.SequentialLR(
        o,
        [S.LinearLR(o, 0.01, total_iters=4), S.CosineAnnealingLR(o, 10), S.ExponentialLR(o, 0.5)],
        milestones=[4, 14],
    ),
    "nested": lambda S, o: S.SequentialLR(
        o,
        [
            S.SequentialLR(o, [S.ConstantLR(o), S.StepLR(o, 2)], [3]),
            S.LinearLR(o, 0.5, total_iters=3),
        ],
        [9],
    ),
}


WITHOUT_EPOCH = {
    "ChainedScheduler",
    "restarts after warmup",
    "own after warmup",
    "SequentialLR",
    "nested",
}


def own(schedules):
    class Warmup(schedules._LRScheduler):
        """As programs write it."""

        def get_lr(self):
            return [base * min(1.0, (self.last_epoch + 1) / 5) for base in self.base_lrs]

    return Warmup


def optimizer(lib):
    groups = [{"params": [lib.nn.Parameter(lib.ones(1))], "lr": lr} for lr in (0.1, 0.02)]
    return lib.optim.SGD(groups, momentum=0.9)


def rates(lib, make, steps=25):
    opt = optimizer(lib)
    schedule = make(lib.optim.lr_scheduler, opt)
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in opt.param_groups])
        assert schedule.get_last_lr() == seen[-1]
        seen[-1] += [group["momentum"] for group in opt.param_groups]
        opt.step()
        schedule.step()
    return seen


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_rates_are_pytorchs(name):
    import torch

    assert rates(cr, CASES[name]) == rates(torch, CASES[name])


JUMPS = [3, 7, 8, 2, 0, 12, 5]  # forth and back, as programs of PyTorch 1 call step(epoch)


def jumped(lib, make):
    opt = optimizer(lib)
    schedule, seen = make(lib.optim.lr_scheduler, opt), []
    for epoch in JUMPS:
        schedule.step(epoch)
        assert schedule.last_epoch == epoch
        seen.append(schedule.get_last_lr())
    schedule.step()
    return [*seen, schedule.get_last_lr()]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [n for n in CASES if n not in WITHOUT_EPOCH])
def test_rates_of_a_given_epoch_are_pytorchs(name):
    import torch

    assert np.allclose(jumped(cr, CASES[name]), jumped(torch, CASES[name]), rtol=1e-12, atol=0)


def test_a_given_epoch_is_set_and_warned_of():
    schedule = optim.lr_scheduler.StepLR(optimizer(cr), 3, 0.5)
    with pytest.warns(UserWarning, match="StepLR: an epoch given to step") as seen:
        schedule.step(7)
    assert seen[0].filename == __file__
    assert schedule.get_last_lr() == [0.1 * 0.25, 0.02 * 0.25]
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer(cr))
    with pytest.warns(UserWarning, match="ReduceLROnPlateau"):
        plateau.step(1.0, 4)
    assert plateau.last_epoch == 4


@pytest.mark.parametrize("name", CASES)
def test_a_saved_schedule_continues(name):
    wanted = rates(cr, CASES[name])
    opt = optimizer(cr)
    schedule = CASES[name](optim.lr_scheduler, opt)
    for _ in range(8):
        schedule.step()
    state, saved = schedule.state_dict(), opt.state_dict()
    again = optimizer(cr)
    other = CASES[name](optim.lr_scheduler, again)
    other.load_state_dict(state)
    again.load_state_dict(saved)
    for at in range(8, 20):
        assert [group["lr"] for group in again.param_groups] == wanted[at][:2]
        other.step()


RESUMED = {
    "StepLR": (3, 0.5), "ExponentialLR": (0.9,), "ConstantLR": (0.25, 4),
    "LinearLR": (0.1, 0.8, 7), "CosineAnnealingLR": (6, 0.01), "PolynomialLR": (12, 1.7),
    "LambdaLR": (lambda e: 0.9**e,), "MultiStepLR": ([3, 3, 9], 0.5),
    "CosineAnnealingWarmRestarts": (3,), "CyclicLR": (0.01, 0.2, 4, 3), "OneCycleLR": (0.2, 40),
}  # fmt: skip


@pytest.mark.parametrize("epochs", [1, 5, 11])
@pytest.mark.parametrize("name", RESUMED)
def test_a_schedule_made_anew_at_an_epoch_stays_on_its_curve(name, epochs):
    make, opt = getattr(optim.lr_scheduler, name), optimizer(cr)
    schedule = make(opt, *RESUMED[name])
    for _ in range(epochs):
        schedule.step()
    again = optimizer(cr)
    again.load_state_dict(opt.state_dict())
    other = make(again, *RESUMED[name], last_epoch=schedule.last_epoch)
    seen = []
    for _ in range(8):
        schedule.step()
        seen.append([opt.param_groups[0]["lr"], again.param_groups[0]["lr"]])
        other.step()
    whole, resumed = np.array(seen).T
    level = np.allclose(whole[:-1], resumed[1:], rtol=1e-12)  # it starts from the groups' rate
    assert level or np.allclose(whole, resumed, rtol=1e-12)


def test_restarts_begin_at_whole_powers():
    schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer(cr), 1, T_mult=3)
    schedule.step((3**5 - 1) // 2)  # 1 + 3 + 9 + 27 + 81
    assert (schedule.T_cur, schedule.T_i) == (0, 3**5)


def test_known_values():
    opt = optimizer(cr)
    schedule = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    schedule.step()
    assert opt.param_groups[0]["lr"] == pytest.approx(0.05)
    schedule.step()
    assert opt.param_groups[0]["lr"] == pytest.approx(0.0)


def test_resuming_needs_the_first_rate():
    with pytest.raises(KeyError, match="initial_lr"):
        optim.lr_scheduler.StepLR(optimizer(cr), 2, last_epoch=3)


def test_what_is_refused():
    S, opt = optim.lr_scheduler, optimizer(cr)
    with pytest.raises(TypeError, match="Optimizer"):
        S.StepLR("sgd", 1)
    with pytest.raises(ArgumentError, match="factor"):
        S.ConstantLR(opt, factor=2.0)
    with pytest.raises(ArgumentError, match="start_factor"):
        S.LinearLR(opt, start_factor=0.0)
    with pytest.raises(ArgumentError, match="functions"):
        S.LambdaLR(opt, [lambda _: 1.0])
    with pytest.raises(ArgumentError, match="milestones"):
        S.SequentialLR(opt, [S.StepLR(opt, 1)], [3])
    with pytest.raises(ArgumentError, match="same optimizer"):
        S.SequentialLR(opt, [S.StepLR(optimizer(cr), 1)], [])


MEASURES = [3.0, 2.0, 2.0, 1.99999, 2.5, 2.5, 2.5, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.oracle
@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 1},
        {"patience": 0, "cooldown": 2, "factor": 0.5},
        {"mode": "max", "patience": 2, "threshold_mode": "abs", "threshold": 0.2},
        {"threshold_mode": "abs", "threshold": 0.5, "patience": 1, "min_lr": [0.05, 0.001]},
        {"mode": "max", "patience": 1, "factor": 0.01, "eps": 1e-3},
    ],
)
def test_plateaus_are_pytorchs(settings):
    import torch

    def seen(lib):
        opt = optimizer(lib)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(opt, **settings)
        out = []
        for measure in MEASURES:
            schedule.step(lib.tensor(measure, dtype=lib.float64))
            out.append([group["lr"] for group in opt.param_groups])
        return out

    assert seen(cr) == seen(torch)


def test_a_plateau_shrinks_the_rate_and_continues():
    opt = optimizer(cr)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1)
    for measure in (1.0, 1.0, 1.0):
        schedule.step(measure)
    assert opt.param_groups[0]["lr"] == pytest.approx(0.01)
    other = optim.lr_scheduler.ReduceLROnPlateau(opt)
    other.load_state_dict(schedule.state_dict())
    assert (other.best, other.patience, other.last_epoch) == (1.0, 1, 3)
