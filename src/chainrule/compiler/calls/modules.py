"""A compiled module: still a module, of the same class, with the same parameters.

    compiled = compile(model)
    compiled.train() is compiled, its state_dict() has the model's keys, compiled(x) is native

It shares the model's `__dict__`, so both are always in the same state; only `__call__` differs.
May import `compile`'s function class as an argument. Example: `compiled_module(model, wrap)`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

Wrap = Callable[[Callable[..., Any], str], Any]  # a function and its name → the compiled function


def compiled_module(model: Any, wrap: Wrap) -> Any:
    """The module, whose call goes through `wrap(call, name)`."""
    original = getattr(model, "_orig_mod", model)
    cls = type(original)
    body: dict[str, Any] = {name: getattr(_Methods, name) for name in _METHODS}
    marks: dict[str, Any] = {
        "__slots__": ("_function", "_orig_mod", "_wrap"),
        "__module__": cls.__module__,
    }
    made: Any = type(cls.__name__, (cls,), {**body, **marks, "__doc__": cls.__doc__})
    compiled = made.__new__(made)
    put = functools.partial(object.__setattr__, compiled)
    put("__dict__", original.__dict__)
    put("_orig_mod", original)
    put("_wrap", wrap)
    put("_function", wrap(functools.partial(operator.call, original), cls.__name__))
    return compiled


class _Methods:
    """Methods that a compiled module has besides those of its class."""

    _function: Any
    _orig_mod: Any
    _wrap: Wrap

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward(…)`, by the variant that fits."""
        return self._function(*args, **kwargs)

    def explain_cache(self) -> Any:
        """One entry per compiled variant: what it is for, its size, what it cost."""
        return self._function.explain_cache()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Copied and pickled as the model, compiled anew."""
        del protocol
        return compiled_module, (self._orig_mod, self._wrap)


_METHODS = ("__call__", "explain_cache", "__reduce_ex__")
