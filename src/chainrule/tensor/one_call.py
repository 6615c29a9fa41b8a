"""A layer of several operations as one call of its body, where a program is recorded.

What a program repeats is compiled as a whole, so that the parts of a layer need no records of their
own. Its body is traced at the first call of each kind: function, line, options, types.
Example: `as_one_call(_affine, x, w, bias)` is one operation of a recorded step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from chainrule.base.source import location
from chainrule.graph.interning import interned
from chainrule.graph.node import Graph
from chainrule.ops import TABLE
from chainrule.tensor.calls import call_for
from chainrule.tensor.dispatch import fresh
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded, record

R = TypeVar("R")
_MOST = 1024  # kinds of calls


def as_one_call(fn: Callable[..., R], /, *args: Handle | None, **options: Hashable) -> R:
    """`fn(*args, **options)`, which depends on these alone; one operation where it is recorded.

    `fn` returns a tensor or a tuple of them. Evaluated at once, each part is an operation.
    """
    recorder = modes.recorder
    if recorder is None or modes.trace is not None or modes.layer is not None:
        return fn(*args, **options)
    kinds: list[Any] = []
    for t in args:
        if t is not None:
            t._ready(fn.__name__)
            kinds.append((t._type, t._requires_grad))
        else:
            kinds.append(None)
    place = location(2)
    key = (fn, place, modes.grad, *options.values(), *kinds)
    found = _calls.get(key)
    if found is None:
        if len({id(t) for t in args}) < len(args):  # one tensor twice
            return fn(*args, **options)
        found = _prepared(fn, args, options)
        if len(_calls) >= _MOST:
            _calls.clear()
        _calls[key] = found
    call, order, single = found
    read: list[Any] = [args[i] for i in order]
    values = tuple([t._value for t in read])
    made = recorder.record(call, values)
    if modes.grad and any(t._requires_grad for t in read):
        nodes = tuple([t._node or t._tape_node() for t in read])
        node = record(call, nodes, call.keep((*values, made)), place)
        outs = [
            fresh(value, kind, Recorded(TABLE["project"], (node,), {"index": i}, kind, place))
            for i, (value, kind) in enumerate(zip(made, call.parts, strict=True))
        ]
    else:
        outs = [fresh(*part, None) for part in zip(made, call.parts, strict=True)]
    return outs[0] if single else tuple(outs)  # type: ignore[return-value]


_calls: dict[Any, tuple[Any, tuple[int, ...], bool]] = {}


def _prepared(
    fn: Callable[..., Any], args: Sequence[Handle | None], options: dict[str, Any]
) -> tuple[Any, tuple[int, ...], bool]:
    """The call of the body of `fn`, its operands among `args`, and whether it has one result."""
    from chainrule.tensor.body import body_trace  # not needed to import the package

    with body_trace() as trace:
        made = fn(*args, **options)
        single = type(made) is not tuple
        graph = trace.graph((), (made,) if single else made)
    places = {id(t): i for i, t in enumerate(args)}
    # in their order, in which reverse mode reaches them, last first, as in evaluation at once
    given = sorted((places[id(t)], n) for t, n in zip(trace.captured(), graph.inputs, strict=True))
    body = interned(Graph(tuple([n for _, n in given]), graph.outputs))
    order = tuple([i for i, _ in given])
    types = tuple([n.type for n in body.inputs])
    op, attrs = TABLE["call"], {"graph": body}
    return op.prepared.get((*types, *attrs.items())) or call_for(op, types, attrs), order, single
