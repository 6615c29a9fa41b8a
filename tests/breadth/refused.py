"""A call that PyTorch refuses is refused here, with an error of ours that PyTorch's users catch.

`refused(call, ValueError)` raises `DifferenceError` with a short reason, or returns. A call that
does not even bind – an argument too many, a name that is unknown – is Python's own TypeError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from chainrule.base.errors import ChainruleError
from tests.breadth.compare import DifferenceError
from tests.breadth.translate import NoCounterpartError

# What a program catches where PyTorch raises these: a NotImplementedError is a RuntimeError; nobody
# catches assertions; a warning that says "will be an error" is one here.
_CAUGHT = {
    NotImplementedError: (RuntimeError,),
    AssertionError: (RuntimeError, ValueError, TypeError),
    UserWarning: (ValueError,),
}
_BINDING = re.compile(
    r"unexpected keyword|required (positional|keyword)|positional argument|multiple values"
)


def refused(call: Callable[[], Any], wanted: type[BaseException]) -> None:
    """`call` raises what a program that was written for `wanted` catches."""
    try:
        call()
    except NoCounterpartError:
        raise
    except Exception as error:
        name = type(error).__name__
        binds = isinstance(error, TypeError) and _BINDING.search(str(error))
        if not isinstance(error, ChainruleError) and not binds:
            raise DifferenceError(f"is refused by a bare {name}: {error}") from error
        if not isinstance(error, _CAUGHT.get(wanted, (wanted,))):
            raise DifferenceError(f"is refused by {name}, no {wanted.__name__}") from error
        return
    raise DifferenceError("is not refused")
