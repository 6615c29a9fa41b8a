"""The floating-point peak of one core: a kernel of independent FMAs.

    python -m benchmarks.fma_peak

Every share of the peak in these benchmarks refers to it.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, float32
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.runtime.native import engine
from chainrule.kernel.index import as_index, symbol
from chainrule.kernel.ir import Buffer, Carry, Extent, For, Kernel, Load, Mma, Store

_SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
_ZERO, _ONE = as_index(0), as_index(1)


def prepared(kernel: Kernel, values: Mapping[str, Any]) -> Callable[[], None]:
    """All tasks of a kernel on these arrays and integers, as a function without arguments."""
    symbol_name = f"benchmark_{kernel.name}"
    address = engine().load({symbol_name: emit(kernel, host_target(), symbol_name)})[symbol_name]
    call = _SIGNATURE(address)
    slots = np.zeros(len(kernel.params), np.int64)
    extents: dict[str, int] = {}
    for slot, parameter in enumerate(kernel.params):
        value = values[parameter.name]
        if isinstance(parameter, Buffer):
            slots[slot] = value.ctypes.data
        else:
            slots[slot] = extents[parameter.name] = value
    scratch = np.zeros(scratch_bytes(kernel, extents) + 64, np.uint8)
    start = scratch.ctypes.data + -scratch.ctypes.data % 64
    pointers = (slots.ctypes.data, 0, task_count(kernel, extents), start)
    held = (slots, scratch, values)  # alive as long as the function

    def run() -> None:
        assert held
        call(*pointers)

    return run


def _kernel(dtype: DType, rows: int, columns: int) -> Kernel:
    """y += n · x[0] · x in `rows` independent accumulators of one register each."""
    tile = (rows, columns)
    start = Load("start", "y", _ZERO, tile, (as_index(columns), _ONE))
    same = Load("same", "x", _ZERO, (rows, 1), (_ZERO, _ZERO))
    vector = Load("vector", "x", _ZERO, (1, columns), (_ZERO, _ONE))
    step = Mma("sum", "acc", "same", "vector")
    loop = For("i", symbol("n"), (step,), carries=(Carry("acc", "start", "sum"),))
    store = Store("acc", "y", _ZERO, tile, (as_index(columns), _ONE))
    params = (Buffer("x", dtype), Buffer("y", dtype, written=True), Extent("n"))
    return Kernel("fma", params, (start, same, vector, loop, store))


def fma_peak_gflops(dtype: DType = float32, seconds: float = 0.3) -> float:
    """The highest GFLOP/s of one core: 2 · lanes · FMAs a second."""
    target = host_target()
    columns = target.lanes * 4 // dtype.itemsize
    rows, steps = target.registers - 4, 20_000
    values = {
        "x": np.full(columns, 1e-3, dtype.numpy),
        "y": np.zeros((rows, columns), dtype.numpy),
        "n": steps,
    }
    run = prepared(_kernel(dtype, rows, columns), values)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
    return 2 * rows * columns * steps / best / 1e9


if __name__ == "__main__":
    print(f"{fma_peak_gflops():.1f} GFLOP/s, one core, float32")
