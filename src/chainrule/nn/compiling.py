"""`Module.compile()`: a module that compiles its own `forward`, in place.

    >>> model.compile()  # model(x) is a native call from here on

The one file of the layers that knows the compiler, which it imports at the first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.tensor.alive import MODULES


class Compilable:
    """The part of `Module` that compiles in place, and copies without compiled code."""

    forward: Callable[..., Any]

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile `forward` in place; the arguments are those of `chainrule.compile`, less model.

        Hooks run as before, around the native call. A copy of the module is not compiled.
        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
        """
        from chainrule.compiler.compile import CompiledFunction, compile

        plain = self.forward
        if isinstance(plain, CompiledFunction):
            plain = plain.fn
        self.__dict__["forward"] = compile(plain, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """The state of a copy or a pickle: all but compiled code."""
        state = self.__dict__.copy()
        if hasattr(state.get("forward"), "explain_cache"):
            del state["forward"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        MODULES.add(self)
