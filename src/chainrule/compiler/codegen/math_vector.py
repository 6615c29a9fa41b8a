"""Vector expressions as textual LLVM IR: one method call, one instruction.

The transcendental functions of `math_*.py` are written with it. Operands and results are the text
of LLVM values (`%v7`, `splat (float 0x3FF0000000000000)`). No fast-math flag is ever set: every
fused multiply-add is asked for by name. Imports the standard library only.

Example: `v = Vector(lines, "float32"); v.fma(x, x, v.number(1.0))` adds the line
`%v8 = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, …)` and returns `%v8`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Lines(Protocol):
    """What a function under construction offers: `lanes` is the width of every vector in it."""

    @property
    def lanes(self) -> int:
        """Elements of a vector: its type is `<lanes x float>`, for example."""

    @property
    def avx512(self) -> bool:
        """Whether the target has AVX-512 (F and VL), whose own instructions may then be used."""

    @property
    def subnormal(self) -> bool:
        """Whether subnormal numbers are kept where the code runs."""

    def fresh(self) -> str:
        """A new SSA name with its `%`."""

    def line(self, text: str) -> None:
        """Append one instruction."""

    def declare(self, text: str) -> None:
        """Remember a `declare` line of the module; the same text may come many times."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Facts about an IEEE format: LLVM's names and the numbers behind bit tricks."""

    real: str
    mangled: str
    bits: int
    mantissa: int
    bias: int


_LAYOUTS = {
    "float32": _Layout("float", "f32", 32, 23, 127),
    "float64": _Layout("double", "f64", 64, 52, 1023),
}


def hex_float(value: float, dtype: str) -> str:
    """LLVM's text of a constant: the bits of the double, which for float32 is rounded first."""
    if dtype == "float32":
        value = struct.unpack("f", struct.pack("f", value))[0]
    return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016X}"


