"""Code for older processors is made, run and compared on newer ones."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.processor import Processor, older, processor
from chainrule.compiler.codegen.target import describe, host_target
from tests.structure.package import ROOT

NEW = Processor(
    "x86_64-unknown-linux-gnu",
    "sapphirerapids",
    dict.fromkeys(("sse2", "avx", "avx2", "fma", "avx512f", "avx512vl", "avx512bw"), True)
    | {"avx512dq": True, "vaes": True, "gfni": True, "movbe": False},
)
ARM = Processor("arm64-apple-darwin24", "apple-m1", {"neon": True, "fp-armv8": True, "sve": True})
X86 = pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64"} or host_target().lanes < 8,
    reason="an x86 processor with AVX2",
)


def test_the_host_itself_unless_something_is_set():
    assert older(NEW, "native") is NEW
    assert describe(*NEW).lanes == 16
    assert processor().text in host_target().features


def test_older_targets_have_fewer_features_and_none_that_the_host_lacks():
    avx2 = older(NEW, "avx2")
    assert (avx2.cpu, describe(*avx2).lanes) == ("haswell", 8)
    on = {name for name, there in avx2.features.items() if there}
    assert on == {"sse2", "avx", "avx2", "fma"}
    with pytest.raises(CompileError, match="runs eagerly"):
        describe(*older(NEW, "baseline"))
    generic = older(ARM, "baseline")
    assert (generic.cpu, generic.features["sve"], describe(*generic).lanes) == ("generic", False, 4)


def test_a_target_of_another_kind_of_machine_is_refused():
    with pytest.raises(CompileError, match="CHAINRULE_TARGET=avx2 is no target of this machine"):
        older(ARM, "avx2")


def run(target, *command, **more):
    environment = {**os.environ, "CHAINRULE_TARGET": target, **more}
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True, text=True, env=environment, cwd=ROOT, timeout=600, check=False,
    )  # fmt: skip


STEP = """
import numpy as np
import chainrule as cr
from chainrule.compiler.runtime.native import engine
from chainrule.compiler.show import stages
from chainrule.nn import functional as F

cr.manual_seed(0)
x, w, b = cr.randn(37, 70), cr.randn(70, 50), cr.randn(50)
def step(x, w, b):
    y = F.layer_norm(F.gelu(x @ w + b), (50,))
    heads = y.reshape(1, 37, 5, 10).transpose(1, 2)
    z = F.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
    order = cr.argsort(x, 1)
    return y, cr.softmax(y, 1), z, order, cr.sin(y).cumsum(0), y.double().exp(), (x * 9).long() // 2

text = stages(step, x, w, b, assembly=True)["assembly"]
got = cr.compile(step)(x, w, b)
for one, other in zip(got, step(x, w, b)):
    np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-4, atol=2e-5)
print("zmm" in text, "ymm" in text, engine().compiled > 0)
"""


@X86
def test_avx2_code_runs_here_and_has_objects_of_its_own(tmp_path):
    cache = {"CHAINRULE_CACHE_DIR": str(tmp_path)}
    wide = str(host_target().lanes == 16)
    assert run("native", "-c", STEP, **cache).stdout.split() == [wide, "True", "True"]
    first = run("avx2", "-c", STEP, **cache)
    assert first.stdout.split() == ["False", "True", "True"], first.stderr
    again = run("avx2", "-c", STEP, **cache)
    assert again.stdout.split() == ["False", "True", "False"], again.stderr


@X86
def test_baseline_runs_eagerly_and_says_so_once():
    text = (
        "import chainrule as cr; f = cr.compile(lambda x: x * 2); print(f(f(cr.ones(2))).tolist())"
    )
    done = run("baseline", "-W", "always", "-c", text)
    assert done.stdout == "[4.0, 4.0]\n", done.stderr
    assert done.stderr.count("running eagerly: no code generation for this CPU") == 1


SLICE = (
    "tests/compiler/test_random_programs.py::test_programs_as_machine_code",
    "tests/compiler/lower/templates/test_gemm.py",
    "tests/compiler/codegen/test_math.py",
)


@X86
@pytest.mark.slow
@pytest.mark.skipif(host_target().lanes == 8, reason="the other tests have run this code")
def test_a_slice_of_the_tests_passes_with_avx2_code():
    done = run("avx2", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *SLICE)
    assert done.returncode == 0, done.stdout[-3000:]
