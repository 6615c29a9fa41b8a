"""PyTorch's `backends`: switches of libraries that are not used here, remembered and inert.

Example: `backends.cudnn.benchmark = True`.
Source: https://docs.pytorch.org/docs/stable/backends.html
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from chainrule.base.missing import missing_from

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]


def _no() -> bool:
    """False."""
    return False


@contextlib.contextmanager
def _flags(*args: Any, **kwargs: Any) -> Iterator[None]:
    """A block without an effect."""
    del args, kwargs
    yield


def _nothing(*args: Any, **kwargs: Any) -> None:
    """No effect."""
    del args, kwargs


def _room(name: str, **contents: Any) -> types.ModuleType:
    """A submodule with these switches and functions."""
    full = f"{__name__}.{name}"
    made = types.ModuleType(full, f"PyTorch's `backends.{name}`: inert here.")
    made.__dict__.update(contents, __getattr__=missing_from(full))
    made.__path__ = []
    sys.modules[full] = made
    return made


def _capability() -> str:
    """What PyTorch calls a CPU without a special build."""
    return "DEFAULT"


def _enabling(*names: str) -> dict[str, Callable[..., Any]]:
    """`enable_x(bool)` and `x_enabled()` of each kernel choice."""
    found: dict[str, Callable[..., Any]] = {}
    for name in names:
        found[f"enable_{name}"] = _nothing
        found[f"{name}_enabled"] = _no
    return found


cpu = _room("cpu", get_cpu_capability=_capability)
cudnn = _room(
    "cudnn", enabled=False, benchmark=False, benchmark_limit=10, deterministic=False,
    allow_tf32=False, is_available=_no, version=lambda: None, flags=_flags,
)  # fmt: skip
_matmul = _room(
    "cuda.matmul", allow_tf32=False, allow_fp16_reduced_precision_reduction=False,
    allow_bf16_reduced_precision_reduction=False,
)  # fmt: skip
cuda = _room(
    "cuda", matmul=_matmul, is_built=_no, sdp_kernel=_flags,
    **_enabling("flash_sdp", "mem_efficient_sdp", "math_sdp", "cudnn_sdp"),
)  # fmt: skip
mps = _room("mps", is_available=_no, is_built=_no)
mkl = _room("mkl", is_available=_no)
mkldnn = _room("mkldnn", is_available=_no, enabled=False, flags=_flags)
openmp = _room("openmp", is_available=_no)
opt_einsum = _room("opt_einsum", is_available=_no, enabled=False, strategy=None)

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
