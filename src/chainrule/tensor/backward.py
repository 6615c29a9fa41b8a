"""`backward` and `grad`: a seed, then reverse mode, eagerly or into the trace.

Example: `backward(loss)` adds ∂loss/∂leaf to the `.grad` of every leaf that requires it.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import ArgumentError, GradientError, ShapeError, TraceError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic
from chainrule.tensor.anomaly import Suspicious
from chainrule.tensor.convert import as_tensor, cast, filled
from chainrule.tensor.deferred.gradient import Tape, derived
from chainrule.tensor.deferred.recorder import mark, settle
from chainrule.tensor.deferred.rules import by_rules
from chainrule.tensor.dispatch import wrap, zeros_of
from chainrule.tensor.growth import note_end, note_walk
from chainrule.tensor.handle import Handle
from chainrule.tensor.hooks import Watch, call_after, watched, watched_in
from chainrule.tensor.leaf_grad import accumulate
from chainrule.tensor.lifted import home_of, lifted, refuse_paths_outside
from chainrule.tensor.modes import modes, set_grad_enabled
from chainrule.tensor.tape import Backward, Recorded, release

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace


def _seed(output: Handle, gradient: Any) -> Tensor:
    """The initial cotangent: 1 for a scalar, else `gradient` of the output's shape."""
    if gradient is None:
        if output.array_type.size != 1:
            raise GradientError(
                f"backward() starts from a scalar, not from shape {output.shape}\n  reduce it "
                "(loss.mean()) or pass gradient= of the same shape"
            )
        return filled(1, *output.array_type)
    with set_grad_enabled(False):
        seed = cast(as_tensor(gradient), output.dtype)
    if seed.shape != output.shape:
        raise ShapeError(
            f"gradient= has shape {seed.shape}, but the output has shape {output.shape}"
        )
    return seed


def _check(output: Handle) -> None:
    if not output.requires_grad:
        raise GradientError(
            "the tensor does not require grad\n  it was made from numbers, under no_grad(), or "
            "only from tensors that do not require grad"
        )


def backward(
    tensors: Sequence[Handle], gradients: Sequence[Any], *, retain_graph: bool, create_graph: bool,
    inputs: Sequence[Handle] | None = None,
) -> None:  # fmt: skip
    """Accumulate gradients of the outputs into the leaves' `.grad`."""
    for t in tensors:
        _check(t)
    seeds = [_seed(t, g) for t, g in zip(tensors, gradients, strict=True)]
    if modes.trace is not None:
        retain = retain_graph or create_graph
        _traced(modes.trace, tensors, seeds, inputs, retain=retain, create_graph=create_graph)
        return
    if modes.recorder is None:
        mark()
    roots = [t._tape_node() for t in tensors]
    order = topological(roots)
    if retain_graph and not create_graph:
        note_walk(len(order))
    if inputs is None:
        leaves = [n for n in order if n.op is INPUT and n.leaf is not None]  # type: ignore[attr-defined]
        handles = [n.leaf() for n in leaves]  # type: ignore[attr-defined]
    else:
        handles = list(inputs)
        leaves = [h._tape_node() for h in handles]
    retain = retain_graph or create_graph
    found = _gradients(roots, seeds, leaves, order, retain=retain, record=create_graph)
    if modes.watch is not None:
        modes.watch.after_backward(tensors, seeds, leaves, found)
    reached = [
        (h, g) for h, g in zip(handles, found, strict=True) if h is not None and g is not None
    ]
    if modes.recorder is not None:
        modes.recorder.batch.note_first([h for h, _ in reached if h._grad is None])
    for handle, gradient in reached:
        if handle._grad is None:
            handle._grad = gradient
        else:
            accumulate(handle, gradient)
        if Recorded.any_hooked:
            call_after(handle)
    if not (retain_graph or create_graph):
        note_end(roots[0])


def _gradients(
    roots: list[Node], seeds: list[Tensor], targets: list[Node], order: list[Node], *, retain: bool,
    record: bool,
) -> list[Tensor | None]:  # fmt: skip
    """Gradients of the targets: recorded as one call, or by a walk from node to node."""
    hooks = watched(order)
    if modes.recorder is not None:
        site = modes.recorder.site
        if site.looks:
            tape = Tape(roots, targets, order)
            found = derived(tape, seeds, hooks, retain=retain, taped=record)
            if found is None and not record and not hooks:
                found = by_rules(tape, seeds, retain=retain)
            if found is not None:
                site.vain = 0
                return found
        site.vain += 1
    return _eager(roots, seeds, targets, order, hooks, retain=retain, record=record)


def _eager(
    roots: list[Node],
    seeds: list[Tensor],
    targets: list[Node],
    order: list[Node],
    hooks: dict[Node, Watch],
    *,
    retain: bool,
    record: bool,
) -> list[Tensor | None]:
    settle()
    kind = Suspicious if modes.anomaly else Backward
    b = kind(retain=retain, record_graph=record)
    with set_grad_enabled(record), np.errstate(all="ignore"):
        cotangents = [_given(b, seed, record=record) for seed in seeds]
        nodes = differentiate(b, roots, cotangents, targets, order=order, watch=hooks, rule=b.rule)
        out: list[Tensor | None] = []
        for node in nodes:
            if node is None:
                out.append(None)
            elif record and isinstance(node, Recorded):
                out.append(wrap(b.value(node), node, requires_grad=True))
            else:
                out.append(wrap(b.value(node)))
    if not retain:
        release(order)
    return out


