"""The first signal waits, the second does not."""

import signal
import threading

import pytest

from chainrule.train.interrupts import Interrupts


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_first_is_noted_and_second_raises(name):
    before = signal.getsignal(name)
    with Interrupts() as interrupts:
        assert not interrupts.wanted()
        signal.raise_signal(name)
        assert interrupts.wanted()
        assert interrupts.signal == name
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(name)
    assert signal.getsignal(name) is before


def test_another_thread_leaves_the_handlers_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with Interrupts() as interrupts:
            seen.append((signal.getsignal(signal.SIGINT), interrupts.wanted()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


def test_a_wish_without_a_signal_names_none():
    with Interrupts() as interrupts:
        interrupts.stop()
        assert (interrupts.wanted(), interrupts.signal) == (True, None)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
