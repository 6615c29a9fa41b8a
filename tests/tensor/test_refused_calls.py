"""Calls that are wrong are refused with the exception that PyTorch's users catch."""

from __future__ import annotations

import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.base.errors import AxisError, ChainruleError, ShapeError

X = cr.arange(6.0).reshape(2, 3)
SCALAR = cr.tensor(5.0)
OUTSIDE = {
    "sum": lambda: X.sum(5),
    "mean": lambda: X.mean(-3),
    "cumsum": lambda: X.cumsum(2),
    "squeeze": lambda: X.squeeze(7),
    "unsqueeze": lambda: X.unsqueeze(4),
    "softmax": lambda: X.softmax(2),
    "softmax of a scalar": lambda: cr.softmax(SCALAR, 1),
    "log_softmax of a scalar": lambda: cr.log_softmax(SCALAR, -2),
    "unfold": lambda: X.unfold(2, 1, 1),
    "transpose": lambda: X.transpose(0, 2),
    "size": lambda: X.size(2),
    "cat": lambda: cr.cat((X, X), 2),
    "stack": lambda: cr.stack((X, X), 4),
    "more indices than axes": lambda: X[0, 0, 0],
    "more slices than axes": lambda: X[:, :, :],
    "index of a scalar": lambda: SCALAR[0],
    "mask of a scalar": lambda: SCALAR[cr.zeros(0, dtype=cr.bool)],
}


@pytest.mark.parametrize("call", OUTSIDE.values(), ids=OUTSIDE)
def test_an_axis_out_of_range_is_an_index_error(call):
    with pytest.raises(AxisError) as found:
        call()
    assert isinstance(found.value, IndexError)
    assert isinstance(found.value, ShapeError)


I32, MASK = cr.zeros(2, dtype=cr.int32), cr.tensor([True, False])
FLOAT, PLACE = cr.zeros(2), (cr.tensor([0]),)
RUNTIME = {
    "clamp of nothing": X.clamp,
    "rounding_mode": lambda: cr.div(X, 2, rounding_mode="typo"),
    "integers to a negative power": lambda: cr.tensor([2]) ** -1,
    "flip of one axis twice": lambda: X.flip(0, 0),
    "flip of one axis, once from the end": lambda: X.flip(1, -1),
    "fill_ beyond int32": lambda: I32.clone().fill_(2**40),
    "full beyond float32": lambda: cr.full((1,), 1e40),
    "full of NaN as an integer": lambda: cr.full((1,), float("nan"), dtype=cr.int64),
    "full beyond uint8": lambda: cr.full((1,), 300, dtype=cr.uint8),
    "full beyond int64": lambda: cr.full((1,), 2**63),
    "full_like beyond int32": lambda: cr.full_like(I32, 2**40),
    "tensor beyond uint8": lambda: cr.tensor([300], dtype=cr.uint8),
    "tensor beyond int32": lambda: cr.tensor([1, 2**40], dtype=cr.int32),
    "tensor beyond int64": lambda: cr.tensor([2**70]),
    "NaN as an integer": lambda: cr.tensor([float("nan")], dtype=cr.int64),
    "masked_fill beyond float32": lambda: FLOAT.masked_fill(MASK, 1e40),
    "index_fill beyond int32": lambda: I32.index_fill(0, PLACE[0], 2**40),
    "scatter beyond float32": lambda: FLOAT.scatter(0, PLACE[0], 1e40),
    "assignment beyond float32": lambda: FLOAT.clone().__setitem__(0, 1e40),
    "where beyond float32": lambda: cr.where(MASK, FLOAT, 1e40),
    "clamp beyond float32": lambda: FLOAT.clamp(max=1e40),
    "linspace beyond float32": lambda: cr.linspace(0, 1e40, 3),
    "linspace of bools": lambda: cr.linspace(0, 1, 3, dtype=cr.bool),
    "arange of bools": lambda: cr.arange(2, dtype=cr.bool),
    "randint beyond uint8": lambda: cr.randint(0, 300, (3,), dtype=cr.uint8),
    "randperm beyond uint8": lambda: cr.randperm(300, dtype=cr.uint8),
    "masked_scatter of integers": lambda: FLOAT.masked_scatter(MASK, cr.tensor([1])),
    "index_put of float64": lambda: FLOAT.index_put(PLACE, cr.zeros(1, dtype=cr.float64)),
    "negative deviation": lambda: cr.normal(0.0, -1.0, (2,)),
    "negative deviations": lambda: cr.normal(FLOAT, cr.tensor([1.0, -1.0])),
    "probability beyond 1": lambda: cr.zeros(2).bernoulli_(1.5),
}


