"""Module: registration, walking, text, modes, conversion."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.modes import modes
from tests.tensor.tracing import tracing


class Tagger(nn.Module):
    def __init__(self, *, tied=False):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4)])
        self.out = nn.Linear(4, 7, bias=False)
        if tied:
            self.out.weight = self.embed.weight
        self.scale = nn.Parameter(cr.ones(1))
        self.register_buffer("seen", cr.zeros(1))
        self.register_buffer("cache", cr.zeros(1), persistent=False)
        self.size = 4

    def forward(self, x):
        h = self.embed(x)
        for layer in self.layers:
            h = layer(h)
        return self.out(h) * self.scale


NAMES = [
    "scale",
    "embed.weight",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.weight",
    "layers.1.bias",
    "out.weight",
]


def test_parameters_are_found_in_order():
    model = Tagger()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [name for name, _ in model.named_parameters("top", recurse=False)] == ["top.scale"]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    assert [name for name, _ in model.named_buffers()] == ["seen", "cache"]


def test_a_shared_parameter_appears_once():
    model = Tagger(tied=True)
    assert "out.weight" not in dict(model.named_parameters())
    assert "out.weight" in dict(model.named_parameters(remove_duplicate=False))
    assert "out.weight" in model.state_dict()


def test_modules_are_found():
    model = Tagger()
    assert [name for name, _ in model.named_modules()] == [
        "", "embed", "layers", "layers.0", "layers.1", "out",
    ]  # fmt: skip
    assert [name for name, _ in model.named_children()] == ["embed", "layers", "out"]
    assert model.get_submodule("layers.1") is model.layers[1]
    assert model.get_parameter("layers.0.bias") is model.layers[0].bias
    with pytest.raises(AttributeError, match="it has: embed, layers, out"):
        model.get_submodule("head")
    with pytest.raises(AttributeError, match="no parameter"):
        model.get_parameter("out.bias")
    with pytest.raises(AttributeError, match="no buffer"):
        model.get_buffer("out.bias")
    model.set_submodule("layers.1", nn.Tanh())
    assert type(model.layers[1]) is nn.Tanh
    with pytest.raises(AttributeError, match="head"):
        model.set_submodule("layers.head", nn.Tanh(), strict=True)
    with pytest.raises(TypeError, match="Module"):
        model.set_submodule("layers.1", 3)


def test_conversions_that_do_not_exist_say_so():
    model = nn.Linear(2, 2)
    for call in (model.half, model.bfloat16, model.cuda):
        with pytest.raises(RuntimeError, match="leave out"):
            call()
    assert model.type(cr.float64).weight.dtype is cr.float64
    assert model.cpu() is model


def test_attributes_move_between_registries():
    model = Tagger()
    model.out = None
    assert "out.weight" not in dict(model.named_parameters())
    model.size = nn.Linear(1, 1)
    assert "size.weight" in dict(model.named_parameters())
    del model.embed
    assert not hasattr(model, "embed")
    model.seen = cr.ones(1)
    assert dict(model.named_buffers())["seen"].item() == 1
    assert "scale" in dir(model)


def test_wrong_registration_is_refused():
    class Early(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(cr.ones(1))

    with pytest.raises(AttributeError, match=r"super\(\)"):
        Early()
    model = Tagger()
    with pytest.raises(TypeError, match="parameter 'scale'"):
        model.scale = cr.ones(1)
    with pytest.raises(TypeError):
        model.register_parameter("w", cr.ones(1))
    with pytest.raises(TypeError):
        model.register_buffer("w", 3)
    with pytest.raises(TypeError):
        model.seen = "text"
    with pytest.raises(KeyError, match="already exists"):
        model.register_buffer("size", cr.ones(1))
    with pytest.raises(KeyError, match="contain"):
        model.add_module("a.b", nn.Identity())
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = model.absent
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)


def test_train_and_eval_reach_everything():
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    x = cr.ones(100)
    assert model.training
    assert (model(x) == 0).any()
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert model(x).tolist() == x.tolist()
    model.train()
    assert all(m.training for m in model.modules())
    with pytest.raises(ArgumentError):
        model.train("yes")


def test_gradients_are_cleared_and_frozen():
    model = Tagger()
    model(cr.tensor([1, 2])).sum().backward()
    model.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model.requires_grad_(False)
    assert not model(cr.tensor([1])).requires_grad


def test_conversion_keeps_identity_and_gradients():
    model = Tagger()
    parameters = list(model.parameters())
    model(cr.tensor([1, 2])).sum().backward()
    model.double()
    assert next(model.parameters()) is parameters[0]
    assert all(p.dtype is cr.float64 and p.grad.dtype is cr.float64 for p in parameters)
    assert all(p.is_leaf and p.requires_grad for p in parameters)
    assert model(cr.tensor([1, 2])).dtype is cr.float64
    assert model.to("cpu", cr.float32) is model
    assert model.float().seen.dtype is cr.float32
    with pytest.raises(ArgumentError, match="float parameters"):
        model.to(cr.int64)


def test_apply_visits_children_first():
    seen = []
    model = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Linear", "Tanh", "Sequential"]


def test_deepcopy_is_independent():
    model = Tagger(tied=True)
    twin = copy.deepcopy(model)
    assert twin.out.weight is twin.embed.weight
    assert twin.embed.weight is not model.embed.weight
    with cr.no_grad():
        model.scale.zero_()
    assert twin.scale.item() == 1


def test_errors_name_the_layer():
    model = nn.Sequential(nn.Identity(), nn.ModuleDict({"head": nn.Linear(3, 2)}))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = model

        def forward(self, x):
            return self.body[1]["head"](x)

    with pytest.raises(ShapeError) as caught:
        Outer()(cr.ones(2, 5))
    assert "  in layer body.1.head (Linear) of Outer" in caught.value.__notes__
    with pytest.raises(ShapeError) as caught:
        nn.Linear(3, 2)(cr.ones(5))
    assert "  in layer Linear" in caught.value.__notes__


@pytest.mark.oracle
def test_text_is_pytorchs():
    import torch

    def build(lib):
        N = lib.nn
        parts = [
            N.Linear(2, 3), N.Linear(2, 3, bias=False), N.Embedding(4, 2), N.ReLU(),
            N.Embedding(4, 2, padding_idx=1), N.LayerNorm(3), N.Dropout(0.1), N.GELU(),
            N.Identity(), N.Flatten(), N.Softmax(-1), N.LeakyReLU(0.2), N.Softplus(), N.Tanh(),
            N.ModuleList([N.Linear(1, 1), *[N.GELU() for _ in range(3)]]),
            N.ModuleDict({"a": N.Sigmoid()}), N.SiLU(),
            N.CrossEntropyLoss(), N.MSELoss(), N.RNNCell(2, 3), N.LogSigmoid(), N.LogSoftmax(1),
            N.RNN(2, 3, batch_first=True), N.RNNCell(2, 3, nonlinearity="relu"), N.Sequential(),
        ]  # fmt: skip
        return N.Sequential(*parts)

    assert repr(build(cr)) == repr(build(torch))


def test_parameters_show_what_they_are():
    p = nn.Parameter(cr.ones(1))
    assert repr(p) == "Parameter containing:\ntensor([1.], requires_grad=True)"
    assert not nn.Parameter(cr.ones(1), requires_grad=False).requires_grad
    source = cr.ones(2)
    q = nn.Parameter(source)
    with cr.no_grad():
        q.zero_()
    assert source.tolist() == [1.0, 1.0]


def test_a_module_compiles_itself():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = cr.rand(5, 3)
    wanted, seen = model(x).detach().numpy(), []
    handle = model.register_forward_hook(lambda *_: seen.append(1))
    model.compile()
    assert np.allclose(model(x).detach(), wanted, atol=1e-6)
    model.compile(mode="max-autotune", fullgraph=True)  # again: still one compiled function
    model(x).sum().backward()
    assert model[0].weight.grad is not None
    assert seen == [1, 1]
    handle.remove()
    assert sum(entry.calls for entry in model.forward.explain_cache()) == 1
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert "forward" not in vars(other)
        assert np.allclose(other(x).detach(), wanted, atol=1e-6)


def test_the_layer_is_tracked_while_a_trace_is_open():
    class Inner(nn.Module):
        def forward(self, x):
            return x * 2.0

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList([Inner(), Inner()])

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x + 1.0

    model, linear = Outer(), nn.Linear(2, 2)
    with tracing() as trace:
        trace.noted = []
        model(cr.ones(2))
        assert modes.layer is None
        with pytest.raises(ShapeError):
            linear(cr.ones(3))
        assert modes.layer is None
    layers = [node.source.layer for node in trace.noted if node.op.name in {"mul", "add"}]
    assert layers == ["Outer.parts.0", "Outer.parts.1", "Outer"]


def test_what_is_assigned_again_keeps_its_place():
    layer = nn.Linear(2, 1)
    layer.weight = nn.Parameter(cr.ones(1, 2))
    assert list(layer.state_dict()) == ["weight", "bias"]
    model = nn.Sequential(nn.Tanh(), nn.ReLU())
    setattr(model, "0", nn.GELU())
    assert list(model._modules) == ["0", "1"]
    layer.bias = nn.Buffer(cr.ones(1))
    assert [n for n, _ in layer.named_parameters()] == ["weight"]
    assert [n for n, _ in layer.named_buffers()] == ["bias"]
