"""Activations are PyTorch's: values and gradients; also compiled."""

from __future__ import annotations

import pytest

from tests.tensor.functional.oracle import A, agree, compiled_agrees, method, unary

oracle = pytest.mark.oracle

CASES = [
    *[
        unary(f"nn.functional.{name}", low=-5.0, high=8.0)
        for name in (
            "relu6", "elu", "selu", "celu", "hardtanh", "hardswish", "mish",
            "softsign", "tanhshrink", "hardshrink", "softshrink", "rrelu", "glu", "logsigmoid",
            "relu", "silu", "leaky_relu",
        )
    ],
    unary("nn.functional.elu", 0.7),
    unary("nn.functional.celu", 0.5),  # PyTorch rounds 1/alpha, and a sixth, to float32
    method("F.hardsigmoid(x.detach())", A, low=-5.0, high=5.0),
    unary("nn.functional.elu", low=80.0, high=800.0),
    unary("nn.functional.hardtanh", -0.5, 0.7),
    unary("nn.functional.hardshrink", 1.1),
    unary("nn.functional.softshrink", 1.1),
    unary("nn.functional.threshold", 0.3, 7.0),
    unary("nn.functional.glu", 1),
    unary("nn.functional.softmin", 0),
    unary("nn.functional.gelu", approximate="tanh", low=-6.0, high=6.0),
    *[unary(name) for name in ("celu", "selu", "hardshrink", "rrelu")],
    method("lib.threshold(x, 0.1, 2.0)", A),
    method("F.prelu(x, y)", A, (4,)),
    method("F.prelu(x, y)", (2, 3, 4), (3,)),
    method("lib.prelu(x, y)", A, (1,)),
    method("F.gumbel_softmax(x.detach(), hard=True).sum(-1)", A),
    *[
        method(f"F.{name}_(x * 1.0)", A)
        for name in ("relu", "elu", "selu", "celu", "hardtanh", "leaky_relu")
    ],
    method("F.threshold_(x * 1.0, 0.3, 1.0) + F.rrelu_(x * 1.0)", A),
]  # fmt: skip


@oracle
@pytest.mark.parametrize(("call", "shapes", "low", "high"), CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)


def test_compiled_they_are_the_same():
    compiled_agrees([case for case in CASES if "gumbel" not in case.id])
