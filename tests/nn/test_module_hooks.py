"""Hooks of modules: around forward, around the gradient, around the state; also compiled."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import CheckpointError, GradientError

X = np.array([[1.0, -2.0], [0.5, 3.0]])


@pytest.fixture(params=["eager", "compiled"])
def run(request):
    """Call a function of no arguments, directly or compiled."""
    if request.param == "eager":
        return lambda fn: fn()
    return lambda fn: cr.compile(fn, keep_grads=True)()


class Scaled(nn.Module):
    def forward(self, x, factor=1.0):
        return x * factor


def test_hooks_before_change_the_arguments(run):
    net, order = Scaled(), []
    net.register_forward_pre_hook(lambda _, args: order.append("a") or args[0] + 1)
    net.register_forward_pre_hook(lambda *_: order.append("b"), prepend=True)
    net.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {"factor": kwargs["factor"] * 2}), with_kwargs=True
    )
    assert run(lambda: net(cr.tensor(1.0), factor=3.0)).item() == 12
    assert order == ["b", "a"]
    net.register_forward_pre_hook(lambda *_: 1, with_kwargs=True)
    with pytest.raises(TypeError, match="args, kwargs"):
        run(lambda: net(cr.tensor(1.0), factor=3.0))


def test_hooks_after_change_the_output(run):
    net = Scaled()
    handle = net.register_forward_hook(lambda _, args, out: out * 10 + args[0])
    net.register_forward_hook(lambda *given: given[-1] + given[-2]["factor"], with_kwargs=True)
    assert run(lambda: net(cr.tensor(2.0), factor=3.0)).item() == 65
    handle.remove()
    assert run(lambda: net(cr.tensor(2.0), factor=3.0)).item() == 9


def test_a_hook_that_is_always_called_sees_errors():
    net, seen = nn.Linear(2, 2), []
    net.register_forward_hook(lambda *a: seen.append(a[-1]), always_call=True)
    net.register_forward_hook(lambda *_: seen.append("not called"))
    with pytest.raises(RuntimeError, match="linear"):
        net(cr.zeros(1, 3))
    assert seen == [None]


def test_a_compiled_call_sees_hooks_come_and_go():
    net = nn.Sequential(Scaled(), Scaled())
    call = cr.compile(net, fullgraph=True)
    other = nn.Tanh()
    for factor in (1.0, 2.0, 5.0):
        with net[1].register_forward_hook(lambda *a, factor=factor: a[-1] * factor):
            assert call(X).numpy()[0, 0] == factor
    assert call(X).numpy()[0, 0] == 1
    count = len(call.explain_cache())
    with other.register_forward_hook(lambda *_: None):
        call(X)
    assert len(call.explain_cache()) == count  # the hooks of others do not matter


def watched(net, x, log):
    """Forward and backward through `net`, whose two hooks write to the log and change gradients."""

    def before(_, grads):
        log.append(("before", [None if g is None else tuple(g.shape) for g in grads]))
        return tuple(g * 2 for g in grads)

    def after(_, ins, outs):
        shapes = [[None if g is None else tuple(g.shape) for g in gs] for gs in (ins, outs)]
        log.append(("after", *shapes))
        return tuple(None if g is None else g * 10 for g in ins)

    handles = [net.register_full_backward_pre_hook(before), net.register_full_backward_hook(after)]
    (net(x) ** 2).sum().backward()
    for handle in handles:
        handle.remove()


def test_backward_hooks_see_and_change_gradients(run):
    net = nn.Linear(2, 3).double()
    x = cr.tensor(X, requires_grad=True)
    (net(x) ** 2).sum().backward()
    plain = [x.grad.numpy().copy(), net.weight.grad.numpy().copy()]
    x.grad = net.weight.grad = None
    log = []
    run(lambda: watched(net, x, log))
    assert log == [("before", [(2, 3)]), ("after", [(2, 2)], [(2, 3)])]
    np.testing.assert_allclose(x.grad.numpy(), 20 * plain[0], rtol=1e-12)
    np.testing.assert_allclose(net.weight.grad.numpy(), 2 * plain[1], rtol=1e-12)


class Two(nn.Module):
    def forward(self, a, b, c):
        return a * c, b + c


@pytest.mark.oracle
@pytest.mark.parametrize("compiled", [False, True])
def test_several_inputs_and_outputs_as_in_pytorch(compiled):
    import torch

    found = []
    for lib in (torch, cr):
        module = importlib.import_module(f"{lib.__name__}.nn").Module
        net, log = type("Two", (module,), {"forward": Two.forward})(), []
        a, c = (lib.tensor(X * k, requires_grad=True) for k in (1, 3))
        net.register_full_backward_hook(
            lambda _, ins, outs, log=log: log.append(
                [[None if g is None else np.asarray(g.shape) for g in gs] for gs in (ins, outs)]
            )
        )

        def step(net=net, a=a, c=c, lib=lib):
            first, second = net(a, lib.tensor(X), c)
            (first * 2 + second).sum().backward()

        (cr.compile(step, keep_grads=True) if compiled and lib is cr else step)()
        found.append((log, a.grad.numpy(), c.grad.numpy()))
    (log, *wanted), (mine, *got) = found
    assert repr(mine) == repr(log)
    np.testing.assert_allclose(got, wanted)


@pytest.mark.parametrize("constant", [0, 1])
def test_an_input_that_requires_no_gradient_has_zeros(constant):
    class Product(nn.Module):
        def forward(self, a, b, indices):
            return (a * b)[None][indices].sum()

    net, seen = Product(), []
    net.register_full_backward_hook(lambda _, ins, __: seen.append(ins))
    factors = [cr.tensor(3.0), cr.tensor(5.0)]
    factors[1 - constant].requires_grad_()
    net(*factors, cr.arange(1)).backward()
    wanted = [5.0, 3.0, None]
    wanted[constant] = 0.0  # PyTorch's: the gradient is not computed
    assert [None if g is None else g.item() for g in seen[0]] == wanted
    assert factors[constant].grad is None


def test_a_module_without_differentiable_inputs_has_hooks_too():
    net, seen = nn.Embedding(3, 2), []
    net.register_full_backward_hook(lambda _, ins, outs: seen.append((ins, outs[0].shape)))
    net(cr.tensor([0, 2])).sum().backward()
    assert seen == [((None,), (2, 2))]
    net.register_full_backward_hook(lambda *_: (cr.zeros(2),))
    with pytest.raises(GradientError, match="no input"):
        net(cr.tensor([0, 2])).sum().backward()


def test_a_wrong_number_of_gradients_is_refused():
    net = nn.Linear(2, 2)
    net.register_full_backward_hook(lambda _, ins, outs: (*ins, *outs))
    with pytest.raises(GradientError, match="2 gradients for 1"):
        net(cr.zeros(1, 2, requires_grad=True)).sum().backward()


def test_state_hooks_rename_in_both_directions():
    net = nn.Sequential(nn.Linear(2, 2, bias=False))

    def save(_, state, prefix, __):
        state[prefix + "kernel"] = state.pop(prefix + "weight")

    def load(_, state, prefix, *__):
        if prefix + "kernel" in state:
            state[prefix + "weight"] = state.pop(prefix + "kernel")

    seen = []
    net[0].register_state_dict_pre_hook(lambda _, prefix, keep: seen.append((prefix, keep)))
    net[0].register_state_dict_post_hook(save)
    net[0].register_load_state_dict_pre_hook(load)
    net.register_load_state_dict_post_hook(lambda _, keys: seen.append(keys))
    state = net.state_dict()
    assert list(state) == ["0.kernel"]
    assert seen == [("0.", False)]
    wanted = {"0.kernel": np.ones((2, 2))}
    net.load_state_dict(wanted)
    assert net[0].weight.tolist() == [[1, 1], [1, 1]]
    assert list(wanted) == ["0.kernel"]  # the caller's dictionary is as it was
    assert seen[-1] == ([], [])


def test_a_hook_forgives_keys_and_another_reports_errors():
    net = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match="bias"):
        net.load_state_dict({"weight": cr.ones(2, 2)})
    with net.register_load_state_dict_post_hook(lambda _, keys: keys.missing_keys.clear()):
        net.load_state_dict({"weight": cr.ones(2, 2)})
    assert net.weight.tolist() == [[1, 1], [1, 1]]
    net._register_load_state_dict_pre_hook(lambda *args: args[-1].append("of another kind"))
    with pytest.raises(CheckpointError, match="of another kind"):
        net.load_state_dict(net.state_dict())
