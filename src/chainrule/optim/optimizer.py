"""`Optimizer`: parameter groups with their numbers, and state for each parameter.

A step is written with tensor operations only, so it runs eagerly and inside a compiled function.
Numbers of a group are read through `host_item`, so a schedule never retraces; a choice between
formulas goes through `host_choice`. May import `tensor`. Example: see `sgd.py`.
Source: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chainrule.base.arguments import check_number
from chainrule.base.errors import ArgumentError, CheckpointError, KindError
from chainrule.base.source import warn
from chainrule.optim.forgotten import elsewhere, forgotten, in_evaluation, note_complete, wasted
from chainrule.optim.parameters import listed
from chainrule.optim.state_dict import group_faults, load_entry, positions
from chainrule.optim.step_count import advance_counts, share_counts
from chainrule.tensor.alive import OPTIMIZERS, Steps
from chainrule.tensor.deferred.recorder import as_one, mark
from chainrule.tensor.functional import arithmetic
from chainrule.tensor.functional.creation import zeros_like
from chainrule.tensor.hooks import RemovableHandle, next_number
from chainrule.tensor.host import host_changes, host_choice, host_item, host_place, untraced
from chainrule.tensor.leaf_grad import STALE, STEPPED, clear_grads, content_version
from chainrule.tensor.modes import enable_grad, modes, no_grad
from chainrule.tensor.registry import Entries
from chainrule.tensor.tensor import Tensor

_NO_GRADIENT = (
    "step() changed nothing: no parameter has a gradient\n"
    "  call loss.backward() before it, and zero_grad() not between the two"
)
_STALE = (
    "this step uses the last step's gradient again: backward() added to it\n"
    "  call optimizer.zero_grad() before each backward()"
)
_NO_STEP = (
    "zero_grad() discards gradients for the third time, and step() was never called: nothing is "
    "trained\n  call optimizer.step() after loss.backward()"
)
_PACKAGE = f"{__name__.partition('.')[0]}."
_WORDS = {"line_search_fn", "adjust_lr_fn"}  # the settings that may be words
_WASTED = 3  # times before the warning
Number = Any  # a float, or in a trace a float64 scalar
Pairs = list[tuple[Tensor, Tensor]]  # parameters with their gradients


class Optimizer:
    """Base class: a subclass defines `defaults` and `_update(group, pairs)`."""

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        """`params` are parameters, or dictionaries with "params" and settings of their own."""
        given = listed(params)
        if defaults.get("fused") and (defaults.get("foreach") or defaults.get("differentiable")):
            raise ArgumentError("fused goes neither with foreach nor with differentiable")
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = Entries.of({})
        self.param_groups: list[dict[str, Any]] = []
        self._pre_hooks: dict[int, Callable[..., Any]] = {}
        self._post_hooks: dict[int, Callable[..., Any]] = {}
        self._said_stale = False
        self._searched = False  # for untrained tensors, in the first step
        self._stepped = False
        self._exchanges = 0  # of handles that a compiled step knows
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(dict(group))
        OPTIMIZERS.add(self)
        note_complete(self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A `step` of a subclass's own also ends a step of the program."""
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _marked(cls.__dict__["step"])  # type: ignore[method-assign]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Also optimise these parameters; missing settings are the defaults."""
        group = dict(param_group)
        if "params" not in group:
            raise ArgumentError(f"a parameter group needs 'params', but has {sorted(group)} only")
        given = group["params"]
        group["params"] = [given] if isinstance(given, Tensor) else list(given)
        named = [isinstance(p, tuple) for p in group["params"]]
        if any(named):  # named_parameters()
            if not all(named):
                raise ArgumentError("either all parameters of a group have names or none")
            group["param_names"] = [name for name, _ in group["params"]]
            group["params"] = [p for _, p in group["params"]]
        for p in group["params"]:
            if not isinstance(p, Tensor):
                raise KindError(f"an optimizer takes tensors, not {type(p).__name__}")
            if not p.is_leaf:
                raise ArgumentError(
                    "an optimizer cannot change a computed tensor, only leaves: give it the "
                    "parameters that this one was computed from, or its detach()"
                )
        if self.param_groups and ("param_names" in group) != (
            "param_names" in self.param_groups[0]
        ):
            raise ArgumentError(
                "either all parameter groups have names or none: give named_parameters() to each, "
                "or parameters()"
            )
        known = {id(p) for other in self.param_groups for p in other["params"]}
        fresh = {id(p) for p in group["params"]}
        if len(fresh) < len(group["params"]) or known & fresh:
            raise ArgumentError("a parameter appears twice, or in two parameter groups")
        settings = {**self.defaults, **group}
        for name in self.defaults.keys() - _WORDS:
            if isinstance(settings[name], str):
                kind = f"{type(self).__name__}: {name} must be a number"
                raise KindError(f"{kind}, not {settings[name]!r}")
        self.param_groups.append(settings)
        self._exchanges += 1

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Discard the gradients, or fill them with zeros."""
        if not self._stepped:
            # evaluated at each call of a compiled function, too
            host_choice(lambda: None if self._stepped else self._look_for_missing_steps())
        for group in self.param_groups:
            clear_grads(group["params"], set_to_none=set_to_none)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return both anew."""
        return _registered(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return _registered(self._post_hooks, hook)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; `closure` computes the loss first."""
        host_changes(self)
        self._stepped = True
        args: tuple[Any, ...] = () if closure is None else (closure,)
        kwargs: dict[str, Any] = {}
        for hook in list(self._pre_hooks.values()):
            found = hook(self, args, kwargs)
            if found is not None:
                args, kwargs = found
        if modes.watch is not None and modes.trace is None:
            loss = modes.watch.step(self, lambda: self._step(*args, **kwargs))
        else:
            loss = self._step(*args, **kwargs)
        for hook in list(self._post_hooks.values()):
            hook(self, args, kwargs)
        if modes.trace is None:
            mark()
        return loss

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        Steps.taken += 1
        if closure is not None:
            with enable_grad():
                loss = closure()
        own = type(self)._update.__module__.startswith(_PACKAGE)
        if not (own and as_one(self, self._update_all)):
            self._update_all()
        parameters = (p for group in self.param_groups for p in group["params"])
        first = next((g for p in parameters if (g := p.grad) is not None), None)
        if first is None:
            warn(_NO_GRADIENT + elsewhere(self))
        elif modes.trace is None:
            self._look_for_stale_gradients(first)
        for text in in_evaluation(self) if self._searched else forgotten(self):
            warn(text)
        self._searched = True
        return loss

    def _update_all(self) -> None:
        """Change all parameters that have a gradient."""
        with no_grad():
            for group in self.param_groups:
                pairs = [(p, g) for p in group["params"] if (g := p.grad) is not None]
                self._update(group, pairs)
        host_choice(lambda: self._exchanges)

    def _look_for_stale_gradients(self, first: Tensor) -> None:
        """Warn once if the gradient of an earlier step is part of this step's first one."""
        version = content_version(first)
        if first.__dict__.get(STALE) == version and not self._said_stale:
            self._said_stale = True
            warn(_STALE)
        first.__dict__[STEPPED] = version

    def _look_for_missing_steps(self) -> None:
        """Warn once if gradients are discarded again and again, and no step was taken."""
        found = any(p._grad is not None for group in self.param_groups for p in group["params"])
        if found and wasted(self) == _WASTED:
            warn(_NO_STEP)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        """Change the parameters of `pairs` (parameter, gradient) in place."""
        raise NotImplementedError

    # -- for subclasses --------------------------------------------------------------------------

    def _number(self, group: dict[str, Any], name: str, index: int | None = None) -> Number:
        """A setting of the group, which a compiled step reads again at each call."""
        return host_item(group, name, index)

    def _kept(self, p: Tensor, name: str, make: Callable[[Tensor], Tensor]) -> Tensor:
        """State of a parameter, made as a real tensor even while a step is traced."""
        state = self.state[p]
        if state.get(name) is None:
            with untraced(), no_grad():
                state[name] = make(p)
        host_place(self.state, p, "optimizer.state[…]")
        return host_place(state, name, f"optimizer.state[…][{name!r}]")  # type: ignore[no-any-return]

    def _moments(self, p: Tensor, g: Tensor, betas: Sequence[Number]) -> tuple[Tensor, Tensor]:
        """Adam's running means of the gradient and of its square, with g taken in."""
        mean, square = (self._kept(p, name, zeros_like) for name in ("exp_avg", "exp_avg_sq"))
        mean.lerp_(g, 1 - betas[0])
        square.mul_(betas[1]).add_(arithmetic.mul(g, g), alpha=1 - betas[1])
        return mean, square

    def _counted(self, pairs: Pairs) -> list[tuple[Pairs, Number]]:
        """Count a step: for each step count the pairs that have it, and the count."""
        gradient = {id(p): g for p, g in pairs}
        with untraced():
            self._exchanges += share_counts(self.state, [p for p, _ in pairs])
        return [
            ([(p, gradient[id(p)]) for p in together], count)
            for together, count in advance_counts(self.state, [p for p, _ in pairs])
        ]

    def _counted_steps(
        self, group: dict[str, Any], pairs: Pairs
    ) -> Iterator[tuple[Iterator[tuple[Tensor, Tensor]], Number]]:
        """As `_counted`, with the gradients of the step."""
        gradient = self._gradients(group)
        for together, count in self._counted(pairs):
            yield ((p, gradient(p, grad)) for p, grad in together), count

    def _gradients(self, group: dict[str, Any]) -> Callable[[Tensor, Tensor], Tensor]:
        """(parameter, its gradient) → the gradient of the step: with its sign, and decay λθ.

        With the setting "decoupled_weight_decay" the parameter shrinks by lr·λ instead.
        """
        decays = host_choice(lambda: group["weight_decay"] != 0)
        decay = self._number(group, "weight_decay") if decays else 0.0
        apart = group.get("decoupled_weight_decay", False)
        keep = 1 - self._number(group, "lr") * decay if decays and apart else 1.0

        def gradient(p: Tensor, grad: Tensor) -> Tensor:
            g = arithmetic.neg(grad) if group["maximize"] else grad
            if decays and apart:
                p.mul_(keep)
            elif decays:
                g = arithmetic.add(g, p, alpha=decay)
            return g

        return gradient

    # -- saving ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """`state` by parameter number, and `param_groups` with numbers for parameters."""
        number = positions(self.param_groups)
        groups = [
            {**group, "params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {number[id(p)]: dict(entry) for p, entry in self.state.items() if entry}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a saved state; a `CheckpointError` names what does not fit.

        Settings and state are replaced; state tensors take the dtype of their parameter.
        """
        if not {"state", "param_groups"} <= {*state_dict}:
            raise CheckpointError(
                f"an optimizer's state has 'state' and 'param_groups', not {sorted(state_dict)[:5]}"
            )
        groups = [dict(group) for group in state_dict["param_groups"]]
        faults = group_faults(self.param_groups, groups)
        if faults:
            raise CheckpointError(f"the state does not fit this optimizer: {faults}")
        saved = [number for group in groups for number in group["params"]]
        own = [p for group in self.param_groups for p in group["params"]]
        entries = state_dict["state"]
        loaded = {
            p: load_entry(number, p, entries[number])
            for number, p in zip(saved, own, strict=True)
            if number in entries
        }
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update({name: value for name, value in new.items() if name != "params"})
        self.state = Entries.of(loaded)
        self._exchanges += 1

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _marked(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def marked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        out = step(self, *args, **kwargs)
        if modes.trace is None:
            self._stepped = True
            mark()
        return out

    return marked


def _registered(hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> RemovableHandle:
    number = next_number()
    hooks[number] = hook
    return RemovableHandle(hooks, number)


def settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of an optimizer from `locals()`, the first line of its `__init__`."""
    return {
        name: value
        for name, value in arguments.items()
        if name not in {"self", "params", "__class__"}
    }


def check_betas(betas: Any) -> None:
    """Raise `ArgumentError` unless there are two numbers in [0, 1)."""
    if not isinstance(betas, Sequence) or len(betas) != 2:
        raise ArgumentError(f"betas are two numbers, not {betas}")
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ArgumentError("betas are two numbers or two tensors, not one of each")
    for i, beta in enumerate(betas):
        check_range(f"betas[{i}]", beta, below=1.0)


def check_adaptive(lr: Any, betas: tuple[float, float], eps: Any, weight_decay: Any = 0) -> None:
    """Raise `ArgumentError` unless the arguments fit Adam and its variants."""
    check_range("lr", lr)
    check_range("eps", eps)
    check_betas(betas)
    check_range("weight_decay", weight_decay)


def check_range(name: str, value: Any, low: float = 0.0, below: float | None = None) -> None:
    """Raise `ArgumentError` unless low ≤ value (< below), a number or a tensor of one element."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ArgumentError(f"{name} as a tensor has one element, not shape {value.shape}")
    check_number(name, value, low, below=below)
