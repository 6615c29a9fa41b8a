"""The `.grad` of a tensor: read, assigned, added to, cleared – as the open trace sees it.

Example: `accumulate(handle, gradient)` is what backward does at each leaf.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chainrule.base.errors import GradientError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.dispatch import apply, zeros_of
from chainrule.tensor.handle import NOT_KEPT, Handle
from chainrule.tensor.modes import modes, set_grad_enabled

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

# Marks on a gradient: an optimizer followed it; another gradient was added after that. Each holds
# the version of the tensor that it speaks of, for zeros that are written into it change that.
STEPPED, STALE = "_stepped", "_stale"


def accumulate(handle: Handle, gradient: Tensor) -> None:
    """`handle.grad += gradient`, or the gradient itself where there was none.

    A gradient that is a view of another tensor is written through, and stays a view.
    """
    before = get_grad(handle)
    if before is not None:
        with set_grad_enabled(modes.grad and before.requires_grad):
            total = apply(TABLE["add"], before, gradient)
        stale = before.__dict__.get(STEPPED) == content_version(before)
        seen = before._lens is not None  # a view of one array for all gradients: that is written
        if seen:
            before._rebind(total)
            total = before
        if stale:
            total.__dict__[STALE] = content_version(total)
        if seen:
            return
        gradient = total
    set_grad(handle, gradient)


def content_version(handle: Handle) -> int:
    """A number that changes when the handle, or the base that it is a view of, is written."""
    return (handle if handle._lens is None else handle._lens.root)._version


def get_grad(handle: Handle) -> Tensor | None:
    """The `.grad` of a handle, as the open trace sees it."""
    trace = modes.trace
    if trace is not None:
        if id(handle) in trace.grads:
            return trace.grads[id(handle)][1]
        if trace.is_outside(handle):
            trace.grads_read[id(handle)] = handle
    if handle._grad is NOT_KEPT:
        raise GradientError(
            "this gradient was computed inside a compiled step and not kept; compile with "
            "cr.compile(keep_grads=True) to read gradients after the step"
        )
    return handle._grad  # type: ignore[no-any-return]


def set_grad(handle: Handle, gradient: Tensor | None) -> None:
    """Assign `.grad`; in a trace it is noted there."""
    if gradient is not None and gradient.shape != handle.shape:
        raise ShapeError(f"grad of shape {gradient.shape} for a tensor of shape {handle.shape}")
    if modes.trace is not None and modes.trace.is_outside(handle):
        modes.trace.grads[id(handle)] = (handle, gradient)
    else:
        if modes.recorder is not None and gradient is not None:
            modes.recorder.batch.note(handle, is_grad=True)
        handle._grad = gradient


def clear_grads(handles: Iterable[Handle], *, set_to_none: bool) -> None:
    """Forget each `.grad`, or fill it with zeros outside autograd."""
    traced = modes.trace is not None
    for handle in handles:
        if not set_to_none:
            _fill_with_zeros(handle)
        elif traced:
            set_grad(handle, None)
        else:
            handle._grad = None


def _fill_with_zeros(handle: Handle) -> None:
    if handle._grad is NOT_KEPT and modes.trace is None:  # what it was does not matter
        set_grad(handle, zeros_of(handle))
        return
    grad = get_grad(handle)
    if grad is not None:
        with set_grad_enabled(False):
            zeros = zeros_of(grad)
            grad._rebind(zeros) if grad.is_leaf else grad._become(zeros)
