"""The processor that machine code is made for: this machine's, or an older one by a setting.

`CHAINRULE_TARGET=avx2` has a machine with AVX-512 make the code of one without, and `baseline` that
of any machine of its kind, so that both can be tested. Imports base and `llvm.py`.

Example: `processor().features["avx512f"]` is False under `CHAINRULE_TARGET=avx2`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

from chainrule.base.errors import CompileError
from chainrule.base.settings import settings
from chainrule.compiler.codegen.llvm import LOCK, binding

_BASELINE = frozenset({"64bit", "cx8", "cmov", "mmx", "fxsr", "sse", "sse2"})
_HASWELL = _BASELINE | {
    "cx16", "sahf", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "avx2", "fma", "bmi",
    "bmi2", "f16c", "lzcnt", "movbe",
}  # fmt: skip
# By setting and kind of machine: LLVM's name of the CPU, and the features that it may have
_OLDER = {
    ("avx2", "x86_64"): ("haswell", _HASWELL),
    ("baseline", "x86_64"): ("x86-64", _BASELINE),
    ("baseline", "aarch64"): ("generic", frozenset({"neon", "fp-armv8"})),
}


class Processor(NamedTuple):
    """LLVM's names of the system, the CPU and its features, each there or not."""

    triple: str
    cpu: str
    features: Mapping[str, bool]

    @property
    def text(self) -> str:
        """The features as LLVM reads them: 512-bit vectors are used wherever they exist."""
        flags = dict(self.features)
        if self.triple.startswith("x86_64"):
            flags["prefer-256-bit"] = False
        return ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(flags.items()))


def processor() -> Processor:
    """The processor that the settings name; CompileError if this machine is of another kind."""
    return older(_host(), settings().target)


@functools.cache
def _host() -> Processor:
    llvm = binding()
    with LOCK:
        try:
            features = dict(llvm.get_host_cpu_features())
        except RuntimeError:  # LLVM cannot ask this system; ARM's baseline has all we use
            features = {}
        return Processor(llvm.get_process_triple(), llvm.get_host_cpu_name(), features)


def older(host: Processor, name: str) -> Processor:
    """The host without what `name` does not have; itself for `native`."""
    if name == "native":
        return host
    kind = host.triple.split("-")[0].replace("arm64", "aarch64")
    if (name, kind) not in _OLDER:
        raise CompileError(f"CHAINRULE_TARGET={name} is no target of this machine ({kind})")
    cpu, allowed = _OLDER[name, kind]
    features = {feature: on and feature in allowed for feature, on in host.features.items()}
    return Processor(host.triple, cpu, features)
