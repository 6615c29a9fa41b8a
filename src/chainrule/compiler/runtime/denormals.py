"""Whether numbers too small for a full mantissa (denormal, subnormal) are taken for zero.

They slow processors down. Compiled float32 code takes them for zero, float64 code and eager code do
not, until a program decides for all. May import this folder's modules. Example:

    set_flush_denormal(False)            # compiled code keeps 1e-40, as eager code does
"""

from __future__ import annotations

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.compiler.runtime.interpreter import interpreter

MODES = np.array([1, 0], np.int64)  # of launches, and of those that are wide; programs read it
EAGER = np.zeros(2, np.int64)  # the same of kernels that stand for NumPy in eager calls


def set_flush_denormal(mode: bool) -> bool:
    """Take denormal numbers for zero everywhere, or nowhere; whether this machine can do that.

    Denormal are float32 numbers below 2⁻¹²⁶ ≈ 1.2e-38 and float64 numbers below 2.2e-308 in
    magnitude. With True, all compiled code takes them for zero, and so does eager code in the
    calling thread; with False, nobody does, and compiled code gives what eager code gives. A
    program that never calls this has compiled float32 code that takes them for zero, for speed,
    and nothing else that does. Counts from the next call on.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_flush_denormal.html
    """
    try:
        native = interpreter()
    except CompileError:
        return False
    native.denormals(int(mode))
    MODES[:] = EAGER[:] = int(mode)
    return True
