"""Signals, forks, Python threads and idleness: the runtime among other things that happen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, CompileError
from chainrule.base.settings import reload_settings
from chainrule.compiler.runtime import encoding
from chainrule.compiler.runtime import workers as workers_module
from chainrule.compiler.runtime.encoding import Status
from chainrule.compiler.runtime.program import Guard, Launch, Program
from chainrule.compiler.runtime.workers import get_num_threads, set_num_threads, workers
from tests.compiler.runtime.ir_kernels import load

ROOT = Path(__file__).resolve().parents[3]
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and forks")


@pytest.fixture(autouse=True)
def two_threads():
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


def steps_per_second():
    """How fast `burn` counts here: the best of some tries, for others may take the processor."""
    out = np.zeros(1, np.int64)
    args = np.array([out.ctypes.data, 1_000_000])
    program = Program([Launch(load("burn")["burn"], 0, 1, True)], args, 8, 1)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        program.run()
        seconds.append(time.perf_counter() - start)
    return 1e6 / min(seconds)


def burning(seconds, tasks=200):
    """A program that keeps one thread busy for that long (two for half of it), and its output."""
    out = np.zeros(tasks, np.int64)
    args = np.array([out.ctypes.data, int(steps_per_second() * seconds / tasks)])
    return Program([Launch(load("burn")["burn"], 0, tasks, True)], args, 8, 2), out


def python(text):
    """Run a Python program in another process; what it prints."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process, timeout=30):
    """The output of a process that must end well and in time."""
    try:
        output, complaints = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, complaints
    return output


@POSIX
@pytest.mark.parametrize("threads", [1, 2])
def test_interrupt_ends_a_long_program_and_tears_nothing(threads):
    process = python(f"""
        import time
        import numpy as np
        from chainrule.compiler.runtime.program import Guard, Launch, LoopBegin, LoopEnd, Program
        from chainrule.compiler.runtime.workers import set_num_threads
        from tests.compiler.runtime.ir_kernels import load
        set_num_threads({threads})
        kernels = load("burn", "count")
        busy, state, flag = np.zeros(400, np.int64), np.zeros(9, np.int64), np.zeros(1, np.int64)
        args = np.array([a.ctypes.data for a in (busy, busy, state, flag)])
        args[1] = 10_000_000  # some 4 ms for each of 1000 × 10 tasks
        long = [LoopBegin(1000), Launch(kernels["burn"], 0, 10, True), LoopEnd()]
        commit = [Guard(3), Launch(kernels["count"], 2, 9, True)]
        program = Program([*long, *commit], args, 64, {threads})
        try:
            print("started", flush=True)
            program.run()
        except KeyboardInterrupt:
            print("stopped", time.time(), state.sum(), program.completed, flush=True)
        program.args[1] = 1
        print(program.run().name, state.sum(), program.completed)
    """)
    assert process.stdout.readline() == "started\n"
    time.sleep(0.3)
    sent = time.time()
    process.send_signal(signal.SIGINT)
    stopped, again = outcome(process).splitlines()
    word, when, *state = stopped.split()
    assert (word, state) == ("stopped", ["0", "0"])
    assert float(when) - sent < 2.0
    assert again == "ok 9 1"


@contextmanager
def interrupted_after(seconds, act=lambda: None):
    """An exception out of a signal handler must leave the block; `act` runs in the handler."""

    class Signalled(Exception):  # noqa: N818 - not an error
        pass

    def handler(*_):
        if armed:
            act()
            raise Signalled

    armed = True
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
        armed = False
        pytest.fail("nothing was interrupted")
    except Signalled:
        pass
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@POSIX
@pytest.mark.parametrize("threads", [1, 2])
def test_commit_is_never_interrupted(threads):
    kernels = load("burn", "count")
    out, state, flag = np.zeros(64, np.int64), np.zeros(9, np.int64), np.zeros(1, np.int64)
    steps = int(steps_per_second() * 0.5 / 64)
    args = np.array([out.ctypes.data, steps, state.ctypes.data, flag.ctypes.data])
    instructions = [
        Launch(kernels["burn"], 0, 1, True),
        Guard(3),
        Launch(kernels["count"], 2, 9, True),
        Launch(kernels["burn"], 0, 64, True),
        Launch(kernels["count"], 2, 9, True),
    ]
    program = Program(instructions, args, 64, threads, pause_every=0.01)
    for _ in range(5):  # on a busy machine the signal may come before the guard
        with interrupted_after(0.06):
            program.run()
        assert (state == 2 * program.completed).all(), "all of the commit or nothing"
        if program.completed:
            return
    pytest.fail("interrupted after the guard")


@POSIX
def test_pause_that_meets_the_guard_is_given_up():
    """The owner asks for a pause while a worker's task, the last one before the guard, runs."""
    kernels = load("burn", "count")
    out, state, flag = np.zeros(64, np.int64), np.zeros(9, np.int64), np.zeros(1, np.int64)
    speed = steps_per_second()
    slots = [out.ctypes.data, int(speed * 0.005), out.ctypes.data + 8, int(speed * 0.1)]
    slots += [out.ctypes.data, int(speed * 0.05 / 64), state.ctypes.data, flag.ctypes.data]
    instructions = [
        Launch(kernels["burn"], 0, 1, True),
        Launch(kernels["burn"], 2, 1, False),
        Guard(7),
        Launch(kernels["burn"], 4, 64, True),
        Launch(kernels["count"], 6, 9, True),
    ]
    program = Program(instructions, np.array(slots), 64, 2, pause_every=0.02)
    for _ in range(5):  # on a busy machine the pause may come before the last task is claimed
        with interrupted_after(0.04):
            program.run()
        assert (state == program.completed).all(), "all of the commit or nothing"
        if program.completed:
            return
    pytest.fail("paused after the guard")


