"""Who shares memory with whom: arguments and results of a call, seen by writing into each.

`seen(library, function, args, kwargs)` lists which results are arguments, which elements of the
arguments change where a result is written, and which of the results where an argument is written;
a write that is refused is told, too. Both libraries are asked, ours also compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from tests.breadth.translate import into

_MOST = 4  # results and arguments that are written


def tensors(value: Any, library: Any) -> list[Any]:
    """The tensors of a structure in order, each once."""
    found: dict[int, Any] = {}
    _collect(value, library, found)
    return list(found.values())


def _collect(value: Any, library: Any, found: dict[int, Any]) -> None:
    if isinstance(value, library.Tensor):
        found.setdefault(id(value), value)
    elif isinstance(value, dict):
        for part in value.values():
            _collect(part, library, found)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _collect(part, library, found)


def own(value: Any, library: Any, known: dict[int, Any] | None = None) -> Any:
    """The same structure with copies of its tensors, contiguous and without gradient."""
    known = {} if known is None else known
    if isinstance(value, library.Tensor):
        if id(value) not in known:
            known[id(value)] = value.detach().contiguous().clone()
        return known[id(value)]
    if isinstance(value, dict):
        return {k: own(v, library, known) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)([own(v, library, known) for v in value])
    return value


def _other(t: Any, library: Any) -> Any:
    """Another value for each element."""
    return ~t if t.dtype == library.bool else t * 0 + (1 - (t == 1).to(t.dtype))


def _values(found: list[Any]) -> list[Any]:
    return [np.array(t.detach().tolist(), dtype=object) for t in found]


def seen(library: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """What can be seen of the sharing of one call."""
    given = own((args, kwargs), library)
    before = tensors(given, library)
    results = tensors(function(*given[0], **given[1]), library)
    found: dict[str, Any] = {
        "same": [[i for i, a in enumerate(before) if r is a] for r in results],
    }
    counts = len(results), len(before)
    for name, number in zip(("result", "argument"), counts, strict=True):
        for at in range(min(number, _MOST)):
            found[f"{name} {at}"] = _written(library, function, (args, kwargs), name, at)
    return found


def _written(library: Any, function: Any, call: Any, name: str, at: int) -> Any:
    """Which elements of the other side change where one tensor is written."""
    given = own(call, library)
    sides = {"argument": tensors(given, library)}
    sides["result"] = tensors(function(*given[0], **given[1]), library)
    here = sides[name][at]
    others = [t for side in ("argument", "result") for t in sides[side] if t is not here]
    before = _values(others)
    try:
        with library.no_grad():
            here.copy_(_other(here, library))
    except (RuntimeError, ValueError):
        return "refused"
    after = _values(others)
    return [np.argwhere(np.asarray(a != b)).tolist() for a, b in zip(before, after, strict=True)]


def difference(theirs: Any, ours: Any, args: Any, kwargs: Any, *, compiled: bool) -> str | None:
    """How a call of ours shares otherwise than PyTorch's, in words; None where it does not."""
    import torch

    want = seen(torch, theirs, args, kwargs)
    mine = into((own(args, torch), own(kwargs, torch)))
    got = seen(cr, cr.compile(ours) if compiled else ours, *mine)
    for key, value in want.items():
        if got.get(key) != value:
            return f"{key}: {_short(got.get(key))}, not {_short(value)}"
    return None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."
