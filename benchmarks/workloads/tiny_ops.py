"""Single operations on tiny arrays in each eager library: what one call costs.

`make(library)` gives {name: function without arguments}; the arithmetic is a handful of numbers, so
what is timed is dispatch, allocation, recording and, for `… backward`, the walk back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

CHAIN = 20  # operations in the chain whose gradient is taken
Calls = dict[str, Callable[[], Any]]


def _arrays() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 4)).astype(np.float32), rng.normal(size=(4, 4)).astype(np.float32)


def _like_torch(lib: Any, F: Any) -> Calls:
    """PyTorch and chainrule share their names, so they share this function."""
    a, b = (lib.tensor(array) for array in _arrays())
    p = lib.tensor(_arrays()[0], requires_grad=True)

    def chain() -> Any:
        x = p
        for _ in range(CHAIN // 2):
            x = lib.tanh(x * b)
        return x.sum()

    def backward() -> None:
        p.grad = None
        chain().backward()

    return {
        "add": lambda: a + b,
        "multiply, recorded": lambda: p * b,
        "matmul": lambda: a @ b,
        "tanh": lambda: lib.tanh(a),
        "sum": a.sum,
        "slice": lambda: a[1:, :2],
        "softmax": lambda: F.softmax(a, -1),
        "layer norm": lambda: F.layer_norm(a, (4,)),
        f"{CHAIN} ops, recorded": chain,
        f"{CHAIN} ops and backward": backward,
    }


def chainrule() -> Calls:
    """Eager chainrule."""
    import chainrule as cr
    import chainrule.nn.functional as F

    return _like_torch(cr, F)


def torch() -> Calls:
    """Eager PyTorch."""
    import torch as lib
    import torch.nn.functional as F

    return _like_torch(lib, F)


def autograd() -> Calls:
    """HIPS autograd; what it has no single function for is absent."""
    import autograd.numpy as anp
    from autograd import grad

    a, b = _arrays()

    def chain(x: Any) -> Any:
        for _ in range(CHAIN // 2):
            x = anp.tanh(x * b)
        return anp.sum(x)

    gradient = grad(chain)
    return {
        "add": lambda: anp.add(a, b),
        "matmul": lambda: anp.matmul(a, b),
        "tanh": lambda: anp.tanh(a),
        "sum": lambda: anp.sum(a),
        f"{CHAIN} ops and backward": lambda: gradient(a),
    }


MAKERS: dict[str, Callable[[], Calls]] = {
    "chainrule-eager": chainrule,
    "torch-eager": torch,
    "autograd": autograd,
}
