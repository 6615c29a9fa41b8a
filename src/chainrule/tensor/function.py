"""`autograd.Function`: an operation whose gradient the user writes.

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3
        @staticmethod
        def backward(ctx, ct):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * ct

    y = Cube.apply(x)

In a trace both methods run once, on symbols, and become a `call` with its own gradient.
Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.Function
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from chainrule.base.errors import ArgumentError, GradientError, ShapeError, UndefinedMethodError
from chainrule.base.source import location
from chainrule.graph.interning import interned
from chainrule.graph.node import Graph, Node, TupleType, input_node
from chainrule.ops import TABLE
from chainrule.ops.control import call, project
from chainrule.ops.record import Builder
from chainrule.tensor.body import BodyTrace, body_trace
from chainrule.tensor.convert import as_tensor, cast
from chainrule.tensor.dispatch import apply, apply_many, wrap
from chainrule.tensor.handle import Handle
from chainrule.tensor.hooks import hidden, shown
from chainrule.tensor.modes import modes, no_grad, set_grad_enabled
from chainrule.tensor.tape import Backward, Recorded

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class _Result(NamedTuple):
    """A saved tensor that is result number `number`, wrapped again at each read."""

    number: int
    value: Any


class FunctionCtx:
    """The context between `forward` and `backward`; other attributes are the user's."""

    def __init__(self, needs: tuple[bool, ...]) -> None:
        """`needs_input_grad` says which arguments need a gradient."""
        self.needs_input_grad = needs
        self._saved: Sequence[Any] | None = ()
        self._dirty: tuple[Any, ...] = ()
        self._plain: tuple[Any, ...] = ()  # results without gradient
        self._materialize = True
        self._result: Callable[[_Result], Tensor] | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep the present values of tensors until backward has run."""
        for t in tensors:
            if t is not None and not isinstance(t, Handle):
                raise ArgumentError(
                    f"save_for_backward() keeps tensors, not {type(t).__name__}; "
                    "assign other things to attributes of ctx"
                )
        self._saved = [None if t is None else _snapshot(t) for t in tensors]

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors kept by `save_for_backward`."""
        if self._saved is None:
            raise GradientError(
                "the saved tensors were released by the first backward(); "
                "pass retain_graph=True there to keep them"
            )
        return tuple([self._shown(t) for t in self._saved])

    def _shown(self, saved: Any) -> Any:
        return self._result(saved) if isinstance(saved, _Result) and self._result else saved

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """These results get no gradient."""
        self._plain = args

    def mark_dirty(self, *args: Tensor) -> None:
        """These arguments were changed in place and are returned."""
        self._dirty = args

    def set_materialize_grads(self, value: bool) -> None:
        """With False, `backward` gets None instead of zeros for an unused result."""
        self._materialize = value


def _snapshot(t: Handle) -> Tensor:
    """A tensor with the present value and node of `t`, whatever is written to `t` later."""
    if t._symbol() is not None:
        trace = modes.trace
        assert trace is not None
        return wrap(None, trace.node_of(t), requires_grad=t.requires_grad)
    node = t._tape_node() if t.requires_grad else None
    if modes.trace is not None:
        return t  # type: ignore[return-value]  # an outside tensor: an input of the trace
    return wrap(t._value, node, requires_grad=t.requires_grad)


