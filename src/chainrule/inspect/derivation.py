"""The derivation of a loss: values forward, the seed, every upstream × local backward, the update.

A `Derivation` holds numbers and words only, ready to be printed, drawn or written as JSON; it is
made by tracing a function (`of_function`), which changes nothing, or from the recorded graph of a
loss that exists already (`of_loss`). May import `compiler`, `nn` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, GradientError
from chainrule.compiler.capture import Capture, capture
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, Type
from chainrule.graph.walk import dependents, topological
from chainrule.inspect.layers import LayerTrace
from chainrule.inspect.unroll import unroll
from chainrule.ops.evaluate import all_values
from chainrule.ops.fill import filled
from chainrule.ops.record import OUT, Symbolic
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import set_grad_enabled
from chainrule.tensor.tape import Backward, Evaluated, Recorded

Array = np.ndarray[Any, Any]
_MOST_STEPS = 64  # of a loop that is written out


@dataclass
class Part:
    """What a node sends back to one of its inputs: upstream × local."""

    operand: int  # which input of the node
    to: int  # the number of the input's step
    value: Array | None


@dataclass
class Step:
    """One node: what it computes, what comes down to it, and what it sends on."""

    number: int
    op: str
    operands: tuple[int, ...]
    type: str
    attrs: dict[str, Any]
    layer: str
    source: str
    value: Array | None
    gradient: Array | None = None
    parts: list[Part] = field(default_factory=list)
    name: str = ""  # of a parameter or argument
    formula: str = ""
    local: tuple[str, ...] = ()  # the local derivative for each operand, where a formula exists

    @property
    def is_leaf(self) -> bool:
        """Whether nothing was computed for it."""
        return self.op == "input"


@dataclass
class Update:
    """A parameter before and after the step's update."""

    name: str
    before: Array
    after: Array


@dataclass
class Derivation:
    """All four steps. `steps` are in forward order; `loss` is the number of the last."""

    title: str
    steps: list[Step]
    loss: int
    wanted: tuple[int, ...]  # steps of the leaves whose gradients were asked for
    updates: list[Update]

    def uses(self, number: int) -> list[tuple[Step, Part]]:
        """Each use of a step's value, and what it contributes to the gradient."""
        return [(s, p) for s in self.steps for p in s.parts if p.to == number]

    def repeated_rows(self, step: Step) -> dict[int, list[tuple[tuple[int, ...], Array]]]:
        """For a look-up by index: each row that is read more than once, where, and what comes back.

        Repeated words of an embedding are this: a row's gradient is the sum over its places.
        """
        if step.op != "gather" or step.gradient is None:
            return {}
        index = np.asarray(self.steps[step.operands[1]].value)
        places: dict[int, list[tuple[tuple[int, ...], Array]]] = {}
        for at in np.ndindex(*index.shape):
            places.setdefault(int(index[at]), []).append((at, step.gradient[at]))
        return {row: found for row, found in places.items() if len(found) > 1}

    def as_record(self) -> dict[str, Any]:
        """In JSON's types; arrays as nested lists."""
        return {
            "title": self.title,
            "loss": self.loss,
            "wanted": list(self.wanted),
            "steps": [_record(s) for s in self.steps],
            "updates": [
                {"name": u.name, "before": u.before.tolist(), "after": u.after.tolist()}
                for u in self.updates
            ],
        }


def _record(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "op": step.op,
        "name": step.name,
        "operands": list(step.operands),
        "type": step.type,
        "layer": step.layer,
        "source": step.source,
        "formula": step.formula,
        "local": list(step.local),
        "value": _listed(step.value),
        "gradient": _listed(step.gradient),
        "parts": [
            {"operand": p.operand, "to": p.to, "value": _listed(p.value)} for p in step.parts
        ],
    }


def _listed(value: Any) -> Any:
    return None if value is None or isinstance(value, tuple) else value.tolist()


# -- from a function ------------------------------------------------------------------------------


