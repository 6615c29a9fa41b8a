"""What a batch does, known again at its next occurrence: evaluated op by op, then natively.

A structure is the calls of a batch with their operands by number; `alive` are the values that
somebody still holds. What occurs for the first time is evaluated with NumPy; what occurs again is
compiled once, and from then on one native call. All decisions count occurrences.
Example: `natively(known(batch, alive), batch, alive)`, as `parts.evaluate` does.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.base.settings import settings
from chainrule.base.source import Source, source_at, warn
from chainrule.graph.node import INPUT
from chainrule.graph.walk import ordered
from chainrule.ops.control import call as call_op
from chainrule.ops.record import Op
from chainrule.tensor.calls import computed
from chainrule.tensor.deferred.pending import Array, Batch, Entry, Pending, told
from chainrule.tensor.deferred.reasons import EVICTED, READ, Causes, change, why_compiled

_MOST = 1024  # structures that occurred twice; at the limit all are forgotten
_MOST_NEW = 1 << 16  # of which only the hash is kept
_ENTRIES_A_COUNT = 600  # a longer batch has to occur more often before it is compiled
_FEW_CALLS = 6  # so have shorter ones: an update alone, before the rest of a step is recorded
_COMPILED_A_COUNT = 1000  # the more was compiled, the more often a structure has to occur
_LONGEST_WAIT = 24  # about as often as a plan has to run to be worth what it cost
_LEAST_OPERATIONS, _LEAST_SIZE = 6, 30_000  # operations, or elements, below which NumPy is as fast


class Plan(Protocol):
    """A compiled structure."""

    seconds: float
    kernels: int

    def run(self, batch: Batch) -> bool:
        """Evaluate; False if an index is out of range, and then nothing was changed."""
        ...

    def arena_bytes(self) -> int:
        """Memory that it keeps between runs."""
        ...


class _Native:
    """The back channel to the compiler, of which nothing is imported before it is needed.

    `make(batch, alive, varying, owner)` gives a plan; `update(recorder, owner, fn)` records `fn()`,
    which changes tensors, as one call, or returns False.
    """

    make: Callable[..., Plan | None] | None = None
    update: Callable[..., bool] | None = None


native = _Native()


class Variant:
    """A structure with the values that are alive at its end: how often it occurred, its plan."""

    __slots__ = ("__weakref__", "calls", "lost", "plan", "read", "refused", "seen", "why")

    def __init__(self) -> None:
        self.seen = self.calls = 0
        self.plan: Plan | None = None
        self.read: set[int] = set()  # values that were not written by the plan, and then read
        self.refused = ""  # why it cannot be compiled
        self.why = ""  # it was compiled
        self.lost = ""  # why the plan before was dropped

    def note_read(self, number: int) -> None:
        """A value that the plan leaves out was read: the next plan will write it."""
        if number not in self.read:
            self.read.add(number)
            self.plan, self.lost = None, READ

    def evict(self, plan: Any) -> None:
        """Drop the plan, for memory: it is made again when the structure goes on occurring."""
        if plan is self.plan:
            self.plan, self.seen, self.lost = None, 0, EVICTED
            _Counters.evicted += 1


class Structure:
    """The variants of a structure, and its numbers.

    An array full of one number is a constant of the structure, until it is seen with another
    number: from then on the number is an operand.
    """

    __slots__ = (
        "changes", "constants", "entries", "operations", "place", "size", "variants", "varying",
    )  # fmt: skip

    def __init__(self, batch: Batch, constants: Mapping[int, bytes]) -> None:
        """`constants` are the numbers of its first occurrence."""
        self.place = batch.place
        self.entries = len(batch.entries)
        self.operations = sum(_operations(e[0].op, e[0].attrs) for e in batch.entries)
        self.size = sum(math.prod(v.type.shape) for v in batch.values)
        self.constants = constants
        self.varying: frozenset[int] = frozenset()
        self.variants: dict[tuple[int, ...], Variant] = {}
        self.changes: list[str] = []  # of numbers, for which all plans were dropped

    def variant(self, batch: Batch, alive: tuple[int, ...]) -> Variant:
        """The variant for these values alive."""
        if batch.constants != self.constants:
            changed = {k for k, v in batch.constants.items() if self.constants[k] != v}
            if not changed <= self.varying:
                self.changes.append(change(batch, self.constants, min(changed - self.varying)))
                self.varying |= changed
                self.variants.clear()
        found = self.variants.get(alive)
        if found is None:
            found = self.variants[alive] = Variant()
        return found

    @property
    def source(self) -> Source | None:
        """The line after which it was recorded first."""
        return source_at(self.place)

    @property
    def pays(self) -> bool:
        """Whether a native call is faster than NumPy's calls."""
        return self.operations >= _LEAST_OPERATIONS or self.size >= _LEAST_SIZE


