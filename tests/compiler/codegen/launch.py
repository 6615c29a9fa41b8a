"""Runs a tile kernel as machine code on NumPy arrays, and beside it the interpreter.

Example: `agree(kernel, {"x": x, "y": y, "n": x.size})` runs both on copies, compares every buffer
and returns those of the machine code.
"""

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
from chainrule.kernel.interpret import interpret
from chainrule.kernel.ir import Buffer, Extent, Kernel

_SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
_GUARD = 64  # elements or bytes around memory that must stay as they are
_numbers = itertools.count()


class Native:
    """A kernel's machine code. `call(values)` runs tasks on arrays, integers and floats.

    Every buffer is copied between guards before the call and back after it.
    """

    def __init__(self, kernel: Kernel, target: Target | None = None) -> None:
        symbol = f"kernel{next(_numbers)}"
        self.kernel = kernel
        self.ir = emit(kernel, target or host_target(), symbol)
        self._function = _SIGNATURE(engine().load({symbol: self.ir})[symbol])

    def __call__(self, values: Mapping[str, Any], tasks: tuple[int, int] | None = None) -> None:
        slots = np.zeros(len(self.kernel.params) + 1, np.int64)
        extents: dict[str, int] = {}
        held = []
        for slot, parameter in enumerate(self.kernel.params):
            value = values[parameter.name]
            if isinstance(parameter, Buffer):
                assert value.dtype == parameter.dtype.numpy, parameter.name
                copy = np.zeros(value.size + 2 * _GUARD, value.dtype)
                copy[_GUARD : _GUARD + value.size] = value.ravel()
                held.append((value, copy))
                slots[slot] = copy.ctypes.data + _GUARD * value.itemsize
            elif isinstance(parameter, Extent):
                slots[slot] = extents[parameter.name] = value
            else:
                slots.view(np.float64)[slot] = value
        first, last = tasks or (0, task_count(self.kernel, extents))
        size = scratch_bytes(self.kernel, extents)
        raw = np.full(size + 64 + _GUARD, 0xA5, np.uint8)
        start = -raw.ctypes.data % 64
        self._function(slots.ctypes.data, first, last, raw.ctypes.data + start)
        assert (raw[start + size :] == 0xA5).all(), "scratch memory overrun"
        for value, copy in held:
            assert not copy[:_GUARD].any(), "written before a buffer"
            assert not copy[copy.size - _GUARD :].any(), "written behind a buffer"
            value[...] = copy[_GUARD : _GUARD + value.size].reshape(value.shape)


def agree(
    kernel: Kernel | Native, values: Mapping[str, Any], rtol: float = 0.0, atol: float = 0.0
) -> dict[str, np.ndarray]:
    """Run machine code and interpreter on copies; their buffers must be (nearly) equal."""
    native = kernel if isinstance(kernel, Native) else Native(kernel)
    here, there = (
        {k: v.ravel().copy() if isinstance(v, np.ndarray) else v for k, v in values.items()}
        for _ in range(2)
    )
    native(here)
    interpret(native.kernel, there)
    buffers = {k: v for k, v in here.items() if isinstance(v, np.ndarray)}
    for name, got in buffers.items():
        if rtol or atol:
            np.testing.assert_allclose(got, there[name], rtol=rtol, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(got, there[name], err_msg=name)
    return buffers
