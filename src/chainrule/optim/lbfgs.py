"""L-BFGS: steps along -H·g, with H from the last changes of the gradient. Example: `LBFGS(params)`.

Reads the loss and the gradient at each iteration: eager only. Source: Liu & Nocedal, On the limited
memory BFGS method (1989); https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError
from chainrule.optim.optimizer import Optimizer, check_range, settings
from chainrule.tensor.functional import arithmetic, join, layout, slices
from chainrule.tensor.functional.reduce import max as max_
from chainrule.tensor.functional.reduce import sum as sum_
from chainrule.tensor.modes import enable_grad, no_grad
from chainrule.tensor.tensor import Tensor

_LEAST = 1e-10  # y·s of a change worth keeping


class LBFGS(Optimizer):
    """θ ← θ + t·d, d = -H·g by the two-loop recursion over the last `history_size` changes.

    `step(closure)` makes up to `max_iter` iterations; `closure` clears the gradients, computes the
    loss, calls backward() and returns the loss. t is lr, and in the first iteration lr / ‖g‖₁ if
    that is smaller. There is no line search, and the memory is not part of `state_dict()`.
    """

    def __init__(
        self, params: Any, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_whole("max_iter", max_iter, 0)
        if line_search_fn is not None:
            raise ArgumentError(
                f"LBFGS has no line search {line_search_fn!r} here: choose a small lr"
            )
        if max_eval is None:
            defaults["max_eval"] = max_iter * 5 // 4
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ArgumentError("LBFGS takes one group of parameters: all move along one direction")
        self._memory = _Memory(history_size)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        if closure is None:
            raise ArgumentError("LBFGS evaluates the loss several times: call step(closure)")
        group, memory = self.param_groups[0], self._memory
        first = loss = self._evaluated(closure)
        gradient = self._flat_gradient()
        before, evaluations = float(loss), 1
        for iteration in range(1, group["max_iter"] + 1):
            if float(max_(arithmetic.abs(gradient))) <= group["tolerance_grad"]:
                break
            t = memory.turn(gradient, float(group["lr"]))
            if float(_dot(gradient, memory.direction)) > -group["tolerance_change"]:
                break
            self._move(t)
            moved = float(max_(arithmetic.abs(memory.direction))) * t
            if iteration == group["max_iter"]:
                break
            loss = self._evaluated(closure)
            gradient, now = self._flat_gradient(), float(loss)
            evaluations += 1
            small = moved <= group["tolerance_change"]
            if small or abs(now - before) < group["tolerance_change"]:
                break
            if evaluations >= group["max_eval"]:
                break
            before = now
        return first

    def state_dict(self) -> dict[str, Any]:
        """The settings, and the memory of past changes as the state of the first parameter."""
        return {**super().state_dict(), "state": self._memory.saved()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a saved state, one of PyTorch's too."""
        super().load_state_dict({**state_dict, "state": {}})
        self._memory = _Memory(self.param_groups[0]["history_size"])
        for entry in state_dict["state"].values():
            self._memory.restore(entry)

    def _evaluated(self, closure: Callable[[], Any]) -> Any:
        with enable_grad():
            return closure()

    def _flat_gradient(self) -> Tensor:
        with no_grad():
            parts = [
                layout.reshape(arithmetic.mul(p, 0.0) if p.grad is None else p.grad, (-1,))
                for p in self.param_groups[0]["params"]
            ]
            return join.cat(parts)

    def _move(self, t: float) -> None:
        start = 0
        with no_grad():
            for p in self.param_groups[0]["params"]:
                size = p.numel()
                part = slices.narrow(self._memory.direction, 0, start, size)
                p.add_(layout.reshape(part, p.shape), alpha=t)
                start += size


class _Memory:
    """The last changes of the gradient (y) and of the parameters (s), and the direction."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.changes: list[tuple[Tensor, Tensor, Tensor]] = []  # y, s, 1 / y·s
        self.direction: Any = None
        self.gradient: Any = None
        self.scale: Any = 1.0  # of the first guess of H
        self.t = 0.0

    def saved(self) -> dict[int, dict[str, Any]]:
        """The memory under PyTorch's names; empty before the first step."""
        if self.direction is None:
            return {}
        y, s, inverse = map(list, zip(*self.changes, strict=True)) if self.changes else ([], [], [])
        names = {"old_dirs": y, "old_stps": s, "ro": inverse, "H_diag": self.scale}
        return {0: {**names, "d": self.direction, "t": self.t, "prev_flat_grad": self.gradient}}

    def restore(self, entry: Mapping[str, Any]) -> None:
        """The reverse of `saved`."""
        parts = (entry["old_dirs"], entry["old_stps"], entry["ro"])
        self.changes = [(y, s, r) for y, s, r in zip(*parts, strict=True)]
        self.scale, self.direction = entry["H_diag"], entry["d"]
        self.t, self.gradient = float(entry["t"]), entry["prev_flat_grad"]

    def turn(self, gradient: Tensor, lr: float) -> float:
        """Choose a new direction, and return the step's size."""
        with no_grad():
            if self.direction is None:
                self.direction = arithmetic.neg(gradient)
                self.t = min(1.0, 1.0 / float(sum_(arithmetic.abs(gradient)))) * lr
            else:
                self._remember(arithmetic.sub(gradient, self.gradient))
                self.direction = self._product(arithmetic.neg(gradient))
                self.t = lr
            self.gradient = gradient
        return self.t

    def _remember(self, y: Tensor) -> None:
        s = arithmetic.mul(self.direction, self.t)
        curvature = _dot(y, s)
        if float(curvature) <= _LEAST:
            return
        self.changes = [*self.changes, (y, s, arithmetic.reciprocal(curvature))][-self.size :]
        self.scale = arithmetic.div(curvature, _dot(y, y))

    def _product(self, q: Tensor) -> Tensor:
        """H·q by the two-loop recursion."""
        factors = []
        for y, s, inverse in reversed(self.changes):
            a = arithmetic.mul(_dot(s, q), inverse)
            q = arithmetic.sub(q, arithmetic.mul(y, a))
            factors.append(a)
        q = arithmetic.mul(q, self.scale)
        for (y, s, inverse), a in zip(self.changes, reversed(factors), strict=True):
            b = arithmetic.mul(_dot(y, q), inverse)
            q = arithmetic.add(q, arithmetic.mul(s, arithmetic.sub(a, b)))
        return q


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return sum_(arithmetic.mul(x, y))