class Vector:
    """Emits instructions on `<lanes x float>` or `<lanes x double>` and integers of that size."""

    def __init__(self, lines: Lines, dtype: str, lanes: int | None = None) -> None:
        """Work on vectors of `dtype` ("float32" or "float64"), `lines.lanes` wide by default."""
        layout = _LAYOUTS[dtype]
        self.lines = lines
        self.dtype = dtype
        self.lanes = lines.lanes if lanes is None else lanes
        self.bits = layout.bits
        self.mantissa = layout.mantissa
        self.bias = layout.bias
        self.real = f"<{self.lanes} x {layout.real}>"
        self.whole = f"<{self.lanes} x i{layout.bits}>"
        self.mask = f"<{self.lanes} x i1>"
        self.suffix = f"v{self.lanes}{layout.mangled}"
        self._element = layout.real

    # constants

    def number(self, value: float) -> str:
        """A floating constant in all lanes."""
        return f"splat ({self._element} {hex_float(value, self.dtype)})"

    def integer(self, value: int) -> str:
        """An integer constant in all lanes."""
        return f"splat (i{self.bits} {value})"

    # instructions

    def _emit(self, text: str) -> str:
        name = self.lines.fresh()
        self.lines.line(f"{name} = {text}")
        return name

    def _call(self, result: str, name: str, *ins: tuple[str, str]) -> str:
        types = ", ".join(kind for kind, _ in ins)
        self.lines.declare(f"declare {result} @{name}({types})")
        return self._emit(f"call {result} @{name}({', '.join(' '.join(pair) for pair in ins)})")

    def _intrinsic(self, name: str, *ins: str) -> str:
        return self._call(self.real, f"llvm.{name}.{self.suffix}", *((self.real, i) for i in ins))

    def add(self, a: str, b: str) -> str:
        """`a + b`."""
        return self._emit(f"fadd {self.real} {a}, {b}")

    def sub(self, a: str, b: str) -> str:
        """`a - b`."""
        return self._emit(f"fsub {self.real} {a}, {b}")

    def mul(self, a: str, b: str) -> str:
        """`a * b`."""
        return self._emit(f"fmul {self.real} {a}, {b}")

    def div(self, a: str, b: str) -> str:
        """`a / b`."""
        return self._emit(f"fdiv {self.real} {a}, {b}")

    def neg(self, a: str) -> str:
        """`-a`, of zeros and NaNs too."""
        return self._emit(f"fneg {self.real} {a}")

    def fma(self, a: str, b: str, c: str) -> str:
        """`a * b + c` rounded once."""
        return self._intrinsic("fma", a, b, c)

    def abs(self, a: str) -> str:
        """`|a|`."""
        return self._intrinsic("fabs", a)

    def sqrt(self, a: str) -> str:
        """The correctly rounded square root."""
        return self._intrinsic("sqrt", a)

    def trunc(self, a: str) -> str:
        """Rounded towards zero."""
        return self._intrinsic("trunc", a)

    def copysign(self, magnitude: str, sign: str) -> str:
        """`|magnitude|` with the sign bit of `sign`."""
        return self._intrinsic("copysign", magnitude, sign)

    def compare(self, predicate: str, a: str, b: str) -> str:
        """The mask of `fcmp` with a predicate such as olt or uno."""
        return self._emit(f"fcmp {predicate} {self.real} {a}, {b}")

    def masks(self, operation: str, a: str, b: str) -> str:
        """and, or, xor of two masks."""
        return self._emit(f"{operation} {self.mask} {a}, {b}")

    def select(self, mask: str, yes: str, no: str) -> str:
        """`yes` where the mask is set, else `no`."""
        return self._emit(f"select {self.mask} {mask}, {self.real} {yes}, {self.real} {no}")

    def at_least(self, a: str, low: float) -> str:
        """`max(a, low)`; NaN stays NaN."""
        bound = self.number(low)
        return self.select(self.compare("olt", a, bound), bound, a)

    def at_most(self, a: str, high: float) -> str:
        """`min(a, high)`; NaN stays NaN."""
        bound = self.number(high)
        return self.select(self.compare("ogt", a, bound), bound, a)

    def between(self, a: str, low: float, high: float) -> str:
        """`min(max(a, low), high)`; NaN stays NaN."""
        return self.at_most(self.at_least(a, low), high)

    def horner(self, x: str, coefficients: Sequence[float]) -> str:
        """`c[0] + c[1]*x + c[2]*x² + …` by fused multiply-adds from the highest power down."""
        total = self.number(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            total = self.fma(total, x, self.number(c))
        return total

    # exact pairs: an unevaluated sum of two numbers holds twice the digits

    def product(self, a: str, b: str) -> tuple[str, str]:
        """a·b as (rounded, rest), exactly."""
        high = self.mul(a, b)
        return high, self.fma(a, b, self.neg(high))

    def ordered_sum(self, a: str, b: str) -> tuple[str, str]:
        """a + b as (rounded, rest), exactly where |a| ≥ |b| or a = 0."""
        high = self.add(a, b)
        return high, self.sub(b, self.sub(high, a))

    # other precisions

    def widened(self) -> Vector:
        """The same lanes in float64."""
        return Vector(self.lines, "float64", self.lanes)

    def widen(self, wide: Vector, a: str) -> str:
        """`a` in the precision of `wide`."""
        return self._emit(f"fpext {self.real} {a} to {wide.real}")

    def narrow(self, wide: Vector, a: str) -> str:
        """`a`, a value of `wide`, rounded to this precision."""
        return self._emit(f"fptrunc {wide.real} {a} to {self.real}")

    # bits

    def to_bits(self, a: str) -> str:
        """The bits as integers."""
        return self._emit(f"bitcast {self.real} {a} to {self.whole}")

    def from_bits(self, a: str) -> str:
        """Integers as the bits of floating numbers."""
        return self._emit(f"bitcast {self.whole} {a} to {self.real}")

    def integers(self, operation: str, a: str, b: str) -> str:
        """An integer instruction such as add, and, shl."""
        return self._emit(f"{operation} {self.whole} {a}, {b}")

    def same_integers(self, a: str, b: str) -> str:
        """The mask of `a == b`."""
        return self._emit(f"icmp eq {self.whole} {a}, {b}")

    def power_of_two(self, bits: str) -> str:
        """2^k where the low bits of the integer hold k + bias: shift them into the exponent."""
        return self.from_bits(self.integers("shl", bits, self.integer(self.mantissa)))

    def round_biased(self, a: str, factor: float, bias: int) -> tuple[str, str]:
        """n = round(a·factor) as a floating number, and integers whose low bits hold n + bias.

        Adding 1.5·2^mantissa pushes the fraction out; |a·factor| must stay below 2^(mantissa-2).
        """
        magic = self.number(1.5 * 2.0**self.mantissa + bias)
        shifted = self.fma(a, self.number(factor), magic)
        return self.sub(shifted, magic), self.to_bits(shifted)

    # target instructions

    def has_scalef(self) -> bool:
        """Whether `scalef` may be used: AVX-512, and the vector fills whole registers."""
        return self.lines.avx512 and self.lanes * self.bits in (128, 256, 512, 1024)

    def scalef(self, a: str, n: str) -> str:
        """a · 2^floor(n) rounded once: overflow and subnormal results come out right."""
        if self.lanes * self.bits == 1024:
            return self._scalef_halves(a, n)
        letter = "ps" if self.bits == 32 else "pd"
        width = self.lanes * self.bits
        mask = "i16" if self.lanes == 16 else "i8"
        ins = [(self.real, a), (self.real, n), (self.real, "poison"), (mask, "-1")]
        if width == 512:
            ins.append(("i32", "4"))  # the rounding mode of the environment
        return self._call(self.real, f"llvm.x86.avx512.mask.scalef.{letter}.{width}", *ins)

    def _scalef_halves(self, a: str, n: str) -> str:
        half = Vector(self.lines, self.dtype, self.lanes // 2)
        parts = []
        for start in (0, half.lanes):
            chosen = ", ".join(f"i32 {start + i}" for i in range(half.lanes))
            pick = f"<{half.lanes} x i32> <{chosen}>"
            low, high = (
                self._emit(f"shufflevector {self.real} {v}, {self.real} poison, {pick}")
                for v in (a, n)
            )
            parts.append(half.scalef(low, high))
        chosen = ", ".join(f"i32 {i}" for i in range(self.lanes))
        joined = ", ".join(f"{half.real} {part}" for part in parts)
        return self._emit(f"shufflevector {joined}, <{self.lanes} x i32> <{chosen}>")
