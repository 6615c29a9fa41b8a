"""A compiled call commits all or nothing, shares no memory, and runs from any thread."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import IndexBoundsError
from tests.compiler.stepping import OPTIMIZERS, RNG, Training, X, weights

# three phases


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        cr.manual_seed(1)
        self.embed = nn.Embedding(11, 6)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(6, 3)

    def forward(self, words):
        return self.out(self.drop(self.embed(words)))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("where", ["word", "tag", "computed"])
def test_an_index_error_leaves_everything_untouched(optimizer, where):
    training = Training(optimizer)
    training.model = model = Tagger()
    training.opt = opt = OPTIMIZERS[optimizer](model.parameters())
    other = cr.zeros(3)

    @cr.compile
    def step(words, tags):
        loss = F.cross_entropy(model(words + 0 if where == "computed" else words), tags)
        other.add_(1)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    words, tags = RNG.integers(0, 11, 20), RNG.integers(0, 3, 20)
    step(words, tags)
    before = [*training.state(), other.numpy().copy()]
    bad_words, bad_tags = words.copy(), tags.copy()
    (bad_tags if where == "tag" else bad_words)[7] = 3 if where == "tag" else -12
    for _ in range(2):
        with pytest.raises(IndexBoundsError, match="nothing was changed"):
            step(bad_words, bad_tags)
        for a, b in zip([*training.state(), other.numpy()], before, strict=True):
            np.testing.assert_array_equal(a, b)
    step(words, tags)
    assert not np.array_equal(weights(model)[0], before[0])


# donation


def test_exports_keep_the_values_they_had():
    training = Training("momentum")
    training.run(1)
    parameter = training.model[0].weight
    exports = [
        parameter.detach().numpy(),
        np.asarray(parameter.detach())[1:3],
        memoryview(parameter.detach().numpy()),
        parameter.detach().clone().numpy(),
        np.from_dlpack(parameter.detach()) if hasattr(parameter, "__dlpack__") else None,
    ]
    exports = [e for e in exports if e is not None]
    copies = [np.array(e) for e in exports]
    training.run(3)
    for e, c in zip(exports, copies, strict=True):
        np.testing.assert_array_equal(np.asarray(e), c)
    assert not np.array_equal(parameter.detach().numpy(), copies[0])


def test_states_that_share_an_array_part_when_one_is_written():
    source = np.ones(4, np.float32)
    a, b = cr.from_numpy(source), cr.from_numpy(source)
    c = cr.from_numpy(source[1:3])

    @cr.compile
    def fn(x):
        a.add_(x)
        c.mul_(3)
        return a + b

    fn(cr.tensor(1.0))
    np.testing.assert_array_equal(fn(cr.tensor(1.0)).numpy(), [4] * 4)
    np.testing.assert_array_equal(a.numpy(), [3] * 4)
    np.testing.assert_array_equal(c.numpy(), [9] * 2)
    np.testing.assert_array_equal(source, [1] * 4)
    np.testing.assert_array_equal(b.numpy(), [1] * 4)


def test_steps_write_in_place_while_nobody_else_looks():
    training = Training("adamw")
    training.run(2)
    handles = list(training.model.parameters())
    before = [h._value.__array_interface__["data"][0] for h in handles]
    evaluate = cr.compile(training.model)
    evaluate(X)  # another compiled function that knows the parameters
    training.run(2)
    assert [h._value.__array_interface__["data"][0] for h in handles] == before


# threads, processes, interrupts


def wide_training(threads: int) -> list[np.ndarray]:
    """Some steps of a model that is large enough for several threads."""
    before = cr.get_num_threads()
    cr.set_num_threads(threads)
    try:
        cr.manual_seed(0)
        embed, norm = nn.Embedding(300, 64), nn.LayerNorm(64)
        model = nn.Sequential(embed, norm, nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 50))
        opt = OPTIMIZERS["adamw"](model.parameters())

        @cr.compile
        def step(words, tags):
            loss = F.cross_entropy(F.dropout(model(words), 0.1).flatten(0, 1), tags.flatten())
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            return loss

        rng = np.random.default_rng(0)
        words, tags = rng.integers(0, 300, (9, 31)), rng.integers(0, 50, (9, 31))
        losses = [step(words, tags).numpy() for _ in range(3)]
        return [*losses, *weights(model)]
    finally:
        cr.set_num_threads(before)


def test_steps_are_bit_identical_for_any_number_of_threads_and_run():
    first = wide_training(1)
    for threads in (1, 2, 3, 4):
        for a, b in zip(wide_training(threads), first, strict=True):
            np.testing.assert_array_equal(a, b)


def run_threads(*work):
    """Run functions at the same time; their results, or the first error."""
    results, errors = [None] * len(work), []
    start = threading.Barrier(len(work))

    def call(i):
        try:
            start.wait()
            results[i] = work[i]()
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    workers = [threading.Thread(target=call, args=(i,)) for i in range(len(work))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    if errors:
        raise errors[0]
    return results


def test_two_threads_call_the_same_compiled_function():
    weight = cr.tensor(RNG.normal(size=(64, 64)).astype(np.float32))
    fn = cr.compile(lambda x: cr.tanh(x @ weight).sum(0))
    inputs = [RNG.normal(size=(32 + k % 3, 64)).astype(np.float32) for k in range(12)]
    want = [fn.fn(cr.tensor(x)).numpy() for x in inputs]

    def all_of_them():
        return [fn(x).numpy() for x in inputs * 3]

    for got in run_threads(all_of_them, all_of_them, all_of_them):
        for a, b in zip(got, want * 3, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_two_threads_train_different_models():
    alone = Training("adamw")
    losses = alone.run(20)
    trainings = [Training("adamw"), Training("adamw")]
    for training in trainings:
        training.model[2].p = 0.0  # the generator is shared
    reference = Training("adamw")
    reference.model[2].p = 0.0
    losses = reference.run(20)
    for got in run_threads(*(lambda t=t: t.run(20) for t in trainings)):
        assert got == losses
    for training in trainings:
        for a, b in zip(weights(training.model), weights(reference.model), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_goes_on_and_compiles_more():
    training = Training("sgd")
    training.model[2].p = 0.0
    training.run(1)
    fresh = cr.compile(lambda x: (x * 3).sum())
    busy = threading.Event()
    stop = threading.Event()

    def hold():  # another thread that is inside the compiled function's lock while we fork
        with training.call._lock:
            busy.set()
            stop.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    busy.wait()
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, on purpose
        child = os.fork()
    if child == 0:
        try:
            losses = [*training.run(2), float(fresh(X))]
            os.write(write, repr(losses).encode())
        finally:
            os._exit(0)
    os.close(write)
    stop.set()
    thread.join()
    answer = os.read(read, 4096).decode()
    os.waitpid(child, 0)
    assert answer == repr([*training.run(2), float(fresh(X))])


def run_python(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(text)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


INTERRUPTED = """
    import os, signal, threading, time
    import numpy as np
    import chainrule as cr

    weight, count = cr.full((1024, 1024), 2 / 1024), cr.zeros(3)

    @cr.compile
    def step(x):
        for _ in range(120):  # longer than the time between two looks for signals
            x = cr.tanh(x @ weight)
        count.add_(1)
        weight.add_(x)
        return x.sum()

    x = np.ones((1024, 1024), np.float32)
    step(x)
    before, wait = weight.numpy().copy(), 0.1
    threading.Timer(wait, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    try:
        step(x)
    except KeyboardInterrupt:
        late = time.monotonic() - start - wait
        whole = (weight.numpy() == before).all() and count.numpy()[0] == 1
        print("interrupted", whole, late < 2.0)
    step(x)
    print("again", count.numpy()[0] == 2, (weight.numpy() != before).any())
"""


def test_ctrl_c_in_mid_step_tears_nothing():
    done = run_python(INTERRUPTED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["interrupted True True", "again True True"], done.stdout


EAGERLY = """
    import sys
    {hide}
    import chainrule as cr
    fn = cr.compile(lambda x: x * 2)
    print(fn(cr.ones(3)).numpy(), fn(cr.ones(3)).numpy())
    print(list(fn.explain_cache()), "llvmlite" in sys.modules)
"""


def test_no_compile_runs_eagerly_without_a_word():
    done = run_python(EAGERLY.replace("{hide}", ""), CHAINRULE_NO_COMPILE="1")
    assert done.stdout == "[2. 2. 2.] [2. 2. 2.]\n[] False\n", done.stderr
    assert done.stderr == ""


def test_without_llvmlite_there_is_one_notice():
    done = run_python(EAGERLY.replace("{hide}", "sys.modules['llvmlite'] = None"))
    assert done.stdout.startswith("[2. 2. 2.] [2. 2. 2.]\n[]"), done.stderr
    assert done.stderr.count("RuntimeWarning: running eagerly: llvmlite") == 1


def test_a_cpu_that_is_not_known_is_one_notice(monkeypatch):
    from chainrule.compiler.runtime import availability as module
    from chainrule.compiler.runtime import native

    def refuse():
        raise native.CompileError("no code generation for this CPU (old)")

    monkeypatch.setattr(native, "host_target", refuse)
    monkeypatch.setattr(module, "_noticed", threading.Event())
    native.refusal.cache_clear()
    try:
        fn = cr.compile(lambda x: x * 2)
        with pytest.warns(RuntimeWarning, match="no code generation for this CPU") as caught:
            assert fn(X).shape == fn(X).shape
        assert len(caught) == 1
    finally:
        native.refusal.cache_clear()
