"""Empty batches and empty axes, for every layer: shapes, gradients and state."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

RUNS = [lambda m: m, cr.compile]
by_run = pytest.mark.parametrize("run", RUNS, ids=["eager", "compiled"])
by_mode = pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
POINTWISE = (
    "ReLU", "GELU", "SiLU", "Tanh", "Sigmoid", "Softplus", "LogSigmoid", "ELU", "SELU", "CELU",
    "Mish", "Hardtanh", "ReLU6", "LeakyReLU", "PReLU", "Softsign", "Hardswish", "Identity",
)  # fmt: skip
LAYERS = {  # the layer, its input's shape, its result's
    "Linear": (lambda: nn.Linear(3, 4), (0, 3), (0, 4)),
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3), (0, 3, 8), (0, 4, 6)),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3), (0, 3, 8, 8), (0, 4, 6, 6)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 4, 3), (0, 3, 8), (0, 4, 10)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (0, 3), (0, 3)),
    "BatchNorm1d, no length": (lambda: nn.BatchNorm1d(3), (2, 3, 0), (2, 3, 0)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (0, 3, 5, 5), (0, 3, 5, 5)),
    "LayerNorm": (lambda: nn.LayerNorm(3), (0, 3), (0, 3)),
    "LayerNorm of nothing": (lambda: nn.LayerNorm(0), (2, 0), (2, 0)),
    "RMSNorm": (lambda: nn.RMSNorm(3), (0, 3), (0, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (0, 4, 5), (0, 4, 5)),
    "InstanceNorm1d": (
        lambda: nn.InstanceNorm1d(3, affine=True, track_running_stats=True), (0, 3, 5), (0, 3, 5),
    ),
    "Dropout": (lambda: nn.Dropout(0.5), (0, 3), (0, 3)),
    "Softmax": (lambda: nn.Softmax(-1), (3, 0), (3, 0)),
    "Softmax of no rows": (lambda: nn.Softmax(0), (0, 3), (0, 3)),
    "LogSoftmax": (lambda: nn.LogSoftmax(-1), (3, 0), (3, 0)),
    "GLU": (nn.GLU, (0, 4), (0, 2)),
    "RNN": (lambda: nn.RNN(3, 4), (5, 0, 3), (5, 0, 4)),
    "LSTM": (lambda: nn.LSTM(3, 4), (5, 0, 3), (5, 0, 4)),
    "GRU": (lambda: nn.GRU(3, 4, batch_first=True), (0, 5, 3), (0, 5, 4)),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (0, 5, 4), (0, 5, 4),
    ),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), (0, 3, 8), (0, 3, 4)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), (0, 3, 8), (0, 3, 4)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (0, 3, 8, 8), (0, 3, 4, 4)),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(2), (0, 3, 8), (0, 3, 2)),
    **{name: (getattr(nn, name), (0, 3), (0, 3)) for name in POINTWISE},
}  # fmt: skip


@by_run
@by_mode
@pytest.mark.parametrize("name", LAYERS)
def test_nothing_in_nothing_out_and_no_gradient(name, training, run):
    make, given, wanted = LAYERS[name]
    layer = make().train(training)
    before = {k: v.tolist() for k, v in layer.state_dict().items() if "running" in k}
    x = cr.zeros(given, requires_grad=True)
    out = run(layer)(x)
    out = out[0] if isinstance(out, tuple) else out
    assert out.shape == wanted
    out.sum().backward()
    assert x.grad.shape == given
    for parameter in layer.parameters():
        assert parameter.grad is None or not parameter.grad.numpy().any()
    assert {k: v.tolist() for k, v in layer.state_dict().items() if "running" in k} == before


PAIRS = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCEWithLogitsLoss", "BCELoss")
LOSSES = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss, (0,)),
    "CrossEntropyLoss, smoothed": (lambda **k: nn.CrossEntropyLoss(label_smoothing=0.1, **k), (0,)),
    "NLLLoss": (nn.NLLLoss, (0,)),
    "MultiMarginLoss": (nn.MultiMarginLoss, (0,)),
    **{name: (getattr(nn, name), (0, 3)) for name in PAIRS},
}


@by_run
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_nothing_is_nan_in_the_mean_and_zero_in_the_sum(name, run):
    make, shape = LOSSES[name]
    target = cr.zeros(shape, dtype=cr.int64 if len(shape) == 1 else cr.float32)
    for reduction, wanted in (("mean", np.nan), ("sum", 0.0)):
        x = cr.zeros(0, 3, requires_grad=True)
        loss = run(make(reduction=reduction))(x, target)
        np.testing.assert_equal(loss.item(), wanted)
        loss.backward()
        assert x.grad.shape == (0, 3)
