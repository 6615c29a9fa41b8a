"""A second process compiles what LLVM would compile here, and nobody notices when it fails."""

from __future__ import annotations

import time

import pytest

from chainrule.base.errors import CompileError
from chainrule.base.settings import read_settings
from chainrule.compiler.runtime import partner as module
from chainrule.compiler.runtime.native import Engine
from chainrule.compiler.runtime.object_cache import ObjectCache
from chainrule.compiler.runtime.partner import Work
from tests.compiler.runtime.ir_kernels import KERNELS

SOME = ("count", "fill", "calls")


@pytest.fixture(scope="module")
def compiler():
    one = Engine(ObjectCache(None))
    if one._partner.broken:
        pytest.skip("no second process here")
    yield one
    one._partner.stop()


@pytest.fixture(autouse=True)
def every_text_is_worth_it(monkeypatch):
    monkeypatch.setattr(module, "_WORTH", 0)
    monkeypatch.setattr(module, "_LITTLE", 0)


def started(one):
    one._partner.broken = False
    one._partner.start()
    assert one._partner.is_ready(30.0)
    return one._partner


def test_it_makes_the_same_code(compiler):
    partner = started(compiler)
    for name in SOME:
        assert partner.compile(KERNELS[name]) == compiler._compile(name, KERNELS[name])


def test_work_is_shared(compiler):
    partner, here = started(compiler), []

    def alone(text):
        here.append(text)
        return compiler._compile("count", text)

    work = Work(partner, alone)
    for name in SOME:
        work.put(name, KERNELS[name])
    while len(work._objects) < len(SOME):  # before this process begins
        time.sleep(0.001)
    found = work.finish()
    assert not here
    assert found == {name: compiler._compile(name, KERNELS[name]) for name in SOME}


def test_what_a_dead_partner_had_is_done_here(compiler, monkeypatch):
    partner = started(compiler)
    partner._process.kill()
    partner._process.wait()
    monkeypatch.setattr(partner, "start", lambda: None)
    work = Work(partner, lambda text: compiler._compile("count", text))
    work.put("count", KERNELS["count"])
    assert work.finish() == {"count": compiler._compile("count", KERNELS["count"])}
    assert partner.broken


def test_a_text_that_it_refuses_raises_here(compiler):
    work = Work(started(compiler), lambda text: compiler._compile("wrong", text))
    work.put("wrong", "define nonsense")
    work._thread.join()
    with pytest.raises(CompileError, match="LLVM rejects the text of wrong"):
        work.finish()


def test_a_failure_while_texts_are_made_ends_the_work(compiler, monkeypatch):
    monkeypatch.setattr(compiler, "_partner", started(compiler))

    def texts():
        yield "count", KERNELS["count"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compiler.load_all(texts())
    assert compiler.load({"count": KERNELS["count"]})


@pytest.mark.parametrize(("threads", "possible"), [("1", False), ("2", True)])
def test_one_thread_means_one_process(monkeypatch, threads, possible):
    monkeypatch.setattr(module, "settings", lambda: read_settings({"CHAINRULE_THREADS": threads}))
    assert module._possible() is possible
