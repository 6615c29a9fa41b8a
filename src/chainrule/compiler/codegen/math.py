"""The transcendental primitives by name: what `Map` statements call during emission.

`MATH[fn](lines, dtype, operands)` appends the instructions of one vector result and returns its
name. All work on vectors of `lines.lanes` elements (`<1 x float>` for one), without branches,
tables or calls, never make poison, and follow NumPy for NaN, infinities and signed zeros.
Imports the other `math_*` modules only.

Example: `MATH["tanh"](lines, "float32", ["%x"])` → `"%v31"`, of type `<16 x float>`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.compiler.codegen.math_exp import erf, exp, expm1, sigmoid, tanh
from chainrule.compiler.codegen.math_log import log, log1p, pow
from chainrule.compiler.codegen.math_random import emit_philox
from chainrule.compiler.codegen.math_trig import cos, sin
from chainrule.compiler.codegen.math_vector import Lines, Vector

__all__ = ["MATH", "Lines", "emit_philox", "rsqrt"]

Emitter = Callable[[Lines, str, Sequence[str]], str]


def rsqrt(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """1 / √x by the exact root and division, as NumPy computes it. Error ≤ 1.5 ulp."""
    v = Vector(lines, dtype)
    return v.div(v.number(1.0), v.sqrt(ins[0]))


MATH: dict[str, Emitter] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "erf": erf,
    "rsqrt": rsqrt,
    "sin": sin,
    "cos": cos,
    "pow": pow,
}
