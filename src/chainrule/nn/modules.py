"""PyTorch's `nn.modules`: the layers of `nn` under PyTorch's file names. Re-exports only.

Example: `from chainrule.nn.modules.rnn import LSTM`.
"""

from __future__ import annotations

import sys
from typing import Any

_NN = __name__.rpartition(".")[0]
_FILES = (
    "activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance",
    "dropout", "flatten", "fold", "instancenorm", "linear", "loss", "module", "normalization",
    "padding", "pixelshuffle", "pooling", "rnn", "sparse", "transformer", "upsampling",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """The layer of this name."""
    if name in _FILES:
        return sys.modules[__name__]
    return getattr(sys.modules[_NN], name)


def __dir__() -> list[str]:
    """The names of `nn`."""
    return dir(sys.modules[_NN])


# `import chainrule.nn.modules.linear` finds the layers under PyTorch's file names
for _file in _FILES:
    sys.modules[f"{__name__}.{_file}"] = sys.modules[__name__]
