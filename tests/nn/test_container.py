"""Containers hold modules and parameters so that they are found."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import chainrule as cr
from chainrule import nn


def kinds(modules):
    return [type(m).__name__ for m in modules]


def test_sequential_runs_in_order():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    x = cr.randn(4, 2)
    assert net(x).tolist() == net[1](net[0](x)).tolist()
    named = nn.Sequential(OrderedDict(first=nn.Linear(2, 2), act=nn.Tanh()))
    assert named.act is named[1]
    assert list(dict(named.named_parameters())) == ["first.weight", "first.bias"]


@pytest.mark.parametrize("make", [nn.Sequential, lambda *m: nn.ModuleList(m)])
def test_lists_of_modules_behave_like_lists(make):
    a, b, c, d = nn.Tanh(), nn.ReLU(), nn.GELU(), nn.Identity()
    net = make(a, b)
    net.append(c)
    net.insert(1, d)
    assert list(net) == [a, d, b, c]
    assert net[-1] is c
    assert type(net[1:3]) is type(net)
    assert list(net[1:3]) == [d, b]
    del net[0]
    assert list(net._modules) == ["0", "1", "2"]
    net[0] = a
    assert net.pop() is c
    assert list(net.extend([d])) == [a, b, d]
    with pytest.raises(IndexError):
        net[5]


def test_module_dict():
    net = nn.ModuleDict({"a": nn.Tanh()})
    net["b"] = nn.Linear(1, 1)
    net.update({"a": nn.ReLU()})
    assert kinds(net.values()) == ["Linear", "ReLU"] or kinds(net.values()) == ["ReLU", "Linear"]
    assert set(net.keys()) == {"a", "b"} == set(net)
    assert "a" in net
    assert len(net.items()) == 2
    del net["a"]
    assert len(net) == 1


def test_parameter_list():
    params = nn.ParameterList([cr.ones(2), nn.Parameter(cr.zeros(1))])
    params.append(cr.ones(3))
    assert [p.shape for p in params] == [(2,), (1,), (3,)]
    assert [name for name, _ in params.named_parameters()] == ["0", "1", "2"]
    params[0] = cr.zeros(5)
    assert params[0].shape == (5,)
    assert len(params[1:]) == 2
    assert "float32[5]" in repr(params)