def _operations(op: Op, attrs: Mapping[str, Any]) -> int:
    """The operations of a call: those of its graph if it is a gradient, a layer or an update."""
    if op is not call_op:
        return 1
    nodes = [node for node in ordered(attrs["graph"]) if node.op is not INPUT]
    return sum(_operations(node.op, node.attrs) for node in nodes)


_structures: dict[Any, Structure] = {}
_new: dict[int, Mapping[int, bytes]] = {}  # what occurred once: its constants by its hash
cut_at: dict[Any, None] = {}  # calls with which parts of batches begin (`parts.py`)


class Counts(NamedTuple):
    """How batches were evaluated so far."""

    native: int
    eager: int
    compiled: int
    seconds: float  # of compilation
    evicted: int  # plans that were dropped for memory


class _Counters:
    """The numbers of `Counts`, as they grow."""

    native = eager = compiled = evicted = 0
    operations = 0  # that were compiled
    seconds = 0.0


def counts() -> Counts:
    """How batches of operations were evaluated in this process."""
    c = _Counters
    return Counts(c.native, c.eager, c.compiled, c.seconds, c.evicted)


def structures() -> list[Structure]:
    """The known structures."""
    return list(_structures.values())


def forget_structures() -> None:
    """Forget structures, plans and counts: as at the start of a program."""
    for known in _structures.values():
        for variant in known.variants.values():
            variant.plan = None  # the plan cache may still know it
    _structures.clear()
    _new.clear()
    cut_at.clear()
    c = _Counters
    c.native = c.eager = c.compiled = c.evicted = c.operations = 0
    c.seconds = 0.0


def values_alive(batch: Batch) -> tuple[int, ...]:
    """The values that somebody beside the batch holds."""
    count = sys.getrefcount
    return tuple([n for n, v in enumerate(batch.values) if count(v) > _DEAD])


def known(batch: Batch, alive: tuple[int, ...]) -> Structure | None:
    """The structure of a batch, if it occurred before; it is known from now on."""
    key = (tuple(batch.entries), tuple(batch.constants))
    return _structures.get(key) or _known_again(key, batch, alive)


def natively(structure: Structure, batch: Batch, alive: tuple[int, ...]) -> bool:
    """Evaluate a batch by the plan of its structure, if there is one or it is due."""
    variant = structure.variant(batch, alive)
    variant.seen += 1
    plan = variant.plan
    if plan is None and _due(structure, variant):
        plan = _compiled(structure, variant, batch, alive)
    if plan is None or not plan.run(batch):
        return False
    variant.calls += 1
    _Counters.native += 1
    return True


def _known_again(key: Any, batch: Batch, alive: tuple[int, ...]) -> Structure | None:
    """The structure that occurs for the second time; None at the first."""
    number = hash(key)
    constants = _new.pop(number, None)
    if constants is None and settings().defer != "compiled":
        if len(_new) >= _MOST_NEW:
            _new.clear()
        _new[number] = batch.constants
        return None
    if len(_structures) >= _MOST:
        _structures.clear()
    found = _structures[key] = Structure(batch, batch.constants if constants is None else constants)
    found.variant(batch, alive).seen = 1
    return found


