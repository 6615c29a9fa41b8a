"""Machine code for the kernels of a plan: equal kernels are emitted and compiled once per process.

Example: `load_kernels(plan, host_target())` gives the address of each kernel, in the plan's order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from chainrule.base.settings import settings
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.lower.schedule import works
from chainrule.compiler.runtime.native import Engine, engine
from chainrule.compiler.runtime.plan import Plan
from chainrule.compiler.shared.kernel_writer import Work
from chainrule.kernel.ir import Kernel
from chainrule.kernel.verify import verify as verify_kernel

_SYMBOL = "chainrule_kernel"  # replaced by a name that follows from the text
_addresses: dict[tuple[Engine, Target, Kernel], int] = {}  # of all kernels of this process
_objects: dict[int, tuple[Kernel, int]] = {}  # the same by identity: hashing a kernel takes time
_MOST_OBJECTS = 8192


def load_kernels(plan: Plan, target: Target) -> list[int]:
    """Machine code for each unit's kernel; equal kernels are emitted and compiled once."""
    return load_works(works(plan.units), target)


def load_works(given: Iterable[Work], target: Target) -> list[int]:
    """Machine code for the kernel of each work."""
    native = engine()
    kernels = [work.kernel for work in given]
    fresh: dict[tuple[Engine, Target, Kernel], str] = {}
    for kernel in kernels:
        entry = (native, target, kernel)
        if id(kernel) not in _objects and entry not in _addresses:
            fresh[entry] = ""
    if fresh:
        loaded = native.load_all(_texts(fresh))
        _addresses.update({entry: loaded[symbol] for entry, symbol in fresh.items()})
    if len(_objects) > _MOST_OBJECTS:
        _objects.clear()
    found = []
    for kernel in kernels:
        known = _objects.get(id(kernel)) or (kernel, _addresses[native, target, kernel])
        _objects[id(kernel)] = known
        found.append(known[1])
    return found


def _texts(fresh: dict[tuple[Engine, Target, Kernel], str]) -> Iterator[tuple[str, str]]:
    """Symbol and text of each kernel, whose symbol is put beside it."""
    for entry in fresh:
        _, target, kernel = entry
        if settings().check:
            verify_kernel(kernel)
        text = emit(kernel, target, _SYMBOL)
        symbol = f"{kernel.name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        fresh[entry] = symbol
        yield symbol, text.replace(f"@{_SYMBOL}(", f"@{symbol}(")