@POSIX
def test_nobody_works_on_after_an_interrupt():
    program, out = burning(4.0, tasks=40)
    program._header[encoding.Program.SLICE] //= 20
    with interrupted_after(0.1):
        program.run()
    then = out.copy()
    time.sleep(0.2)
    assert (out == then).all()
    assert not out.all()


@POSIX
def test_signal_handler_may_run_other_programs_but_not_the_same():
    program, _ = burning(5.0)
    program._header[encoding.Program.SLICE] //= 20  # the test need not wait for a full pause
    other, out = burning(0.001)
    seen = []

    def act():
        seen.append(other.run())
        with pytest.raises(CompileError, match="signal handler"):
            program.run()

    with interrupted_after(0.05, act):
        program.run()
    assert seen == [Status.ok]
    assert out.all()
    program.args[1] = 1
    assert program.run() is Status.ok


@POSIX
def test_forked_child_starts_afresh():
    process = python("""
        import os, signal, threading, time
        import numpy as np
        from chainrule.compiler.runtime.native import engine
        from chainrule.compiler.runtime.program import Launch, Program
        from chainrule.compiler.runtime.workers import set_num_threads, workers
        from tests.compiler.runtime.ir_kernels import KERNELS, load
        set_num_threads(2)
        out = np.zeros(64, np.int64)
        kernels = load("burn", "count")
        def program(steps):
            args = np.array([out.ctypes.data, steps])
            return Program([Launch(kernels["burn"], 0, 64, True)], args, 8, 2)
        quick, long = program(1000), program(20_000_000)
        assert quick.run().name == "ok"
        busy = threading.Thread(target=long.run)
        busy.start()
        time.sleep(0.05)  # the child is born while `long` holds its lock and the workers
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            out[:] = 0
            long.args[1] = 1000
            states = [quick.run().name, long.run().name]
            engine().load({"fill": KERNELS["fill"]})
            fresh = program(100_000)
            assert states == ["ok", "ok"] and out.all()
            assert fresh.run().name == "ok" and len(workers()._threads) == 1
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        busy.join()
        assert long.completed == 1 and quick.run().name == "ok"
        print("parent goes on")
    """)
    assert outcome(process, 60) == "parent goes on\n"


@POSIX
def test_a_fork_waits_until_llvm_is_loaded():
    process = python("""
        import os, signal, sys, threading, time
        import chainrule as cr
        import chainrule.compiler

        loading = threading.Event()

        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "llvmlite.binding":
                    loading.set()
                    time.sleep(0.5)

        def check():
            assert cr.compile(lambda x: x * 2)(cr.ones(3)).tolist() == [2, 2, 2]

        sys.meta_path.insert(0, Slow())
        thread = threading.Thread(target=check)
        thread.start()
        assert loading.wait(20)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            check()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        thread.join()
        print("both compiled")
    """)
    assert outcome(process, 60) == "both compiled\n"


def in_threads(count, work):
    failures = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_python_threads_run_programs_of_their_own():
    address = load("count")["count"]

    def work(i):
        out = np.zeros(100 + i, np.int64)
        instructions = [Launch(address, 0, 100 + i, True)] * 5
        program = Program(instructions, np.array([out.ctypes.data]), 0, 2)
        for run in range(1, 200):
            assert program.run() is Status.ok
            assert (out == 5 * run).all()

    in_threads(4, work)


def test_python_threads_take_turns_with_one_program():
    out = np.zeros(100, np.int64)
    program = Program(
        [Launch(load("count")["count"], 0, 100, True)] * 5, np.array([out.ctypes.data]), 0, 2
    )
    in_threads(4, lambda _: [program.run() for _ in range(100)])
    assert (out == 4 * 100 * 5).all()
    assert program.completed == 400


def test_workers_help_even_after_they_slept():
    program, out = burning(0.2)
    for _ in range(20):  # on a busy machine a worker may find everything done
        time.sleep(0.02)
        program.run()
        if np.unique(out).size == 2:
            return
    pytest.fail("the worker never took a task")


def test_idle_workers_use_no_processor():
    program, _ = burning(0.001)
    program.run()
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_fewer_threads_from_now_on():
    program, out = burning(0.02)
    set_num_threads(1)
    for _ in range(3):
        program.run()
        assert np.unique(out).size == 1


def test_thread_count_comes_from_the_environment(monkeypatch):
    monkeypatch.setattr(workers_module, "_num_threads", None)
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    reload_settings()
    try:
        assert get_num_threads() == 3
        set_num_threads(2)
        assert get_num_threads() == 2
    finally:
        monkeypatch.undo()
        reload_settings()


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_impossible_thread_counts_are_refused(count):
    with pytest.raises(ArgumentError, match="1 to 1024 threads"):
        set_num_threads(count)


def test_threads_that_cannot_start_are_done_without(monkeypatch):
    workers().dismiss()
    workers.cache_clear()

    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    program, out = burning(0.001)
    assert program.run() is Status.ok
    assert np.unique(out).size == 1
    monkeypatch.undo()
    assert program.run() is Status.ok
    assert len(workers()._threads) == 1


def test_process_ends_while_workers_are_awake():
    process = python("""
        import numpy as np
        from chainrule.compiler.runtime.program import Launch, Program
        from chainrule.compiler.runtime.workers import set_num_threads
        from tests.compiler.runtime.ir_kernels import load
        set_num_threads(3)
        out = np.zeros(99, np.int64)
        args = np.array([out.ctypes.data])
        Program([Launch(load("count")["count"], 0, 99, True)], args, 0, 3).run()
        print(out.sum())
    """)
    assert outcome(process) == "99\n"
