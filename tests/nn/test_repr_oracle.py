"""Every layer prints as PyTorch's does."""

from __future__ import annotations

import pytest

import chainrule as cr

pytestmark = pytest.mark.oracle
MADE = """
AdaptiveAvgPool1d(3); AdaptiveAvgPool2d((None, 3)); AdaptiveMaxPool1d(2, True); AlphaDropout(0.2)
AdaptiveMaxPool2d(2); AvgPool1d(3, 2, 1, True); AvgPool1d((2,)); AvgPool2d((2, 3), 2); AvgPool2d(3)
BCELoss(); BCEWithLogitsLoss(pos_weight=T([1.0])); BatchNorm1d(3); Bilinear(2, 3, 4); CELU()
BatchNorm2d(3, momentum=None, affine=False); BatchNorm3d(3, track_running_stats=False); CTCLoss()
Conv1d(3, 4, 2); Conv1d(4, 4, 3, 2, 1, 2, 2, False, "reflect")
Conv2d(4, 4, (3, 2), padding="valid")
Conv1d(4, 5, 3, padding="same"); ConvTranspose1d(4, 4, 3, 2, 1, 1); CosineEmbeddingLoss()
ConvTranspose2d(4, 4, 3, dilation=2, groups=2, bias=False); CosineSimilarity(0, 1e-6)
CrossEntropyLoss(weight=T([1.0, 2.0])); Dropout(0.3, True); Dropout1d(); Dropout2d(0.1, True)
Dropout3d(); ELU(0.5, True); Embedding(10, 3); Embedding(10, 3, 2, scale_grad_by_freq=True)
Embedding(10, 3, 2, sparse=True); EmbeddingBag(10, 3); FeatureAlphaDropout(0.2, inplace=True)
EmbeddingBag(10, 3, mode="sum", padding_idx=2); EmbeddingBag(10, 3, scale_grad_by_freq=True)
Flatten(0, -2); GELU("tanh"); GLU(1); GRU(3, 4, 2); GRUCell(3, 4, False); GaussianNLLLoss()
GroupNorm(2, 4); GroupNorm(2, 4, affine=False); Hardshrink(); Hardsigmoid(True); Hardswish(True)
Hardtanh(0, 6, True); HingeEmbeddingLoss(); HuberLoss(); Identity(3); InstanceNorm1d(3)
InstanceNorm2d(3, affine=True); InstanceNorm3d(3); KLDivLoss(); L1Loss(reduction="sum")
LPPool1d(2, 3); LPPool2d(2, (2, 3), stride=2); LSTM(3, 4, proj_size=2); LSTMCell(3, 4); LayerNorm(3)
LSTM(3, 4, 2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)
LayerNorm([3], bias=False)
LayerNorm((3, 4), elementwise_affine=False); LeakyReLU(0.2); Linear(2, 3, False); LogSigmoid()
LocalResponseNorm(2); LogSoftmax(1); MSELoss(); MarginRankingLoss()
MaxPool1d(3, return_indices=True)
MaxPool2d((2, 3), padding=1); Mish(True); ModuleDict({"a": nn.ReLU()}); MultiLabelMarginLoss()
ModuleList([nn.ReLU(), nn.ReLU(), nn.Linear(2, 3)]); MultiLabelSoftMarginLoss(); MultiMarginLoss()
MultiheadAttention(8, 2); NLLLoss(ignore_index=3); PReLU(3); PairwiseDistance(2.0); PoissonNLLLoss()
RMSNorm([3, 4], 1e-5, False); RNN(3, 4); RNN(3, 4, nonlinearity="relu"); RReLU(0.2, 0.3, True)
ReLU6()
RNNCell(3, 4, bias=False, nonlinearity="relu"); SELU(True)
Sequential(nn.Linear(2, 3), nn.ReLU(True))
SiLU()
Sigmoid(); SmoothL1Loss(); SoftMarginLoss(); Softmax2d(); Softmax(1); Softmin(1); Softplus(2)
Softshrink(0.3); Softsign(); Tanh(); Tanhshrink(); Threshold(1, 2, True)
Transformer(8, 2, 1, 1, 16)
TripletMarginLoss(); TripletMarginWithDistanceLoss(); Unflatten(1, [2, 3]); Unflatten(1, (2, 3))
ZeroPad1d(1); ZeroPad2d((1, 2, 3, 4)); ZeroPad3d(1); ConstantPad1d(1, 2.0); ConstantPad2d(1, 0.5)
ConstantPad3d(2, 1); ReflectionPad1d(1); ReflectionPad2d(2); ReflectionPad3d(1); ReplicationPad1d(1)
ReplicationPad2d([1, 2, 3, 4]); ReplicationPad3d(1); CircularPad1d(1); CircularPad2d(1)
CircularPad3d((1, 1, 0, 1, 2, 2))
ParameterDict({"a": T([1.0, 2.0])}); ParameterList([T([1.0, 2.0])])
"""
CALLS = [call.strip() for line in MADE.strip().splitlines() for call in line.split(";")]


@pytest.mark.parametrize("call", CALLS)
def test_a_layer_prints_as_in_pytorch(call):
    torch = pytest.importorskip("torch")
    mine, theirs = (
        repr(eval(f"nn.{call}", {"nn": lib.nn, "T": lib.tensor}))  # noqa: S307 - the list above
        for lib in (cr, torch)
    )
    assert mine.replace("chainrule.", "torch.") == theirs


def test_every_layer_is_compared():
    torch = pytest.importorskip("torch")
    names = {call.partition("(")[0] for call in CALLS}
    kinds = {n for n in cr.nn.__all__ if isinstance(getattr(cr.nn, n), type)}
    layers = {n for n in kinds if issubclass(getattr(cr.nn, n), cr.nn.Module)}
    layers = {n for n in layers if hasattr(torch.nn, n)}  # others have no text to compare with
    inside = {n for n in layers if n.startswith("Transformer")} | {"Module", "RNNBase", "ReLU"}
    assert layers - names - inside == set()
