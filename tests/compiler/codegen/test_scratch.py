"""Task counts and scratch sizes."""

from __future__ import annotations

from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.kernel.text import parse_kernel
from tests.kernel import samples

KERNEL = parse_kernel("""
kernel k(buffer x: float32 written, extent n)
  local a: float32[n]
  for seq i in n
    local b: float64[3]
    zero = const 0.0 float32
    store zero x[i] (1, 1) strides (0, 0)
  for seq i in n
    local c: bool[100]
    for seq j in n
      local d: bool[1]
      one = const 1.0 float32
      store one x[i] (1, 1) strides (0, 0)
""")


def test_task_count_is_the_product_of_the_grid():
    assert task_count(samples.GEMM, {"M": 17, "N": 33, "K": 4}) == 3 * 3
    assert task_count(samples.GEMM, {"M": 0, "N": 33, "K": 4}) == 0
    assert task_count(KERNEL, {"n": 5}) == 1


def test_scratch_is_the_most_in_force_at_once():
    assert scratch_bytes(samples.INCREMENT, {"n": 5}) == 0
    assert scratch_bytes(KERNEL, {"n": 16}) == 64 + 128 + 64
    assert scratch_bytes(KERNEL, {"n": 17}) == 128 + 128 + 64
    assert scratch_bytes(samples.GEMM, {"M": 1, "N": 1, "K": 3}) == 192
