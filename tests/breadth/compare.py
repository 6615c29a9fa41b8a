"""One sample under both libraries: outputs, dtypes, first gradients.

`run(theirs, ours, arguments)` raises `DifferenceError` with a short reason, or returns; a result
counts as equal within 1e-10 of its norm in float64 and 1e-5 in float32. A float32 result further
off agrees too where it is at most twice as far from PyTorch's float64 result as PyTorch's own
float32 result is: then rounding alone parts them.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from tests.breadth.translate import NoCounterpartError, array, flat, into, kind, widened

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
Places = Callable[[Any], Any] | None


class DifferenceError(Exception):
    """What differs, in a few words."""


class OffError(DifferenceError):
    """A value that is finite and of the right shape and dtype, but too far off."""


class Pair(NamedTuple):
    """One of our results and PyTorch's, as arrays."""

    what: str
    mine: Any
    theirs: Any


def outputs(mine: Any, theirs: Any, *, values: bool = True, places: Places = None) -> list[Pair]:
    """Both results have the same structure, shapes and dtypes; the values, to be compared.

    `places` gives what stands at the places that the last result names: of equal elements any may
    be named.
    """
    a, b = flat(mine), flat(theirs)
    if len(a) != len(b):
        raise DifferenceError(f"{len(a)} results, not {len(b)}")
    pairs = []
    for number, (x, y) in enumerate(zip(a, b, strict=True), 1):
        name = kind(y).removeprefix("torch.")
        if kind(x) != name:
            raise DifferenceError(f"dtype {kind(x)}, not {name}")
        pair = Pair("value", np.asarray(array(x)), np.asarray(array(y)))
        if pair.mine.shape != pair.theirs.shape:
            raise DifferenceError(f"value: shape {pair.mine.shape}, not {pair.theirs.shape}")
        if places is not None and number == len(a):
            pair = Pair("value", places(pair.mine), places(pair.theirs))
        pairs.append(pair)
    return pairs if values else []


def equal(pair: Pair) -> None:
    """Shapes agree, and the values within the dtype's tolerance."""
    what, x, y = pair.what, np.asarray(pair.mine), np.asarray(pair.theirs)
    if x.shape != y.shape:
        raise DifferenceError(f"{what}: shape {x.shape}, not {y.shape}")
    if not x.size:
        return
    tolerance = TOLERANCE.get(y.dtype.name)
    if tolerance is None:
        if not np.array_equal(x, y):
            raise DifferenceError(f"{what} differs")
        return
    odd = ~np.isfinite(y)
    if not np.array_equal(x[odd], y[odd], equal_nan=True) or not np.isfinite(x[~odd]).all():
        raise DifferenceError(f"{what}: not finite elsewhere")
    size, off = _norm(y[~odd]), _distance(x[~odd], y[~odd])
    if not off <= tolerance * max(size, 1.0):
        raise OffError(f"{what} is off by {off / max(size, 1.0):.0e}")


def judge(pairs: list[Pair], exact: Callable[[], list[Any]]) -> None:
    """Every pair is equal; where float32 is off, `exact` has PyTorch's float64 results to judge."""
    try:
        for pair in pairs:
            equal(pair)
    except OffError as off:
        if all(np.asarray(p.theirs).dtype != np.float32 for p in pairs):
            raise
        for pair, true in zip(pairs, exact(), strict=True):
            if np.asarray(pair.theirs).dtype != np.float32:
                equal(pair)
            elif _distance(pair.mine, true) > max(
                2 * _distance(pair.theirs, true), TOLERANCE["float32"] * max(_norm(true), 1.0)
            ):
                raise off from None


def _norm(x: Any) -> float:
    return float(np.linalg.norm(np.asarray(x, "d")))


