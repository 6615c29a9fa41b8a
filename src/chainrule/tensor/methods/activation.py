"""Activations as methods of `Tensor`. Example: `x.relu()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import activation
from chainrule.tensor.methods.in_place import in_place


class ActivationMethods:
    """A part of `Methods`."""

    __slots__ = ()

    sigmoid = activation.sigmoid
    relu = activation.relu

    # in place
    sigmoid_ = in_place(activation.sigmoid)
    relu_ = in_place(activation.relu)
