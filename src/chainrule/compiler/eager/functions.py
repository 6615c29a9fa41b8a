"""Functions of arrays around a kernel: operands made row-major, results that are fresh arrays.

Example: `function_of(run, [Type(float32, (8, 128))], None, None)(x)` makes an array `out`, runs the
kernel with `run((x, out))` and returns `out`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy import ascontiguousarray, empty

Function = Callable[..., Any]


def function_of(
    run: Callable[[tuple[Any, ...]], None],
    results: Sequence[Any],
    ends: Sequence[int | None] | None,
    otherwise: Function | None,
) -> Function:
    """The function of arrays; `ends` are numbers in (results…, operands…), None for one result.

    Operands that are not row-major are copied; with `otherwise`, that function is called instead.
    """
    made = [(t.shape, t.dtype.numpy) for t in results]

    def row_major(arrays: tuple[Any, ...]) -> bool:
        for a in arrays:  # noqa: SIM110 - `all` of a generator takes a microsecond
            if not a.flags.c_contiguous:
                return False
        return True

    def single(*arrays: Any) -> Any:
        if not row_major(arrays):
            if otherwise is not None:
                return otherwise(*arrays)
            arrays = tuple([ascontiguousarray(a) for a in arrays])
        out = empty(shape, dtype)
        run((*arrays, out))
        return out

    def several(*arrays: Any) -> Any:
        if not row_major(arrays):
            if otherwise is not None:
                return otherwise(*arrays)
            arrays = tuple([ascontiguousarray(a) for a in arrays])
        outs = [empty(shape, dtype) for shape, dtype in made]
        run((*arrays, *outs))
        found = (*outs, *arrays)
        return tuple([None if end is None else found[end] for end in wanted])

    if ends is None:
        ((shape, dtype),) = made
        return single
    wanted = ends
    return several
