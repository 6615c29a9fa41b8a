"""DataLoader: the same batches for any number of workers, errors that name the sample, no thread
left behind."""

from __future__ import annotations

import gc
import importlib
import threading
import time

import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DataError, WorkerError
from chainrule.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    Subset,
    TensorDataset,
    get_worker_info,
)

WORKERS = [0, 1, 3]


class Items(Dataset):
    """Samples 0 … n - 1; `wait` makes earlier ones slower, `bad` raise."""

    def __init__(self, n, *, wait=0.0, bad=()):
        self.n, self.wait, self.bad = n, wait, bad

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        time.sleep(self.wait * (1 - index / self.n))
        if index in self.bad:
            raise ZeroDivisionError("bad sample")
        return index


class Stream(IterableDataset):
    """0 … n - 1, shared out among the workers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))


def batches(loader):
    return [b.tolist() for b in loader]


def data_threads():
    return [t for t in threading.enumerate() if t.name.startswith("chainrule-data")]


def wait_for_no_threads():
    gc.collect()
    end = time.monotonic() + 5
    while data_threads() and time.monotonic() < end:
        time.sleep(0.005)
    return not data_threads()


@pytest.mark.parametrize("workers", WORKERS)
def test_batches_come_in_order(workers):
    loader = DataLoader(Items(10, wait=0.004), batch_size=3, num_workers=workers)
    assert batches(loader) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert len(loader) == 4
    assert batches(DataLoader(Items(10), 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_shuffle_depends_on_the_generator_alone(workers):
    def epochs(count):
        generator = cr.Generator().manual_seed(7)
        loader = DataLoader(Items(9), 2, shuffle=True, num_workers=count, generator=generator)
        return [batches(loader) for _ in range(2)]

    one, two = epochs(workers)
    assert one != two
    assert sorted(i for b in one for i in b) == list(range(9))
    assert [one, two] == epochs(0)
    cr.manual_seed(1)
    first = batches(DataLoader(Items(9), 2, shuffle=True, num_workers=workers))
    cr.manual_seed(1)
    assert batches(DataLoader(Items(9), 2, shuffle=True)) == first


@pytest.mark.oracle
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": None},
        {"sampler": [3, 1, 2]},
        {"batch_sampler": [[0, 5], [2]]},
        {"batch_size": 3, "collate_fn": sum},
    ],
)
def test_batches_are_pytorchs(settings):
    def seen(lib):
        data = importlib.import_module(f"{lib}.utils.data")
        loader = data.DataLoader(list(range(10)), **settings)
        return [b if isinstance(b, int) else b.tolist() for b in loader], len(loader)

    assert seen("chainrule") == seen("torch")


@pytest.mark.parametrize("workers", WORKERS)
def test_tensors_with_targets(workers):
    pairs = TensorDataset(cr.arange(6).reshape(3, 2).float(), cr.tensor([1, 2, 3]))
    (x, y), (last, _) = DataLoader(pairs, batch_size=2, num_workers=workers)
    assert (x.tolist(), y.tolist(), last.shape) == ([[0, 1], [2, 3]], [1, 2], (1, 2))
    assert (x.dtype, y.dtype) == (cr.float32, cr.int64)


def test_gathered_batches_are_collated_ones():
    class Plain(TensorDataset):
        pass  # read sample by sample

    tensors = (cr.arange(24).reshape(8, 3), cr.tensor([float(i) for i in range(8)]))
    order = [[5, 0, 5], [7], [-1, 2]]

    def seen(data):
        loader = DataLoader(Subset(Subset(data, range(8)), range(8)), batch_sampler=order)
        return [[(t.dtype, t.tolist()) for t in batch] for batch in loader]

    assert seen(TensorDataset(*tensors)) == seen(Plain(*tensors))
    weight = cr.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(weight), batch_size=2)))
    batch.sum().backward()
    assert weight.grad.tolist() == [[1.0, 1.0]] * 2 + [[0.0, 0.0]] * 2
    with pytest.raises(IndexError) as caught:
        list(DataLoader(TensorDataset(*tensors), batch_sampler=[[0, 8]]))
    assert any("samples [0, 8] of TensorDataset" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("workers", WORKERS)
def test_streams_end_with_their_last_worker(workers):
    loader = DataLoader(Stream(11), batch_size=2, num_workers=workers)
    for _ in range(2):
        assert sorted(i for b in batches(loader) for i in b) == list(range(11))
    whole = batches(DataLoader(Stream(11), batch_size=2, num_workers=workers, drop_last=True))
    assert all(len(b) == 2 for b in whole)
    assert list(DataLoader(Stream(3), batch_size=None, num_workers=workers)) == [0, 1, 2]
    with pytest.raises(TypeError, match="len"):
        len(loader)


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_names_its_sample(workers):
    loader = DataLoader(Items(6, bad={3}), batch_size=2, num_workers=workers)
    seen = []
    with pytest.raises(ZeroDivisionError, match="bad sample") as caught:
        seen += loader
    assert "while reading sample 3 of Items" in caught.value.__notes__
    assert len(seen) == 0 or [b.tolist() for b in seen] == [[0, 1]]
    if workers:
        assert f"in data worker {1 % workers} of {workers}" in caught.value.__notes__
    with pytest.raises(TypeError) as caught:
        list(DataLoader([1, None], batch_size=2, num_workers=workers))
    assert "while collating samples [0, 1]" in caught.value.__notes__


@pytest.mark.parametrize("workers", WORKERS)
def test_stop_iteration_in_a_dataset_does_not_end_the_epoch(workers):
    class Ends(Items):
        def __getitem__(self, index):
            raise StopIteration

    with pytest.raises(DataError, match="StopIteration was raised while reading sample 0 of Ends"):
        list(DataLoader(Ends(2), num_workers=workers))


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_of_a_stream_is_told(workers):
    class Breaks(IterableDataset):
        def __iter__(self):
            yield 1
            raise OSError("gone")

    with pytest.raises(OSError, match="gone") as caught:
        list(DataLoader(Breaks(), batch_size=3, num_workers=workers))
    assert any("of Breaks" in note for note in caught.value.__notes__)


def test_workers_know_themselves_and_own_their_dataset():
    seen, lock = [], threading.Lock()

    class Knows(Items):
        def __getitem__(self, index):
            info = get_worker_info()
            return [index, info.id, info.num_workers, info.seed, int(info.dataset is self)]

    def init(worker):
        with lock:
            seen.append(worker)
        get_worker_info().dataset.n = 100 + worker

    data = Knows(8)
    loader = DataLoader(data, num_workers=2, worker_init_fn=init, persistent_workers=True)
    rows = [[int(v) for v in b] for b in loader]
    assert [r[0] for r in rows] == list(range(8))
    assert [r[1] for r in rows] == [0, 1] * 4
    assert {(r[2], r[4]) for r in rows} == {(2, 1)}
    assert {r[3] - r[1] for r in rows} == {rows[0][3]}
    again = [[int(v) for v in b] for b in loader]
    assert again[0][3] != rows[0][3]
    assert sorted(seen) == [0, 1]  # persistent workers start once
    assert data.n == 8
    assert get_worker_info() is None


def test_a_worker_that_cannot_start_says_so():
    def init(worker):
        raise RuntimeError(f"no luck {worker}")

    with pytest.raises(RuntimeError, match="no luck 0") as caught:
        list(DataLoader(Items(3), num_workers=1, worker_init_fn=init))
    assert "while data worker 0 started" in caught.value.__notes__
    iterator = iter(DataLoader(Items(3), num_workers=1, worker_init_fn=init))
    for error, text in ((RuntimeError, "no luck"), (WorkerError, "could not start")):
        with pytest.raises(error, match=text):
            next(iterator)


def test_workers_read_ahead_but_not_too_far():
    started = []

    class Noted(Items):
        def __getitem__(self, index):
            started.append(index)
            return index

    iterator = iter(DataLoader(Noted(50), num_workers=2, prefetch_factor=3))
    assert next(iterator).tolist() == [0]
    end = time.monotonic() + 5
    while len(started) < 7 and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.02)
    assert sorted(started) == list(range(7))  # 2 · 3 ahead of what was taken
    assert [b.item() for b in iterator] == list(range(1, 50))


def test_no_thread_stays_behind():
    for _ in DataLoader(Items(20), num_workers=3):
        pass
    assert wait_for_no_threads()
    for batch in DataLoader(Items(20, wait=0.01), num_workers=3):
        if batch.item() == 2:
            break  # the rest is never asked for
    assert wait_for_no_threads()
    loader = DataLoader(Items(5), num_workers=2, persistent_workers=True)
    assert batches(loader) == batches(loader)
    assert len(data_threads()) == 2
    del loader
    assert wait_for_no_threads()


def test_a_broken_off_epoch_does_not_show_in_the_next():
    loader = DataLoader(Items(9), num_workers=2, persistent_workers=True)
    iterator = iter(loader)
    assert next(iterator).item() == 0
    assert batches(loader) == [[i] for i in range(9)]


def test_order_may_be_given_up():
    loader = DataLoader(Items(8, wait=0.02), num_workers=4, in_order=False)
    assert sorted(b.item() for b in loader) == list(range(8))


def test_a_worker_that_hangs_is_noticed():
    with pytest.raises(WorkerError, match=r"timeout=0.05 s from 1 workers"):
        list(DataLoader(Items(2, wait=1.0), num_workers=1, timeout=0.05))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"num_workers": -1}, "num_workers"),
        ({"timeout": -1}, "timeout"),
        ({"prefetch_factor": 2}, "prefetch_factor"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor"),
        ({"persistent_workers": True}, "persistent_workers"),
        ({"shuffle": True, "sampler": [0]}, "leave shuffle out"),
        ({"batch_size": 2, "batch_sampler": [[0]]}, "batch_sampler determines"),
        ({"drop_last": True, "batch_sampler": [[0]]}, "batch_sampler determines"),
        ({"batch_size": None, "drop_last": True}, "drop_last needs batches"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_what_is_refused(settings, text):
    with pytest.raises(ArgumentError, match=text):
        DataLoader(Items(3), **settings)
    with pytest.raises(ArgumentError, match="IterableDataset has its own order"):
        DataLoader(Stream(3), shuffle=True)


def test_pytorchs_ways_to_import():
    data = importlib.import_module("chainrule.utils.data")
    from chainrule.utils.data.dataloader import DataLoader as Loader
    from chainrule.utils.data.dataset import Dataset as Set
    from chainrule.utils.data.sampler import BatchSampler as Batches

    assert (Loader, Set, Batches) == (DataLoader, Dataset, BatchSampler)
    assert cr.utils.data is data
    assert batches(data.DataLoader([1, 2], sampler=SequentialSampler([1, 2]))) == [[1], [2]]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_pass_moves_the_generator_by_as_much_with_workers_as_without(shuffle):
    after = []
    for workers in (0, 1):
        generator = cr.Generator().manual_seed(3)
        loader = DataLoader(range(6), shuffle=shuffle, num_workers=workers, generator=generator)
        list(loader)
        after.append(generator.get_state().tolist())
    assert after[0] == after[1]
    assert after[0][1] > 0
