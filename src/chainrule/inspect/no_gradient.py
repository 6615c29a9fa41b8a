"""`why_no_grad`: the cut between a tensor and the loss, with its line and the way out.

    print(why_no_grad(model.fc.weight, step, words, tags))     # runs the step once; exact
    print(why_no_grad(model.fc.weight, loss))                  # from the loss's own graph

Nothing changes: no parameter, no `.grad`, no random or optimiser state. May import
`inspect.cut` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ChainruleError, GradientError
from chainrule.graph.node import INPUT, Node, Type
from chainrule.graph.walk import topological
from chainrule.inspect.cause import Cause, lines_of
from chainrule.inspect.cut import find_cut
from chainrule.inspect.from_function import loss_of, of_function
from chainrule.inspect.from_loss import leaf_of, of_loss
from chainrule.inspect.layers import LayerTrace
from chainrule.inspect.naming import around_caller, around_function, by_id
from chainrule.inspect.recording import Traced, inner, traced
from chainrule.inspect.zero_gradient import judged
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import enable_grad, modes

_AGAIN = (
    "why_no_grad(tensor, step, *args) runs the computation once more, records also what had no "
    "gradient, and names the line"
)


def why_no_grad(param: Any, target: Any, *args: Any) -> Cause:
    """The cause why `param` gets no gradient from `target`, or a zero one; true if one arrives.

    `target` is a function with its arguments – a loss function or a whole step, compiled or not,
    which runs once and changes nothing – or a loss tensor. The function's run records everything,
    also under `no_grad()` and beyond `detach()`, so the cut is named with its line. A loss has
    only its recorded graph: whether the tensor is in it, and where a value with no recorded history
    enters.
    """
    if not isinstance(param, Handle):
        raise ArgumentError(f"why_no_grad() takes a tensor, not {type(param).__name__}")
    names = by_id(around_caller())
    if isinstance(target, Handle):
        if args:
            raise ArgumentError("a loss takes no more arguments; functions do")
        subject = names.get(id(param), "the tensor")
        itself = _of_itself(param, subject)
        return _of_loss(param, target, subject) if itself is None else itself
    if not callable(target):
        raise ArgumentError(
            f"why_no_grad() takes a loss or a function with its arguments, not {target!r:.60}"
        )
    fn = inner(target)
    given = [as_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    subject = (names | around_function(fn, given)).get(id(param), "the tensor")
    itself = _of_itself(param, subject)
    return _of_function(param, fn, given, subject) if itself is None else itself


def _of_itself(param: Handle, subject: str) -> Cause | None:
    """The cause in the tensor itself, if there is one."""
    if param.dtype.kind != "float":
        held = param.dtype.name
        text = f"gets no gradient: it holds {held}, and only floating-point values have one"
        return Cause("integer", subject, text, "x.float(), or a look-up table (nn.Embedding)")
    if not param.requires_grad:
        text = "gets no gradient: its requires_grad is False"
        return Cause("requires_grad", subject, text, "x.requires_grad_(), or nn.Parameter(x)")
    if not param.is_leaf:
        text = (
            "keeps no gradient: it is not a leaf, but computed from other tensors; the gradient "
            "passes on to those"
        )
        way = (
            "x.retain_grad() keeps it; to change a parameter, write into it under no_grad() "
            "(w -= lr * w.grad, w.copy_(…)) instead of giving its name to a new tensor"
        )
        return Cause("not a leaf", subject, text, way, lines_of(param._tape_node()))  # noqa: SLF001
    return None


# -- a function -----------------------------------------------------------------------------------


def _of_function(
    param: Handle, fn: Callable[..., Any], given: Sequence[Any], subject: str
) -> Cause:
    with enable_grad():
        run = _without_backward(fn, given)
    subject = run.trace.parameter_names().get(id(param), subject)
    source = _node_of(param, run, given)
    if source is None:
        return _not_read(param, run, subject)
    loss = loss_of(run)
    cut = find_cut(run.trace, source, loss, subject)
    if cut is not None:
        return cut
    found = judged(of_function(fn, given, [param]), subject)
    forgotten = _forgotten(param, run, subject) if found else None
    return found if forgotten is None else forgotten


def _without_backward(fn: Callable[..., Any], given: Sequence[Any]) -> Traced:
    """A run of the function; a backward() without a graph ends it."""

    def stopped(*args: Any) -> Any:
        try:
            return fn(*args)
        except GradientError:
            trace = modes.trace
            assert isinstance(trace, LayerTrace)
            loss = trace.asked
            if loss is None or loss.requires_grad or loss.array_type.size != 1:
                raise
            trace.spent.append(trace.node_of(loss))
            return ()

    return traced(stopped, given)


def _node_of(param: Handle, run: Traced, given: Sequence[Any]) -> Node | None:
    """The node of the tensor in the run; None if it was not read."""
    for node, handle in zip(run.found.captured.graph.inputs, _leaves(run, given), strict=False):
        if handle is param:
            return node
    return None


def _leaves(run: Traced, given: Sequence[Any]) -> list[Any]:
    return [*(a for a in given if isinstance(a, Handle)), *run.found.states]


def _not_read(param: Handle, run: Traced, subject: str) -> Cause:
    owner = None
    for root in run.trace.roots:
        for path, module in root.named_modules():
            if any(p is param for p in module.parameters(recurse=False)):
                owner = path or type(root).__name__
    if owner is not None:
        text = f"gets no gradient: it is never read, as the layer {owner} does not use it"
        way = f"call {owner} in forward(), and use what it returns"
        return Cause("not called", subject, text, way)
    text = "gets no gradient: it is never read"
    roots = " and ".join(type(r).__name__ for r in run.trace.roots)
    if roots:
        text += f", and it is not a parameter of the {roots} that ran"
    way = (
        "compute the loss from this very tensor; if the model got a new parameter (load, to(), "
        "assignment), look at that one, and give it to the optimiser"
    )
    return Cause("not read", subject, text, way)


def _forgotten(param: Handle, run: Traced, subject: str) -> Cause | None:
    """The cause if a gradient arrives and is cleared before the function ends."""
    _, gradient = run.trace.grads.get(id(param), (param, param))
    if gradient is not None:
        return None
    text = "gets a gradient, which zero_grad() clears before the function ends"
    return Cause("forgotten", subject, text, "call zero_grad() before backward(), not after it")


# -- a loss ---------------------------------------------------------------------------------------


def _of_loss(param: Handle, loss: Handle, subject: str) -> Cause:
    if not loss.requires_grad:
        text = (
            "gets no gradient: nothing was recorded for the loss; it was computed under no_grad(), "
            "or from values that carry no gradient"
        )
        return Cause("not recorded", subject, text, _AGAIN)
    order = topological((loss._tape_node(),))  # noqa: SLF001 - a loss's own graph
    if not any(leaf_of(n) is param for n in order):
        return _not_in_record(param, order, subject)
    try:
        return judged(of_loss(loss, [param]), subject)
    except ChainruleError:  # backward() has released the values
        grad = param.grad  # type: ignore[attr-defined]
        if grad is None:
            text = "was reached by backward(), but zero_grad() has cleared its gradient since"
            return Cause("forgotten", subject, text, "read .grad before zero_grad()")
        size = float(np.linalg.norm(np.asarray(grad)))
        if size:
            return Cause("arrives", subject, f"has a gradient of norm {size:.3g}")
        return Cause("zero", subject, "has a gradient that is zero everywhere", _AGAIN)


def _not_in_record(param: Handle, order: Sequence[Node], subject: str) -> Cause:
    """The cause if the tensor is not in the graph: where values with no recorded history enter."""
    entries = [
        user
        for user in reversed(order)
        for n in user.inputs
        if n.op is INPUT and leaf_of(n) is None and isinstance(n.type, Type)
        if n.type.dtype.kind == "float" and n.type.size > 1
    ]
    text = "gets no gradient: it is not in the loss's graph"
    twins = sum(1 for n in order if (leaf := leaf_of(n)) is not None and leaf.shape == param.shape)
    if twins:
        text += f", which has {twins} other {'leaf' if twins == 1 else 'leaves'} of its shape"
    if entries:
        text += "; values with no recorded history enter here"
    lines = tuple(dict.fromkeys(lines_of(*entries)))[:3]
    return Cause("not recorded", subject, text, _AGAIN, lines)
