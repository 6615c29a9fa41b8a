"""Programs: order, loops, guards, tasks, and the same result on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.base.errors import VerifyError
from chainrule.compiler.runtime.encoding import Status
from chainrule.compiler.runtime.program import (
    Guard,
    Launch,
    LoopBegin,
    LoopEnd,
    Program,
    encode,
    observed,
)
from chainrule.compiler.runtime.workers import get_num_threads, set_num_threads
from tests.compiler.runtime.ir_kernels import load

THREADS = (1, 2, 3, 4)
SHORT = 2e-5  # seconds between pauses: dozens of pauses in a test program


@pytest.fixture(autouse=True)
def four_threads():
    before = get_num_threads()
    set_num_threads(4)
    yield
    set_num_threads(before)


def log_program(instructions_of, threads):
    """A program of `note` launches, what they noted so far, and their log to be cleared."""
    address = load("note")["note"]
    log = np.zeros(10_000, np.int64)
    slots = []

    def note(value, tasks=5, barrier=True):
        slots.extend((log.ctypes.data, value))
        return Launch(address, len(slots) - 2, tasks, barrier)

    def values():
        return log[1 : 1 + log[0]].tolist()

    instructions = instructions_of(note)
    return Program(instructions, np.array(slots), 0, threads), values, log


@pytest.mark.parametrize("threads", THREADS)
def test_barriers_keep_order(threads):
    program, values, log = log_program(lambda note: [note(i) for i in range(40)], threads)
    for _ in range(5):
        log[:] = 0
        assert program.run() is Status.ok
        assert values() == [i for i in range(40) for _ in range(5)]
    assert program.completed == 5


@pytest.mark.parametrize("threads", THREADS)
def test_launches_without_barrier_are_all_done_before_the_next(threads):
    def instructions(note):
        return [note(0), note(1, barrier=False), note(2, tasks=0, barrier=False), note(3), note(4)]

    program, values, _ = log_program(instructions, threads)
    program.run()
    assert sorted(values()[:10]) == [0] * 5 + [1] * 5
    assert values()[10:] == [3] * 5 + [4] * 5


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("tasks", [0, 1, 2, 3, 7, 63, 64, 65, 127, 1000, 1001, 9999])
def test_each_task_runs_once(threads, tasks):
    out = np.zeros(10_000, np.int64)
    address = load("count")["count"]
    args = np.array([out.ctypes.data])
    program = Program([Launch(address, 0, tasks, True)] * 3, args, 0, threads)
    program.run()
    assert (out[:tasks] == 3).all()
    assert not out[tasks:].any()


@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=12),
    st.sampled_from(THREADS),
    st.sampled_from([SHORT, 0.4]),
)
def test_each_task_of_a_group_runs_once(sizes, threads, pause_every):
    address = load("count")["count"]
    outs = [np.zeros(size + 1, np.int64) for size in sizes]
    instructions = [Launch(address, i, size, False) for i, size in enumerate(sizes)]
    args = np.array([out.ctypes.data for out in outs])
    Program(instructions, args, 0, threads, pause_every).run()
    assert all((out[:-1] == 1).all() and out[-1] == 0 for out in outs)


@pytest.mark.parametrize("threads", THREADS)
def test_loops_nest_and_advance(threads):
    def instructions(note):
        inner = note(100, tasks=1)
        outer = note(1000, tasks=1)
        last = note(7, tasks=1)
        advance_both = ((inner.slots + 1, 10), (outer.slots + 1, 1))
        return [
            LoopBegin(3, advance_both),
            outer,
            LoopBegin(2, ((inner.slots + 1, -1),)),
            inner,
            LoopEnd(),
            LoopEnd(),
            LoopBegin(0),
            last,
            LoopEnd(),
            inner,
            last,
        ]

    program, values, log = log_program(instructions, threads)
    for _ in range(2):
        log[:] = 0
        program.run()
        trips = [1000, 100, 99, 1001, 110, 109, 1002, 120, 119]
        assert values() == [*trips, 100, 7], "after a loop the slots are as before"
    assert program.args[1] == 100, "the caller's slots are never touched"


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("pause_every", [1e-6, 0.4])
def test_many_small_groups_with_many_pauses(threads, pause_every):
    out = np.zeros(3, np.int64)
    address = load("count")["count"]
    instructions = [LoopBegin(5000), Launch(address, 0, 3, True), LoopEnd()]
    Program(instructions, np.array([out.ctypes.data]), 0, threads, pause_every).run()
    assert out.tolist() == [5000] * 3


@pytest.mark.parametrize("threads", THREADS)
def test_guard_decides_after_everything_before_it(threads):
    addresses = load("fill", "count")
    flag, out = np.zeros(1, np.int64), np.zeros(50, np.int64)
    args = np.array([flag.ctypes.data, 0, out.ctypes.data])
    instructions = [
        Launch(addresses["fill"], 0, 1, True),
        Guard(0),
        Launch(addresses["count"], 2, 50, True),
    ]
    program = Program(instructions, args, 0, threads)
    for value, status in ((1, Status.guard), (0, Status.ok), (-5, Status.guard), (0, Status.ok)):
        program.args[1] = value
        assert program.run() is status
    assert (out == 2).all()
    assert program.completed == 2


def test_arguments_are_read_at_each_run():
    out = np.zeros(3, np.int64)
    program = Program(
        [Launch(load("fill")["fill"], 0, 3, True)], np.array([out.ctypes.data, 1]), 0, 1
    )
    for value in (5, 9):
        program.args[1] = value
        program.run()
        assert out.tolist() == [value] * 3


@pytest.mark.parametrize("threads", THREADS)
def test_scratch_is_private_and_aligned(threads):
    address = load("burn")["burn"]
    out = np.zeros(400, np.int64)
    program = Program(
        [Launch(address, 0, 400, True)], np.array([out.ctypes.data, 500]), 100, threads
    )
    program.run()
    places = np.unique(out)
    assert 1 <= places.size <= threads
    assert not (places % 64).any()
    assert (np.diff(places) >= 128).all()


def test_scratch_is_as_large_as_asked():
    out = np.zeros(9, np.int64)
    args = np.array([out.ctypes.data, 1 << 17])
    program = Program([Launch(load("borrow")["borrow"], 0, 9, True)], args, 1 << 20, 4)
    program.run()
    assert out.all()


@pytest.mark.parametrize("threads", THREADS)
def test_denormals_are_zero_inside_and_alive_outside(threads):
    smallest = np.finfo(np.float32).smallest_normal
    out = np.ones(2000, np.float32)
    args = np.array([0, out.ctypes.data])
    args[:1].view(np.float32)[0] = smallest
    program = Program([Launch(load("halve")["halve"], 0, 2000, True)], args, 0, threads)
    program.run()
    assert not out.any()
    assert smallest * np.float32(0.5) > 0
    args[:1].view(np.float32)[0] = smallest / 2  # a denormal that comes in counts as zero too
    program = Program([Launch(load("halve")["halve"], 0, 2000, True)], args, 0, threads)
    out[:] = 1
    program.run()
    assert not out.any()


@st.composite
def random_programs(draw):
    """Buffers of n numbers, and `mix` launches between them; a barrier wherever one is needed."""
    n = draw(st.sampled_from([1, 2, 3, 5, 17, 100]))
    buffer = st.integers(0, 4)
    launches, written, read = [], set(), set()
    for _ in range(draw(st.integers(1, 15))):
        src, dst = draw(st.tuples(buffer, buffer).filter(lambda pair: pair[0] != pair[1]))
        clash = src in written or dst in written or dst in read
        barrier = clash or draw(st.booleans())
        if barrier:
            written, read = set(), set()
        written.add(dst)
        read.add(src)
        launches.append((src, dst, draw(st.integers(0, n)), draw(st.integers(0, 9)), barrier))
    return n, launches, draw(st.integers(0, 4)), draw(st.integers(-3, 3))


@settings(max_examples=40)
@given(random_programs(), st.sampled_from([SHORT, 0.4]))
def test_random_programs_give_the_same_on_any_number_of_threads(case, pause_every):
    n, launches, trips, delta = case
    address = load("mix")["mix"]
    memory = np.zeros((5, n), np.int64)
    slots, instructions = [], [LoopBegin(trips, ((3, delta),))]
    for src, dst, tasks, salt, barrier in launches:
        instructions.append(Launch(address, len(slots), tasks, barrier))
        slots += [memory[src].ctypes.data, memory[dst].ctypes.data, n, salt]
    instructions.append(LoopEnd())

    expected = np.full((5, n), 7, np.int64)
    t = np.arange(n)
    for trip in range(trips):
        for i, (src, dst, tasks, salt, _) in enumerate(launches):
            salted = salt + (trip * delta if i == 0 else 0)
            result = expected[src][(5 * t + 3) % n] * 31 + salted + t
            expected[dst, :tasks] = result[:tasks]

    for threads in THREADS:
        program = Program(instructions, np.array(slots), 0, threads, pause_every)
        for _ in range(2):
            memory[:] = 7
            program.run()
            np.testing.assert_array_equal(memory, expected)


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ([LoopBegin(1)], "never end"),
        ([LoopEnd()], "never began"),
        ([LoopBegin(1), Guard(0), LoopEnd()], "inside a loop"),
        ([Guard(0), Guard(0)], "second guard"),
        ([Guard(3)], "slot 3 of 3"),
        ([Launch(1, -1, 1, True)], "from slot -1"),
        ([Launch(1, 0, -1, True)], "-1 tasks"),
        ([LoopBegin(1, ((5, 1),)), LoopEnd()], "slot 5 of 3"),
        ([Launch(1, 0, 2**30, False), Launch(1, 0, 2**30, False)], "between two barriers"),
    ],
)
def test_instructions_that_do_not_fit_are_refused(instructions, message):
    with pytest.raises(VerifyError, match=message):
        Program(instructions, np.zeros(3, np.int64), 0, 1)


def test_empty_program_is_done_at_once():
    assert Program([], np.zeros(0, np.int64), 0, 2).run() is Status.ok


def test_claims_depend_on_the_number_of_tasks():
    def grain(tasks, threads):
        return int(encode([Launch(0, 0, tasks, True)], threads)[0][0, 6])

    assert [grain(tasks, 2) for tasks in (0, 1, 64, 127, 128, 6400)] == [1, 1, 1, 1, 2, 100]
    assert [grain(tasks, 1) for tasks in (1, 64, 128)] == [1, 1, 2]
    assert grain(6400, 16) == 25


@pytest.mark.parametrize("threads", THREADS)
def test_an_observer_is_given_the_ticks_of_each_group(threads):
    seen = []

    def observer(program, native):
        status = native()
        seen.append((program, [at for at, spent in enumerate(program.spent) if spent]))
        return status

    def instructions(note):
        return [note(0), note(1, barrier=False), LoopBegin(3), note(2), LoopEnd(), note(3)]

    early, values, log = log_program(instructions, threads)
    with observed(observer):
        late, _, _ = log_program(instructions, threads)
        assert early.run() is Status.ok
        assert late.run() is Status.ok
    wanted = values()
    log[:] = 0
    assert early.run() is Status.ok
    assert sorted(values()) == sorted(wanted)
    assert seen == [(early, [0, 3, 5]), (late, [0, 3, 5])]


def test_several_observers_see_the_same_ticks():
    seen = []

    def observer_of(name):
        def observer(program, native):
            status = native()
            seen.append((name, program.spent.tolist()))
            return status

        return observer

    program, _, _ = log_program(lambda note: [note(0), note(1)], 1)
    outer, inner = observed(observer_of("outer")), observed(observer_of("inner"))
    outer.__enter__()
    inner.__enter__()
    program.run()
    outer.__exit__(None, None, None)  # not in the order of their beginnings
    program.run()
    inner.__exit__(None, None, None)
    program.run()
    assert [name for name, _ in seen] == ["outer", "inner", "inner"]
    assert seen[0][1] == seen[1][1]
    assert all(ticks[0] > 0 for _, ticks in seen)
