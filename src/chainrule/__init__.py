"""Chainrule: computation graphs you can see through, trained at machine speed.

PyTorch's names, one import away: `import chainrule as cr`. This module re-exports – a family of
functions says in its own `__all__` what is public – and lets uncaught errors show the program's
lines only. What is heavy (`nn`, `optim`, the compiler) is imported at its first use. See `docs/`.
"""

from __future__ import annotations

from chainrule.base.early import leave_at_interrupt as _leave_at_interrupt

_leave_at_interrupt()  # before anything that takes time

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes as _dtypes
from chainrule.base.dtypes import bfloat16 as bfloat16
from chainrule.base.dtypes import complex64 as complex64
from chainrule.base.dtypes import complex128 as complex128
from chainrule.base.dtypes import float16 as float16
from chainrule.base.dtypes import float32 as float32
from chainrule.base.dtypes import float64 as float64
from chainrule.base.dtypes import int8 as int8
from chainrule.base.dtypes import int16 as int16
from chainrule.base.dtypes import int32 as int32
from chainrule.base.dtypes import int64 as int64
from chainrule.base.dtypes import uint8 as uint8
from chainrule.base.dtypes import uint16 as uint16
from chainrule.base.dtypes import uint32 as uint32
from chainrule.base.dtypes import uint64 as uint64
from chainrule.base.frames import install as _show_own_frames
from chainrule.base.missing import missing_name as missing_name
from chainrule.base.shapes import Size as Size
from chainrule.tensor import large as _large
from chainrule.tensor.convert import *
from chainrule.tensor.deferred.structure import native as _deferred
from chainrule.tensor.device import *
from chainrule.tensor.exchange import *
from chainrule.tensor.functional.activation import *
from chainrule.tensor.functional.adaptive_pooling import *
from chainrule.tensor.functional.arithmetic import *
from chainrule.tensor.functional.bessel import *
from chainrule.tensor.functional.bitwise import *
from chainrule.tensor.functional.broadcast import *
from chainrule.tensor.functional.comparison import *
from chainrule.tensor.functional.convolution import *
from chainrule.tensor.functional.creation import *
from chainrule.tensor.functional.cumulative import *
from chainrule.tensor.functional.diagonal import *
from chainrule.tensor.functional.distance import *
from chainrule.tensor.functional.dropout import *
from chainrule.tensor.functional.einsum import *
from chainrule.tensor.functional.exponential import *
from chainrule.tensor.functional.factorizations import *
from chainrule.tensor.functional.gamma import *
from chainrule.tensor.functional.gather import *
from chainrule.tensor.functional.gaussian import *
from chainrule.tensor.functional.join import *
from chainrule.tensor.functional.layout import *
from chainrule.tensor.functional.linear_systems import *
from chainrule.tensor.functional.masked import *
from chainrule.tensor.functional.moments import *
from chainrule.tensor.functional.multi_dot import *
from chainrule.tensor.functional.normalize import *
from chainrule.tensor.functional.norms import *
from chainrule.tensor.functional.pooling import *
from chainrule.tensor.functional.products import *
from chainrule.tensor.functional.random import *
from chainrule.tensor.functional.reduce import *
from chainrule.tensor.functional.sampling import *
from chainrule.tensor.functional.scatter import *
from chainrule.tensor.functional.search import *
from chainrule.tensor.functional.slices import *
from chainrule.tensor.functional.sort import *
from chainrule.tensor.functional.strided import *
from chainrule.tensor.functional.trigonometry import *
from chainrule.tensor.indexing import *
from chainrule.tensor.inert import *
from chainrule.tensor.legacy import *
from chainrule.tensor.modes import *
from chainrule.tensor.printing import *
from chainrule.tensor.root_in_place import *
from chainrule.tensor.tensor import *
from chainrule.tensor.type_info import *

