"""A function of tensors at a point, evaluated: one forward pass, and derivatives of its results.

The tape, or the open trace, records the function on tensors of its own, so that derivatives nest.
`Evaluated` answers what `Linearized` does for functions that cannot run on symbols: J·v is the
derivative of uᵀ·J, which is linear in u, taken with v; whole Jacobians are made row by row.

Example: `Pass(f, (x,), [0], aux=False).pull([u], create=False)` → uᵀ·∂f/∂x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError
from chainrule.graph.node import INPUT, Node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.tensor.backward import gradients
from chainrule.tensor.dispatch import apply, wrap, zeros_of
from chainrule.tensor.functional.join import stack
from chainrule.tensor.functional.slices import unbind
from chainrule.tensor.modes import enable_grad, modes
from chainrule.tensor.pytree import Rebuild, flatten
from chainrule.tensor.tape import Recorded

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

Fn = Callable[..., Any]
Linear = Callable[[Sequence[Any]], "list[Tensor]"]


def float_leaves(args: Sequence[Any], chosen: Sequence[int]) -> tuple[list[Tensor], Rebuild]:
    """The tensors among the chosen arguments, which are floats."""
    leaves, rebuild = flatten(tuple([args[i] for i in chosen]))
    for t in leaves:
        if t.dtype.kind != "float":
            raise ArgumentError(
                f"there is no derivative with respect to a tensor of {t.dtype}: choose float "
                "arguments, or pass x.float()"
            )
    return leaves, rebuild


def called(
    fn: Fn, args: Sequence[Any], chosen: Sequence[int], new: Sequence[Any], *, aux: bool
) -> tuple[list[Tensor], Rebuild, Any]:
    """The tensors that `fn` returns for `new` chosen arguments, and what it returns beside them."""
    exchanged = dict(zip(chosen, new, strict=True))
    out, beside = fn(*[exchanged.get(i, value) for i, value in enumerate(args)]), None
    if aux:
        if not isinstance(out, tuple) or len(out) != 2:
            raise ArgumentError("with has_aux the function returns a pair (output, aux)")
        out, beside = out
    results, rebuild = flatten(out)
    if not results:
        raise ArgumentError("the function returns no tensor: return the value to differentiate")
    return results, rebuild, beside


def fresh_of(t: Tensor) -> Tensor:
    """The same values at a node of its own, which requires grad."""
    trace = modes.trace
    if trace is not None:
        below = trace.node_of(t if t.requires_grad else t.detach())
        node = trace.record(TABLE["reshape"], (below,), {"shape": t.shape})
        return wrap(None, node, requires_grad=True)
    if t.requires_grad:
        return apply(TABLE["reshape"], t, shape=t.shape)
    out: Tensor = wrap(t._concrete("a function transform"))
    out.requires_grad = True
    return out


class Pass:
    """One forward pass on fresh tensors, and derivatives of its results."""

    def __init__(self, fn: Fn, args: Sequence[Any], chosen: Sequence[int], aux: bool) -> None:
        self.recording = modes.grad
        with enable_grad():
            given, self.rebuild_leaves = float_leaves(args, chosen)
            self.leaves = [fresh_of(t) for t in given]
            new = self.rebuild_leaves(self.leaves)
            self.results, self.rebuild, beside = called(fn, args, chosen, new, aux=aux)
            outer = any(t.requires_grad for t in given)
        self.create = self.recording and (outer or self._reaches_others())
        self.aux = self._released(beside)

    def _reaches_others(self) -> bool:
        """Whether the results depend on other tensors that require grad."""
        with enable_grad():
            moving = [t for t in self.results if t.requires_grad]
        trace = modes.trace
        if trace is None:
            mine = {t._tape_node() for t in self.leaves}
            order = topological([t._tape_node() for t in moving])
            leaves = [n for n in order if n.op is INPUT and n not in mine]
            return any(isinstance(n, Recorded) and n.leaf is not None for n in leaves)
        reach = set(topological([trace.node_of(t) for t in moving], trace.frozen))
        known: list[tuple[Any, bool]] = [(b.node, b.requires_grad) for b in trace.inputs.values()]
        born = [t for ref in trace.born if (t := ref()) is not None]
        known += [(t._node, t._requires_grad) for t in born if _is_input(t._node)]
        return any(flag and node in reach for node, flag in known)

    def _released(self, value: Any) -> Any:
        """Results for the caller: without a graph where no derivative of it can be asked for."""
        found, rebuild = flatten(value)
        return rebuild(found if self.create else [t.detach() for t in found])

    def output(self) -> Any:
        """What the function returned."""
        return self._released(self.rebuild(self.results))

    def pull(self, cotangents: Sequence[Any], *, create: bool, keep: bool = True) -> list[Tensor]:
        """A gradient for each inner tensor."""
        with enable_grad():
            pairs = [(t, c) for t, c in zip(self.results, cotangents, strict=True)]
            moving = [(t, c) for t, c in pairs if t.requires_grad and t.dtype.kind == "float"]
            if not moving:
                return [zeros_of(t) for t in self.leaves]
            outs, cts = zip(*moving, strict=True)
            return gradients(  # type: ignore[return-value]
                outs, self.leaves, cts, retain_graph=keep or create, create_graph=create,
                materialize_grads=True,
            )  # fmt: skip


def _is_input(node: Node | None) -> bool:
    return node is not None and node.op is INPUT


class Evaluated:
    """The interface of `Linearized`, from a pass over a function that reads or hooks gradients."""

    def __init__(self, func: Fn, args: Sequence[Any], chosen: Sequence[int], *, aux: bool) -> None:
        """Call the function once, on tensors with values or in the open trace."""
        self._done = done = Pass(func, args, chosen, aux)
        self.leaves, self.rebuild_leaves = done.leaves, done.rebuild_leaves
        self.results, self.rebuild = flatten(done.output())
        self.aux = done.aux

    def with_tangents(self, given: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The function's results, and J·given."""
        (push,) = self.pushing([range(len(self.leaves))])
        return self.results, push(given)

    def pushing(self, groups: Sequence[Sequence[int]]) -> list[Linear]:
        """For each group of leaves the function v ↦ J·v of directions of these."""
        with enable_grad():
            seeds = [fresh_of(zeros_of(t)) for t in self.results]
            pulled = self._done.pull(seeds, create=True)

        def push(group: Sequence[int], given: Sequence[Any]) -> list[Tensor]:
            pairs = zip(group, given, strict=True)
            moving = [(pulled[i], v) for i, v in pairs if pulled[i].requires_grad]
            if not moving:
                return [zeros_of(t) for t in self.results]
            outs, cts = zip(*moving, strict=True)
            asked = self._done.recording and any(c.requires_grad for c in cts)
            with enable_grad():
                return gradients(  # type: ignore[return-value]
                    outs, seeds, cts, retain_graph=True, create_graph=self._done.create or asked,
                    materialize_grads=True,
                )  # fmt: skip

        return [partial(push, group) for group in groups]

    def pulling(self) -> list[Linear]:
        """For each result the function u ↦ uᵀ·J of its cotangent."""

        def pull(number: int, given: Sequence[Any]) -> list[Tensor]:
            cts = [zeros_of(t) for t in self.results]
            cts[number] = given[0]
            return self._done.pull(cts, create=self._done.create)

        return [partial(pull, i) for i in range(len(self.results))]

    @staticmethod
    def along(linear: Linear, directions: Tensor, chunk_size: int | None) -> list[Tensor]:
        """The linear function of each direction, one after the other."""
        del chunk_size
        size, *shape = directions.shape
        none = {"value": 0, "dtype": directions.dtype, "shape": tuple(shape)}
        rows = unbind(directions) or (apply(TABLE["full"], **none),)
        columns = zip(*[linear([row]) for row in rows], strict=True)
        with enable_grad():
            return [stack(column)[:size] for column in columns]
