"""Runs a tile kernel as machine code on NumPy arrays, for tests."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.codegen.target import Target, host_target
from chainrule.compiler.runtime.native import engine
from chainrule.kernel.ir import Buffer, Extent, Kernel

_SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
_numbers = itertools.count()


class Native:
    """A kernel's machine code. `call(values)` runs all its tasks on arrays, integers and floats.

    An array is passed by the address of its first element; keep views alive and contiguous.
    """

    def __init__(self, kernel: Kernel, target: Target | None = None) -> None:
        symbol = f"kernel{next(_numbers)}"
        self.kernel = kernel
        self.ir = emit(kernel, target or host_target(), symbol)
        self._function = _SIGNATURE(engine().load({symbol: self.ir})[symbol])

    def __call__(self, values: Mapping[str, Any], tasks: tuple[int, int] | None = None) -> None:
        slots = np.zeros(len(self.kernel.params) + 1, np.int64)
        extents = {}
        for slot, parameter in enumerate(self.kernel.params):
            value = values[parameter.name]
            if isinstance(parameter, Buffer):
                assert value.dtype == parameter.dtype.numpy, parameter.name
                slots[slot] = value.ctypes.data
            elif isinstance(parameter, Extent):
                slots[slot] = extents[parameter.name] = value
            else:
                slots.view(np.float64)[slot] = value
        first, last = tasks or (0, task_count(self.kernel, extents))
        size = scratch_bytes(self.kernel, extents)
        guard = 64  # bytes behind the scratch memory that must stay as they are
        raw = np.full(size + guard + 64, 0xA5, np.uint8)
        start = -raw.ctypes.data % 64
        self._function(slots.ctypes.data, first, last, raw.ctypes.data + start)
        assert (raw[start + size : start + size + guard] == 0xA5).all(), "scratch overrun"


def run(kernel: Kernel, **values: Any) -> None:
    """Compile and run once."""
    Native(kernel)(values)
