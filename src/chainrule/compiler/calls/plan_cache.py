"""The plan cache: the least recently used plans go when there are too many, or too large ones.

A plan's arena is memory that it keeps between calls; sixty sentence lengths are sixty arenas. All
compiled functions and plain programs of a process share one cache, `PLANS`. Its bound is
`settings().plan_bytes` of arenas and `MOST_PLANS` plans; the newest plan stays whatever its size.
What was evicted is planned again when it is needed, from kernels that are still there. May import
base.

Example: `PLANS.put(variant, function)`, and at each call `PLANS.touch(variant)`.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, NamedTuple, Protocol

from chainrule.base.settings import settings

MOST_PLANS = 512


class Plan(Protocol):
    """A cached plan."""

    def arena_bytes(self) -> int:
        """Bytes now: a plan for backward comes later."""
        ...


class Owner(Protocol):
    """The function that owns the plan."""

    def evict(self, plan: Any) -> None:
        """Drop it."""
        ...


class _Kept(NamedTuple):
    plan: weakref.ref[Plan]
    owner: weakref.ref[Owner]

    def size(self) -> int:
        plan = self.plan()
        return 0 if plan is None else plan.arena_bytes()


class PlanCache:
    """See the module's docstring; plans and owners are not kept alive by it."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}  # by id of the plan, in order of use
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._new_lock)

    def put(self, plan: Plan, owner: Owner) -> None:
        """Keep a plan; the owners of older ones drop them until the bound holds."""
        limit, key = settings().plan_bytes, id(plan)
        with self._lock:
            gone = weakref.ref(plan, lambda _: self._kept.pop(key, None))
            self._kept[key] = _Kept(gone, weakref.ref(owner))
            total = self.bytes_in_use()
            for old in list(self._kept):
                if old == key or (total <= limit and len(self._kept) <= MOST_PLANS):
                    break
                kept = self._kept.pop(old, None)
                if kept is None:  # a signal handler was here
                    continue
                total -= kept.size()
                holder, found = kept.owner(), kept.plan()
                if holder is not None and found is not None:
                    holder.evict(found)

    def touch(self, plan: Plan) -> None:
        """Note that a plan is used now."""
        kept = self._kept.pop(id(plan), None)
        if kept is not None:
            self._kept[id(plan)] = kept

    def remove(self, plan: Plan) -> None:
        """Forget a plan that its owner dropped."""
        self._kept.pop(id(plan), None)

    def bytes_in_use(self) -> int:
        """Bytes of all arenas on the cache."""
        return sum([kept.size() for kept in list(self._kept.values())])

    def _new_lock(self) -> None:
        """Another thread of the parent may have held the lock; it does not exist in the child."""
        self._lock = threading.RLock()


PLANS = PlanCache()
