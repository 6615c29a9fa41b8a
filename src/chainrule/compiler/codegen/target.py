"""The machine that code is emitted for: triple, CPU features, vector lanes, registers.

Choices follow CPU features, not CPU names. Imports base.

Example: `host_target().lanes` is 16 on a CPU with AVX-512, 8 with AVX2, 4 with NEON.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.processor import Processor, processor


@dataclass(frozen=True, slots=True)
class Target:
    """The properties of a CPU that emission and tile choice depend on.

    `features` is LLVM's feature string ("+avx2,+fma,…"), `lanes` the number of float32 values in
    one vector register, `registers` how many vector registers there are. `subnormal`: the code runs
    where subnormal numbers are kept, which take twenty times as long, and makes none to drop them.
    """

    triple: str
    cpu: str
    features: str
    lanes: int
    registers: int
    subnormal: bool = False

    @property
    def attributes(self) -> str:
        """LLVM function attributes: without them 512-bit vectors are split in two."""
        if self.lanes < 16:
            return ""
        return '"prefer-vector-width"="512" "min-legal-vector-width"="512"'


_AVX2 = (
    "+64bit,+cx8,+cx16,+cmov,+mmx,+fxsr,+sahf,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt"
    ",+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe"
)
_AVX512 = _AVX2 + ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl,-prefer-256-bit"

AVX512 = Target("x86_64-unknown-linux-gnu", "x86-64", _AVX512, lanes=16, registers=32)
AVX2 = Target("x86_64-unknown-linux-gnu", "x86-64", _AVX2, lanes=8, registers=16)
NEON = Target("aarch64-unknown-linux-gnu", "generic", "+neon,+fp-armv8", lanes=4, registers=32)


def describe(triple: str, cpu: str, features: Mapping[str, bool]) -> Target:
    """The `Target` of a CPU with these features; raises `CompileError` if it has no vector FMA.

    AVX-512 needs F, VL, BW and DQ (all server and desktop parts since 2017 that have F).
    """
    flags = dict(features)
    if triple.startswith(("aarch64", "arm64")):
        return Target(triple, cpu, Processor(triple, cpu, flags).text, lanes=4, registers=32)
    if not (flags.get("avx2") and flags.get("fma")):
        raise CompileError(
            f"no code generation for this CPU ({cpu}, {triple}): it needs AVX2 with FMA, AVX-512 "
            "or 64-bit ARM; the program runs eagerly instead"
        )
    wide = all(flags.get(f"avx512{part}") for part in ("f", "vl", "bw", "dq"))
    text = Processor(triple, cpu, flags).text
    return Target(triple, cpu, text, lanes=16 if wide else 8, registers=32 if wide else 16)


@functools.cache
def host_target() -> Target:
    """The `Target` of this process: its machine, or what `CHAINRULE_TARGET` makes of it."""
    return describe(*processor())


@functools.cache
def eager_target() -> Target:
    """The `Target` of kernels that stand for NumPy in eager calls, where subnormals are kept."""
    return replace(host_target(), subnormal=True)