def _distance(x: Any, y: Any) -> float:
    return _norm(np.asarray(x, "d") - np.asarray(y, "d"))


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
    ties: bool = False,
) -> None:
    """Call both with the same arguments and compare; gradients where an argument asks for it.

    With `ties` a result of places may name another one of equal elements.
    """
    args, kwargs = arguments
    mine_args, mine_kwargs = into((args, kwargs))
    expected = asked(theirs, *args, **kwargs)
    mine = ours(*mine_args, **mine_kwargs)
    pairs = outputs(mine, expected, values=values, places=_at(ours, args, kwargs) if ties else None)
    gradients = gradients and values
    if gradients:
        pairs += gradient_pairs(
            mine, leaves((mine_args, mine_kwargs)), expected, leaves((args, kwargs))
        )
    judge(pairs, lambda: exactly(theirs, args, kwargs, gradients=gradients))


def exactly(
    theirs: Callable[..., Any], args: Any, kwargs: Any, ins: Any = (), *, gradients: bool
) -> list[Any]:
    """PyTorch's results in float64, then the gradients of the arguments and of `ins`."""
    args, kwargs = widened((args, kwargs))
    expected = asked(theirs, *args, **kwargs)
    found = [array(y) for y in flat(expected)]
    if gradients:
        found += [array(g) for g in _theirs(expected, [*leaves((args, kwargs)), *ins])[0]]
    return found


def _at(ours: Callable[..., Any], args: Any, kwargs: Any) -> Places:
    """What stands in the first argument at given places along the function's `dim`."""
    dim = inspect.signature(ours).bind(*args, **kwargs).arguments.get("dim", -1)
    source = array(args[0])

    def at(places: Any) -> Any:
        if not source.ndim:
            return source
        kept = places if places.ndim == source.ndim else np.expand_dims(places, dim)
        return np.take_along_axis(source, kept, dim)

    return at


def _theirs(expected: Any, ins: list[Any]) -> tuple[list[Any], list[Any]]:
    """PyTorch's ∂(Σ w·outputs)/∂inputs, zeros where there is none, and the weights w."""
    import torch

    ends = [y for y in flat(expected) if getattr(y, "requires_grad", False)]
    weights = [_weight(tuple(y.shape), array(y).dtype, i) for i, y in enumerate(ends)]
    if not ends or not ins:
        return [], []
    starts = [torch.tensor(w) for w in weights]
    found = asked(torch.autograd.grad, ends, ins, starts, allow_unused=True)
    return [
        torch.zeros_like(t) if g is None else g for g, t in zip(found, ins, strict=True)
    ], weights


def gradient_pairs(
    mine: Any, mine_ins: list[Any], expected: Any, expected_ins: list[Any]
) -> list[Pair]:
    """∂(Σ w·outputs)/∂inputs on both sides, for the same weights w."""
    wanted, weights = _theirs(expected, expected_ins)
    ends = [
        x
        for x, y in zip(flat(mine), flat(expected), strict=True)
        if getattr(y, "requires_grad", False)
    ]
    if not wanted:
        return []
    flowing = [(x, w) for x, w in zip(ends, weights, strict=True) if x.requires_grad]
    still = any(w.size and not x.requires_grad for x, w in zip(ends, weights, strict=True))
    if still and any(g.count_nonzero() for g in wanted):
        raise DifferenceError("no gradient flows")  # one that is 0 everywhere may be absent
    if not flowing:
        return []
    found = cr.autograd.grad(
        [x for x, _ in flowing], mine_ins, [cr.tensor(w) for _, w in flowing], allow_unused=True
    )
    pairs = []
    for i, (x, y) in enumerate(zip(found, wanted, strict=True)):
        right = array(y)
        left = np.zeros(right.shape, right.dtype) if x is None else array(x)
        pairs.append(Pair(f"gradient {i}", left, right))
    return pairs


def _weight(shape: tuple[int, ...], dtype: Any, number: int) -> Any:
    rng = np.random.default_rng(zlib.crc32(f"{shape}{number}".encode()))
    return np.asarray(rng.uniform(0.5, 1.5, shape)).astype(np.float32).astype(dtype)
