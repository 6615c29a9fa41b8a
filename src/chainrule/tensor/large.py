"""Large calls are counted, and given to native kernels once they repeat.

NumPy computes a softmax in six passes over memory, a native kernel in one, with all threads. A
kernel is worth its compilation when it is used often, so a call is first evaluated by NumPy and
counted. Counts and sizes decide, never time: a program gives the same bits in every run.
`compiler/eager` makes the functions; `chainrule/__init__.py` says where it is. Example:

    job = Job(call, call.compute, partial(setattr, call, "compute"))
    call.compute = counted(job)

A call whose kernel exists already (the same op on other extents) gets it at once: `known`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.graph.node import TupleType, Type
from chainrule.ops.record import Contract, Op, Reduce
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from types import ModuleType

    from chainrule.tensor.calls import Call

Function = Callable[..., Any]

# Elements from which a kernel is faster than NumPy, as `python -m benchmarks.eager_sizes` shows it
# on two cores: for one cheap pass over memory, which more threads must share; for one of NumPy's
# own functions; for a reduction; for anything of several passes.
CHEAP, _UFUNC, _REDUCTION, _SEVERAL = 1 << 17, 1 << 15, 1 << 13, 1 << 10
# Elements times passes of an op after which its kernels are made: NumPy then took some 20 ms, about
# as long as a compilation takes.
_ENOUGH = 1 << 25
# The same of a call, for which it is planned: where its op has no plan yet, whose code takes up to
# a fifth of a second, and where it has one, and planning alone takes some 2 ms.
FIRST_PLAN, PLAN = 1 << 24, 1 << 22
_PASSES = 6  # of what is not one function of NumPy, about
_OF_RANDOM = 128  # of random bits, which are as slow for a few numbers as for `_SEVERAL`
_NEVER = frozenset({"host", "structure", "projection", "constant"})

imports: Callable[[], ModuleType] | None = None  # gives `compiler.eager.offers`
known: Callable[[Job], Function | None] | None = None  # set by that module
_spent: dict[Op, int] = {}


class Job:
    """What a function of arrays computes: a call, or (`wanted` is not None) its gradient rule.

    `absent` lists the results without a cotangent, of an op with several.
    """

    __slots__ = (
        "_next", "_work", "absent", "call", "function", "settle", "spent", "times", "wanted"
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        function: Function,
        settle: Callable[[Function], None],
        wanted: tuple[bool, ...] | None = None,
        absent: tuple[bool, ...] | None = None,
    ) -> None:
        """`function` is the NumPy form; `settle(f)` puts another in its place."""
        self.call, self.function, self.settle = call, function, settle
        self.wanted, self.absent = wanted, absent
        self.times = self.spent = self._next = 0
        if "random" in call.op.traits:
            self._work = _OF_RANDOM * max(call.size, _SEVERAL)
        else:
            passes = 1 if wanted is None and _in_one_pass(call.op, function) else _PASSES
            self._work = passes * call.size

    def __call__(self, *values: Any) -> Any:
        """Evaluate, count, and ask for a native form from the second time on."""
        if not modes.defers:  # `recorder.at_once`: the same bits at each call
            return self.function(*values)
        self.times += 1
        op = self.call.op
        self.spent += self._work
        total = _spent[op] = _spent.get(op, 0) + self._work
        if self.times > 1 and total >= _ENOUGH and self.spent >= self._next and imports is not None:
            native = imports().native(self, values)
            if native is not None:
                self.settle(native)
                return native(*values)
            self._next = max(2 * self.spent, PLAN)
        return self.function(*values)

    def again(self) -> None:
        """Count from the beginning, with NumPy."""
        self.times = self.spent = self._next = 0
        self.settle(self)


def _in_one_pass(op: Op, function: Function) -> bool:
    return isinstance(function, np.ufunc) or isinstance(op.lower, Reduce) or op.cost == "cheap"


def size_of(op: Op, types: tuple[Any, ...], result: Any, function: Function) -> int:
    """The elements of a large call's largest array; 0 for a call that stays with NumPy."""
    if op.cost == "free" or op.traits & _NEVER or isinstance(op.lower, Contract):
        return 0
    results = result.items if isinstance(result, TupleType) else (result,)
    size = max([t.size for t in (*types, *results) if type(t) is Type], default=0)
    if "random" in op.traits:
        least = 1
    elif op.cost == "cheap":
        least = CHEAP
    elif isinstance(function, np.ufunc):
        least = _UFUNC
    else:
        least = _REDUCTION if isinstance(op.lower, Reduce) else _SEVERAL
    return size if size >= least else 0


def counted(job: Job) -> Function:
    """The function of a job: native if its kernel is there, else the job itself, which counts."""
    return (None if known is None else known(job)) or job
