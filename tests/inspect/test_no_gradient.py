"""Why a parameter gets no gradient: each kind of cut, in a model, with its line and the way out."""

from __future__ import annotations

import inspect as python_inspect
import json

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError
from chainrule.inspect import why_no_grad


class Base(nn.Module):
    """Two layers; subclasses break the way between them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 3)
        self.spare = nn.Linear(3, 4)


class Detached(Base):
    def forward(self, x):
        h = cr.tanh(self.first(x)).detach()  # cut
        return self.second(h)


class Data(Base):
    def forward(self, x):
        return self.second(self.first(x).data)  # cut


class NoGrad(Base):
    def forward(self, x):
        with cr.no_grad():
            h = self.first(x)  # cut
        return self.second(h)


class Cast(Base):
    def forward(self, x):
        h = self.first(x)
        levels = (4 * h).long()  # cut
        return self.second(levels.float())


class Argmax(Base):
    def forward(self, x):
        best = self.first(x).argmax(-1)  # cut
        return self.second(F.one_hot(best, 4).float())


class Comparison(Base):
    def forward(self, x):
        gate = (self.first(x) > 0).float()  # cut
        return self.second(gate)


class NumPy(Base):
    def forward(self, x):
        h = np.tanh(self.first(x).detach().numpy())  # cut
        return self.second(cr.tensor(h))


class Item(Base):
    def forward(self, x):
        scale = self.first(x).sum().item()  # cut
        return self.second(cr.full((2, 4), scale))


class Unused(Base):
    def forward(self, x):
        self.first(x)  # cut
        return self.second(cr.ones(2, 4))


class Overwritten(Base):
    def forward(self, x):
        h = self.first(x)  # cut
        h = self.spare(x)
        return self.second(h)


class InPlace(Base):
    def forward(self, x):
        h = self.first(x)  # cut
        h.copy_(cr.ones(2, 4))
        return self.second(h)


class NotCalled(Base):
    def forward(self, x):
        return self.second(cr.ones(2, 4)) * x.sum()


class Silent(cr.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # noqa: ARG004 - the signature
        return x * 2

    @staticmethod
    def backward(ctx, g):  # noqa: ARG004 - the signature
        return None


class Rule(Base):
    def forward(self, x):
        return self.second(Silent.apply(self.first(x)))  # cut


class DeadReLU(Base):
    def forward(self, x):
        return self.second(F.relu(self.first(x) - 100.0))  # cut


class Rounded(Base):
    def forward(self, x):
        return self.second(self.first(x).round())  # cut


class Masked(Base):
    def forward(self, x):
        return self.second(self.first(x) * cr.zeros(4))  # cut


class Clamped(Base):
    def forward(self, x):
        return self.second(self.first(x).clamp(min=100.0))  # cut


class Saturated(Base):
    def forward(self, x):
        return self.second(cr.sigmoid(self.first(x) + 1000.0))  # cut


CUTS = {
    Detached: ("detach", "detach() cuts it off"),
    Data: ("detach", "leave out detach() (or .data)"),
    NoGrad: ("no_grad", "this line is computed under no_grad()"),
    Cast: ("cast", "cast makes int64 of it"),
    Argmax: ("choice", "argmax gives indices"),
    Comparison: ("comparison", "a comparison cuts it off"),
    NumPy: ("read out", "numpy() takes its value out of the graph"),
    Item: ("read out", "item() takes its value out of the graph"),
    Unused: ("unused", "is not used for the loss"),
    Overwritten: ("overwritten", "h, computed from it, is overwritten before it is used"),
    InPlace: ("overwritten", "h, computed from it, is overwritten before it is used"),
    Rule: ("rule", "returns none for it"),
    DeadReLU: ("zero", "relu lets none of its 8 values pass"),
    Rounded: ("zero", "round is flat"),
    Masked: ("zero", "which is zero everywhere"),
    Clamped: ("zero", "takes the other side at all 8 places"),
    Saturated: ("zero", "sigmoid is saturated at all 8 values"),
}
X = cr.tensor(np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32))


def line_of(kind):
    lines, start = python_inspect.getsourcelines(kind)
    return start + next(i for i, line in enumerate(lines) if "# cut" in line)


def loss_of(model):
    def loss(x):
        return (model(x) ** 2).mean()

    return loss


@pytest.mark.parametrize("kind", CUTS)
def test_the_cut_is_named_with_its_line(kind):
    model = kind()
    found = why_no_grad(model.first.weight, loss_of(model), X)
    expected, words = CUTS[kind]
    assert not found
    assert found.kind == expected
    assert str(found).startswith("first.weight gets ")
    assert words in str(found)
    assert (found.source.file, found.source.line) == (__file__, line_of(kind))
    assert "# cut" in str(found)
    assert "way out: " in str(found)
    assert json.loads(json.dumps(found.as_record()))["kind"] == expected
    assert why_no_grad(model.second.bias, loss_of(model), X)


@pytest.mark.parametrize("kind", [Detached, NoGrad, DeadReLU])
@pytest.mark.parametrize("compiled", [False, True])
def test_whole_steps_are_asked_and_stay_as_they_are(kind, compiled):
    model = kind()
    opt = optim.Adam(model.parameters(), lr=0.1)

    def step(x):
        loss = loss_of(model)(x)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    found = why_no_grad(model.first.weight, cr.compile(step) if compiled else step, X)
    assert found.kind == CUTS[kind][0]
    assert found.source.line == line_of(kind)
    assert why_no_grad(model.second.bias, step, X)
    assert opt.state == {}
    assert all(p.grad is None for p in model.parameters())
    assert all(np.array_equal(before[k], v.numpy()) for k, v in model.state_dict().items())


def test_a_layer_that_is_never_called():
    model = NotCalled()
    found = why_no_grad(model.first.weight, loss_of(model), X)
    assert found.kind == "not called"
    assert "the layer first does not use it" in str(found)


def test_a_parameter_that_was_replaced():
    model = Base()
    old = model.first.weight
    model.first.weight = nn.Parameter(old.detach() * 2)
    for target, args in ((lambda x: model.first(x).sum(), [X]), (model.first(X).sum(), [])):
        found = why_no_grad(old, target, *args)
        assert found.kind in {"not read", "not recorded"}
        assert "not a parameter of the Linear that ran" in str(found) or "other leaf" in str(found)


def test_tensors_that_cannot_have_one():
    w = cr.ones(2)
    found = why_no_grad(w, lambda x: (w * x).sum(), X)
    assert (found.kind, found.subject) == ("requires_grad", "w")
    assert why_no_grad(cr.arange(3), lambda x: (w * x).sum(), X).kind == "integer"
    w = cr.ones(2, requires_grad=True)
    w = w - 0.1 * w  # the classic: a name given to a new tensor
    found = why_no_grad(w, (w * w).sum())
    assert found.kind == "not a leaf"
    assert "w - 0.1 * w" in str(found)


def test_a_loss_without_any_gradient():
    model = Base()

    def step(x):
        loss = model.first(x).detach().sum()  # here
        loss.backward()
        return loss

    found = why_no_grad(model.first.weight, step, X)
    assert found.kind == "detach"
    assert "# here" in str(found)
    with cr.no_grad():
        loss = model.first(X).sum()
    found = why_no_grad(model.first.weight, loss)
    assert found.kind == "not recorded"
    assert "why_no_grad(tensor, step, *args)" in str(found)


@pytest.mark.parametrize("kind", [Detached, NumPy, NoGrad, Argmax])
def test_a_loss_tells_where_values_without_a_record_come_in(kind):
    model = kind()
    loss = loss_of(model)(X)
    found = why_no_grad(model.first.weight, loss)
    assert found.kind == "not recorded"
    assert any("self.second(" in line for line in str(found).splitlines()[1:-1])
    assert why_no_grad(model.second.weight, loss)
    loss.backward()  # the record's shape outlives its values
    assert why_no_grad(model.first.weight, loss).kind == "not recorded"
    assert why_no_grad(model.second.weight, loss)


def test_a_loss_tells_a_dead_relu():
    model = DeadReLU()
    found = why_no_grad(model.first.weight, loss_of(model)(X))
    assert found.kind == "zero"
    assert found.source.line == line_of(DeadReLU)


def test_a_gradient_that_is_forgotten():
    model = Base()

    def step(x):
        loss = model.first(x).sum()
        loss.backward()
        model.zero_grad()
        return loss

    found = why_no_grad(model.first.weight, step, X)
    assert found.kind == "forgotten"
    assert "before backward()" in str(found)


def test_what_is_asked_must_make_sense():
    with pytest.raises(ArgumentError, match="takes a tensor"):
        why_no_grad(nn.Linear(1, 1), lambda: 1)
    with pytest.raises(ArgumentError, match="takes a loss or a function"):
        why_no_grad(cr.ones(1), 3)


def test_a_zero_factor_is_called_what_the_program_knows():
    w = cr.randn(4, 3, requires_grad=True)
    v = cr.randn(3, 1, requires_grad=True)
    x = cr.ones(5, 4)
    text = str(cr.inspect.why_no_grad(w, lambda x: (F.relu(x @ w - 500) @ v).pow(2).mean(), x))
    assert "%" not in text
    assert "what matmul at test_no_gradient.py" in text
    assert "dead units" in text
    mask = cr.zeros(3)
    text = str(cr.inspect.why_no_grad(w, lambda x, mask: ((x @ w) * mask).sum(), x, mask))
    assert "multiplied by mask" in text
