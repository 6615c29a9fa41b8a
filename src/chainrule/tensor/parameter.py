"""`Parameter`: a tensor that a module learns, registered by assigning it to an attribute.

Example: `self.scale = Parameter(cr.ones(3))`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor.convert import as_tensor
from chainrule.tensor.tensor import Tensor


class Parameter(Tensor):
    """A leaf with the values of `data`, which requires grad by default."""

    __slots__ = ()

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        """`data` is a tensor or anything that `tensor()` reads."""
        super().__init__()
        self._value = as_tensor(data)._concrete("Parameter()")
        self._type = None
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
