"""Back through a graph to the node that gave an axis its size.

Operations that pass an axis on are seen through: elementwise ones, transpositions, reshapes that
keep it, products, lookups. Example: the 160 of `relu(x.flatten(1))` is made by the reshape.
"""

from __future__ import annotations

from chainrule.base.shapes import size
from chainrule.graph.node import INPUT, Node, Type

_CONSTANTS = frozenset({"broadcast_to", "full"})


def passed_on(node: Node, axis: int) -> tuple[Node, Node]:
    """The node that gave the axis its size, and the last one on the way that was computed."""
    computed = node
    while node.op is not INPUT:
        computed = node
        step = _through(node, axis)
        if step is None or not isinstance(step[0].type, Type):
            break
        node, axis = step
    return node, computed


def _through(node: Node, axis: int) -> tuple[Node, int] | None:
    """The input, and its axis, from which the size is taken over; None if it is made here."""
    name, ins = node.op.name, node.inputs
    if not isinstance(node.type, Type) or not ins:
        return None
    if name == "transpose":
        return ins[0], node.attrs["axes"][axis]
    if name == "reshape":
        return _through_reshape(node, axis)
    if name == "broadcast_to":
        at = axis - len(node.shape) + len(ins[0].shape)
        same = at >= 0 and ins[0].shape[at] == node.shape[axis]
        return (ins[0], at) if same else None
    if name == "matmul":
        return ins[axis == len(node.shape) - 1], axis
    if name == "gather":
        indexed = len(ins[1].shape)
        return (ins[1], axis) if axis < indexed else (ins[0], axis - indexed + 1)
    if name == "concat":
        return None if axis == node.attrs["axis"] else (ins[0], axis)
    if len(ins) == 1 and _keeps(ins[0], node, axis):
        return ins[0], axis
    alike = [each for each in ins if isinstance(each.type, Type) and each.shape == node.shape]
    alike = [each for each in alike if each.op.name not in _CONSTANTS] or alike
    return (alike[0], axis) if alike else None


def _keeps(before: Node, after: Node, axis: int) -> bool:
    """Whether an operation with one operand, such as a slice, leaves the axis as it was."""
    if not isinstance(before.type, Type) or len(before.shape) != len(after.shape):
        return False
    return before.shape[axis] == after.shape[axis]


def _through_reshape(node: Node, axis: int) -> tuple[Node, int] | None:
    before = node.inputs[0].shape
    for at, n in enumerate(before):
        if n == node.shape[axis] and size(before[:at]) == size(node.shape[:axis]):
            return node.inputs[0], at
    return _through_folded_product(node, axis)


def _through_folded_product(node: Node, axis: int) -> tuple[Node, int] | None:
    """A product of many rows with one matrix is folded before, and unfolded after."""
    product = node.inputs[0]
    folded = product.inputs[0] if product.op.name == "matmul" else product
    if folded.op.name != "reshape" or not isinstance(folded.inputs[0].type, Type):
        return None
    same = folded.inputs[0].shape[:-1] == node.shape[:-1] and axis < len(node.shape) - 1
    return (folded.inputs[0], axis) if same else None
