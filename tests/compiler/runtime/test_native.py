"""Text in, addresses out: compiled once, kept, and refused with a reason."""

from __future__ import annotations

import ctypes
import math
import platform
import threading

import numpy as np
import pytest

from chainrule.base.errors import CompileError
from chainrule.compiler.runtime import native
from chainrule.compiler.runtime.native import Engine, engine
from chainrule.compiler.runtime.object_cache import ObjectCache
from tests.compiler.runtime.ir_kernels import KERNELS

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


def call(address, args, first, last):
    KERNEL(address)(args.ctypes.data, first, last, None)


def test_kernel_runs_its_tasks():
    out = np.zeros(10, np.int64)
    call(engine().load({"count": KERNELS["count"]})["count"], np.array([out.ctypes.data]), 3, 7)
    assert out.tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]


def test_c_library_calls_resolve():
    out = np.zeros(4, np.int64)
    args = np.array([out.ctypes.data])
    call(engine().load({"calls": KERNELS["calls"]})["calls"], args, 0, 1)
    assert out[:2].tolist() == [args[0], 0x0707070707070707]
    np.testing.assert_allclose(out.view(np.float64)[2:], [math.e, math.sqrt(2)], rtol=1e-6)


def test_same_text_is_loaded_once():
    one = engine()
    first = one.load({"fill": KERNELS["fill"]})
    compiled = one.compiled
    assert one.load({"fill": KERNELS["fill"]}) == first
    assert one.compiled == compiled


def test_same_symbol_with_another_text_is_another_function():
    text = KERNELS["fill"]
    one = engine().load({"fill": text})["fill"]
    two = engine().load({"fill": text.replace("%value, ptr %p", "%t, ptr %p")})["fill"]
    assert one != two
    out = np.zeros(3, np.int64)
    args = np.array([out.ctypes.data, 9])
    call(two, args, 0, 3)
    assert out.tolist() == [0, 1, 2]
    call(one, args, 0, 3)
    assert out.tolist() == [9, 9, 9]


def test_symbols_may_share_a_text(tmp_path):
    both = KERNELS["fill"] + KERNELS["count"]
    fresh = Engine(ObjectCache(tmp_path))
    found = fresh.load({"fill": both, "count": both})
    assert len(set(found.values())) == 2
    assert (fresh.compiled, fresh.reused) == (1, 0)


def test_second_engine_compiles_nothing(tmp_path):
    texts = {name: KERNELS[name] for name in ("count", "fill", "mix")}
    first, second = Engine(ObjectCache(tmp_path)), Engine(ObjectCache(tmp_path))
    first.load(texts)
    address = second.load(texts)["count"]
    assert (first.compiled, first.reused) == (3, 0)
    assert (second.compiled, second.reused) == (0, 3)
    out = np.zeros(2, np.int64)
    call(address, np.array([out.ctypes.data]), 0, 2)
    assert out.tolist() == [1, 1]


def test_other_code_generation_level_is_another_entry(tmp_path):
    Engine(ObjectCache(tmp_path)).load({"fill": KERNELS["fill"]})
    other = Engine(ObjectCache(tmp_path), opt=0)
    other.load({"fill": KERNELS["fill"]})
    assert (other.compiled, other.reused) == (1, 0)


def test_bad_text_is_refused_with_its_symbol():
    with pytest.raises(CompileError, match="LLVM rejects the text of broken"):
        engine().load({"broken": "define void @broken( {"})


def test_unknown_function_is_refused_and_harms_nothing():
    text = "declare void @nobody_defines_this()\n" + KERNELS["fill"].replace(
        "entry:", "entry:\n  call void @nobody_defines_this()"
    )
    with pytest.raises(CompileError, match="cannot load fill"):
        engine().load({"fill": text})
    assert engine().load({"fill": KERNELS["fill"]})["fill"]


def test_threads_may_load_at_once():
    text = KERNELS["fill"]
    results = [None] * 8

    def work(i):
        results[i] = engine().load({"fill": text + f"; number {i // 2}\n"})["fill"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in results
    assert results[::2] == results[1::2]
    assert len(set(results)) == 4


def test_assembly_can_be_read():
    assert "count" in engine().assembly(KERNELS["count"])


@pytest.mark.skipif(platform.machine() != "x86_64", reason="vector registers of x86")
def test_wide_vectors_are_used_where_they_exist():
    text = """
define void @wide(ptr %args, i64 %first, i64 %last, ptr %scratch) nounwind {
  %v = load <16 x float>, ptr %scratch, align 64
  %w = fadd <16 x float> %v, %v
  store <16 x float> %w, ptr %scratch, align 64
  ret void
}"""
    import llvmlite.binding as llvm

    if not llvm.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no 512-bit vectors")
    assert "zmm" in engine().assembly(text)


def test_missing_llvmlite_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "llvmlite.binding", None)
    native.unavailable.cache_clear()
    try:
        assert "llvmlite cannot be loaded" in native.unavailable()
        with pytest.raises(CompileError, match="no native code: llvmlite"):
            Engine(ObjectCache(tmp_path))
    finally:
        native.unavailable.cache_clear()


def test_foreign_processor_is_said(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    native.unavailable.cache_clear()
    try:
        assert "riscv64" in native.unavailable()
    finally:
        native.unavailable.cache_clear()