def of_function(
    fn: Callable[..., Any],
    args: Sequence[Any],
    wrt: Sequence[Handle] | None = None,
    names: Sequence[str] = (),
) -> Derivation:
    """The derivation of `fn(*args)`: a loss function, or a whole training step.

    `fn` runs once on symbols: parameters, gradients, optimiser and random state stay as they are.
    """
    given = [as_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    trace = LayerTrace()
    found = capture(fn, tuple(given), {}, keep_grads=True, trace=trace)
    graph = found.captured.graph
    loss = _loss_of(trace, found)
    leaves = [a for a in given if isinstance(a, Handle)]
    inputs: dict[Node, Handle] = dict(zip(graph.inputs, [*leaves, *found.states], strict=False))
    values = found.values(leaves)
    wanted = _wanted_inputs(inputs, wrt, loss)
    title = getattr(fn, "__name__", type(fn).__name__)
    called = {id(a): name for a, name in zip(given, names, strict=False) if isinstance(a, Handle)}
    called |= trace.parameter_names()
    return _assembled(title, graph, values, loss, wanted, trace, found, inputs, called)


def _loss_of(trace: LayerTrace, found: Capture) -> Node:
    """What backward started from, or else the only scalar that is returned."""
    if trace.spent:
        return trace.spent[-1]
    outs = found.captured.graph.outputs[: found.results]
    scalars = [n for n in outs if n.array.size == 1 and n.dtype.kind == "float"]
    if len(scalars) != 1:
        shown = ", ".join(str(n.type) for n in outs) or "nothing"
        raise ArgumentError(
            f"the function returns {shown} and does not call backward(); to be explained it must "
            "return one loss"
        )
    return scalars[0]


def _wanted_inputs(
    inputs: dict[Node, Handle], wrt: Sequence[Handle] | None, loss: Node
) -> list[Node]:
    reached = set(topological((loss,)))
    if wrt is not None:
        chosen = [n for n, h in inputs.items() if any(h is w for w in wrt)]
    else:
        chosen = [n for n, h in inputs.items() if h.requires_grad]
    chosen = [n for n in chosen if n in reached]
    if not chosen:
        raise ArgumentError(
            "the loss depends on nothing that requires grad; pass wrt=, or tensors with "
            "requires_grad=True"
        )
    return chosen


def _assembled(
    title: str,
    graph: Graph,
    values: Sequence[Any],
    loss: Node,
    wanted: list[Node],
    trace: LayerTrace,
    found: Capture,
    inputs: dict[Node, Handle],
    names: dict[int, str],
) -> Derivation:
    b = Symbolic()
    sent: list[tuple[Node, int, Node]] = []
    new = {i: graph.outputs[o] for o, i in found.captured.replaces.items()}
    seen, made = unroll(Graph(graph.inputs, (loss, *new.values())), _MOST_STEPS)
    loss, new = seen.outputs[0], dict(zip(new, seen.outputs[1:], strict=True))
    stops = {made[n] for n in trace.frozen if n in made}
    differentiate(
        b, (loss,), (filled(b, 1, loss),), wanted,
        stops=stops, tell=lambda node, i, part: sent.append((node, i, part)),
    )  # fmt: skip
    outputs = (loss, *(part for _, _, part in sent), *new.values())
    env = all_values(Graph(graph.inputs, outputs), values)
    order = _as_written(topological((loss,)), [made[n] for n in trace.recorded if n in made])
    number = {node: i for i, node in enumerate(order)}
    active = dependents(wanted, order)
    steps = []
    for node in order:
        step = _step(node, number, env.get(node))
        handle = inputs.get(node)
        if handle is not None:
            step.name = names.get(id(handle), "") or _input_name(graph.inputs.index(node))
        steps.append(step)
    for node, i, part in sent:
        if node.inputs[i] in active:
            steps[number[node]].parts.append(Part(i, number[node.inputs[i]], env[part]))
    steps[number[loss]].gradient = np.ones(loss.shape)
    _sum_parts(steps)
    updates = [
        Update(names[id(inputs[graph.inputs[i]])], np.array(values[i]), np.asarray(env[node]))
        for i, node in new.items()
        if graph.inputs[i] in inputs and id(inputs[graph.inputs[i]]) in names
    ]
    return Derivation(title, steps, number[loss], tuple(number[n] for n in wanted), updates)


def _as_written(order: list[Node], recorded: Sequence[Node]) -> list[Node]:
    """The order in which the function asked for the nodes, inputs just before their first use."""
    place = {node: i for i, node in enumerate(recorded)}
    needed = set(order)
    out: dict[Node, None] = {}
    for node in sorted(place, key=lambda n: place[n]):
        if node in needed:
            out.update(dict.fromkeys(topological((node,), out)))
    out.update(dict.fromkeys(order))
    return list(out)


def _input_name(position: int) -> str:
    return f"input {position}"


def _sum_parts(steps: list[Step]) -> None:
    """Fan-out: a value's gradient is the sum of what its uses send back."""
    for step in steps:
        for part in step.parts:
            to = steps[part.to]
            if part.value is not None:
                before = to.gradient
                to.gradient = part.value if before is None else before + part.value


def _step(node: Node, number: dict[Node, int], value: Any) -> Step:
    formula = getattr(node.op, "formula", None)
    return Step(
        number=number[node],
        op=node.op.name,
        operands=tuple(number[n] for n in node.inputs),
        type=str(node.type),
        attrs={k: v for k, v in node.attrs.items() if not isinstance(v, Graph)},
        layer=node.source.layer if node.source else "",
        source=str(node.source) if node.source else "",
        value=value,
        formula=formula.value if formula else "",
        local=tuple(d or "0" for d in formula.derivatives) if formula else (),
    )


# -- from a loss ----------------------------------------------------------------------------------


def of_loss(loss: Handle, wrt: Sequence[Handle] | None = None) -> Derivation:
    """The derivation of a loss that was computed eagerly and whose graph is still there.

    No `.grad` is touched and the graph stays. Values that no rule needs were not kept, and are
    None. Raises GradientError where backward() has released the graph.
    """
    if loss.array_type.size != 1:
        raise GradientError(f"only a scalar loss is explained, not one of shape {loss.shape}")
    if not loss.requires_grad:
        raise GradientError("the loss does not require grad, so nothing was recorded for it")
    root = loss._tape_node()  # noqa: SLF001 - a loss's own graph
    order = topological((root,))
    leaves = [n for n in order if n.op is INPUT and _leaf(n) is not None]
    if wrt is not None:
        leaves = [n for n in leaves if any(_leaf(n) is w for w in wrt)]
    sent: list[tuple[Node, int, Node]] = []
    b = Backward(retain=True, record_graph=False)
    with set_grad_enabled(False), np.errstate(all="ignore"):
        seed = Evaluated(None, {}, np.ones(loss.shape, loss.dtype.numpy), None)
        differentiate(
            b, (root,), (seed,), leaves, order=order,
            tell=lambda node, i, part: sent.append((node, i, b.need(part))),
        )  # fmt: skip
        known = _kept_values(order)
        known[root] = loss._concrete("explain()")  # noqa: SLF001 - likewise
        number = {node: i for i, node in enumerate(order)}
        steps = [_step(node, number, known.get(node)) for node in order]
        for node, i, part in sent:
            steps[number[node]].parts.append(Part(i, number[node.inputs[i]], b.value(part)))
    for node in leaves:
        handle = _leaf(node)
        step = steps[number[node]]
        step.name = f"leaf {len([n for n in leaves if number[n] <= number[node]])}"
        step.value = handle._concrete("explain()") if handle is not None else None  # noqa: SLF001
    steps[number[root]].gradient = np.ones(loss.shape)
    _sum_parts(steps)
    return Derivation("loss", steps, number[root], tuple(number[n] for n in leaves), [])


def _leaf(node: Node) -> Handle | None:
    reference = node.leaf if isinstance(node, Recorded) else None
    return None if reference is None else reference()


def _kept_values(order: Sequence[Node]) -> dict[Node, Any]:
    """The values that rules saved, by the node whose value they are."""
    known: dict[Node, Any] = {}
    for node in order:
        if isinstance(node, Recorded) and isinstance(node.type, Type):
            for i, value in node.saved.items():
                known[node if i == OUT else node.inputs[i]] = value
    return known
