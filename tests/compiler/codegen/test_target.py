"""CPU features decide the width of vectors; code for other machines assembles."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import AVX2, AVX512, NEON, describe, host_target
from chainrule.compiler.show import stages
from chainrule.nn import functional as F
from tests.kernel import samples

X86 = "x86_64-unknown-linux-gnu"


def test_host_is_described_by_its_features():
    target = host_target()
    assert target is host_target()
    assert target.lanes in (4, 8, 16)
    assert target.registers in (16, 32)


def test_avx512_needs_all_of_its_parts():
    features = dict.fromkeys(("avx2", "fma", "avx512f", "avx512vl", "avx512bw"), True)
    assert describe(X86, "cpu", features).lanes == 8
    wide = describe(X86, "cpu", {**features, "avx512dq": True, "prefer-256-bit": True})
    assert (wide.lanes, wide.registers) == (16, 32)
    assert "-prefer-256-bit" in wide.features
    assert "512" in wide.attributes


def test_arm_has_four_lanes():
    assert describe("arm64-apple-darwin24", "apple-m1", {}).lanes == 4


def test_cpus_without_fma_are_refused():
    with pytest.raises(CompileError, match="runs eagerly"):
        describe(X86, "old", {"avx2": True})


def assembly(ir, target):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        chosen = llvm.Target.from_triple(target.triple)
    except RuntimeError:
        pytest.skip(f"this llvmlite has no back end for {target.triple}")
    machine = chosen.create_target_machine(cpu=target.cpu, features=target.features, opt=2)
    module = llvm.parse_assembly(ir)
    module.verify()
    return machine.emit_assembly(module)


@pytest.mark.parametrize("kernel", samples.ALL, ids=lambda k: k.name)
@pytest.mark.parametrize("target", [AVX512, AVX2, NEON], ids=["avx512", "avx2", "neon"])
def test_cross_emission_assembles_without_calls(kernel, target):
    ir = emit(kernel, target, "f")
    text = assembly(ir, target)
    # llvm.fma and llvm.floor become calls where the CPU lacks the instruction
    assert not re.search(r"^\s+(callq?|bl)\s", text, re.MULTILINE)
    if kernel is samples.GEMM:
        full = {AVX512: "vfmadd.*zmm", AVX2: "vfmadd.*ymm", NEON: r"fmla.*v\d+\.4s"}[target]
        assert re.search(full, text)


class Step:
    """A training step of a small model with each kind of kernel in it."""

    def __init__(self):
        self.embed, self.lstm = nn.Embedding(11, 16), nn.LSTM(16, 16)
        self.attend, self.norm = nn.MultiheadAttention(16, 2), nn.LayerNorm(16)
        self.convolve, self.out = nn.Conv1d(16, 16, 3, padding=1), nn.Linear(16, 11)
        layers = (self.embed, self.lstm, self.attend, self.norm, self.convolve, self.out)
        self.optimizer = cr.optim.AdamW([p for layer in layers for p in layer.parameters()])

    def __call__(self, words):
        self.optimizer.zero_grad()
        x = self.lstm(self.embed(words))[0]
        x = self.norm(x + self.attend(x, x, x, need_weights=False)[0])
        x = F.gelu(self.convolve(x.permute(1, 2, 0))).amax(2)
        scores = self.out(F.dropout(x, 0.1))
        loss = F.cross_entropy(scores, words[0])
        loss.backward()
        self.optimizer.step()
        return loss, scores.topk(3).indices, scores.sort(1).values, scores.double().cumsum(1)


@pytest.mark.parametrize("target", [AVX2, NEON], ids=["avx2", "neon"])
def test_all_kernels_of_a_training_step_assemble_for_every_processor(target):
    words = cr.randint(0, 11, (9, 4))
    text = stages(Step(), words, target=target)["llvm"]
    modules = text.split("target triple")[1:]
    assert len(modules) > 20
    code = "".join(assembly(f"target triple{module}", target) for module in modules)
    assert code.count("\n") > 5000
    assert {AVX2: "ymm", NEON: "v0.4s"}[target] in code
    assert "zmm" not in code
