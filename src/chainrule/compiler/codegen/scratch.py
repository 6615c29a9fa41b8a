"""The number of tasks of a kernel, and the scratch memory that one thread needs for it.

Imports kernel and base.

Example: a kernel with `for grid b in n step 4096` has `task_count(kernel, {"n": 10000})` = 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chainrule.kernel.index import as_index
from chainrule.kernel.ir import For, Kernel, Local, Statement

ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register


def grid_nest(kernel: Kernel) -> list[For]:
    """The grid loops, outermost first."""
    loops: list[For] = []
    body = kernel.body
    while len(body) == 1 and isinstance(body[0], For) and body[0].kind == "grid":
        loops.append(body[0])
        body = body[0].body
    return loops


def task_count(kernel: Kernel, extents: Mapping[str, int]) -> int:
    """The number of independent tasks for these extents; 1 for a kernel without grid loops."""
    count = 1
    for loop in grid_nest(kernel):
        step = as_index(loop.step).evaluate(extents)
        count *= max(0, -(-loop.extent.evaluate(extents) // step))
    return count


def scratch_bytes(kernel: Kernel, extents: Mapping[str, int]) -> int:
    """The bytes of the Locals that are in force at the same time, each rounded up to 64."""
    return _most(kernel.body, extents)


def _most(body: Iterable[Statement], extents: Mapping[str, int]) -> int:
    used = peak = 0
    for node in body:
        if isinstance(node, Local):
            size = max(0, node.size.evaluate(extents)) * node.dtype.itemsize
            used += -(-size // ALIGNMENT) * ALIGNMENT
            peak = max(peak, used)
        elif isinstance(node, For):
            peak = max(peak, used + _most(node.body, extents))
    return peak
