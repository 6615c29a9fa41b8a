"""`Parameter` and `Buffer`: tensors that a module registers when they are assigned to it.

`Parameter` is defined in `tensor`, where files can make one, too.
Example: `self.scale = Parameter(cr.ones(3))`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor.convert import as_tensor
from chainrule.tensor.parameter import Parameter
from chainrule.tensor.tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class Buffer(Tensor):
    """Untrained state of a module, saved with it if `persistent`."""

    __slots__ = ("persistent",)

    def __init__(self, data: Any = (), *, persistent: bool = True) -> None:
        """`data` is a tensor or anything that `tensor()` reads."""
        super().__init__()
        self._value = as_tensor(data)._concrete("Buffer()")
        self._type = None
        self.persistent = persistent
