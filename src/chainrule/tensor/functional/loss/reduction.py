"""What all losses share: reductions, PyTorch's older switches, and operands that should match.

Example: `finish(squared, chosen_reduction(None, None, "mean"))`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.arguments import check_choice
from chainrule.base.errors import ArgumentError
from chainrule.base.source import warn
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.functional import arithmetic, comparison, reduce
from chainrule.tensor.origin import told_now

if TYPE_CHECKING:
    from chainrule.graph.node import Node
    from chainrule.tensor.tensor import Tensor


_REDUCTIONS = ("none", "mean", "sum", "batchmean")


def chosen_reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    """`reduction`, unless one of PyTorch's older switches decides."""
    if size_average is None and reduce is None:
        check_choice("reduction", reduction, _REDUCTIONS)
        return reduction
    chosen = "none" if reduce is False else "sum" if size_average is False else "mean"
    warn(f"size_average and reduce are old switches: write reduction={chosen!r}")
    return chosen


def finish(loss: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The mean (over the sum of weights, if given), the sum, or every term."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return reduce.sum(loss)
    if reduction == "mean":
        if weight is not None:
            return arithmetic.div(reduce.sum(loss), reduce.sum(weight))
        return reduce.mean(loss)
    raise ArgumentError(f"reduction is 'none', 'mean' or 'sum', not {reduction!r}")


def weights_for(loss: Tensor, weight: Operand) -> Tensor:
    """The weights, one for each element of the loss."""
    scale = as_tensor(weight)
    if scale.shape != loss.shape:
        raise ArgumentError(f"weights of shape {scale.shape} for a loss of shape {loss.shape}")
    return scale


def weighted(loss: Tensor, weight: Operand, reduction: str) -> Tensor:
    """Σ w·loss / Σ w for "mean", with weights of the loss's shape."""
    if weight is None:
        return finish(loss, reduction)
    scale = weights_for(loss, weight)
    return finish(arithmetic.mul(loss, scale), reduction, scale)


def compared(name: str, input: Operand, target: Operand) -> tuple[Tensor, Tensor]:
    """Input as floats and target; shapes that differ broadcast, which is rarely what was meant."""
    x, wanted = floating(input), as_tensor(target)
    if x.shape != wanted.shape:
        whole = shapes.broadcast(x.shape, wanted.shape)
        text = (
            f"{name}: the input {x.shape} and the target {wanted.shape} are compared as {whole}, "
            "each element with many"
        )
        way = "use target.view_as(input) or input.squeeze(-1)"
        warn("\n  ".join([text, way, *told_now()]))
    return x, wanted


def warn_if_made_by(op: str, x: Tensor, rule: str) -> None:
    """Say what a loss takes if the graph shows that `op` was applied to its input already."""
    node = x._node
    while node is not None and node.op.name == "reshape" and _same_rows(node):
        node = node.inputs[0]
    if node is not None and node.op.name == op:
        warn(f"{rule}\n  its input comes from {op} at {node.source}: leave that out")


def _same_rows(node: Node) -> bool:
    """Whether a reshape leaves the last axis as it was, as `flatten(0, 1)` does."""
    return node.inputs[0].shape[-1:] == node.shape[-1:]


def hinge(x: Tensor) -> Tensor:
    """max(0, x), whose gradient passes at 0, as that of `clamp`."""
    return comparison.clamp(x, min=0.0)
