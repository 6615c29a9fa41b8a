"""Random numbers from Philox: a generator is a seed and a position, and a position is used once.

The same seed gives the same numbers eagerly and compiled, for any number of threads.
Example: `manual_seed(0); randn(2, 3)`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_whole
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DTypeError, KindError
from chainrule.ops import TABLE
from chainrule.tensor.convert import (
    Operand,
    as_array,
    as_dtype,
    as_tensor,
    cast,
    check_device,
    check_fits,
    get_default_dtype,
    result_dtype,
)
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import arithmetic, comparison, exponential, trigonometry
from chainrule.tensor.functional.forms import of_kinds, size_named, with_out
from chainrule.tensor.functional.layout import flat_sizes
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes, no_grad
from chainrule.tensor.one_call import as_one_call
from chainrule.tensor.require import is_probability, require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed",
    "normal", "rand", "randint", "randn", "randperm", "seed", "set_rng_state",
]  # fmt: skip

_MASK = (1 << 63) - 1
_BLOCK = 1 << 16  # elements drawn at a time
_RECORDED = 1 << 22  # and where they may be drawn later, by a kernel that needs no memory for them


class Generator:
    """A stream of random numbers. `state` is int64[3]: seed, position, 0."""

    def __init__(self, device: Any = None) -> None:
        """Start from seed 0."""
        check_device(device)
        self._state: Tensor | None = None

    @property
    def state(self) -> Tensor:
        """The handle that a trace reads and rebinds; made at its first use."""
        if self._state is None:
            self._state = wrap(np.zeros(3, np.int64))
        return self._state

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` from its beginning."""
        self.state._rebind(wrap(np.array([seed & _MASK, 0, 0], np.int64)))
        return self

    def seed(self) -> int:
        """Start from a seed of the operating system's randomness; returns it."""
        seed = int.from_bytes(os.urandom(8), "little") >> 2
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of this stream."""
        return int(self.state._concrete("initial_seed()")[0])

    def get_state(self) -> Tensor:
        """Seed and position, for `set_state`."""
        return wrap(self.state._concrete("get_state()").copy())

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from the result of `get_state`."""
        value = as_array(new_state._concrete("set_state()"))
        if value.shape != (3,) or value.dtype != np.int64:
            raise ArgumentError("a generator's state is an int64 tensor of 3 numbers")
        self.state._rebind(wrap(value))
        return self

    def skip(self, positions: int) -> None:
        """Move on without drawing."""
        state = self.state._concrete("random numbers")
        self.state._rebind(wrap(state + np.array([0, positions, 0])))

    def _draw(
        self, shape: shapes.Shape, dtype: DType, words: int, finish: Callable[..., Tensor]
    ) -> Tensor:
        """`finish` of `words` arrays of random 32-bit integers; the position advances by one.

        A large array is drawn in blocks, so that the integers need little memory.
        """
        if min(shape, default=0) < 0:
            raise ArgumentError(f"sizes must not be negative: {shape}")
        trace, size = modes.trace, shapes.size(shape)
        how: Any = {"finish": finish, "words": words, "dtype": dtype}
        if trace is not None:
            state = trace.stream(self)
            return _drawn(state, ordinal=trace.ordinal(self), start=0, shape=shape, **how)
        if size <= (_BLOCK if modes.recorder is None else _RECORDED):
            out = as_one_call(_drawn, self.state, ordinal=0, start=0, shape=tuple(shape), **how)
        else:
            values = np.empty(size, dtype.numpy)
            for start in range(0, size, _BLOCK):
                part = values[start : start + _BLOCK]
                made = _drawn(self.state, ordinal=0, start=start, shape=part.shape, **how)
                part[:] = made._concrete("random numbers")
            out = wrap(values.reshape(shape))
        self.skip(1)
        return out


