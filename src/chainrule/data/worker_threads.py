"""Background workers: threads that read batches ahead, each in the order of its tasks.

Threads share memory, so a batch is handed over without a copy. NumPy, files and other libraries
that release the interpreter lock run beside the training step; pure Python code takes turns with
it. Every worker has its own shallow copy of the dataset, whose attributes `worker_init_fn` may set.
Example: see `loader.py`.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from chainrule.base.errors import WorkerError
from chainrule.data.fetch import Fetch


@dataclass(frozen=True)
class WorkerInfo:
    """A worker's `id` among `num_workers`, its own `seed`, and its copy of the `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Own(threading.local):
    """The worker of the current thread."""

    info: WorkerInfo | None = None


class Task(NamedTuple):
    """Indices to read; epoch and number identify the answer."""

    epoch: int
    number: int
    indices: Any


class Begin(NamedTuple):
    """The start of an epoch: the dataset is read from the beginning."""

    seed: int


class Failure(NamedTuple):
    """The exception raised instead of a batch."""

    error: BaseException


_own = _Own()


def get_worker_info() -> WorkerInfo | None:
    """The `WorkerInfo` of the calling worker; None outside of workers.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.get_worker_info
    """
    return _own.info


class Workers:
    """Threads that answer tasks; they end with this object, or with the program."""

    def __init__(
        self,
        dataset: Any,
        make_fetch: Callable[[Any], Fetch],
        count: int,
        init: Callable[[int], Any] | None,
    ) -> None:
        """Start `count` threads; each calls `init(its number)` before its first epoch."""
        self.count = count
        self._answers: SimpleQueue[tuple[int, int, Any]] = SimpleQueue()
        self._tasks: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(count)]
        stopped = threading.Event()
        for i, tasks in enumerate(self._tasks):
            worker = _Worker(i, count, _copied(dataset), make_fetch, init)
            threading.Thread(
                target=_answer,
                args=(worker, tasks, self._answers, stopped),
                name=f"chainrule-data-{i}",
                daemon=True,
            ).start()
        self.close = weakref.finalize(self, _stop, self._tasks, stopped)

    def begin(self, seed: int) -> None:
        """Start an epoch in all workers; worker i has the seed `seed + i`."""
        for i, tasks in enumerate(self._tasks):
            tasks.put(Begin(seed + i))

    def give(self, worker: int, task: Task) -> None:
        """Give a worker a batch to read."""
        self._tasks[worker].put(task)

    def answer(self, timeout: float) -> tuple[int, int, Any]:
        """The next finished (epoch, number, batch or `Failure`); timeout 0 waits forever."""
        try:
            return self._answers.get(timeout=timeout or None)
        except Empty:
            raise WorkerError(
                f"no batch came within timeout={timeout} s from {len(self._tasks)} workers: raise "
                "the timeout, or use num_workers=0 to see where the dataset waits"
            ) from None


class _Worker:
    """The work of one thread."""

    def __init__(
        self,
        number: int,
        count: int,
        dataset: Any,
        make_fetch: Callable[[Any], Fetch],
        init: Callable[[int], Any] | None,
    ) -> None:
        self._number, self._count, self._dataset = number, count, dataset
        self._make_fetch = make_fetch
        self._init = init
        self._fetch: Fetch | None = None
        self._fault: BaseException | None = None

    def begin(self, seed: int) -> None:
        """Start an epoch; a fault is kept for the first task."""
        self._fetch = self._fault = None
        _own.info = WorkerInfo(self._number, self._count, seed, self._dataset)
        try:
            if self._init is not None:
                self._init(self._number)
                self._init = None
            self._fetch = self._make_fetch(self._dataset)
        except BaseException as error:  # noqa: BLE001 - raised when the batch is requested
            error.add_note(f"while data worker {self._number} started")
            self._fault = error

    def read(self, indices: Any) -> Any:
        """The batch, or a `Failure`."""
        if self._fault is not None:  # once: its traceback will hold frames
            fault, self._fault = self._fault, None
            return Failure(fault)
        if self._fetch is None:
            return Failure(WorkerError(f"data worker {self._number} could not start"))
        try:
            return self._fetch(indices)
        except BaseException as error:  # noqa: BLE001 - raised when the batch is requested
            error.add_note(f"in data worker {self._number} of {self._count}")
            return Failure(error)


def _answer(
    worker: _Worker, tasks: SimpleQueue[Any], answers: SimpleQueue[Any], stopped: threading.Event
) -> None:
    """Answer tasks until the workers stop: the function of a thread."""
    while True:
        task = tasks.get()
        if stopped.is_set():
            return
        if isinstance(task, Begin):
            worker.begin(task.seed)
        else:
            answers.put((task.epoch, task.number, worker.read(task.indices)))
        del task


def _stop(tasks: list[SimpleQueue[Any]], stopped: threading.Event) -> None:
    stopped.set()
    for each in tasks:
        each.put(None)  # wakes the waiting thread


def _copied(dataset: Any) -> Any:
    """A shallow copy; the dataset itself if it cannot be copied."""
    try:
        return copy.copy(dataset)
    except Exception:  # noqa: BLE001 - whatever a user's class raises
        return dataset
