"""The meaning of kernels, against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError, IndexBoundsError, VerifyError
from chainrule.kernel.interpret import interpret, task_count
from chainrule.kernel.text import parse_kernel
from tests.kernel import samples

sizes = st.integers(0, 40)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def any_order(kernel, arguments, rng):
    """Run the tasks in a random order: they are independent."""
    extents = {name: v for name, v in arguments.items() if isinstance(v, int)}
    interpret(kernel, arguments, rng.permutation(task_count(kernel, extents)))


@given(st.integers(0, 200), seeds)
def test_increment(n, rng):
    x = rng.normal(size=n).astype(np.float32)
    y = np.zeros(n + 3, np.float32)
    any_order(samples.INCREMENT, {"x": x, "y": y, "n": n}, rng)
    assert np.array_equal(y[:n], x + 1)
    assert not y[n:].any()


@given(st.integers(0, 7), st.integers(1, 30), seeds)
def test_row_softmax(rows, n, rng):
    x = rng.normal(size=(rows, n)) * 30
    y = np.empty(rows * n)
    any_order(samples.SOFTMAX, {"x": x.ravel(), "y": y, "rows": rows, "n": n}, rng)
    e = np.exp(x - x.max(1, keepdims=True))
    assert np.allclose(y.reshape(rows, n), e / e.sum(1, keepdims=True), rtol=1e-14, atol=0)


@given(sizes, sizes, sizes, seeds)
def test_blocked_product_with_epilogue(m, n, k, rng):
    a, b = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    bias = rng.integers(-8, 9, n).astype(np.float32)
    c = np.full(m * n, np.nan, np.float32)
    arguments = {"a": a.ravel(), "b": b.ravel(), "bias": bias, "c": c, "M": m, "N": n, "K": k}
    any_order(samples.GEMM, {**arguments, "alpha": 0.5}, rng)
    assert np.array_equal(c.reshape(m, n), np.maximum(0.5 * (a @ b) + bias, 0))


@given(sizes, st.integers(1, 20), seeds)
def test_gather(n, width, rng):
    table = rng.normal(size=(11, width)).astype(np.float32)
    index = rng.integers(0, 11, n).astype(np.int32)
    y = np.zeros(n * width, np.float32)
    any_order(
        samples.GATHER,
        {"table": table.ravel(), "index": index, "y": y, "n": n, "width": width},
        rng,
    )
    assert np.array_equal(y.reshape(n, width), table[index])


@given(sizes, st.integers(1, 9), st.integers(1, 9), seeds)
def test_scatter_add_over_segments(uses, rows, width, rng):
    index = rng.integers(0, rows, uses)
    updates = rng.normal(size=(uses, width))
    order = np.argsort(index, kind="stable")
    first = np.searchsorted(index[order], np.arange(rows + 1))
    start = rng.normal(size=(rows, width))
    out = start.ravel().copy()
    arguments = {"updates": updates.ravel(), "order": order, "first": first, "out": out}
    any_order(samples.SEGMENTS, {**arguments, "n": rows, "width": width}, rng)
    np.add.at(start, index, updates)
    assert np.array_equal(out.reshape(rows, width), start)


@given(sizes, sizes, seeds)
def test_column_sums(rows, n, rng):
    x = rng.integers(-99, 99, (rows, n)).astype(np.float64)
    y = np.full(n, np.nan)
    any_order(samples.COLUMN_SUMS, {"x": x.ravel(), "y": y, "rows": rows, "n": n}, rng)
    assert np.array_equal(y, x.sum(0))


def evaluate(lines, n=0, x=(), size=8, dtype="float32"):
    """Contents of `y` (first all 9) after a kernel given by its lines over x, n and y."""
    head = f"kernel k(buffer x: {dtype}, buffer y: {dtype} written, extent n)"
    text = "\n".join([head, *("  " + line for line in lines)])
    y = np.full(size, 9, dtype)
    interpret(parse_kernel(text), {"x": np.array(x, dtype), "y": y, "n": n})
    return y.tolist()


@pytest.mark.parametrize(("n", "wanted"), [(0, [1, 2]), (1, [2, 1]), (2, [1, 2]), (3, [2, 1])])
def test_carried_tiles_advance_at_once(n, wanted):
    swap = [
        "one = const 1.0 float32",
        "two = const 2.0 float32",
        "for seq i in n carrying (a = one then b, b = two then a)",
        "store a y[0] (1, 1) strides (0, 0)",
        "store b y[1] (1, 1) strides (0, 0)",
    ]
    assert evaluate(swap, n, size=2) == wanted


def test_a_carry_without_iterations_has_the_full_shape_of_its_start():
    lines = [
        "z = const 5.0 float32",
        "for seq i in n carrying (a = z then b)",
        "  t = load x[i] (1, 4) strides (0, 1)",
        "  b = add a t",
        "r = reduce add a axis 1",
        "store r y[0] (1, 1) strides (0, 0)",
    ]
    assert evaluate(lines, 0, size=1) == [20]
    assert evaluate(lines, 1, x=[1, 2, 3, 4], size=1) == [30]


@pytest.mark.parametrize("n", [-3, 0, 1])
def test_a_loop_of_extent_0_or_1_is_a_guard(n):
    lines = [
        "for seq guard in n",
        "  t = const 1.0 float32",
        "  store t y[0] (1, 1) strides (0, 0)",
    ]
    assert evaluate(lines, n, size=1) == [1 if n > 0 else 9]


@pytest.mark.parametrize("n", [-1, 0, 2, 4, 7])
def test_invalid_elements_are_filled_and_not_stored(n):
    lines = [
        "t = load x[0] (1, 4) strides (0, 1) valid (all, n) fill 7",
        "store t y[0] (1, 4) strides (0, 1)",
        "store t y[4] (1, 4) strides (0, 1) valid (1, n)",
    ]
    count = min(max(n, 0), 4)
    x = [1, 2, 3, 4]
    assert evaluate(lines, n, x) == [*x[:count], *[7] * (4 - count), *x[:count], *[9] * (4 - count)]


def test_strides_may_be_negative_or_zero():
    lines = [
        "t = load x[3] (2, 4) strides (0, -1)",
        "store t y[0] (2, 4) strides (4, 1)",
    ]
    assert evaluate(lines, x=[1, 2, 3, 4]) == [4, 3, 2, 1] * 2


def test_accumulation_and_broadcast_stores():
    lines = [
        "t = const 1.0 float32",
        "accumulate t y[0] (2, 2) strides (4, 1)",
        "accumulate t y[0] (1, 2) strides (0, 1)",
    ]
    assert evaluate(lines) == [11, 11, 9, 9, 10, 10, 9, 9]


def test_positions():
    lines = [
        "r = iota (2, 4) axis 0",
        "c = iota (1, 4) axis 1",
        "i = index 100 + 2*n",
        "t = mul r i",
        "u = add t c",
        "store u y[0] (2, 4) strides (4, 1)",
    ]
    assert evaluate(lines, 3, dtype="int64") == [0, 1, 2, 3, 106, 107, 108, 109]


@pytest.mark.parametrize(
    ("monoid", "dtype", "wanted"),
    [
        ("add", "int32", [6, -8]),
        ("max", "int32", [5, -1]),
        ("min", "float64", [-1, -7]),
        ("mul", "float32", [-10, 7]),
        ("and", "int64", [0, -7]),
        ("or", "int64", [-1, -1]),
    ],
)
def test_monoids(monoid, dtype, wanted):
    lines = [
        "t = load x[0] (2, 3) strides (3, 1)",
        f"r = reduce {monoid} t axis 1",
        "store r y[0] (2, 1) strides (1, 0)",
    ]
    rows = np.array([[5, 2, -1], [-1, -7, 1]])
    if monoid in ("add", "max"):
        rows[1] = [-1, -1, -6]
    if monoid == "and":
        rows[1] = [-1, -7, -1]
    assert evaluate(lines, x=rows.ravel(), size=2, dtype=dtype) == wanted


def test_float32_products_are_rounded_once_per_step():
    a = np.float32(1 + 2.0**-12)
    lines = [
        "p = load x[0] (1, 1) strides (0, 0)",
        "q = load x[1] (1, 1) strides (0, 0)",
        "s = mma q p p",
        "store s y[0] (1, 1) strides (0, 0)",
    ]
    exact = float(a) * float(a) - float(np.float32(a * a))
    assert exact != 0
    assert evaluate(lines, x=[a, -np.float32(a * a)], size=1) == [exact]


def test_integer_products_wrap_around():
    lines = [
        "p = load x[0] (1, 2) strides (0, 1)",
        "q = load x[0] (2, 1) strides (1, 0)",
        "z = const 1 int32",
        "s = mma z p q",
        "store s y[0] (1, 1) strides (0, 0)",
    ]
    assert evaluate(lines, x=[2**17, 3], size=1, dtype="int32") == [10]


def test_scratch_memory_is_undefined_each_time():
    lines = [
        "for seq i in n",
        "  local s: float32[4]",
        "  t = load s[0] (1, 4) strides (0, 1)",
        "  u = ne t t",
        "  v = cast u float32",
        "  store v y[4*i] (1, 4) strides (0, 1)",
        "  store v s[0] (1, 4) strides (0, 1)",
    ]
    assert evaluate(lines, 2) == [1] * 8


STORE = "store t y[0] (1, 4) strides (0, 1)"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["t = load x[1] (1, 4) strides (0, 1)", STORE], "element 4 of x"),
        (["t = load x[-1] (1, 4) strides (0, 1)", STORE], "element -1 of x"),
        (["t = load x[0] (1, 4) strides (0, 0)", "store t y[6] (1, 4) strides (0, 1)"], "of y"),
        (
            [
                "local s: float32[3]",
                "t = load s[0] (1, 4) strides (0, 1)",
                STORE,
            ],
            "element 3 of s, which has 3",
        ),
        (
            ["t = const 1.0 float32", "accumulate t y[0] (2, 2) strides (1, 1)"],
            "writes an element twice",
        ),
    ],
)
def test_every_access_is_checked(lines, complaint):
    with pytest.raises(IndexBoundsError, match=complaint):
        evaluate(lines, x=[1, 2, 3, 4])


def test_an_index_outside_the_table_is_found():
    table, y = np.zeros(6, np.float32), np.zeros(4, np.float32)
    index = np.array([0, 3], np.int32)
    with pytest.raises(IndexBoundsError, match="t = load table"):
        interpret(samples.GATHER, {"table": table, "index": index, "y": y, "n": 2, "width": 2})


def test_single_tasks_write_their_part_only():
    x, y = np.zeros(200, np.float32), np.zeros(200, np.float32)
    interpret(samples.INCREMENT, {"x": x, "y": y, "n": 200}, [1])
    assert y.nonzero()[0].tolist() == list(range(64, 128))
    with pytest.raises(ArgumentError, match="4 tasks, not task 4"):
        interpret(samples.INCREMENT, {"x": x, "y": y, "n": 200}, [4])


@given(sizes, sizes)
def test_tasks_are_the_product_of_the_grid(m, n):
    assert task_count(samples.GEMM, {"M": m, "N": n, "K": 3}) == -(-m // 8) * -(-n // 16)
    plain = parse_kernel("kernel k()\n  t = const 1.0 float32")
    assert task_count(plain, {}) == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n": None}, "missing or unknown arguments: n"),
        ({"m": 3}, "missing or unknown arguments: m"),
        ({"x": np.zeros(4)}, "buffer x is chainrule.float32, not float64"),
        ({"x": np.zeros((2, 2), np.float32)}, "one-dimensional"),
        ({"x": 4}, "one-dimensional"),
        ({"n": 2.5}, "extent n needs an integer"),
    ],
)
def test_arguments_must_fit(change, complaint):
    arguments = {"x": np.zeros(4, np.float32), "y": np.zeros(4, np.float32), "n": 4} | change
    with pytest.raises(ArgumentError, match=complaint):
        interpret(samples.INCREMENT, {k: v for k, v in arguments.items() if v is not None})


def test_kernels_are_verified_first():
    broken = parse_kernel("kernel k(extent n)\n  t = exp u")
    with pytest.raises(VerifyError, match="tile u is not defined"):
        interpret(broken, {"n": 1})
