"""Taking other values in place as methods of `Tensor`. Example: `x.copy_(y)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.base.errors import ArgumentError, GradientError
from chainrule.tensor.convert import as_tensor, expand
from chainrule.tensor.functional.forms import also_named
from chainrule.tensor.functional.layout import flat_sizes, resized
from chainrule.tensor.handle import Handle


class AssignMethods:
    """A part of `Methods`."""

    __slots__ = ()

    def _fitted(self: Any, value: Any) -> Any:
        """`value` in this dtype and shape, in a handle of its own."""
        out = expand(as_tensor(value, self.dtype), self.shape)
        return out.clone() if out is value else out

    def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
        """Take the values of `src`, broadcast and cast."""
        del non_blocking
        self._write(self._fitted(src))
        return self

    def fill_(self: Any, value: Any) -> Any:
        """Take `value` everywhere."""
        self._write(self._fitted(value))
        return self

    def zero_(self: Any) -> Any:
        """Take 0 everywhere."""
        return self.fill_(0)

    def set_(self: Any, source: Handle) -> Any:
        """Become `source`: its values, shape and dtype."""
        if self._lens is not None:
            raise ArgumentError("set_ of a view: rebind its base, or use copy_")
        self._rebind(as_tensor(source).detach())
        return self

    def detach_(self: Any) -> Any:
        """Cut this tensor off from the graph; returns the tensor."""
        if self._lens is not None:
            raise GradientError("detach_ of a view would cut its base: use y = x.detach()")
        if self.is_leaf:
            self.requires_grad = False
        else:
            self._become(self.detach())
        return self

    def resize_as_(self: Any, the_template: Any, *, memory_format: Any = None) -> Any:
        """Rebind this tensor to its first elements under the template's shape, zeros behind."""
        del memory_format
        return self.resize_(the_template.shape)

    @also_named("size")
    def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
        """Rebind this tensor to its first elements under another shape, with zeros behind them."""
        del memory_format
        return self.set_(resized(self, flat_sizes(sizes)))
