"""A pass over a dataset that workers read ahead: the assignment of tasks, and the order of batches.

Tasks go to the workers in turn; a worker whose stream has ended gets no more. Early answers wait,
so that batches keep the order of their indices. Example: see `DataLoader.__iter__`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chainrule.data.fetch import ENDED
from chainrule.data.worker_threads import Failure, Task, Workers


class Prefetched:
    """The iterator of a loader with workers; `begin` starts a pass."""

    def __init__(
        self, workers: Workers, *, ahead: int, timeout: float, in_order: bool, persistent: bool
    ) -> None:
        """Each worker reads `ahead` batches ahead; `persistent` ones wait for another pass."""
        self._workers = workers
        self._ahead = ahead
        self._timeout = timeout
        self._in_order = in_order
        self._persistent = persistent
        self._epoch = 0

    def begin(self, order: Iterable[Any], seed: int) -> Prefetched:
        """Start to read `order` from its beginning; batches of an earlier pass are discarded."""
        self._epoch += 1
        self._order = iter(order)
        self._sent = self._received = 0
        self._next_worker = 0
        self._reading = [True] * self._workers.count  # False after the end of its stream
        self._reader: dict[int, int] = {}  # number of a task → its worker
        self._early: dict[int, Any] = {}  # answers before their turn
        self._workers.begin(seed)
        for _ in range(self._workers.count * self._ahead):
            self._send()
        return self

    def _send(self) -> None:
        """Give the next batch to the next worker that still reads."""
        count = self._workers.count
        turns = [(self._next_worker + i) % count for i in range(count)]
        worker = next((w for w in turns if self._reading[w]), None)
        if worker is None:
            return
        try:
            indices = next(self._order)
        except StopIteration:
            return
        self._next_worker = (worker + 1) % count
        self._reader[self._sent] = worker
        self._workers.give(worker, Task(self._epoch, self._sent, indices))
        self._sent += 1

    def _receive(self) -> tuple[int, Any]:
        """The next batch in order – without an order the first to arrive – with its number."""
        turn = self._received
        while turn not in self._early:
            epoch, number, batch = self._workers.answer(self._timeout)
            if epoch != self._epoch:
                continue
            if not self._in_order:
                return number, batch
            self._early[number] = batch
        return turn, self._early.pop(turn)

    def __iter__(self) -> Prefetched:
        return self

    def __next__(self) -> Any:
        while self._received < self._sent:
            number, batch = self._receive()
            self._received += 1
            worker = self._reader.pop(number)
            if batch is ENDED:
                self._reading[worker] = False
            self._send()
            if isinstance(batch, Failure):
                raise batch.error
            if batch is not ENDED:
                return batch
        if not self._persistent:
            self._workers.close()
        raise StopIteration