if TYPE_CHECKING:
    from chainrule import amp as amp
    from chainrule import autograd as autograd
    from chainrule import backends as backends
    from chainrule import cuda as cuda
    from chainrule import distributed as distributed
    from chainrule import errors as errors
    from chainrule import func as func
    from chainrule import inspect as inspect
    from chainrule import jit as jit
    from chainrule import linalg as linalg
    from chainrule import mps as mps
    from chainrule import nn as nn
    from chainrule import optim as optim
    from chainrule import profiler as profiler
    from chainrule import random as random
    from chainrule import sklearn as sklearn
    from chainrule import special as special
    from chainrule import testing as testing
    from chainrule import utils as utils
    from chainrule import version as version
    from chainrule import xpu as xpu
    from chainrule.compiler.cache_report import explain_cache as explain_cache
    from chainrule.compiler.compile import compile as compile
    from chainrule.compiler.runtime.denormals import set_flush_denormal as set_flush_denormal
    from chainrule.compiler.runtime.workers import get_num_threads as get_num_threads
    from chainrule.compiler.runtime.workers import set_num_threads as set_num_threads
    from chainrule.formats.serialization import load as load
    from chainrule.formats.serialization import save as save
    from chainrule.inspect.claim import check_gradient as check_gradient
    from chainrule.inspect.draw import draw as draw
    from chainrule.inspect.explain import explain as explain
    from chainrule.inspect.gradcheck import gradcheck as gradcheck
    from chainrule.inspect.profiling.session import profile as profile
    from chainrule.optim.grad_scaler import GradScaler as GradScaler
    from chainrule.tensor.functional.scan import scan as scan
    from chainrule.tensor.vmap import vmap as vmap

__version__ = "0.1.0"

_show_own_frames()
_large.imports = lambda: importlib.import_module("chainrule.compiler.eager.offers")


def _plan_batch(*batch: Any) -> Any:
    """Compile a batch of recorded operations; imports the compiler at the first."""
    return importlib.import_module("chainrule.compiler.calls.batch").make(*batch)


def _record_update(*update: Any) -> Any:
    """Record an optimizer's step as one call; imports the compiler at the first."""
    _deferred.update = importlib.import_module("chainrule.compiler.calls.effect").record
    return _deferred.update(*update)


_deferred.make, _deferred.update = _plan_batch, _record_update

dtype = _dtypes.DType
bool = _dtypes.bool_
float, double = float32, float64
half = float16
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128

_ROOMS = frozenset(
    {
        "amp", "autograd", "backends", "compiler", "cuda", "distributed", "errors", "func",
        "inspect", "jit", "linalg", "mps", "nn", "optim", "profiler", "random", "sklearn",
        "special", "testing", "utils", "version", "xpu",
    }
)  # fmt: skip
_LAZY = {
    "GradScaler": "chainrule.optim.grad_scaler",
    "check_gradient": "chainrule.inspect.claim",
    "compile": "chainrule.compiler.compile",
    "draw": "chainrule.inspect.draw",
    "explain": "chainrule.inspect.explain",
    "explain_cache": "chainrule.compiler.cache_report",
    "get_num_threads": "chainrule.compiler.runtime.workers",
    "gradcheck": "chainrule.inspect.gradcheck",
    "load": "chainrule.formats.serialization",
    "profile": "chainrule.inspect.profiling.session",
    "save": "chainrule.formats.serialization",
    "scan": "chainrule.tensor.functional.scan",
    "set_flush_denormal": "chainrule.compiler.runtime.denormals",
    "set_num_threads": "chainrule.compiler.runtime.workers",
    "vmap": "chainrule.tensor.vmap",
}


if not TYPE_CHECKING:  # a checker knows which names there are

    def __getattr__(name: str) -> Any:
        """Import the home of a name at its first use, and keep what was found."""
        if name in _ROOMS:
            return importlib.import_module(f"{__name__}.{name}")
        if name in _LAZY:
            found = getattr(importlib.import_module(_LAZY[name]), name)
            globals()[name] = found
            return found
        if name.startswith("_foreach_"):
            foreach = importlib.import_module(f"{__name__}.tensor.foreach")
            found = foreach.each(name.removeprefix(foreach.PREFIX))
            return found or missing_name(__name__, name)
        return missing_name(__name__, name)


def __dir__() -> list[str]:
    """What is here and what would be imported."""
    return sorted({*globals(), *_ROOMS, *_LAZY})
