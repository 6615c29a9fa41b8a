"""One sample under both libraries: outputs, dtypes, first gradients.

`run(theirs, ours, arguments)` raises `DifferenceError` with a short reason, or returns; a result
counts as equal within 1e-10 of its norm in float64 and 1e-5 in float32.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from tests.breadth.translate import NoCounterpartError, array, flat, into, kind

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


class DifferenceError(Exception):
    """What differs, in a few words."""


def outputs(mine: Any, theirs: Any, *, values: bool = True) -> None:
    """Both results have the same structure, shapes, dtypes and values."""
    a, b = flat(mine), flat(theirs)
    if len(a) != len(b):
        raise DifferenceError(f"{len(a)} results, not {len(b)}")
    for x, y in zip(a, b, strict=True):
        name = kind(y).removeprefix("torch.")
        if kind(x) != name:
            raise DifferenceError(f"dtype {kind(x)}, not {name}")
        equal(array(x), array(y), "value", values=values)


def equal(x: Any, y: Any, what: str, *, values: bool = True) -> None:
    """Shapes agree, and the values within the dtype's tolerance."""
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        raise DifferenceError(f"{what}: shape {x.shape}, not {y.shape}")
    if not values or not x.size:
        return
    tolerance = TOLERANCE.get(y.dtype.name)
    if tolerance is None:
        if not np.array_equal(x, y):
            raise DifferenceError(f"{what} differs")
        return
    odd = ~np.isfinite(y)
    if not np.array_equal(x[odd], y[odd], equal_nan=True) or not np.isfinite(x[~odd]).all():
        raise DifferenceError(f"{what}: not finite elsewhere")
    size = np.linalg.norm(y[~odd].astype("d"))
    off = np.linalg.norm(x[~odd].astype("d") - y[~odd].astype("d"))
    if not off <= tolerance * max(size, 1.0):
        raise DifferenceError(f"{what} is off by {off / max(size, 1.0):.0e}")


def leaves(value: Any) -> list[Any]:
    """The tensors in the arguments whose gradient is asked for."""
    return [leaf for leaf in flat(value) if getattr(leaf, "requires_grad", False)]


def asked(theirs: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What PyTorch says; a call that it refuses itself, although it is a sample, is no sample."""
    try:
        return theirs(*args, **kwargs)
    except (RuntimeError, NotImplementedError) as error:
        raise NoCounterpartError("PyTorch refuses this call itself") from error


def run(
    theirs: Callable[..., Any],
    ours: Callable[..., Any],
    arguments: tuple[Any, dict[str, Any]],
    *,
    gradients: bool,
    values: bool = True,
) -> None:
    """Call both with the same arguments and compare; gradients where an argument asks for it."""
    args, kwargs = arguments
    mine_args, mine_kwargs = into((args, kwargs))
    expected_ins, mine_ins = leaves((args, kwargs)), leaves((mine_args, mine_kwargs))
    expected = asked(theirs, *args, **kwargs)
    mine = ours(*mine_args, **mine_kwargs)
    outputs(mine, expected, values=values)
    if gradients and values:
        compare_gradients(mine, mine_ins, expected, expected_ins)


def compare_gradients(
    mine: Any, mine_ins: list[Any], expected: Any, expected_ins: list[Any]
) -> None:
    """∂(Σ w·outputs)/∂inputs on both sides, for the same weights w."""
    import torch

    pairs = [
        (x, y)
        for x, y in zip(flat(mine), flat(expected), strict=True)
        if getattr(y, "requires_grad", False)
    ]
    if not pairs or not expected_ins:
        return
    for x, _ in pairs:
        if not x.requires_grad:
            raise DifferenceError("no gradient flows")
    weights = [_weight(tuple(y.shape), array(y).dtype, i) for i, (_, y) in enumerate(pairs)]
    ends = [y for _, y in pairs]
    starts = [torch.tensor(w) for w in weights]
    wanted = asked(torch.autograd.grad, ends, expected_ins, starts, allow_unused=True)
    found = cr.autograd.grad(
        [x for x, _ in pairs], mine_ins, [cr.tensor(w) for w in weights], allow_unused=True
    )
    for i, (x, y) in enumerate(zip(found, wanted, strict=True)):
        shape = tuple(expected_ins[i].shape)
        name = array(expected_ins[i]).dtype
        left = np.zeros(shape, name) if x is None else array(x)
        right = np.zeros(shape, name) if y is None else array(y)
        equal(left, right, f"gradient {i}")


def _weight(shape: tuple[int, ...], dtype: Any, number: int) -> Any:
    rng = np.random.default_rng(zlib.crc32(f"{shape}{number}".encode()))
    return np.asarray(rng.uniform(0.5, 1.5, shape)).astype(dtype)