@pytest.mark.parametrize("call", RUNTIME.values(), ids=RUNTIME)
def test_a_wrong_value_is_a_runtime_error(call):
    with pytest.raises(ChainruleError) as found:
        call()
    assert isinstance(found.value, RuntimeError)


def test_uint8_counts_modulo_256_as_in_pytorch():
    assert cr.full((1,), -1, dtype=cr.uint8).item() == 255
    assert (cr.tensor([1], dtype=cr.uint8) + (-1)).item() == 0
    assert cr.tensor([-1], dtype=cr.uint8).item() == 255


def test_infinity_is_a_value_of_every_float():
    assert cr.full((1,), float("inf")).item() == float("inf")
    assert cr.where(MASK, FLOAT, float("-inf")).tolist() == [0.0, float("-inf")]
    assert cr.tensor([1e40]).item() == float("inf")  # a list is converted, as in PyTorch


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: cr.mean(x, 0, keepdim="yes"), "mean: keepdim must be True or False, not 'yes'"),
        (lambda x: cr.topk(x, 1, 0, "yes"), "topk: largest must be True or False"),
        (lambda x: x.sum(0, keepdim="yes"), "keepdim must be True or False"),
        (lambda x: F.dropout(x, training="yes"), "dropout: training must be True or False"),
        (lambda x: F.softshrink(x, "much"), "softshrink: lambd must be a number, not 'much'"),
        (lambda x: x.narrow(0, 0.5, 1), "narrow: start must be an integer, not 0.5"),
        (lambda x: x.sum(1.5), "must be an integer, not 1.5"),
        (lambda _: cr.full((2,), "abc"), "full: fill_value must be a tensor or a number"),
        (lambda x: x.to("abc"), "dtype is one of"),
        (lambda _: cr.zeros_like(None), "zeros_like: input must be a tensor"),
    ],
)
def test_an_argument_of_another_kind_is_named(call, says):
    with pytest.raises(TypeError, match=says) as caught:
        call(cr.ones(2))
    assert isinstance(caught.value, ChainruleError)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: cr.isclose(x, x, rtol=float("nan")),
        lambda x: F.huber_loss(x, x, delta=float("nan")),
        lambda x: F.rrelu(x, float("nan")),
        lambda x: F.linear(x, cr.ones(3, 2), cr.ones(3, 1)),
        lambda _: cr.broadcast_shapes((-1, 2)),
        lambda _: F.one_hot(cr.tensor([0, 3]), 3),
        lambda _: cr.compile(lambda c: F.one_hot(c, 3))(cr.tensor([0, 3])),
        lambda _: cr.tril_indices(-1, 2),
        lambda _: cr.randint(3, (-1, 2)),
    ],
)
def test_a_value_out_of_range_is_refused(call):
    with pytest.raises(RuntimeError) as caught:
        call(cr.ones(2))
    assert isinstance(caught.value, ChainruleError)


def test_names_and_options_of_pytorch_are_taken():
    x, out = cr.tensor([-1.0, 2.0]), cr.empty(0)
    assert cr.relu_(input=x.clone()).tolist() == [0.0, 2.0]
    assert cr.dropout(x, 0.5, train=False).tolist() == [-1.0, 2.0]
    assert cr.hardshrink(x, 1.5, out=out) is out
    assert out.tolist() == [0.0, 2.0]
    assert cr.threshold(x, 0.0, 7.0, out=out).tolist() == [7.0, 2.0]
    drawn = [F.rrelu(x, 0.1, 0.9, True, generator=cr.Generator().manual_seed(1)) for _ in range(2)]
    assert drawn[0].tolist() == drawn[1].tolist()


SAID = {
    "stack needs at least one tensor": lambda: cr.stack([]),
    "a tensor is made of numbers or bools, not of 'abc'": lambda: cr.tensor("abc"),
    "a tensor is made of numbers or bools, not of list (<U1)": lambda: cr.tensor(["a"]),
    "manual_seed: seed must be an integer, not 'a'": lambda: cr.manual_seed("a"),  # type: ignore[arg-type]
    "device 'gpu' does not exist here": lambda: X.to("gpu"),
}


@pytest.mark.parametrize("said", SAID)
def test_the_message_names_the_call_and_what_it_was_given(said):
    with pytest.raises(ChainruleError) as found:
        SAID[said]()
    assert said in str(found.value)


def test_only_cross_entropy_advises_probabilities():
    x = cr.zeros(3, 2)
    for target in (cr.zeros(3), cr.zeros(3, 2, dtype=cr.int64)):
        with pytest.raises(ChainruleError, match="probabilities"):
            F.cross_entropy(x, target)
        with pytest.raises(ChainruleError) as found:
            F.nll_loss(x, target)
        assert "probabilities" not in str(found.value)
