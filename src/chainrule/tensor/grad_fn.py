"""`grad_fn`: a view of the recorded graph in PyTorch's form.

    y = (x * 2).sum();  y.grad_fn.name() == "SumBackward0"
    y.grad_fn.next_functions      # ((<MulBackward0 …>, 0),): where the gradient goes next

Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.Node.name
"""

from __future__ import annotations

from typing import Any

from chainrule.graph.node import INPUT, Node
from chainrule.ops.control import call, project
from chainrule.tensor.tape import Recorded


class GradFn:
    """A view of one node of the recorded graph."""

    __slots__ = ("_result", "node")

    def __init__(self, node: Node) -> None:
        self._result = node
        self.node = node.inputs[0] if node.op is project else node

    def name(self) -> str:
        """`MulBackward0`; `AccumulateGrad` for a leaf."""
        return backward_name(self._result)

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        """For each input the node that its gradient goes to, and the result's number there."""
        return tuple([_next(child) for child in self.node.inputs])

    @property
    def variable(self) -> Any:
        """The tensor of a leaf."""
        if self.node.op is not INPUT or not isinstance(self.node, Recorded):
            raise AttributeError(f"{self.name()} has no variable: only AccumulateGrad has one")
        return None if self.node.leaf is None else self.node.leaf()

    @property
    def source(self) -> Any:
        """The line that recorded the node."""
        return self.node.source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and self.node is other.node

    def __hash__(self) -> int:
        return hash(self.node)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self.node):#x}>"


def _next(child: Node) -> tuple[GradFn | None, int]:
    if child.op is INPUT:
        leaf = child.leaf if isinstance(child, Recorded) else None
        return (None if leaf is None else GradFn(child)), 0
    return GradFn(child), child.attrs["index"] if child.op is project else 0


def backward_name(node: Node) -> str:
    """`log_softmax` → `LogSoftmaxBackward0`; a user's function has its own name.

    A result of a body has the name of the operation that computes it there.
    """
    number = 0
    if node.op is project:
        number, node = node.attrs["index"], node.inputs[0]
    if node.op is INPUT:
        return "AccumulateGrad"
    if node.op is call and "name" in node.attrs:
        return f"{node.attrs['name']}Backward"
    if node.op is call and "graph" in node.attrs:
        made = node.attrs["graph"].outputs[number]
        if made.op is not INPUT:
            return backward_name(made)
    return "".join([part.capitalize() for part in node.op.name.split("_")]) + "Backward0"
