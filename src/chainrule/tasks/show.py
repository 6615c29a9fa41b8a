"""The subjects of `chainrule show`: small examples, or a function in the user's file.

A function is shown for the default values of its parameters:

    def step(x=np.ones((8, 4)), w=np.zeros((4, 3))):
        return F.softmax(torch.tanh(x @ w), -1)

Example: `show_stages(find_function("model.py:step"), assembly=False, sources=True)`.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import ConfigError
from chainrule.compiler.runtime.native import unavailable
from chainrule.compiler.show import stages
from chainrule.nn import functional as F
from chainrule.nn.activation import Tanh
from chainrule.nn.container import Sequential
from chainrule.nn.linear import Linear
from chainrule.nn.normalization import LayerNorm
from chainrule.optim.sgd import SGD
from chainrule.tensor.functional.random import manual_seed


class Example(NamedTuple):
    """A function and its arguments."""

    fn: Callable[..., Any]
    arguments: Sequence[Any]


def _array(*shape: int) -> np.ndarray[Any, Any]:
    return np.zeros(shape, np.float32)


def _mlp() -> Example:
    manual_seed(0)
    model = Sequential(Linear(4, 8), Tanh(), Linear(8, 3))
    opt = SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return Example(step, (_array(5, 4), np.zeros(5, np.int64)))


def _attention() -> Example:
    def attend(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    return Example(attend, [_array(1, 2, 16, 8) for _ in "qkv"])


EXAMPLES: dict[str, Callable[[], Example]] = {
    "mlp": _mlp,
    "softmax": lambda: Example(lambda x: F.softmax(x, -1), (_array(6, 40),)),
    "layer_norm": lambda: Example(LayerNorm(24), (_array(6, 24),)),
    "attention": _attention,
}


def find_function(place: str) -> Example:
    """The function named by `FILE.py:function`; the file is run to define it."""
    file, _, name = place.rpartition(":")
    path = Path(file)
    if not file or not name:
        raise ConfigError(f"{place!r} names no function: write FILE.py:function")
    if not path.is_file():
        raise ConfigError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # as in `python FILE`
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise ConfigError(f"{file} has no function {name!r}{suggest(name, functions)}")
    return _with_defaults(getattr(found, "fn", found))  # the function inside a compiled one


def _with_defaults(fn: Callable[..., Any]) -> Example:
    parameters = inspect.signature(fn).parameters.values()
    missing = [p.name for p in parameters if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
    if missing:
        raise ConfigError(
            f"{getattr(fn, '__name__', fn)} is shown for its default arguments, and {missing[0]} "
            f"has none; write for instance {missing[0]}=np.ones((3, 4))"
        )
    return Example(fn, [p.default for p in parameters if p.kind < p.VAR_POSITIONAL])


def show_stages(example: Example, *, assembly: bool, sources: bool) -> dict[str, str]:
    """The text of every stage of compiling an example."""
    reason = unavailable()
    if reason is not None:
        raise ConfigError(f"there is nothing to show: {reason}")
    return stages(example.fn, *example.arguments, assembly=assembly, sources=sources)


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or the list of names."""
    listed = list(known)
    near = difflib.get_close_matches(name, listed, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(listed)}" if listed else ""
