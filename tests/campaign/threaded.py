"""One program with many threads that compile: `python -m tests.campaign.threaded SEED`.

It ends with 0 if every thread, forked child and spawned process got the right numbers.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Callable

os.environ["CHAINRULE_CACHE_DIR"] = tempfile.mkdtemp()  # nothing is compiled yet

import numpy as np
import numpy.testing

import chainrule as cr
from chainrule import nn

_LATE = 100.0  # seconds until every thread's place is printed


def function(number: int) -> tuple[Callable[..., cr.Tensor], tuple[cr.Tensor, ...]]:
    """The function of that number and its arguments: elementwise, rows, products, a step."""
    cr.manual_seed(number)
    n = 3 + number % 17
    x, w = cr.randn(n, 5), cr.randn(5, n)
    kinds: tuple[Callable[..., cr.Tensor], ...] = (
        lambda x, _: (x * 2 + number).tanh(),
        lambda x, w: nn.functional.softmax(x @ w, -1),
        lambda x, w: (x @ w).relu().sum(0),
        lambda x, _: nn.functional.layer_norm(x, (5,)) * number,
    )
    return kinds[number % len(kinds)], (x, w)


def check(number: int, compiled: Callable[..., cr.Tensor] | None = None, times: int = 3) -> None:
    """Call it a few times; `AssertionError` if it is not the eager result, or changes."""
    plain, arguments = function(number)
    expected = plain(*arguments).numpy()
    compiled = compiled or cr.compile(plain)
    first = compiled(*arguments).numpy()
    np.testing.assert_allclose(first, expected, rtol=2e-5, atol=2e-5)
    for _ in range(times):
        assert np.array_equal(compiled(*arguments).numpy(), first), f"function {number} changes"


def train(number: int) -> None:
    """A few steps of a model of its own, with the gradient inside."""
    cr.manual_seed(number)
    model = nn.Linear(4, 3)
    optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
    x = cr.ones(5, 4)

    @cr.compile
    def step() -> cr.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step().item() for _ in range(4)]
    assert losses == sorted(losses, reverse=True), losses


def main(seed: int) -> None:
    """Threads, and in some programs children that are forked or spawned meanwhile."""
    faulthandler.dump_traceback_later(_LATE, exit=True)
    rng = random.Random(seed)
    shared = rng.randrange(100)
    together = cr.compile(function(shared)[0])
    jobs: list[Callable[[], None]] = []
    for _ in range(16):
        number = rng.randrange(100)
        jobs.append(
            rng.choice((
                lambda n=number: check(n),
                lambda: check(shared, together),
                lambda n=number: train(n),
            ))
        )  # fmt: skip
    wrong: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - told at the end
            wrong.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    children = [_forked(rng.randrange(100)) for _ in range(rng.choice((0, 2)))]
    context = multiprocessing.get_context(rng.choice(("spawn", "fork")))
    processes = [context.Process(target=in_child, args=(rng.randrange(100),))
                 for _ in range(rng.choice((0, 0, 2)))]  # fmt: skip
    for process in processes:
        process.start()
    for thread in threads:
        thread.join()
    codes = [os.waitpid(child, 0)[1] for child in children]
    for process in processes:
        process.join()
        codes.append(process.exitcode or 0)
    if wrong:
        raise wrong[0]
    assert not any(codes), f"children ended with {codes}"


def in_child(number: int) -> None:
    """`check` in a forked or spawned process, which shows where it stands and dies if it hangs."""
    faulthandler.register(signal.SIGALRM, chain=True)  # its thread does not survive a fork
    signal.alarm(int(_LATE / 2))
    check(number)


def _forked(number: int) -> int:
    """A child that compiles what its parent's threads may be compiling."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            in_child(number)
            code = 0
        finally:
            os._exit(code)
    return child


if __name__ == "__main__":
    main(int(sys.argv[1]))
