"""A layer of several operations as one call of its body, where a program is recorded.

What a program repeats is compiled as a whole, so that the parts of a layer need no records of their
own. Its body is traced at the first call of each kind: function, line, options, types.
Example: `@one_call` above `def linear(x, w, bias)` makes it one operation of a recorded step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chainrule.base.dtypes import DType
from chainrule.base.errors import ChainruleError
from chainrule.base.shapes import Size
from chainrule.base.source import Location, location
from chainrule.graph.interning import interned
from chainrule.graph.node import INPUT, Graph, Node, Type
from chainrule.graph.walk import ordered
from chainrule.ops import TABLE
from chainrule.ops.compose import Composed, compose
from chainrule.ops.control import project
from chainrule.ops.creation import detach
from chainrule.ops.record import OUT, Contract, Template
from chainrule.tensor.calls import call_for, inside_another
from chainrule.tensor.convert import get_default_dtype
from chainrule.tensor.deferred.pending import array_of
from chainrule.tensor.dispatch import apply_many, fresh
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded, record

if TYPE_CHECKING:
    from chainrule.tensor.body import BodyTrace
    from chainrule.tensor.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
_MOST = 1024  # kinds of calls
_OFTEN = 16  # calls of a kind that are evaluated operation by operation, without gradients
_MOST_REPEATED = 4096  # kinds of those
_MOST_AGAIN = 1 << 15  # elements that a gradient may compute again, as nothing in a body is saved
_HEAVY = (Contract, Template)
_PLAIN = frozenset({bool, int, float, str, type(None), DType})  # options that tell calls apart
_SIZES = frozenset({tuple, Size})


class _Kind(NamedTuple):
    """What a kind of call records: its call, and which of the arguments are its operands."""

    call: Any
    order: tuple[int, ...]
    grad: bool  # whether a gradient may be needed
    parts: tuple[Any, ...] | None  # types of the results; None if the call is an operation itself
    smooth: tuple[bool, ...]  # whether a gradient passes to each result
    several: tuple[int | None, ...] | None  # of a tuple: the number of each result, or None
    constants: tuple[Handle, ...]  # tensors that `fn` makes: operands after the arguments
    place: Location  # kept alive, as calls are told apart by its id


def one_call(fn: F) -> F:
    """`fn`, which depends on its arguments alone; one operation where it is recorded.

    It returns new tensors: one, or a tuple of tensors and None. Evaluated at once, each part is an
    operation; without gradients, what repeats is evaluated together. What `fn` checks, it checks at
    the first call of each kind; arguments that are neither tensors nor numbers, strings and tuples
    of integers are left to `fn`.
    """

    @functools.wraps(fn)
    def function(*args: Any, **options: Any) -> Any:
        here = modes.__dict__  # of this thread
        at_once = here["recorder"] is None
        if here["trace"] is not None or (at_once and not _plain(here)):
            return fn(*args, **options)
        key: list[Any] = [fn, here["grad"], get_default_dtype(), *options]
        tensors: list[Handle] = []
        for arg in (*args, *options.values()) if options else args:
            if isinstance(arg, Handle):
                if arg._lens is not None or arg._type is None:
                    arg._ready(fn.__name__)
                key.append(arg._type)
                key.append(arg._requires_grad)
                tensors.append(arg)
                continue
            kind = type(arg)
            if kind in _PLAIN:
                key.append(kind)
                key.append(arg if kind is not float else arg.hex())  # -0.0 is not 0.0
            elif kind in _SIZES and all(type(n) is int for n in arg):
                key.append(arg)
            else:
                return fn(*args, **options)
        return (_at_once if at_once else _called)(fn, args, options, key, tensors)

    return function  # type: ignore[return-value]


def _plain(here: dict[str, Any]) -> bool:
    """Whether nothing but values is asked for: no gradient, and no search for NaN."""
    return not (here["grad"] or here["anomaly"] or here["watch"] is not None)


def as_one_call(fn: Callable[..., R], /, *args: Handle | None, **options: Hashable) -> R:
    """`fn(*args, **options)` once as one operation; see `one_call`."""
    here = modes.__dict__
    if here["recorder"] is None or here["trace"] is not None:
        return fn(*args, **options)
    key: list[Any] = [fn, here["grad"], get_default_dtype(), *options]
    for option in options.values():
        key += (type(option), option if type(option) is not float else option.hex())
    tensors = []
    for arg in args:
        if arg is None:
            key.append(None)
            continue
        arg._ready(fn.__name__)
        key += (arg._type, arg._requires_grad)
        tensors.append(arg)
    return _called(fn, args, options, key, tensors)  # type: ignore[no-any-return]


def called(fn: Callable[..., tuple[Tensor, ...]], *args: Handle | None) -> tuple[Tensor, ...]:
    """`fn(*args)`, which depends on its arguments alone, as one operation, also at once.

    A small network step is many operations on few numbers: as one call of its body it costs what
    one operation costs, and its gradient as well. A trace, or a search for NaN, sees all of them.
    """
    if modes.trace is not None or modes.anomaly or modes.watch is not None:
        return fn(*args)
    if modes.recorder is not None:
        return as_one_call(fn, *args)
    from chainrule.tensor.body import body_trace, recorded_once  # not needed to import the package

    def record() -> tuple[Graph, BodyTrace]:
        with body_trace() as trace:
            return interned(trace.graph((), fn(*args))), trace

    body, operands = recorded_once(fn, args, None, record)
    return apply_many(TABLE["call"], *operands, graph=body)


_kinds: dict[Any, _Kind | None] = {}  # None: `fn` is to be called


def _called(
    fn: Callable[..., Any], args: Sequence[Any], options: dict[str, Any], key: list[Any],
    tensors: list[Handle],
) -> Any:  # fmt: skip
    """The call, recorded; `key` tells it apart from others of `fn` but for its line."""
    place = location(3)
    # the hash of a code object is slow: it reads all instructions
    key += (id(place[0]), place[1]) if type(place) is tuple else (place,)
    if len(tensors) > 1 and len({*map(id, tensors)}) < len(tensors):  # one tensor twice
        key.append(_aliases(tensors))
    kind = tuple(key)
    try:
        found = _kinds[kind]
    except KeyError:
        try:
            found = _prepared(fn, args, options, tensors, place)
        except ChainruleError:
            return fn(*args, **options)  # which raises it, or warns, at its own operation
        if len(_kinds) >= _MOST:
            _kinds.clear()
        _kinds[kind] = found
    if found is None:
        return fn(*args, **options)
    call, order, grad, parts, smooth, several, constants, _ = found
    tensors += constants
    values = tuple([tensors[i]._value for i in order])
    made = modes.recorder.record(call, values)  # type: ignore[union-attr]
    node = None
    if grad:
        read: Any = [tensors[i] for i in order]
        nodes = tuple([t._node or t._tape_node() for t in read])
        node = record(call, nodes, call.keep((*values, made)), place)
    if parts is None:
        return fresh(made, call.type, node)
    ends = [node if passes else None for passes in smooth]
    if several is None:
        return _result(0, made[0], parts[0], ends[0])
    return tuple([None if i is None else _result(i, made[i], parts[i], ends[i]) for i in several])


def _result(number: int, value: Any, kind: Type, node: Recorded | None) -> Any:
    """A result of a recorded call of several operations."""
    if node is None:
        return fresh(value, kind, None)
    return fresh(value, kind, Recorded(project, (node,), {"index": number}, kind, node.location))


_repeated: dict[tuple[Any, ...], int | tuple[_Kind, Composed] | None] = {}  # or their number


def _at_once(
    fn: Callable[..., Any], args: Sequence[Any], options: dict[str, Any], key: list[Any],
    tensors: list[Handle],
) -> Any:  # fmt: skip
    """The values of a call without a gradient: of one that repeats, by one function of arrays."""
    if len(tensors) > 1:
        key.append(_aliases(tensors))
    kind = tuple(key)
    found = _repeated.get(kind, 0)
    if type(found) is int:
        if len(_repeated) >= _MOST_REPEATED:
            _repeated.clear()
        found = found + 1 if found < _OFTEN else _function(fn, args, options, tensors)
        _repeated[kind] = found
    if type(found) is not tuple:
        return fn(*args, **options)
    (call, order, _, parts, _, several, constants, _), compute = found
    tensors += constants
    values = [array_of(tensors[i]._value) for i in order]
    try:
        made = modes.quietly(compute, *values)
    except ChainruleError:
        return fn(*args, **options)  # which raises it with the names of its arguments
    except RuntimeError as error:
        made = inside_another(error, call, values)
    assert parts is not None
    if several is None:
        return fresh(made[0], parts[0], None)
    return tuple([None if i is None else fresh(made[i], parts[i], None) for i in several])


def _function(
    fn: Callable[..., Any], args: Sequence[Any], options: dict[str, Any], tensors: Sequence[Handle]
) -> tuple[_Kind, Composed] | None:
    """What the call computes, as one function; None if it does more."""
    try:
        found = _prepared(fn, args, options, tensors, location(3))
    except ChainruleError:
        return None
    if found is None or found.parts is None:  # a single operation has its own fast path
        return None
    body = found.call.attrs["graph"]
    return found, compose(body.inputs, body.outputs, _large)


def _large(node: Node) -> Any:
    """The call of an operation that may have a native kernel; None for others."""
    types = tuple([n.type for n in node.inputs])
    key = (*types, *node.attrs.items())
    call = node.op.prepared.get(key) or call_for(node.op, types, node.attrs)
    return call if call.size else None


def _aliases(tensors: Iterable[Handle]) -> tuple[int, ...]:
    """For each tensor the position at which it stands first."""
    first: dict[int, int] = {}
    return tuple([first.setdefault(id(t), i) for i, t in enumerate(tensors)])


def _prepared(
    fn: Callable[..., Any], args: Sequence[Any], options: dict[str, Any],
    tensors: Sequence[Handle], place: Location,
) -> _Kind | None:  # fmt: skip
    """What is recorded; None if `fn` does more than compute new tensors from these."""
    from chainrule.tensor.body import body_trace  # not needed to import the package

    with body_trace() as trace:
        made = fn(*args, **options)
        listed = made if type(made) is tuple else (made,)
        outs = [t for t in listed if t is not None]
        if not all(isinstance(t, Handle) for t in outs) or not _new(outs):
            return None
        smooth = tuple([t.requires_grad for t in outs])
        graph = trace.graph((), outs)
    captured = trace.captured()
    constants = tuple([t for t in captured if id(t) in trace.made])
    given = (*tensors, *constants)
    places = {id(t): i for i, t in reversed([*enumerate(given)])}
    read = [places.get(id(t), -1) for t in captured]
    if -1 in read or not read or trace.ordinals or trace.effects():
        return None
    # in their order, in which reverse mode reaches them, last first, as in evaluation at once
    order, inputs = zip(*sorted(zip(read, graph.inputs, strict=True)), strict=True)
    body = interned(Graph(inputs, graph.outputs))
    grad = modes.grad and any(given[i]._requires_grad for i in order)
    if grad and _again(body) > _MOST_AGAIN:
        return None
    several = None
    if type(made) is tuple:
        number = iter(range(len(outs)))
        several = tuple([None if t is None else next(number) for t in made])
    alone = _alone(body) if several is None else None
    if alone is None:
        op, attrs = TABLE["call"], {"graph": body}
        types = tuple([n.type for n in body.inputs])
    else:
        op, attrs = alone.op, alone.attrs
        order = tuple([order[body.inputs.index(_source(n))] for n in alone.inputs])
        types = tuple([n.type for n in alone.inputs])
    call = op.prepared.get((*types, *attrs.items())) or call_for(op, types, attrs)
    grad = grad and call.smooth and any(smooth)
    return _Kind(call, order, grad, call.parts, smooth, several, constants, place)


def _new(outs: Sequence[Handle]) -> bool:
    """Whether these are new tensors, or views of new ones of which there is nothing else."""
    roots = [t if t._lens is None else t._lens.root for t in outs]
    return all(root.is_symbol for root in roots) and len({*map(id, roots)}) == len(roots)


def _alone(body: Graph) -> Any:
    """The one operation of a body, if it has one result and does nothing else."""
    node = _source(body.outputs[0])
    if node.op is INPUT or "projection" in node.op.traits:
        return None
    return node if all(_source(n).op is INPUT for n in node.inputs) else None


def _source(node: Node) -> Node:
    """The node whose value this is, without the limits to its gradient."""
    while node.op is detach:
        (node,) = node.inputs
    return node


def _again(body: Graph) -> int:
    """What a gradient computes again: elements of products, loops, attentions; 1/32 of others'."""
    total = 0
    read: set[Node] = set()  # by what is dear to compute again
    for node in reversed(ordered(body)):
        op: Any = node.op
        if op is INPUT or op.cost == "free":
            read.update(node.inputs if node in read else ())
            continue
        size = sum([t.size for t in node.results if t.dtype.kind != "int"])
        if type(op.lower) not in _HEAVY:
            total += size // 32
        elif op.saves is None or OUT in op.saves or node in read:
            total += size
        if op.cost == "dear" or node in read:
            read.update(node.inputs)
    return total
