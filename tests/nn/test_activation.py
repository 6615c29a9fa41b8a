"""Activations as modules: PyTorch's values, names and looks; in place; random ones; errors."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ShapeError

oracle = pytest.mark.oracle

MODULES = {
    "ReLU6": (), "ELU": (0.5,), "SELU": (), "CELU": (0.5,), "Hardtanh": (-0.5, 0.5), "GLU": (-1,),
    "Hardsigmoid": (), "Hardswish": (), "Mish": (), "Softsign": (), "Tanhshrink": (),
    "Hardshrink": (0.3,), "Softshrink": (0.3,), "Threshold": (0.1, 2.0), "PReLU": (6,),
    "Softmin": (1,), "Softmax2d": (), "ReLU": (), "SiLU": (), "LeakyReLU": (0.2,), "GELU": (),
    "Softplus": (2.0, 5.0), "LogSigmoid": (), "Softmax": (1,), "LogSoftmax": (1,), "Tanh": (),
    "Sigmoid": (),
}  # fmt: skip


@oracle
@pytest.mark.parametrize("name", MODULES)
def test_modules_are_pytorchs(name):
    torch = importlib.import_module("torch")
    x = np.random.default_rng(0).normal(size=(2, 6, 3, 4)).astype("f")
    ours, theirs = getattr(nn, name)(*MODULES[name]), getattr(torch.nn, name)(*MODULES[name])
    assert set(ours.state_dict()) == set(theirs.state_dict())
    np.testing.assert_allclose(
        ours(cr.tensor(x)).detach().numpy(),
        theirs(torch.tensor(x)).detach().numpy(),
        rtol=1e-5,
        atol=1e-6,
    )
    if name != "GELU":  # whose options PyTorch shows in quotes as we do
        assert repr(ours).replace(" ", "") == repr(theirs).replace(" ", "")


@pytest.mark.parametrize(
    "name", ["ReLU", "ReLU6", "ELU", "SELU", "CELU", "Hardtanh", "Hardsigmoid", "Hardswish",
             "Mish", "SiLU", "LeakyReLU", "RReLU"],
)  # fmt: skip
def test_inplace_rebinds_the_input(name):
    x = cr.tensor([-2.0, 0.5, 9.0])
    layer = getattr(nn, name)(inplace=True).eval()
    want = getattr(nn, name)().eval()(x).tolist()
    assert layer(x) is x
    assert x.tolist() == want
    assert ("inplace=True" in repr(layer)) == (name not in {"Hardsigmoid", "Hardswish"})


def test_rrelu_draws_slopes_while_training():
    cr.manual_seed(0)
    slopes = -nn.RReLU(0.2, 0.4)(-cr.ones(1000))
    assert 0.2 <= slopes.min().item() < 0.22
    assert 0.38 < slopes.max().item() <= 0.4


def test_gumbel_softmax_samples_the_distribution():
    cr.manual_seed(0)
    logits = cr.log(cr.tensor([0.1, 0.2, 0.7])).expand(4000, 3)
    hard = nn.functional.gumbel_softmax(logits, hard=True)
    assert set(hard.flatten().tolist()) == {0.0, 1.0}
    assert hard.mean(0).tolist() == pytest.approx([0.1, 0.2, 0.7], abs=0.03)
    x = cr.zeros(3, requires_grad=True)
    nn.functional.gumbel_softmax(x, tau=0.5, hard=True)[0].backward()
    assert x.grad.sum().item() == pytest.approx(0, abs=1e-6)
    assert x.grad.abs().max().item() > 0


def test_wrong_shapes_say_what_fits():
    with pytest.raises(ShapeError, match="even"):
        nn.functional.glu(cr.ones(2, 3))
    with pytest.raises(ShapeError, match="per channel"):
        nn.functional.prelu(cr.ones(2, 3), cr.ones(2))
    with pytest.raises(ShapeError, match="Softmax2d"):
        nn.Softmax2d()(cr.ones(2, 3))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "Softmin"])
def test_an_axis_left_out_is_that_of_old_pytorch(kind, shape):
    axis = 0 if len(shape) in {0, 1, 3} else 1  # torch.nn.functional._get_softmax_dim
    x = cr.rand(shape)
    expected = f"without dim takes axis {axis} .*\n.*dim={axis}"
    with pytest.warns(UserWarning, match=expected) as seen:
        found = getattr(nn, kind)()(x)
    assert seen[0].filename == __file__
    assert np.array_equal(found, getattr(nn, kind)(axis)(x))
