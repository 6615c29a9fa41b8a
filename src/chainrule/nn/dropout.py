"""`Dropout`. Example: `Dropout(0.1)(x)`, which does nothing after `model.eval()`."""

from __future__ import annotations

from chainrule.base.errors import ArgumentError
from chainrule.nn import functional
from chainrule.nn.module import Module
from chainrule.tensor.tensor import Tensor


class Dropout(Module):
    """While training, zero each element with probability p and scale the rest by 1/(1 - p).

    Source: Srivastava et al., Dropout (2014);
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"dropout needs a probability between 0 and 1, not {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The same shape."""
        return functional.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Options."""
        return f"p={self.p}, inplace={self.inplace}"