def _due(structure: Structure, variant: Variant) -> bool:
    """Whether to compile now."""
    if variant.refused or native.make is None:
        return False
    if settings().defer != "on":
        return settings().defer == "compiled"
    if not structure.pays:
        return False
    wait = structure.entries // _ENTRIES_A_COUNT + (structure.entries < _FEW_CALLS)
    wait += min(_Counters.operations // _COMPILED_A_COUNT, _LONGEST_WAIT)
    return variant.seen > 1 + wait


def _compiled(
    structure: Structure, variant: Variant, batch: Batch, alive: tuple[int, ...]
) -> Plan | None:
    assert native.make is not None
    try:
        plan = native.make(batch, alive, structure.varying, variant)
    except CompileError as error:
        variant.refused = str(error)
        warn(f"a repeated computation runs with NumPy: {error}", RuntimeWarning)
        return None
    if plan is None:
        variant.refused = "there is no machine code in this process"
        return None
    others = [a for a in structure.variants if a != alive and structure.variants[a].why]
    causes = Causes(variant.seen, variant.lost, structure.changes, sorted(variant.read), others)
    variant.plan, variant.why = plan, why_compiled(batch, alive, causes)
    _Counters.compiled += 1
    _Counters.operations += structure.operations
    _Counters.seconds += plan.seconds
    return plan


def _dead_count() -> int:
    """References to a value that only its batch holds, as `evaluate` counts them."""
    values = [object()]
    count = sys.getrefcount
    (found,) = [count(v) for _, v in enumerate(values)]
    return found


_DEAD = _dead_count()


# -- call by call ----------------------------------------------------------------------------------


def by_calls(batch: Batch, alive: Sequence[int]) -> None:
    """Evaluate each call with its function of arrays; what nobody needs is left out."""
    _Counters.eager += 1
    outside, last = batch.outside, last_uses(batch.entries, alive)
    arrays: dict[int, Array] = {}
    kept = set(alive)
    for at, entry in enumerate(batch.entries):
        if at not in last.needed:
            continue
        call = entry[0]
        operands = [arrays[r] if r >= 0 else outside[~r] for r in entry[2:]]
        try:
            made = computed(call, operands)
        except Exception as error:  # noqa: BLE001 - it is raised again
            batch.failed = at
            raise told(error, batch.locations.get(at)) from None
        del operands
        if call.parts is None:
            arrays[entry[1]] = np.asarray(made)
        else:
            arrays.update(enumerate(made, entry[1]))
        for r in last.ends[at]:
            if r not in kept:
                del arrays[r]
    publish(batch.values, alive, [arrays[n] for n in alive])


def publish(values: Sequence[Pending], alive: Sequence[int], arrays: Sequence[Array]) -> None:
    """Give pending values their arrays."""
    for n, array in zip(alive, arrays, strict=True):
        value = values[n]
        value.array, value.batch = array, None


class Uses(NamedTuple):
    """What a batch has to evaluate."""

    needed: set[int]  # entries
    ends: dict[int, list[int]]  # by entry: the values that it is the last to read


def last_uses(entries: Sequence[Entry], alive: Sequence[int]) -> Uses:
    """What has to be evaluated: for values that are alive, and what refuses wrong indices."""
    read = set(alive)
    seen: set[int] = set()
    needed: set[int] = set()
    ends: dict[int, list[int]] = {}
    for at in range(len(entries) - 1, -1, -1):
        call, start, *operands = entries[at]
        made = range(start, start + (1 if call.parts is None else len(call.parts)))
        if not call.checks and read.isdisjoint(made):
            continue
        needed.add(at)
        own = {r for r in operands if r >= 0}
        ends[at] = [r for r in (*own, *made) if r not in seen]
        read |= own
        seen |= own
    return Uses(needed, ends)
