"""Hooks on gradients: called in reverse mode, where they may change one, or after `.grad` grew.

A hook of a computed tensor belongs to its node, a hook of a leaf to the leaf. In a trace hooks run
once, on symbols, and become part of the graph: `watched` tells reverse mode what to call at which
node. Example: `x.register_hook(lambda g: g.clamp(-1, 1))`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from chainrule.base.errors import GradientError, KindError, ShapeError
from chainrule.base.source import location
from chainrule.graph.node import INPUT, Node
from chainrule.ops import TABLE
from chainrule.ops.record import Builder
from chainrule.tensor.calls import call_for
from chainrule.tensor.dispatch import apply_many, fresh, wrap
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward, Recorded, record

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace

Hook = Callable[[Any], Any]
Watch = Callable[[Builder, Any], Any]

_numbers = itertools.count()
_LEAF, _AFTER = "_backward_hooks", "_post_accumulate_grad_hooks"
_LAST = 1 << 62  # number of the hook that keeps a gradient, after all others


class RemovableHandle:
    """The result of registering a hook: `remove()`, or the end of a `with` block, takes it away."""

    def __init__(self, hooks: dict[int, Hook], number: int) -> None:
        self._hooks, self.id = hooks, number

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook(grad)` when this tensor's gradient is computed; it may return another gradient."""
    if not self.requires_grad:
        raise GradientError("cannot register a hook on a tensor that does not require grad")
    return _add(_hooks_of(self), hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook(tensor)` after backward has added to the `.grad` of this leaf."""
    if not self.requires_grad or not self.is_leaf:
        raise GradientError(
            "post accumulate grad hooks are for leaf tensors that require grad; "
            "register_hook() is for the others"
        )
    return _add(self.__dict__.setdefault(_AFTER, {}), hook)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this computed tensor in its `.grad`; a leaf keeps it anyway."""
    if not self.requires_grad:
        raise GradientError("cannot retain the gradient of a tensor that does not require grad")
    if self.is_leaf:
        return
    seen = weakref.ref(self)

    def keep(gradient: Tensor) -> None:
        handle = seen()
        if handle is not None:
            before = handle._grad
            handle._grad = gradient if before is None else before + gradient

    _hooks_of(self)[_LAST] = keep


def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad()` was called on this computed tensor."""
    return not self.is_leaf and _LAST in _hooks_of(self, make=False)


def next_number() -> int:
    """A number that no other hook ever has."""
    return next(_numbers)


def gate(tensors: Sequence[Handle], hook: Hook) -> tuple[Tensor, ...]:
    """The same values behind one node: `hook` gets the list of all their gradients at once.

    A missing gradient is None; the hook returns as many, or None to keep them.
    """
    trace = modes.trace
    if trace is not None:
        out = apply_many(TABLE["bundle"], *tensors)
        node = trace.node_of(out[0]).inputs[0]
        trace.hooks.setdefault(node, {})[next_number()] = hook
        return out
    for t in tensors:
        t._ready("a gate")
    bundle, types = TABLE["bundle"], tuple([t.array_type for t in tensors])
    call = bundle.prepared.get(types) or call_for(bundle, types, {})
    both = record(call, tuple([t._tape_node() for t in tensors]), (), location())
    _at(both)[next_number()] = hook
    picked = [
        Recorded(TABLE["project"], (both,), {"index": i}, kind, both.location)
        for i, kind in enumerate(types)
    ]
    return tuple([fresh(t._value, t._type, n) for t, n in zip(tensors, picked, strict=True)])


def _hooks_of(handle: Handle, *, make: bool = True) -> dict[int, Hook]:
    """The hooks of a tensor in the open trace, or in eager execution."""
    trace = modes.trace
    if trace is not None and not (trace.is_outside(handle) and handle.is_leaf):
        node = trace.node_of(handle)
        return trace.hooks.setdefault(node, {}) if make else trace.hooks.get(node, {})
    if handle.is_leaf:
        return handle.__dict__.setdefault(_LEAF, {})  # type: ignore[no-any-return]
    node = handle._tape_node()
    return _at(node) if make else getattr(node, "hooks", {})


def _at(node: Node) -> dict[int, Hook]:
    """The hooks of a node of the eager tape."""
    assert isinstance(node, Recorded)
    Recorded.any_hooked = True
    try:
        return node.hooks
    except AttributeError:
        node.hooks = {}
        return node.hooks


def _add(hooks: dict[int, Hook], hook: Hook) -> RemovableHandle:
    Recorded.any_hooked = True
    number = next(_numbers)
    hooks[number] = hook
    return RemovableHandle(hooks, number)


# read by reverse mode


class Staged(Backward):
    """The builder of a walk in stages, in which gradients are tensors, perhaps pending."""

    def __init__(self, retain: bool, taped: bool) -> None:
        """`taped` gradients have nodes of their own."""
        super().__init__(retain=retain, record_graph=taped)

    def copy(self, tensor: Handle) -> Tensor:
        """A gradient for Python code, or from it: what is written to it later is its own."""
        tensor._ready("a gradient")
        node = tensor._tape_node() if self.record_graph else None
        return fresh(tensor._value, tensor._type, node)


def watched(order: Iterable[Node]) -> dict[Node, Watch]:
    """The hooks to call at nodes of the eager tape."""
    found: dict[Node, Watch] = {}
    for node in order if Recorded.any_hooked else ():
        if node.op is INPUT:
            handle = node.leaf() if isinstance(node, Recorded) and node.leaf is not None else None
            hooks = None if handle is None else handle.__dict__.get(_LEAF)
        else:
            hooks = getattr(node, "hooks", None)
        if hooks:
            found[node] = _calling(hooks)
    return found


def watched_in(trace: Trace, handles: Sequence[Handle]) -> dict[Node, Watch]:
    """The hooks to call at nodes of a trace, and for `handles`, leaves from outside."""
    found = {node: _calling(hooks) for node, hooks in trace.hooks.items() if hooks}
    leaves = [h for h in handles if trace.is_outside(h)]
    if leaves and trace.guard(lambda: _numbers_of(leaves)):
        found |= {
            trace.node_of(h): _calling(hooks) for h in leaves if (hooks := h.__dict__.get(_LEAF))
        }
    return found


def _numbers_of(handles: Sequence[Handle]) -> tuple[int, ...]:
    """The numbers of all hooks, which are never used again."""
    own = [h.__dict__ for h in handles if h.__dict__]
    return tuple([n for d in own for kind in (_LEAF, _AFTER) for n in d.get(kind, ())])


def call_after(handle: Handle) -> None:
    """Call the hooks that run after `.grad` was added to."""
    for hook in list(handle.__dict__.get(_AFTER, {}).values()):
        if hook(handle) is not None:
            raise GradientError("a post accumulate grad hook must return None")


def _calling(hooks: Mapping[int, Hook]) -> Watch:
    def watch(b: Builder, ct: Any) -> Any:
        if isinstance(ct, list):
            return _call_together(b, hooks, ct)
        for _, hook in sorted(hooks.items()):
            gradient = shown(b, ct)
            new = hook(gradient)
            if new is None:
                continue
            _check(gradient, new)
            ct = hidden(b, new)
        return ct

    return watch


def _call_together(
    b: Builder, hooks: Mapping[int, Hook], cts: list[Node | None]
) -> list[Node | None]:
    for _, hook in sorted(hooks.items()):
        given = [None if ct is None else shown(b, ct) for ct in cts]
        new = hook(given)
        if new is None:
            continue
        for before, after in zip(given, new, strict=True):
            if before is not None and after is not None:
                _check(before, after)
        cts = [
            ct if now is was else None if now is None else hidden(b, now)
            for ct, was, now in zip(cts, given, new, strict=True)
        ]
    return cts


def _check(before: Tensor, after: Tensor) -> None:
    """Raise unless a gradient that a hook returned can stand for the one that it got."""
    if after.shape != before.shape:
        raise ShapeError(
            f"a hook changed a gradient of shape {before.shape} to shape {after.shape}"
        )
    if after.dtype != before.dtype:
        raise KindError(
            f"a hook changed a gradient of {before.dtype} to {after.dtype}\n"
            f"  return it with .to({before.dtype})"
        )


def shown(b: Builder, ct: Node) -> Tensor:
    """The tensor that stands for a gradient node."""
    if isinstance(b, Staged):
        return b.copy(ct)  # type: ignore[arg-type]
    if not isinstance(b, Backward):
        return wrap(None, ct, requires_grad=modes.grad)
    if b.record_graph and isinstance(ct, Recorded):
        return wrap(b.value(ct), ct, requires_grad=True)
    return wrap(b.value(ct))


def hidden(b: Builder, tensor: Handle) -> Node:
    """The gradient node of a tensor."""
    if isinstance(b, Staged):
        return b.copy(tensor)  # type: ignore[return-value]
    if not isinstance(b, Backward):
        assert modes.trace is not None
        return modes.trace.node_of(tensor)
    if not b.record_graph:
        return tensor._concrete("a gradient")  # type: ignore[return-value]
    node = tensor._tape_node()
    b.know(node, tensor._concrete("a gradient"))
    return node
