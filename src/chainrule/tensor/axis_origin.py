"""Back through a graph to the node that gave an axis its size.

Operations that pass an axis on are seen through: elementwise ones, transpositions, reshapes that
keep it, products, lookups. Example: the 160 of `relu(x.flatten(1))` is made by the reshape.
"""

from __future__ import annotations

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
    ins = node.inputs
    if not isinstance(node.type, Type) or not ins:
        return None
    axes = None if node.op.along is None else node.op.along(node, axis)
    found = [(x, a) for x, a in zip(ins, axes or (), strict=bool(axes)) if a is not None]
    found = [(x, a) for x, a in found if x.op.name not in _CONSTANTS] or found
    if found:
        return found[0]
    if node.op.name == "reshape":
        return _through_folded_product(node, axis)
    same = _keeps if len(ins) == 1 else _is_alike
    return next(((x, axis) for x in ins if same(x, node, axis)), None)


def _keeps(before: Node, after: Node, axis: int) -> bool:
    """Whether an operation with one operand, such as a slice, leaves the axis as it was."""
    if not isinstance(before.type, Type) or len(before.shape) != len(after.shape):
        return False
    return before.shape[axis] == after.shape[axis]


def _is_alike(before: Node, after: Node, axis: int) -> bool:  # noqa: ARG001 - as `_keeps`
    """Whether an operand has the shape of the result."""
    return isinstance(before.type, Type) and before.shape == after.shape


def _through_folded_product(node: Node, axis: int) -> tuple[Node, int] | None:
    """A product of many rows with one matrix is folded before, and unfolded after."""
    product = node.inputs[0]
    folded = product.inputs[0] if product.op.name == "matmul" else product
    if folded.op.name != "reshape" or not isinstance(folded.inputs[0].type, Type):
        return None
    same = folded.inputs[0].shape[:-1] == node.shape[:-1] and axis < len(node.shape) - 1
    return (folded.inputs[0], axis) if same else None
