"""State dictionaries: PyTorch's keys, all or nothing, and a full report."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import CheckpointError
from chainrule.nn.state_faults import report


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


def values(module):
    return {k: v.tolist() for k, v in module.state_dict().items()}


def test_state_goes_around():
    one, other = model(), model()
    report = other.load_state_dict(one.state_dict())
    assert values(one) == values(other)
    assert repr(report) == "<All keys matched successfully>"
    assert all(p.is_leaf and p.requires_grad for p in other.parameters())
    with cr.no_grad():
        one[0].weight.zero_()
    assert values(one) != values(other)  # values were copied


def test_a_state_shows_the_present_values_until_it_is_cloned():
    one = model()
    state = one.state_dict()
    kept = {k: v.clone() for k, v in state.items()}
    with cr.no_grad():
        one[0].bias.fill_(7.0)
    assert state["0.bias"].tolist() == [7.0] * 3
    assert kept["0.bias"].tolist() != [7.0] * 3
    assert not state["0.bias"].requires_grad
    assert one.state_dict(keep_vars=True)["0.bias"] is one[0].bias
    assert next(iter(one.state_dict(prefix="net."))) == "net.0.weight"


def test_arrays_are_accepted_and_cast():
    one = model()
    state = {k: np.ones(v.shape, np.float64) for k, v in one.state_dict().items()}
    one.load_state_dict(state)
    assert one[0].weight.dtype is cr.float32
    assert one[0].weight.tolist() == [[1.0, 1.0]] * 3
    one.load_state_dict(state, assign=True)
    assert one[0].weight.dtype is cr.float64
    assert one[0].weight.requires_grad


def test_everything_wrong_is_listed_and_nothing_loaded():
    one = model()
    before = values(one)
    state = {
        "0.weight": cr.zeros(3, 2),
        "0.bias": cr.zeros(4),
        "2.weight": "text",
        "head.weight": cr.zeros(1),
    }
    with pytest.raises(CheckpointError) as caught:
        one.load_state_dict(state)
    text = str(caught.value)
    assert "nothing was loaded" in text
    assert "missing from the state: 2.bias" in text
    assert "unexpected in the state: head.weight" in text
    assert "0.bias: shape (4,) in the state, (3,) in the model" in text
    assert "2.weight: not a tensor" in text
    assert values(one) == before
    with pytest.raises(RuntimeError):  # PyTorch users catch this
        one.load_state_dict({"0.bias": cr.zeros(4)}, strict=False)
    assert values(one) == before


def test_not_strict_loads_what_fits():
    one = model()
    report = one.load_state_dict({"0.bias": cr.ones(3), "extra": cr.ones(1)}, strict=False)
    assert one[0].bias.tolist() == [1.0] * 3
    assert report.unexpected_keys == ["extra"]
    assert report.missing_keys == ["0.weight", "2.weight", "2.bias"]
    assert "extra" in repr(report)


def test_a_report_has_at_most_seven_lines():
    twisted = {f"x.{name}": value for name, value in model().state_dict().items()}
    for names in (4, 40):
        faults = [f"p{i}: shape" for i in range(names)]
        text = report("Net", list(model().state_dict()), [*twisted], faults)
        assert len(text.splitlines()) <= 7
    assert "begin with 'x.'" in text
    assert "lack 'x.'" in report("Net", [*twisted], list(model().state_dict()), [])
    assert report("Net", [], [], []) == ""


def test_long_lists_are_cut():
    with pytest.raises(CheckpointError, match="and 25 more"):
        model().load_state_dict({**model().state_dict(), **{f"x{i}": 0 for i in range(30)}})
    with pytest.raises(CheckpointError, match="dictionary"):
        model().load_state_dict([1])


def test_buffers_are_state_if_persistent():
    module = nn.Module()
    module.register_buffer("kept", cr.zeros(2))
    module.register_buffer("derived", cr.zeros(2), persistent=False)
    module.register_buffer("nothing", None)
    assert list(module.state_dict()) == ["kept"]
    module.load_state_dict({"kept": cr.ones(2)})
    assert module.kept.tolist() == [1.0, 1.0]


class Counting(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
        self.calls = 0
        self.kept, self.derived = nn.Buffer(cr.zeros(1)), nn.Buffer(cr.ones(1), persistent=False)

    def get_extra_state(self):
        return {"calls": self.calls}

    def set_extra_state(self, state):
        self.calls = state["calls"]


def test_extra_state_and_assigned_buffers():
    one, other = nn.Sequential(Counting()), nn.Sequential(Counting())
    one[0].calls = 3
    state = one.state_dict()
    assert list(state) == ["0.weight", "0.bias", "0.kept", "0._extra_state"]
    assert [name for name, _ in one.named_buffers()] == ["0.kept", "0.derived"]
    other.load_state_dict(state)
    assert other[0].calls == 3
    del state["0._extra_state"]
    with pytest.raises(CheckpointError, match=r"missing from the state: 0\._extra_state"):
        other.load_state_dict(state)


@pytest.mark.oracle
def test_keys_and_shapes_are_pytorchs():
    import torch

    def build(N):
        return N.ModuleDict(
            {
                "words": N.Embedding(5, 4),
                "block": N.Sequential(N.LayerNorm(4), N.Linear(4, 4, bias=False), N.Dropout()),
                "rnn": N.RNN(4, 3),
                "cell": N.RNNCell(4, 3),
                "list": N.ParameterList(
                    [N.Parameter(torch.ones(2) if N is torch.nn else cr.ones(2))]
                ),
            }
        )

    ours, theirs = build(nn), build(torch.nn)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert ours["rnn"].weight_hh_l0.tolist() == theirs["rnn"].weight_hh_l0.tolist()
