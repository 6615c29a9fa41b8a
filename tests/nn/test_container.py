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
    assert "chainrule.float32 of size 5" in repr(params)


def test_containers_add_up_and_repeat():
    a, b, c = nn.Tanh(), nn.ReLU(), nn.GELU()
    for make in (nn.Sequential, lambda *m: nn.ModuleList(m)):
        one = make(a, b)
        both = one + make(c)
        assert (list(both), list(one)) == ([a, b, c], [a, b])
        one += [c]
        assert list(one) == [a, b, c]
        assert list(one._modules) == ["0", "1", "2"]
    assert list(nn.Sequential(a, b) * 2) == [a, b, a, b] == list(2 * nn.Sequential(a, b))
    named = nn.Sequential(OrderedDict(first=a, second=b))
    named.insert(1, c)
    assert list(named._modules) == ["first", "1", "second"]
    del named[0]
    assert list(named._modules) == ["0", "second"]
    with pytest.raises(IndexError):
        named.insert(5, a)
    with pytest.raises(ValueError):
        named * 0


def test_module_dict_behaves_like_a_dictionary():
    net = nn.ModuleDict([("a", nn.Tanh()), ("b", nn.ReLU())])
    net["a"] = nn.GELU()
    assert kinds(net.values()) == ["GELU", "ReLU"]
    assert type(net.pop("a")) is nn.GELU
    net.clear()
    assert len(net) == 0


def test_parameter_dict_behaves_like_a_dictionary():
    params = nn.ParameterDict({"a": cr.ones(2)})
    params["b"] = nn.Parameter(cr.zeros(1))
    params["a"] = cr.ones(3)
    assert [(k, p.shape) for k, p in params.items()] == [("a", (3,)), ("b", (1,))]
    assert [name for name, _ in params.named_parameters()] == ["a", "b"]
    assert list(reversed(params)) == ["b", "a"]
    assert params.get("c") is None
    assert params.setdefault("c", cr.ones(4)).shape == (4,)
    both = params | nn.ParameterDict({"a": cr.ones(9)})
    assert [p.shape for p in both.values()] == [(9,), (1,), (4,)]
    assert [p.shape for p in params.copy().values()] == [(3,), (1,), (4,)]
    assert params.popitem()[0] == "c"
    assert params.pop("a").shape == (3,)
    assert "a" not in params
    assert list(params.fromkeys(["x", "y"], 1.0)) == ["x", "y"]
    with pytest.raises(KeyError):
        params["a"]
    params.clear()
    assert not params.keys()
    with pytest.raises(KeyError):
        params.popitem()
    assert "torch.FloatTensor of size 3" in repr(nn.ParameterDict({"a": cr.ones(3)}))


def test_parameter_list_pops_and_indexes_from_the_end():
    params = nn.ParameterList([cr.ones(n) for n in (1, 2, 3)])
    params += [cr.ones(4)]
    assert params[-1].shape == (4,)
    assert params.pop(0).shape == (1,)
    assert [name for name, _ in params.named_parameters()] == ["0", "1", "2"]
    with pytest.raises(IndexError):
        params[3]