def _given(b: Backward, seed: Tensor, *, record: bool) -> Any:
    value = seed._concrete("backward()")
    if not record:
        return value
    node = seed._tape_node()
    b.know(node, value)
    return node


def _traced(
    trace: Trace,
    tensors: Sequence[Handle],
    seeds: list[Tensor],
    inputs: Sequence[Handle] | None,
    *,
    retain: bool,
    create_graph: bool,
) -> None:
    if not retain:
        trace.spent += [trace.node_of(t) for t in tensors]
    if inputs is None:
        known = [bound.handle for bound in trace.bound.values()]
        known += [symbol for ref in trace.born if (symbol := ref()) is not None]
        handles = [h for h in known if h.requires_grad and h.is_leaf]
    else:
        handles = list(inputs)
    ends = trace.computed if inputs is None else ()
    found = traced_gradients(trace, tensors, seeds, handles, create_graph=create_graph, ends=ends)
    for handle, gradient in zip(handles, found, strict=True):
        if gradient is not None:
            accumulate(handle, gradient)
            call_after(handle)


def traced_gradients(
    trace: Trace, tensors: Sequence[Handle], seeds: Sequence[Tensor], handles: Sequence[Handle], *,
    create_graph: bool, ends: Collection[Node] = (),
) -> list[Tensor | None]:  # fmt: skip
    """Gradient symbols of `handles`, recorded into the trace; raises if one reaches `ends`."""
    home = home_of(trace, tensors)
    if home is not trace:
        return lifted(trace, home, tensors, seeds, handles, create_graph=create_graph)
    refuse_paths_outside(trace, tensors, handles)
    b, nodes_of = Symbolic(), [trace.leaf_nodes(h) for h in handles]
    targets = list(dict.fromkeys([*(node for nodes in nodes_of for node in nodes), *ends]))
    roots = [trace.node_of(t) for t in tensors]
    cotangents = [trace.node_of(s) for s in seeds]
    watch = watched_in(trace, handles)
    with set_grad_enabled(create_graph):
        found = differentiate(b, roots, cotangents, targets, stops=trace.frozen, watch=watch)
        parts = dict(zip(targets, found, strict=True))
        for end in ends:
            if parts[end] is not None:
                raise TraceError(
                    f"backward() in a compiled function reaches a tensor of shape {end.shape} "
                    "that was recorded outside of it, and cannot continue there\n  pass "
                    "x.detach(), or compile both parts"
                )
        sums = [total(b, [parts[node] for node in nodes]) for nodes in nodes_of]
    return [None if node is None else wrap(None, node, requires_grad=create_graph) for node in sums]


def total(b: Symbolic, parts: Sequence[Node | None]) -> Node | None:
    """The sum of the gradients that are not None."""
    there = [part for part in parts if part is not None]
    return functools.reduce(lambda x, y: b(TABLE["add"], x, y), there) if there else None


def backward_all(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """`backward()` of several tensors in one walk over their shared graph.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    outs = _several(tensors)
    grad_tensors = grad_variables if grad_tensors is None else grad_tensors
    seeds = [None] * len(outs) if grad_tensors is None else _several(grad_tensors)
    if len(seeds) != len(outs):
        raise ArgumentError(f"{len(outs)} tensors but {len(seeds)} gradients: give one for each")
    retain = create_graph if retain_graph is None else retain_graph
    chosen = None if inputs is None else _several(inputs)
    backward(outs, seeds, retain_graph=retain, create_graph=create_graph, inputs=chosen)


def _several(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Handle) else list(tensors)


def gradients(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """∂outputs/∂inputs, summed over the outputs, without touching any `.grad`.

    An input that the outputs do not depend on raises; with `allow_unused` its gradient is None,
    with `materialize_grads` zeros.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if is_grads_batched or not only_inputs:
        raise ArgumentError(
            "grad() takes one gradient per output and returns those of the inputs only: use "
            "func.vmap over func.vjp for a batch of them, and backward() to fill every .grad"
        )
    outs, ins = _several(outputs), _several(inputs)
    given = [None] * len(outs) if grad_outputs is None else _several(grad_outputs)
    if len(given) != len(outs):
        raise ArgumentError(f"{len(outs)} outputs but {len(given)} gradients in grad_outputs")
    for t in outs:
        _check(t)
    for t in ins:
        if not t.requires_grad:
            raise ArgumentError("an input of grad() does not require grad")
    seeds = [_seed(t, g) for t, g in zip(outs, given, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    if modes.trace is not None:
        found = traced_gradients(modes.trace, outs, seeds, ins, create_graph=create_graph)
        if not (retain or create_graph):
            modes.trace.spent += [modes.trace.node_of(t) for t in outs]
    else:
        roots = [t._tape_node() for t in outs]
        targets = [t._tape_node() for t in ins]
        keep, order = retain or create_graph, topological(roots)
        found = _gradients(roots, seeds, targets, order, retain=keep, record=create_graph)
        if modes.watch is not None:
            modes.watch.after_backward(outs, seeds, targets, found)
    if materialize_grads:
        found = [zeros_of(x) if g is None else g for x, g in zip(ins, found, strict=True)]
    if not allow_unused and any(g is None for g in found):
        missing = [i for i, g in enumerate(found) if g is None]
        raise GradientError(
            f"input {missing[0]} is not used to compute the outputs; "
            "pass allow_unused=True to get None"
        )
    return tuple(found)
