"""The derivation of a loss that was computed eagerly and still has its graph.

    derivation = of_loss(loss)      # before backward(), or with retain_graph=True

Values that no vjp keeps are computed again from known ones. May import
`tensor` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import GradientError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, input_node
from chainrule.graph.walk import topological
from chainrule.inspect.derivation import Derivation, Part, add_up, measure, step_of
from chainrule.inspect.unroll import MOST_STEPS, unroll
from chainrule.inspect.window import note_windows
from chainrule.ops.control import call
from chainrule.ops.creation import detach
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.record import OUT
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import set_grad_enabled
from chainrule.tensor.tape import Backward, Recorded, evaluated


def of_loss(
    loss: Handle, wrt: Sequence[Handle] | None = None, names: Mapping[int, str] | None = None
) -> Derivation:
    """All steps of a scalar loss. No `.grad` changes, and the graph stays.

    `names` are those of tensors, by id. Raises GradientError if backward() has released the graph.
    """
    if loss.array_type.size != 1:
        raise GradientError(f"only a scalar loss is explained, not one of shape {loss.shape}")
    if not loss.requires_grad:
        raise GradientError(
            "the loss does not require grad, so nothing was recorded for it (why_no_grad() says "
            "more)"
        )
    root = loss._tape_node()  # noqa: SLF001 - a loss's own graph
    known = _kept_values(topological((root,)))
    known[root] = loss._concrete("explain()")  # noqa: SLF001 - likewise
    with np.errstate(all="ignore"):
        _work_out(topological((root,)), known)
        order = _unrolled(root, known)
    root = order[-1]
    leaves = [n for n in order if leaf_of(n) is not None]
    if wrt is not None:
        leaves = [n for n in leaves if any(leaf_of(n) is w for w in wrt)]
        if not leaves:
            raise GradientError("the loss depends on nothing in wrt= (why_no_grad() names the cut)")
    sent: list[tuple[Node, int, Any]] = []
    b = Backward(retain=True, record_graph=False)
    with set_grad_enabled(False), np.errstate(all="ignore"):
        seed: Any = np.ones(loss.shape, loss.dtype.numpy)
        differentiate(
            b, (root,), (seed,), leaves, order=order, rule=b.rule,
            tell=lambda node, i, part: sent.append((node, i, part)),
        )  # fmt: skip
        _work_out(order, known)
        number = {node: i for i, node in enumerate(order)}
        steps = [step_of(node, number, known.get(node)) for node in order]
        for node, i, part in sent:
            steps[number[node]].parts.append(Part(i, number[node.inputs[i]], part))
    for at, node in enumerate(leaves, 1):
        steps[number[node]].name = (names or {}).get(id(leaf_of(node)), f"leaf {at}")
    steps[number[root]].gradient = np.ones(loss.shape)
    add_up(steps)
    note_windows(steps, order)
    measure(steps, order)
    return Derivation("loss", steps, number[root], tuple(number[n] for n in leaves), [])


def leaf_of(node: Node) -> Handle | None:
    """The tensor of a leaf that requires grad and still exists."""
    reference = node.leaf if node.op is INPUT and isinstance(node, Recorded) else None
    return None if reference is None else reference()


def _kept_values(order: Sequence[Node]) -> dict[Node, Any]:
    """The values of leaves, and the residuals, by node."""
    known: dict[Node, Any] = {}
    for node in order:
        handle = leaf_of(node)
        if handle is not None:
            known[node] = handle._concrete("explain()")  # noqa: SLF001 - a leaf of the loss
    for node in order:
        if isinstance(node, Recorded):
            for i, value in node.kept().items():
                if node.op is not call or (i != OUT and not _stands_in(value)):
                    known[node if i == OUT else node.inputs[i]] = value
    return known


def _stands_in(value: Any) -> bool:
    """Whether an array is the placeholder of an operand that a compiled call does not read."""
    return value.size > 1 and not any(value.strides) and not value.any()


def _opened(node: Node, known: Mapping[Node, Any]) -> bool:
    """Whether a call is shown as its body: not the user's Function, and with known operands."""
    if node.op is not call or "graph" not in node.attrs:
        return False
    own = "vjp_graph" in node.attrs and "rule" not in node.attrs
    return not own and all(n in known for n in node.inputs)


def _unrolled(root: Node, known: dict[Node, Any]) -> list[Node]:
    """The graph's nodes with loops unrolled, the loss last; adds values of new nodes to `known`."""
    order = topological((root,))
    inputs = tuple(n for n in order if n.op is INPUT)
    seen = unroll(Graph(inputs, (root,)), MOST_STEPS, lambda n: _opened(n, known))
    origin = {new: old for old, new in seen.made.items() if old.op is new.op}
    done: dict[Node, Node] = {}
    passing: set[Node] = {n for n in inputs if isinstance(n, Recorded) and n.leaf is not None}
    for node in seen.as_written(order):
        ins = tuple(done[n] for n in node.inputs)
        old = origin.get(node)
        if _passes(node, passing):
            passing.add(node)
        if old is node:
            done[node] = node
        elif isinstance(old, Recorded) and old.op is node.op:
            again = Recorded(node.op, ins, node.attrs, node.type, old.location)
            again.call, again.saved = old.call, old.saved
            done[node] = again
            if old in known:
                known[again] = known[old]
        else:
            values = [known[n] for n in ins]
            made, value = evaluated(node.op, ins, node.attrs, values, node.source)
            # else a constant, as it is where each operation is recorded by itself
            done[node] = found = made if node in passing else input_node(node.type)
            known[found] = value
    needed = set(topological((done[seen.graph.outputs[0]],)))
    return [node for node in done.values() if node in needed]


def _passes(node: Node, passing: set[Node]) -> bool:
    """Whether a gradient passes from this node to a leaf, through inputs that pass it."""
    floats = any(t.dtype.kind == "float" for t in node.results)
    return floats and node.op is not detach and not passing.isdisjoint(node.inputs)


def _work_out(order: Sequence[Node], known: dict[Node, Any]) -> None:
    """Compute released values from their operands."""
    for node in order:
        if node.op is INPUT or node in known or (node.op is call and "graph" not in node.attrs):
            continue
        if all(n in known for n in node.inputs):
            known[node] = apply_meaning(node.op, [known[n] for n in node.inputs], node.attrs)
