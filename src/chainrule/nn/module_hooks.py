"""Functions that a module calls around `forward`, its gradient, and its state.

Each `register_…` returns a handle whose `remove()` removes the hook. In a trace hooks run once, on
symbols; a compiled step is traced again if the hooks of a called module change. Example:
`layer.register_forward_hook(lambda module, args, out: seen.append(out))`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from chainrule.base.dtypes import DType
from chainrule.base.errors import GradientError, KindError
from chainrule.base.shapes import Shape
from chainrule.nn.layer_path import layer_in
from chainrule.tensor.functional.creation import zeros
from chainrule.tensor.hooks import RemovableHandle, gate, next_number
from chainrule.tensor.host import host_same
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module


class Entry(NamedTuple):
    """A hook and its options."""

    hook: Callable[..., Any]
    with_kwargs: bool = False
    always: bool = False


class _Handle(RemovableHandle):
    """A handle that also notes the change of hooks."""

    def remove(self) -> None:
        """Remove the hook; again has no effect."""
        Hooked._newest_change = object()
        super().remove()


_called: weakref.WeakKeyDictionary[Any, list[tuple[Module, tuple[int, ...]]]]
_called = weakref.WeakKeyDictionary()


class Hooked:
    """The part of `Module` that registers hooks."""

    _newest_change: ClassVar[object] = object()  # another one after each change of any hooks

    def _add_hook(self, kind: str, entry: Entry, *, first: bool = False) -> RemovableHandle:
        kinds: dict[str, dict[int, Any]] = self.__dict__.setdefault("_hooks", {})
        hooks, number = kinds.setdefault(kind, {}), next_number()
        before = dict(hooks) if first else {}
        if first:
            hooks.clear()
        hooks[number] = entry
        hooks.update(before)
        Hooked._newest_change = object()
        return _Handle(hooks, number)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; its result replaces the arguments.

        With `with_kwargs`: `hook(module, args, kwargs)`, which returns both or None.
        """
        return self._add_hook("forward_pre", Entry(hook, with_kwargs), first=prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:  # fmt: skip
        """Call `hook(module, args, output)` after forward; its result replaces the output.

        With `with_kwargs`: `hook(module, args, kwargs, output)`. With `always_call` also after an
        error, with output None.
        """
        entry = Entry(hook, with_kwargs, always_call)
        return self._add_hook("forward", entry, first=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)`; its result replaces the outputs' gradients."""
        return self._add_hook("backward_pre", Entry(hook), first=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` once the inputs' gradients are known.

        Both are tuples, grad_input for the positional arguments: zeros for a float tensor that
        requires no gradient, None for other values. The hook's result replaces grad_input.
        """
        return self._add_hook("backward", Entry(hook), first=prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict()` reads the module."""
        return self._add_hook("state_dict_pre", Entry(hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)`, which may change the state."""
        return self._add_hook("state_dict", Entry(hook))

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected,
        errors)` before loading; it may change the state and add to the lists.
        """  # noqa: D205 - the call is one line
        return self._add_hook("load_pre", Entry(hook))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """The older form, whose hook is called without the module."""
        if with_module:
            return self.register_load_state_dict_pre_hook(hook)
        return self._add_hook("load_pre", Entry(lambda _, *args: hook(*args)))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, keys)` with the missing and unexpected keys; it may remove some.

        It is called after loading, or before it if `strict` would refuse the keys.
        """
        return self._add_hook("load_post", Entry(hook))


def hooks_of(module: Module, kind: str) -> list[Entry]:
    """The module's hooks of one kind, in calling order."""
    return list(module.__dict__.get("_hooks", {}).get(kind, {}).values())


# -- calls -----------------------------------------------------------------------------------


def note_call(module: Module) -> None:
    """Tell the open trace about a call of the module, and guard the module's hooks."""
    trace = modes.trace
    if trace is None:
        return
    trace.enter(module)
    calls = _called.get(trace)
    if calls is None:
        calls = _called[trace] = []
        seen, mine = Hooked._newest_change, calls  # its guard must not keep the trace alive
        host_same(lambda: Hooked._newest_change is seen or _unchanged(mine), "hooks of modules")
    calls.append((module, _numbers(module)))


def _unchanged(calls: Sequence[tuple[Module, tuple[int, ...]]]) -> bool:
    return all(_numbers(module) == numbers for module, numbers in calls)


def _numbers(module: Module) -> tuple[int, ...]:
    kinds = module.__dict__.get("_hooks") or {}
    return tuple(number for hooks in kinds.values() for number in hooks)


def call_tracked(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The module's call, during which `modes.layer` is its layer."""
    before = modes.layer
    modes.layer = layer_in(before, module)
    try:
        if module.__dict__.get("_hooks"):
            return call_hooked(module, args, kwargs)
        return module.forward(*args, **kwargs)
    finally:
        modes.layer = before


def call_hooked(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward(…)` with all hooks around it."""
    after, finished = hooks_of(module, "forward"), 0
    try:
        args, kwargs = _before(module, args, kwargs)
        watch = _Watch.over(module)
        if watch is not None:
            args = watch.inputs(args)
        out = module.forward(*args, **kwargs)
        for entry in after:
            finished += 1
            out = _after(entry, module, args, kwargs, out)
        return out if watch is None else watch.outputs(out)
    except Exception:
        for entry in after[finished:]:
            if entry.always:
                _after(entry, module, args, kwargs, None)
        raise


def _before(
    module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for hook, with_kwargs, _ in hooks_of(module, "forward_pre"):
        if not with_kwargs:
            new = hook(module, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
            continue
        both = hook(module, args, kwargs)
        if both is not None:
            if not isinstance(both, tuple) or len(both) != 2:
                raise KindError(
                    "a forward pre-hook with kwargs returns None or (args, kwargs), not "
                    f"{type(both).__name__}"
                )
            args, kwargs = both
    return args, kwargs


def _after(
    entry: Entry, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
) -> Any:
    given = (args, kwargs, out) if entry.with_kwargs else (args, out)
    new = entry.hook(module, *given)
    return out if new is None else new


# -- gradients -------------------------------------------------------------------------------


class _Watch:
    """The backward hooks of one call: gates before and after `forward`."""

    def __init__(self, module: Module, before: list[Entry], after: list[Entry]) -> None:
        self.module, self.before, self.after = module, before, after
        self.grad_output: tuple[Any, ...] | None = None
        self.positions: list[int] = []
        self.floats: _Floats = []

    @classmethod
    def over(cls, module: Module) -> _Watch | None:
        """The watch of a module; None if it has no backward hooks."""
        before, after = hooks_of(module, "backward_pre"), hooks_of(module, "backward")
        return cls(module, before, after) if before or after else None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with watched gradients."""
        self.positions, new = self._gated(args, self._input_gradients)
        self.floats = _floats(args, self.positions)
        return new

    def outputs(self, out: Any) -> Any:
        """The results with watched gradients, if they are a tensor or a tuple."""
        if not isinstance(out, (tuple, Tensor)):
            return out
        several = out if isinstance(out, tuple) else (out,)
        positions: list[int] = []
        floats: _Floats = []

        def seen(gradients: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
            return self._output_gradients(gradients, positions, floats)

        positions, made = self._gated(several, seen)
        floats = _floats(several, positions)
        if not isinstance(out, tuple):
            return made[0]
        return type(out)(*made) if hasattr(out, "_fields") else made

    def _gated(
        self, values: tuple[Any, ...], hook: Callable[..., Any]
    ) -> tuple[list[int], tuple[Any, ...]]:
        if not modes.grad:
            return [], values
        positions = [i for i, t in enumerate(values) if isinstance(t, Tensor) and t.requires_grad]
        if not positions:
            return [], values
        new = list(values)
        through = gate([values[i] for i in positions], hook)
        for i, t in zip(positions, through, strict=True):
            new[i] = t
        return positions, tuple(new)

    def _output_gradients(
        self, gradients: Sequence[Tensor | None], positions: list[int], floats: _Floats
    ) -> Sequence[Tensor | None]:
        whole = _spread(gradients, positions, floats)
        for entry in self.before:
            new = entry.hook(self.module, whole)
            if new is not None:
                whole = _fitting(new, whole)
        self.grad_output = whole
        if not self.positions:
            nothing = (None,) * len(self.floats)
            for entry in self.after:
                if entry.hook(self.module, nothing, whole) is not None:
                    raise GradientError(
                        "the hook replaces a gradient, and no input of the module has one"
                    )
        return [whole[i] for i in positions]

    def _input_gradients(self, gradients: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        whole = _spread(gradients, self.positions, self.floats)
        for entry in self.after:
            new = entry.hook(self.module, whole, self.grad_output)
            if new is not None:
                whole = _fitting(new, whole)
        return [whole[i] for i in self.positions]


_Floats = list[tuple[Shape, DType] | None]  # the types of float tensors, None for other values


def _floats(values: tuple[Any, ...], watched: Sequence[int]) -> _Floats:
    """Of the values that are not `watched`, the types of float tensors."""
    if len(watched) == len(values):
        return [None] * len(values)
    return [
        (v.shape, v.dtype)
        if i not in watched and isinstance(v, Tensor) and v.dtype.is_floating_point
        else None
        for i, v in enumerate(values)
    ]


def _spread(found: Sequence[Any], positions: Sequence[int], floats: _Floats) -> tuple[Any, ...]:
    """One gradient per value: the found ones at `positions`, zeros for other floats, else None."""
    whole: list[Any] = [each if each is None else zeros(each[0], dtype=each[1]) for each in floats]
    for i, gradient in zip(positions, found, strict=True):
        whole[i] = gradient
    return tuple(whole)


def _fitting(new: Any, whole: tuple[Any, ...]) -> tuple[Any, ...]:
    several = new if isinstance(new, tuple) else (new,)
    if len(several) != len(whole):
        raise GradientError(
            f"a backward hook returned {len(several)} gradients for {len(whole)} values"
        )
    return several
