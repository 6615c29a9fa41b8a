"""What eager code refuses, compiled code refuses, with the same error, and nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.graph.node import Type
from chainrule.ops import TABLE
from chainrule.tensor.dispatch import apply, wrap
from tests.compiler.illegal_values import ILLEGAL

CALLS = [
    (name, place)
    for name, op in TABLE.items()
    for place, illegal in enumerate(op.illegal)
    if all(isinstance(t, Type) for t in illegal.types) and "control" not in op.traits
]


@pytest.mark.parametrize("name", ILLEGAL)
def test_a_value_that_is_refused_is_refused_compiled(name):
    fn, argument = ILLEGAL[name]
    with pytest.raises(ChainruleError) as eager:
        fn(argument)
    with pytest.raises(type(eager.value)) as compiled:
        cr.compile(fn)(argument)
    assert type(compiled.value) is type(eager.value)
    assert "nothing was changed" in str(compiled.value)
    assert "illegal_values.py:" in str(compiled.value)


@pytest.mark.parametrize(("name", "place"), CALLS)
def test_a_call_of_an_op_that_is_refused_is_refused_compiled(name, place):
    illegal = TABLE[name].illegal[place]
    operands = [wrap(np.zeros(t.shape, t.dtype.numpy)) for t in illegal.types]
    with pytest.raises(illegal.error):
        cr.compile(lambda: apply(TABLE[name], *operands, **illegal.attrs))()


def test_a_refused_value_leaves_parameters_and_random_numbers():
    weight = nn.Parameter(cr.ones(2))

    @cr.compile
    def step(x):
        loss = F.binary_cross_entropy(x * weight + 0 * cr.rand(2), cr.ones(2))
        loss.backward()
        with cr.no_grad():
            weight.sub_(0.1 * weight.grad)
        return loss

    step(cr.tensor([0.5, 0.5]))
    before, state = weight.detach().numpy().copy(), cr.get_rng_state().numpy().copy()
    with pytest.raises(ArgumentError, match=r"not 1\.\d+ at \(0,\)"):
        step(cr.tensor([1.5, 0.5]))
    np.testing.assert_array_equal(weight.detach(), before)
    np.testing.assert_array_equal(cr.get_rng_state(), state)
    step(cr.tensor([0.5, 0.5]))
    assert (weight.detach().numpy() > before).all()


def test_the_gradient_passes_a_condition():
    x = cr.tensor([0.25, 0.5], requires_grad=True)
    for fn in (F.binary_cross_entropy, cr.compile(F.binary_cross_entropy)):
        x.grad = None
        fn(x, cr.ones(2)).backward()
        np.testing.assert_allclose(x.grad, [-2.0, -1.0], rtol=1e-6)
