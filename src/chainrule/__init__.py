"""Chainrule: computation graphs you can see through, trained at machine speed.

PyTorch's names, one import away: `import chainrule as cr`. This module re-exports and does nothing
else; what is heavy (`nn`, `optim`, the compiler) is imported at its first use. See `docs/`.
"""

from __future__ import annotations

import builtins
import importlib
from typing import TYPE_CHECKING, Any

from chainrule.base.dtypes import DType as dtype  # noqa: N813 - PyTorch's name
from chainrule.base.dtypes import bool_ as bool
from chainrule.base.dtypes import float32, float64, int32, int64, uint8
from chainrule.base.dtypes import float32 as float
from chainrule.base.dtypes import float64 as double
from chainrule.base.dtypes import int32 as int
from chainrule.base.dtypes import int64 as long
from chainrule.tensor.convert import (
    as_tensor,
    from_numpy,
    get_default_dtype,
    set_default_dtype,
    tensor,
)
from chainrule.tensor.creation import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand_like,
    randn_like,
    zeros,
    zeros_like,
)
from chainrule.tensor.device import device
from chainrule.tensor.functional.activation import softplus
from chainrule.tensor.functional.layout import (
    cat,
    chunk,
    concat,
    expand,
    flatten,
    flip,
    masked_fill,
    narrow,
    permute,
    reshape,
    select,
    split,
    squeeze,
    stack,
    swapaxes,
    t,
    transpose,
    tril,
    triu,
    unbind,
    unsqueeze,
)
from chainrule.tensor.functional.linear import bmm, matmul, mm
from chainrule.tensor.functional.normalize import log_softmax, softmax
from chainrule.tensor.functional.pointwise import (
    abs,
    add,
    ceil,
    clamp,
    clip,
    cos,
    div,
    eq,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    le,
    lerp,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow,
    reciprocal,
    relu,
    remainder,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    sub,
    tanh,
    trunc,
    where,
)
from chainrule.tensor.functional.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    logsumexp,
    max,
    mean,
    min,
    norm,
    sum,
)
from chainrule.tensor.functional.select import index_select
from chainrule.tensor.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from chainrule.tensor.random import (
    Generator,
    bernoulli,
    default_generator,
    dropout,
    get_rng_state,
    initial_seed,
    manual_seed,
    normal,
    rand,
    randint,
    randn,
    randperm,
    seed,
    set_rng_state,
)
from chainrule.tensor.tensor import Tensor

if TYPE_CHECKING:
    from chainrule import autograd, nn, optim, utils
    from chainrule.compiler.compile import compile
    from chainrule.compiler.runtime.workers import get_num_threads, set_num_threads
    from chainrule.tensor.functional.loop import scan

__version__ = "0.1.0"

Size = tuple[builtins.int, ...]
subtract, multiply, divide, negative = sub, mul, div, neg
absolute, concatenate, swapdims = abs, concat, swapaxes
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne

__all__ = [
    "Generator",
    "Size",
    "Tensor",
    "__version__",
    "abs",
    "absolute",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "as_tensor",
    "autograd",
    "bernoulli",
    "bmm",
    "bool",
    "cat",
    "ceil",
    "chunk",
    "clamp",
    "clip",
    "compile",
    "concat",
    "concatenate",
    "cos",
    "default_generator",
    "device",
    "div",
    "divide",
    "double",
    "dropout",
    "dtype",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "erf",
    "exp",
    "expand",
    "expm1",
    "eye",
    "flatten",
    "flip",
    "float",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "from_numpy",
    "full",
    "full_like",
    "ge",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "greater",
    "greater_equal",
    "gt",
    "index_select",
    "inference_mode",
    "initial_seed",
    "int",
    "int32",
    "int64",
    "is_grad_enabled",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lerp",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mm",
    "mul",
    "multiply",
    "narrow",
    "ne",
    "neg",
    "negative",
    "nn",
    "no_grad",
    "norm",
    "normal",
    "not_equal",
    "ones",
    "ones_like",
    "optim",
    "permute",
    "pow",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "reciprocal",
    "relu",
    "remainder",
    "reshape",
    "round",
    "rsqrt",
    "scan",
    "seed",
    "select",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "sub",
    "subtract",
    "sum",
    "swapaxes",
    "swapdims",
    "t",
    "tanh",
    "tensor",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "uint8",
    "unbind",
    "unsqueeze",
    "utils",
    "where",
    "zeros",
    "zeros_like",
]

_ROOMS = frozenset({"autograd", "nn", "optim", "utils"})
_LAZY = {
    "compile": "chainrule.compiler.compile",
    "get_num_threads": "chainrule.compiler.runtime.workers",
    "scan": "chainrule.tensor.functional.loop",
    "set_num_threads": "chainrule.compiler.runtime.workers",
}


def __getattr__(name: str) -> Any:
    """Import the home of a name at its first use, and keep what was found."""
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY:
        found = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is here and what would be imported."""
    return sorted({*globals(), *_ROOMS, *_LAZY})