def _drawn(
    state: Tensor, *, ordinal: int, start: int, shape: shapes.Shape, words: int, dtype: DType,
    finish: Callable[..., Tensor],
) -> Tensor:  # fmt: skip
    """`finish` of the random integers at a position of a generator, from number `start` on."""
    attrs = {"ordinal": ordinal, "start": start, "shape": shape}
    bits = [apply(TABLE["random_bits"], state, word=w, **attrs) for w in range(words)]
    return finish(*bits, dtype=dtype)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    try:
        number = int(seed)
    except (TypeError, ValueError):
        raise KindError(f"manual_seed: seed must be an integer, not {seed!r}") from None
    return default_generator.manual_seed(number)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Restore the state of the default generator."""
    default_generator.set_state(new_state)


def uniform(shape: shapes.Shape, dtype: DType, generator: Generator | None = None) -> Tensor:
    """Uniform numbers in [0, 1): 24 random bits in float32, 53 in float64."""
    source, double = generator or default_generator, dtype is dtypes.float64
    with no_grad():
        if double:
            return source._draw(shape, dtype, 2, _unit_of_two)
        return source._draw(shape, dtype, 1, _unit)


def _unit_of_two(high: Tensor, low: Tensor, dtype: DType) -> Tensor:
    top = arithmetic.mul(arithmetic.floor_divide(high, 1 << 5), 1 << 26)
    bits = arithmetic.add(top, arithmetic.floor_divide(low, 1 << 6))
    return arithmetic.mul(cast(bits, dtype), 2.0**-53)


def _unit(bits: Tensor, dtype: DType) -> Tensor:
    return arithmetic.mul(cast(arithmetic.floor_divide(bits, 1 << 8), dtype), 2.0**-24)


def next_uniform(state: Tensor, shape: shapes.Shape) -> Tensor:
    """The float32 numbers that `uniform` would draw from a generator in this state."""
    bits = apply(TABLE["random_bits"], state, word=0, ordinal=0, start=0, shape=shape)
    return _unit(bits, dtypes.float32)


def drawn_later(shape: shapes.Shape) -> bool:
    """Whether random numbers of this shape are recorded, to be drawn with what reads them."""
    return (
        modes.recorder is not None and modes.trace is None and 0 < shapes.size(shape) <= _RECORDED
    )


def normal_values(shape: shapes.Shape, dtype: DType, generator: Generator | None = None) -> Tensor:
    """Standard normal numbers by the Box-Muller transform of two uniforms."""
    with no_grad():
        return (generator or default_generator)._draw(shape, dtype, 2, _normal_of_two)


def _normal_of_two(first: Tensor, second: Tensor, dtype: DType) -> Tensor:
    # (word + 1)/2³² lies in (0, 1], so that the logarithm is finite
    u = arithmetic.mul(cast(arithmetic.add(first, 1), dtypes.float64), 2.0**-32)
    radius = exponential.sqrt(arithmetic.mul(exponential.log(u), -2.0))
    angle = arithmetic.mul(cast(second, dtypes.float64), 2 * math.pi * 2.0**-32)
    return cast(arithmetic.mul(radius, trigonometry.cos(angle)), dtype)


def _new(
    maker: Any,
    size: Sequence[Any],
    generator: Generator | None,
    dtype: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    check_device(device)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    if chosen.kind != "float":
        raise DTypeError(f"random numbers of this kind are floats, not {chosen}: use randint")
    return asking(maker(flat_sizes(size), chosen, generator), requires_grad)


def asking(out: Tensor, requires_grad: bool) -> Tensor:
    """`out`, set to require grad if `requires_grad`."""
    if requires_grad:
        out.requires_grad = True
    return out


@with_out
@size_named
def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1)."""
    del layout, pin_memory
    return _new(uniform, size, generator, dtype, device, requires_grad)


@with_out
@size_named
def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Standard normal numbers."""
    del layout, pin_memory
    return _new(normal_values, size, generator, dtype, device, requires_grad)


@with_out
def randint(
    low: int = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (default 0) to high - 1."""
    del layout, pin_memory
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise ArgumentError(f"randint needs low < high, not {low} and {high}")
    kind = dtypes.int64 if dtype is None else as_dtype(dtype)
    for limit in (low, high - 1):
        check_fits(limit, kind)
    unit = uniform(flat_sizes([size]), dtypes.float64, generator)
    whole = cast(arithmetic.floor(arithmetic.mul(unit, high - low)), dtypes.int64)
    return asking(cast(arithmetic.add(whole, low), kind), requires_grad)


@with_out
def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The numbers 0 to n - 1 in random order."""
    del layout, pin_memory
    check_device(device)
    kind = dtypes.int64 if dtype is None else as_dtype(dtype)
    check_fits(check_whole("randperm: n", n, least=0), kind)
    keys = uniform((n,), dtypes.float64, generator)
    return asking(cast(apply(TABLE["argsort"], keys, descending=False), kind), requires_grad)


@with_out
def normal(
    mean: Operand, std: Operand = 1.0, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """mean + std · standard normal numbers, of `size` or of the tensors' broadcast shape."""
    del layout, pin_memory
    check_device(device)
    std = require("normal", std, lambda v: v >= 0, "a standard deviation must be at least 0")
    with no_grad():
        if size is None:
            tensors = [as_tensor(v) for v in (mean, std)]
            shape = shapes.broadcast(*[t.shape for t in tensors])
            kind = result_dtype(tensors) if dtype is None else as_dtype(dtype)
        else:
            shape = flat_sizes([size])
            kind = get_default_dtype() if dtype is None else as_dtype(dtype)
        if kind.kind != "float":
            raise DTypeError(f"normal random numbers are floats, not {kind}: use x.float()")
        unit = normal_values(shape, kind, generator)
        out = arithmetic.add(arithmetic.mul(unit, std), mean)
    return asking(out, requires_grad)


def uniform_(
    input: Handle, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Uniform numbers in [from_, to) of the input's shape and dtype."""
    unit = uniform(input.shape, input.dtype, generator)
    return arithmetic.add(arithmetic.mul(unit, to - from_), from_)


@of_kinds
def normal_(
    input: Handle, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers of the input's shape and dtype."""
    std = require("normal_", std, lambda v: v >= 0, "a standard deviation must be at least 0")
    unit = normal_values(input.shape, input.dtype, generator)
    return arithmetic.add(arithmetic.mul(unit, std), mean)


@with_out
def bernoulli(input: Operand, p: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Element by element 1 with probability `input` (or p, in the shape of input), else 0."""
    x = as_tensor(input)
    with no_grad():
        if p is None and x.dtype.kind != "float":
            raise ArgumentError(f"bernoulli needs probabilities, not {x.dtype}")
        chances = x if p is None else p
        kind = x.dtype if x.dtype.kind == "float" else dtypes.float64
        chances = require(
            "bernoulli", chances, is_probability, "a probability must lie between 0 and 1"
        )
        chosen = comparison.lt(uniform(x.shape, kind, generator), chances)
        return cast(chosen, x.dtype)
