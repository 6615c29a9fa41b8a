"""Drawn kernels: machine code and interpreter agree bit for bit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.compiler.codegen.target import AVX2, NEON, host_target
from chainrule.kernel.text import print_kernel
from tests.compiler.codegen.launch import Native, agree
from tests.compiler.codegen.random_kernels import kernels

WIDTHS = (host_target(), AVX2, NEON)  # 8 and 4 lanes run anywhere: LLVM makes do with them


def check(drawn, target):
    kernel, cases = drawn
    try:
        native = Native(kernel, target)
        for values in cases:
            agree(native, values)
    except Exception as error:
        error.add_note(print_kernel(kernel))
        raise


@settings(max_examples=60)
@given(kernels(), st.sampled_from(WIDTHS))
def test_random_kernels(drawn, target):
    check(drawn, target)


@pytest.mark.slow
@settings(max_examples=500, derandomize=False)
@given(kernels(), st.sampled_from(WIDTHS))
def test_many_random_kernels(drawn, target):
    check(drawn, target)
