"""Optimizers: groups, state, saving; and ten steps equal PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, CheckpointError

SETTINGS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.0, "eps": 1e-3}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.3, "betas": (0.8, 0.95), "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1, "betas": (0.8, 0.9), "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("NAdam", {"momentum_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.2), "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lambd": 0.1, "t0": 2, "weight_decay": 0.1, "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.5, "d": 1.5, "weight_decay": 0.1, "maximize": True}),
]


def make(lib, name, settings, dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=s).astype(dtype) for s in ((3, 4), (5,), ())]
    parameters = [lib.nn.Parameter(lib.tensor(v)) for v in values]
    return parameters, getattr(lib.optim, name)(parameters, **settings)


def give(lib, parameters, rng, *, skip=()):
    for i, p in enumerate(parameters):
        gradient = np.asarray(rng.normal(size=tuple(p.shape)))
        p.grad = None if i in skip else lib.tensor(gradient).to(p.dtype)


@pytest.mark.oracle
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_ten_steps_are_pytorchs(name, settings, dtype, tolerance):
    import torch

    ours, mine = make(cr, name, settings, dtype)
    theirs, other = make(torch, name, settings, dtype)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    for step in range(10):
        skip = (1,) if step in {3, 4} else ()  # a parameter may sit out
        give(cr, ours, rngs[0], skip=skip)
        give(torch, theirs, rngs[1], skip=skip)
        mine.step()
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            p.numpy(force=True), q.detach().numpy(), rtol=tolerance, atol=tolerance
        )


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_states_go_to_and_from_pytorch(name, settings):
    import torch

    ours, mine = make(cr, name, settings, "float64")
    theirs, other = make(torch, name, settings, "float64")
    rng = np.random.default_rng(1)
    for _ in range(3):
        give(torch, theirs, rng)
        other.step()
    with cr.no_grad():
        for p, q in zip(ours, theirs, strict=True):
            p.copy_(cr.tensor(q.detach().numpy()))
    mine.load_state_dict(other.state_dict())
    for _ in range(3):
        give(cr, ours, np.random.default_rng(9))
        give(torch, theirs, np.random.default_rng(9))
        mine.step()
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(force=True), q.detach().numpy(), rtol=1e-10)
    saved, wanted = mine.state_dict(), other.state_dict()
    assert saved["state"].keys() == wanted["state"].keys()
    for number, entry in wanted["state"].items():
        assert set(entry) <= set(saved["state"][number])
    assert saved["param_groups"][0].keys() >= {"lr", "params"}
    assert saved["param_groups"][0].keys() >= wanted["param_groups"][0].keys() & settings.keys()


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_settings_have_pytorchs_names_and_defaults(name, settings):
    import inspect

    import torch

    ours = inspect.signature(getattr(optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    assert list(ours) == list(theirs)
    assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}
    assert settings.keys() <= ours.keys()


@pytest.mark.at_once
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_a_saved_state_continues_exactly(name, settings):
    parameters, one = make(cr, name, settings, "float32")
    rng = np.random.default_rng(0)
    for step in range(4):
        give(cr, parameters, rng, skip=(2,) if step == 1 else ())
        one.step()
    values = [p.detach().clone() for p in parameters]
    state = one.state_dict()
    twins = [nn.Parameter(v) for v in values]
    other = getattr(optim, name)(twins, **{**settings, "lr": 9.9})
    other.load_state_dict(state)
    for _ in range(3):
        seed = int(rng.integers(99))
        give(cr, parameters, np.random.default_rng(seed))
        give(cr, twins, np.random.default_rng(seed))
        one.step()
        other.step()
    for p, q in zip(parameters, twins, strict=True):
        assert p.tolist() == q.tolist()


def test_groups_have_settings_of_their_own():
    a, b, c = (nn.Parameter(cr.ones(1)) for _ in "abc")
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "lr": 0.0})
    for p in (a, b, c):
        p.grad = cr.ones(1)
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == pytest.approx([0.9, 0.5, 1.0])
    assert "lr: 0.5" in repr(optimizer)
    assert repr(optimizer).startswith("SGD (\nParameter Group 0\n    dampening: 0")


def test_step_counts_are_shared_until_a_parameter_sits_out():
    parameters, optimizer = make(cr, "Adam", {}, "float32")
    rng = np.random.default_rng(0)
    give(cr, parameters, rng)
    optimizer.step()
    counts = [optimizer.state[p]["step"] for p in parameters]
    assert counts[0] is counts[1] is counts[2]
    give(cr, parameters, rng, skip=(1,))
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in parameters] == [2.0, 1.0, 2.0]
    give(cr, parameters, rng)
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in parameters] == [3.0, 2.0, 3.0]


def test_a_closure_is_called_with_gradients_on():
    p = nn.Parameter(cr.tensor([2.0]))
    optimizer = optim.SGD([p], lr=0.5)

    @cr.no_grad()
    def run():
        return optimizer.step(closure)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert run().item() == 4.0
    assert p.item() == 0.0


def test_zero_grad_forgets_or_fills():
    p = nn.Parameter(cr.ones(2))
    optimizer = optim.SGD([p])
    p.grad = cr.ones(2)
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_the_learning_rate_is_read_at_each_step():
    p = nn.Parameter(cr.ones(1))
    optimizer = optim.SGD([p], lr=1.0)
    for lr in (0.5, 0.25):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = cr.ones(1)
        optimizer.step()
    assert p.item() == 0.25


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (optim.SGD, TypeError, "a list of tensors"),
        (lambda _: optim.SGD(nn.Linear(2, 2)), TypeError, r"model\.parameters"),
        (lambda _: optim.SGD(3), TypeError, "not int"),
        (lambda _: optim.SGD([]), ArgumentError, "no parameters"),
        (lambda _: optim.SGD([{"lr": 1}]), ArgumentError, r"needs 'params', but has \['lr'\]"),
        (lambda _: optim.SGD([1.0]), TypeError, "not float"),
        (lambda p: optim.SGD([p * 2.0]), ArgumentError, "computed"),
        (lambda p: optim.SGD([p, p]), ArgumentError, "twice"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), ArgumentError, "two parameter"),
        (lambda p: optim.SGD([p], lr=-1), ArgumentError, "lr must be at least 0"),
        (lambda p: optim.SGD([p], momentum=float("nan")), ArgumentError, "momentum"),
        (lambda p: optim.SGD([p], nesterov=True), ArgumentError, "nesterov"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ArgumentError, r"betas\[1\].*below 1"),
        (lambda p: optim.Adam([p], eps=-1e-8), ArgumentError, "eps"),
    ],
)
def test_wrong_settings_are_refused(build, error, text):
    with pytest.raises(error, match=text):
        build(nn.Parameter(cr.ones(1)))


def test_states_that_do_not_fit_change_nothing():
    parameters, optimizer = make(cr, "Adam", {"lr": 0.1}, "float32")
    give(cr, parameters, np.random.default_rng(0))
    optimizer.step()
    state = optimizer.state_dict()
    other = optim.Adam([nn.Parameter(cr.ones(2))], lr=0.5)
    with pytest.raises(
        CheckpointError, match=r"groups of \[1\] parameters, the state has groups of \[3\]"
    ):
        other.load_state_dict(state)
    wrong = [nn.Parameter(cr.ones(2)) for _ in range(3)]
    other = optim.Adam(wrong, lr=0.5)
    with pytest.raises(CheckpointError, match="nothing was loaded"):
        other.load_state_dict(state)
    assert other.param_groups[0]["lr"] == 0.5
    assert not other.state


@pytest.mark.parametrize(
    ("name", "settings"), [*SETTINGS, ("Lion", {"weight_decay": 0.1}), ("SparseAdam", {})]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compiled_steps_are_eager_ones(name, settings, dtype):
    def run(compiled):
        parameters, optimizer = make(cr, name, settings, dtype)
        rng = np.random.default_rng(1)
        weights = [cr.tensor(rng.normal(size=tuple(p.shape)).astype(dtype)) for p in parameters]

        def step(scale):
            optimizer.zero_grad()
            terms = zip(parameters, weights, strict=True)
            sum((p * w * scale).sum() + (p * p).sum() for p, w in terms).backward()
            optimizer.step()
            return scale

        ready = cr.compile(step) if compiled else step
        for i in range(10):
            optimizer.param_groups[0]["lr"] = 0.02 / (1 + i)  # read again, never traced again
            ready(cr.tensor(1.0 + i, dtype=getattr(cr, dtype)))
        return parameters, ready

    (eager, _), (native, ready) = run(False), run(True)
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    for p, q in zip(eager, native, strict=True):
        np.testing.assert_allclose(p.tolist(), q.tolist(), rtol=tolerance, atol=tolerance)
    assert len(ready.explain_cache()) == 1


def test_lion_is_its_formula():
    (p, *_), optimizer = make(cr, "Lion", {"lr": 0.1, "weight_decay": 0.2}, "float64")
    value, m = p.detach().numpy().copy(), 0.0
    rng = np.random.default_rng(3)
    for _ in range(4):
        g = rng.normal(size=(3, 4))
        p.grad = cr.tensor(g)
        optimizer.step()
        value = value - 0.1 * (np.sign(0.9 * m + 0.1 * g) + 0.2 * value)
        m = 0.99 * m + 0.01 * g
    np.testing.assert_allclose(p.tolist(), value, rtol=1e-12)


def test_hooks_stand_before_and_after_a_step():
    p = nn.Parameter(cr.ones(1))
    optimizer = optim.SGD([("weight", p)], lr=1.0)
    assert optimizer.param_groups[0]["param_names"] == ["weight"]
    seen = []
    before = optimizer.register_step_pre_hook(lambda *_: seen.append(p.item()))
    optimizer.register_step_post_hook(lambda *_: seen.append(p.item()))
    p.grad = cr.ones(1)
    optimizer.step()
    assert seen == [1.0, 0.0]
    before.remove()
    optimizer.step()
    assert seen == [1.0, 0.0, -1.0]


def rows_at(step):
    return [[0, 3], [3], [1, 2, 3], [0]][step % 4]


def sparse_steps(lib, give_rows):
    rng = np.random.default_rng(0)
    p = lib.nn.Parameter(lib.tensor(rng.normal(size=(5, 3))))
    optimizer = lib.optim.SparseAdam([p], lr=0.1, betas=(0.8, 0.9))
    for step in range(10):
        rows = rows_at(step)
        p.grad = give_rows(rows, rng.normal(size=(len(rows), 3)))
        optimizer.step()
    return p.detach().numpy()


def dense_rows(rows, values):
    out = np.zeros((5, 3))
    out[rows] = values
    return cr.tensor(out)


@pytest.mark.oracle
def test_sparse_steps_are_pytorchs():
    import torch

    theirs = sparse_steps(
        torch,
        lambda r, v: torch.sparse_coo_tensor([r], torch.tensor(v), (5, 3), check_invariants=True),
    )
    np.testing.assert_allclose(sparse_steps(cr, dense_rows), theirs, rtol=1e-10)


def test_rows_without_gradient_stay():
    before = np.random.default_rng(0).normal(size=(5, 3))
    after = sparse_steps(cr, dense_rows)
    assert (after[4] == before[4]).all()
    assert (after[:4] != before[:4]).all()


# What a program does with the gradient between two steps so that it starts anew
FORGET = {
    "zero_": lambda grad: grad.zero_(),
    "data": lambda grad: grad.data.zero_(),
    "mul_": lambda grad: grad.mul_(0.0),
    "copy_": lambda grad: grad.copy_(cr.zeros_like(grad)),
}


def steps(between, recwarn):
    p = nn.Parameter(cr.ones(2))
    opt = optim.SGD([p], lr=0.1)
    for _ in range(3):
        (p * p).sum().backward()
        opt.step()
        between(p)
    return [str(w.message).split("\n")[0] for w in recwarn.list]


def test_a_gradient_that_is_followed_twice_is_told_once(recwarn):
    assert steps(lambda _: None, recwarn) == [
        "this step uses the last step's gradient again: backward() added to it"
    ]


@pytest.mark.parametrize("how", FORGET)
def test_a_gradient_that_was_forgotten_by_hand_is_not_stale(how, recwarn):
    assert steps(lambda p: FORGET[how](p.grad), recwarn) == []


def test_several_backwards_before_a_step_are_accumulation(recwarn):
    p = nn.Parameter(cr.ones(2))
    opt = optim.SGD([p], lr=0.1)
    for _ in range(3):
        for _ in range(2):
            (p * p).sum().backward()
        opt.step()
        opt.zero_grad()
    assert not recwarn.list


def test_a_step_without_any_gradient_is_told(recwarn):
    optim.Adam([nn.Parameter(cr.ones(2))]).step()
    assert str(recwarn.list[0].message).startswith("step() changed nothing")


def test_words_are_no_numbers_of_an_optimizer_or_a_schedule():
    def weights():
        return [nn.Parameter(cr.ones(2))]

    for make in (
        lambda: cr.optim.SGD(weights(), lr="0.1"),
        lambda: cr.optim.SGD(weights(), lr=0.1, dampening="0.1"),
        lambda: cr.optim.Adam([{"params": weights(), "lr": "0.1"}]),
        lambda: cr.optim.LBFGS(weights(), max_iter="5"),
        lambda: cr.optim.lr_scheduler.StepLR(cr.optim.SGD(weights(), lr=0.1), 1, gamma="0.1"),
        lambda: cr.optim.lr_scheduler.CosineAnnealingLR(cr.optim.SGD(weights(), lr=0.1), "9"),
    ):
        with pytest.raises(TypeError, match=r"must be (a number|an integer), not '"):
            make()
