"""What is no tensor is refused by every layer, in words, as the functions refuse it."""

from __future__ import annotations

import pytest

from chainrule import nn
from chainrule.base.errors import ChainruleError

LAYERS = {
    "Linear": (3, 3), "Unflatten": (1, (2, 2)), "Flatten": (),
    "Conv1d": (1, 1, 1), "Conv2d": (1, 1, 1), "ConvTranspose2d": (1, 1, 1), "Embedding": (3, 2),
    "EmbeddingBag": (3, 2), "LayerNorm": (3,), "GroupNorm": (1, 2), "BatchNorm1d": (3,),
    "BatchNorm3d": (3,), "InstanceNorm2d": (3,), "MaxPool2d": (2,), "AdaptiveAvgPool2d": (1,),
    "CircularPad1d": (1,), "ReflectionPad2d": (1,), "ReplicationPad3d": (1,), "ZeroPad2d": (1,),
    "RNN": (2, 2), "LSTM": (2, 2), "GRU": (2, 2), "RNNCell": (2, 2), "LSTMCell": (2, 2),
    "GRUCell": (2, 2), "Softmax": (-1,), "Softmax2d": (), "ReLU": (), "PReLU": (), "GELU": (),
    "Dropout": (), "TransformerEncoderLayer": (4, 2, 4),
}  # fmt: skip
OF_SEVERAL = {
    "Bilinear": (2, 2, 2, 2), "MultiheadAttention": (3, 2, 1), "Transformer": (2, 4, 2, 1, 1, 4),
    "CrossEntropyLoss": (2,), "MSELoss": (2,),
}  # fmt: skip


@pytest.mark.parametrize("given", [None, "word"])
@pytest.mark.parametrize("name", [*LAYERS, *OF_SEVERAL])
@pytest.mark.parametrize("hooked", [False, True])
def test_what_is_no_tensor_is_refused(name, given, hooked):
    count, *sizes = OF_SEVERAL.get(name, (1, *LAYERS.get(name, ())))
    layer = getattr(nn, name)(*sizes)
    if hooked:
        layer.register_forward_hook(lambda *_: None)
    with pytest.raises(ChainruleError, match=r"None|NoneType|str|word") as caught:
        layer(*[given] * count)
    assert isinstance(caught.value, TypeError)