class Function:
    """The base class, with static methods `forward`, `backward` and perhaps `setup_context`."""

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """`forward(ctx, *args)`, or `forward(*args)` with a `setup_context`."""
        del args, kwargs
        raise UndefinedMethodError("an autograd.Function needs a static forward()")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what backward needs, if `forward` takes no ctx."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each argument of forward, None for one without."""
        del ctx, grad_outputs
        raise UndefinedMethodError("an autograd.Function needs a static backward()")

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangent of each result, from those of the arguments; without it, by `backward`."""
        del ctx, grad_inputs
        raise UndefinedMethodError("this autograd.Function has no static jvp()")

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: a Function has no instances."""
        raise ArgumentError(f"call {type(self).__name__}.apply(…): a Function has no instances")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The results of `forward`, with the gradient that `backward` returns."""
        needs = tuple([isinstance(a, Handle) and a.requires_grad and modes.grad for a in args])
        ctx = FunctionCtx(needs)
        if not any(needs):
            return _run_forward(cls, ctx, args)
        if modes.trace is not None:
            return _traced(cls, ctx, args)
        before = [a._tape_node() for a in args if isinstance(a, Handle)]
        return _recorded(cls, ctx, args, before, _run_forward(cls, ctx, args))


def _run_forward(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    with no_grad():
        if cls.setup_context is Function.setup_context:
            return cls.forward(ctx, *args)
        out = cls.forward(*args)
        cls.setup_context(ctx, args, out)
        return out


def _run_backward(
    cls: type[Function], ctx: FunctionCtx, args: Sequence[Any], cts: Sequence[Any]
) -> list[Tensor | None]:
    """The gradients of the tensors among `args` (tensors, or types), checked."""
    rule = cls.backward if cls.backward is not Function.backward else cls.vjp
    found = rule(ctx, *cts)
    grads = list(found) if isinstance(found, (tuple, list)) else [found]
    extra = grads[len(args) :]
    if len(grads) < len(args) or any(g is not None for g in extra):
        raise GradientError(
            f"{cls.__name__}.backward gave {len(grads)} gradients for {len(args)} arguments of "
            "forward: give one for each, None where there is none"
        )
    out: list[Tensor | None] = []
    for i, (arg, grad) in enumerate(zip(args, grads, strict=False)):
        if arg is None and grad is not None:
            raise GradientError(
                f"{cls.__name__}.backward gave a gradient for argument {i}, which is not a tensor"
            )
        if arg is not None:
            out.append(
                _fitting(grad, arg, f"{cls.__name__}.backward gave a gradient", f"argument {i}")
            )
    return out


def _fitting(grad: Any, like: Any, rule: str, of: str) -> Tensor | None:
    """What a rule gave as the derivative of a tensor; None where that has none."""
    if grad is None or like.dtype.kind != "float":
        return None
    found = as_tensor(grad)
    if found.shape != like.shape:
        raise ShapeError(f"{rule} of shape {found.shape} for {of} of shape {like.shape}")
    return cast(found, like.dtype)


def _tensors(cls: type[Function], out: Any) -> list[Any]:
    several = list(out) if isinstance(out, (tuple, list)) else [out]
    for t in several:
        if t is not None and not isinstance(t, Handle):
            raise ArgumentError(
                f"{cls.__name__}.forward returns tensors, not {type(t).__name__}, "
                "where a gradient is asked for"
            )
    return several


def _same(t: Any, among: Sequence[Any]) -> bool:
    return any(t is a for a in among)


def _saved_results(ctx: FunctionCtx, saved: Sequence[Any], outs: Sequence[Any]) -> None:
    """Saved results are stored by number: a reference to itself would keep a result alive."""
    values = [None if t is None else t._value for t in outs]
    nodes = [None if t is None else t._symbol() for t in outs]
    for at, t in enumerate(saved):
        for number, (value, node) in enumerate(zip(values, nodes, strict=True)):
            same = t is not None and not t.requires_grad
            if same and (t._value is value if node is None else t._symbol() is node):
                ctx._saved[at] = _Result(number, value)  # type: ignore[index]


# -- eager ----------------------------------------------------------------------------------------


def _recorded(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], before: list[Node], out: Any
) -> Any:
    """Put the function on the tape."""
    outs = _tensors(cls, out)
    kinds = [t for t in outs if t is not None]
    node = Recorded(
        call,
        tuple(before),
        {"name": cls.__name__, "rule": _Rule(cls, ctx, args)},
        TupleType(tuple([t.array_type for t in kinds])),
        location(),
    )
    _saved_results(ctx, ctx._saved or (), kinds)
    made = []
    for i, t in enumerate(kinds):
        plain = t.dtype.kind != "float" or _same(t, ctx._plain)
        picked = (
            None if plain else Recorded(project, (node,), {"index": i}, t.array_type, node.location)
        )
        t._ready(cls.__name__)
        handle = t if _same(t, ctx._dirty) else wrap(t._value, type=t._type)
        handle._node, handle._requires_grad = picked, not plain
        made.append(handle)
    given = iter(made)
    results = [None if t is None else next(given) for t in outs]
    return tuple(results) if isinstance(out, (tuple, list)) else results[0]


class _Rule:
    """The vjp of one application, for eager reverse mode."""

    def __init__(self, cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> None:
        self.cls, self.ctx = cls, ctx
        self.types = [a.array_type if isinstance(a, Handle) else None for a in args]

    def __call__(self, b: Builder, node: Node, ct: Sequence[Node | None]) -> list[Node | None]:
        """Run `backward` on tensors that stand for the cotangents."""
        assert isinstance(b, Backward)
        assert isinstance(node, Recorded)
        assert isinstance(node.type, TupleType)
        ctx = self.ctx

        def result(saved: _Result) -> Tensor:
            type_ = node.type.items[saved.number]  # type: ignore[union-attr]
            if not b.record_graph or type_.dtype.kind != "float":
                return wrap(saved.value)
            index = {"index": saved.number}
            picked = Recorded(project, (node,), index, type_, node.location)
            return wrap(saved.value, picked, requires_grad=True)

        ctx._result = result
        cts: list[Any] = []
        for c, t in zip(ct, node.type.items, strict=True):
            if c is not None:
                cts.append(shown(b, c))
            else:
                zeros = ctx._materialize
                attrs = {"value": 0, "dtype": t.dtype, "shape": t.shape}
                cts.append(apply(TABLE["full"], **attrs) if zeros else None)
        with set_grad_enabled(b.record_graph):
            grads = _run_backward(self.cls, ctx, self.types, cts)
        if not b.retain:
            ctx._saved = None
        return [None if g is None else hidden(b, g) for g in grads]


# -- traced ---------------------------------------------------------------------------------------


def _traced(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    """A `call` whose gradient is the graph of `backward`, recorded at once."""
    tensors = [a for a in args if isinstance(a, Handle)]
    with body_trace() as body:
        for t in tensors:
            body.node_of(t)
        out = _run_forward(cls, ctx, args)
        outs = [t for t in _tensors(cls, out) if t is not None]
        changed = body.effects()
        after = [wrap(None, bound.node) for bound in changed]
        forward = body.graph((), [*outs, *after])
        _saved_results(ctx, ctx._saved or (), outs)
        own = None if cls.jvp is Function.jvp else _tangents(cls, ctx, args, outs, body)
        gradient = _gradient(cls, ctx, args, outs, body)
        operands = body.captured()
        forward_rule = {} if own is None else own.attrs(body)
        graph = Graph(gradient.graph.inputs[: len(operands)], forward.outputs)
        plain = [t.dtype.kind != "float" or _same(t, ctx._plain) for t in outs]
    places = {id(t): i for i, t in enumerate(operands)}
    results = apply_many(
        call,
        *operands,
        graph=interned(graph),
        vjp_graph=interned(gradient.graph),
        wanted=tuple([places[id(tensors[i])] for i in gradient.wanted]),
        reads=tuple(range(len(outs))),
        label=cls.__name__,
        **forward_rule,
    )
    body.advance_generators()
    for t, no_gradient in zip(results, plain, strict=False):
        t._requires_grad = not no_gradient
    for bound, result in zip(changed, results[len(outs) :], strict=True):
        returned = [new for t, new in zip(outs, results, strict=False) if t is bound.handle]
        bound.handle._become(returned[0] if returned else result)
    made = [t if _same(t, ctx._dirty) else new for t, new in zip(outs, results, strict=False)]
    given = iter(made)
    if not isinstance(out, (tuple, list)):
        return made[0]
    return tuple([None if t is None else next(given) for t in out])


class _Gradient(NamedTuple):
    """(captured…, results…, cotangents…) → gradients of the tensors numbered in `wanted`."""

    graph: Graph
    wanted: tuple[int, ...]


class _Forward(NamedTuple):
    """(captured…, results…, tangents of `moving`) → tangents of the results numbered in `moved`."""

    moving: list[Handle]
    inputs: tuple[Node, ...]
    moved: tuple[int, ...]
    ends: list[Tensor]

    def attrs(self, body: BodyTrace) -> dict[str, Any]:
        """What the call says of it, once everything that the body captures is known."""
        whole = body.graph((), self.ends)
        places = {id(t): i for i, t in enumerate(body.captured())}
        graph = interned(Graph((*whole.inputs, *self.inputs), whole.outputs))
        moves = tuple([places[id(t)] for t in self.moving])
        return {"jvp_graph": graph, "moves": moves, "moved": self.moved}


def _tangents(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outs: list[Any], body: BodyTrace
) -> _Forward:
    moving = [a for a in args if isinstance(a, Handle) and a.dtype.kind == "float"]
    results = [input_node(t.array_type) for t in outs]
    seeds = [input_node(t.array_type) for t in moving]
    with set_grad_enabled(True):
        shown_results, tangents = body.arguments(results), iter(body.arguments(seeds))
        ctx._result = lambda saved: shown_results[saved.number]
        given = [next(tangents) if _same(a, moving) else None for a in args]
        found = cls.jvp(ctx, *given)
    several = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(several) != len(outs):
        raise GradientError(
            f"{cls.__name__}.jvp gave {len(several)} tangents for {len(outs)} results of forward"
        )
    moved, ends = [], []
    for i, (tangent, out) in enumerate(zip(several, outs, strict=True)):
        end = _fitting(tangent, out, f"{cls.__name__}.jvp gave a tangent", f"result {i}")
        if end is not None:
            moved.append(i)
            ends.append(end)
    return _Forward(moving, (*results, *seeds), tuple(moved), ends)


def _gradient(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outs: list[Any], body: BodyTrace
) -> _Gradient:
    results = [input_node(t.array_type) for t in outs]
    seeds = [input_node(t.array_type) for t in outs]
    with set_grad_enabled(True):
        shown_results, cts = body.arguments(results), body.arguments(seeds)
        ctx._result = lambda saved: shown_results[saved.number]
        kinds = [a.array_type if isinstance(a, Handle) else None for a in args]
        grads = _run_backward(cls, ctx, kinds, cts)
    ctx._saved = ()
    wanted = [i for i, g in enumerate(grads) if g is not None]
    ends = [grads[i] for i in wanted]
    whole = body.graph((), ends)  # type: ignore[arg-type]
    return _Gradient(Graph((*whole.inputs, *results, *seeds), whole.outputs), tuple(wanted))


# -- decorators of backward -----------------------------------------------------------------------


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A `backward` that cannot be differentiated: a second derivative raises."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            out = fn(ctx, *args)
        asked = [a for a in args if isinstance(a, Handle) and a.requires_grad]
        if not modes.grad or not asked:
            return out
        if isinstance(out, (tuple, list)):
            return tuple([g if g is None else _once(g, asked) for g in out])
        return None if out is None else _once(out, asked)

    return wrapper


def _once(gradient: Tensor, asked: Sequence[Handle]) -> Tensor:
    """The gradient, through which no derivative goes on to what it was made from."""
    inputs = tuple([input_node(t.array_type) for t in (gradient, *asked)])
    body = interned(Graph(inputs, inputs[:1]))
    (out,) = apply_many(call, gradient, *asked, graph=body, rule=_refuse_second)
    return out


def _refuse_second(*_: Any) -> NoReturn:
    raise GradientError(
        "a second derivative of a function whose backward is marked @once_differentiable"
    )
