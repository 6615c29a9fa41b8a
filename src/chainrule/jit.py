"""PyTorch's `jit`: everything gives back what it is given; `chainrule.compile` makes native code.

A program that scripts or traces its layers runs here as it is written. Saving a scripted module
does not exist: `save(model.state_dict(), path)` does.
Example: `@jit.script` above a function leaves it a Python function.
Source: https://docs.pytorch.org/docs/stable/jit.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from chainrule.base.missing import missing_from
from chainrule.nn.module import Module as ScriptModule

__all__ = [
    "Attribute", "Final", "ScriptModule", "annotate", "export", "fork", "freeze", "ignore",
    "interface", "is_scripting", "is_tracing", "isinstance", "optimize_for_inference", "script",
    "script_if_tracing", "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

T = TypeVar("T")


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """The function, class or module itself; other arguments change nothing."""
    del args, kwargs
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """The function or module itself: it is not run on the examples."""
    del example_inputs, args, kwargs
    return func


def trace_module(mod: T, inputs: Any, *args: Any, **kwargs: Any) -> T:
    """The module itself: it is not run on the examples."""
    del inputs, args, kwargs
    return mod


script_method = script_if_tracing = export = interface = script


@overload
def ignore(drop: T, **kwargs: Any) -> T: ...
@overload
def ignore(drop: bool = False, **kwargs: Any) -> Callable[[T], T]: ...
def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself, with or without arguments of the decorator."""
    del kwargs
    return drop if callable(drop) else lambda fn: fn


def unused(fn: T) -> T:
    """The function itself."""
    return fn


def freeze(mod: T, *args: Any, **kwargs: Any) -> T:
    """The module itself."""
    del args, kwargs
    return mod


optimize_for_inference = freeze


def annotate(the_type: Any, the_value: T) -> T:
    """The value."""
    del the_type
    return the_value


def Attribute(value: T, type: Any) -> T:  # noqa: N802 - PyTorch's name
    """The value."""
    del type
    return value


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The result of the call, made at once."""
    return func(*args, **kwargs)


def wait(future: T) -> T:
    """What `fork` gave."""
    return future


_is_instance = isinstance


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's, which takes no parameters of container types."""
    return _is_instance(obj, target_type)


if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
