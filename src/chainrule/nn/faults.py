"""Messages about modules that are set up wrongly: too early, without forward, under no name.

May import `tensor`. Example: `no_forward(Net)` names a method that is spelt similarly.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from chainrule.tensor.handle import Handle


def too_early(kind: type[Any], what: str) -> str:
    """A parameter or module is assigned before `super().__init__()`."""
    return (
        f"cannot assign a {what} before super().__init__() was called\n"
        f"  begin {kind.__name__}.__init__ with super().__init__()"
    )


def no_module(name: str, given: Any) -> str:
    """A value other than a module is assigned to a sub-module."""
    text = f"sub-module {name!r} must be a Module or None, not {type(given).__name__}"
    if isinstance(given, (list, tuple)):
        return f"{text}\n  unpack it, nn.Sequential(*layers), or keep it in an nn.ModuleList"
    if callable(given) and not isinstance(given, type):
        return f"{text}\n  functions have layers, too: nn.ReLU() for relu"
    return text


def no_forward(kind: type[Any]) -> str:
    """A module without `forward` is called."""
    text = f"{kind.__name__} does not define forward()"
    own = [name for name in vars(kind) if callable(vars(kind)[name])]
    close = difflib.get_close_matches("forward", own, 1, 0.75)
    return f"{text}\n  it defines {close[0]}(): is that it?" if close else text


def not_held(what: str, key: Any, known: Iterable[str]) -> str:
    """A name is missing from a dictionary of modules or parameters."""
    names = list(known)
    close = difflib.get_close_matches(str(key), names, 1, 0.75)
    way = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names[:9]) or 'none'}"
    return f"there is no {what} {key!r}\n  {way}"


def no_attribute(module: Any, name: str) -> str:
    """A hint about a missing attribute; empty if there is none."""
    public = [each for each in dir(module) if not each.startswith("_")]
    close = difflib.get_close_matches(name, public, 1, 0.75)
    if close:
        return f"did you mean {close[0]}?"
    if hasattr(Handle._result, name):
        return (
            f"tensors have {name}: call the module first, as in "
            f"nn.{type(module).__name__}()(input, …).{name}"
        )
    if "_modules" not in module.__dict__:
        return "super().__init__() was not called: nothing is registered yet"
    return ""
