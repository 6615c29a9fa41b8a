"""Each rule of the tile language, broken by one kernel."""

import re

import pytest

from chainrule.base.dtypes import bool_, float32, float64, int64
from chainrule.base.errors import VerifyError
from chainrule.kernel.index import as_index
from chainrule.kernel.ir import Buffer, Kernel, Load, Map
from chainrule.kernel.text import parse_kernel
from chainrule.kernel.verify import tile_types, verify
from tests.kernel import samples

HEAD = "kernel k(buffer x: float32, buffer p: int64, buffer y: float32 written, extent n, scalar a)"
DONE = "store t y[0] (1, 4) strides (0, 1)"
LOAD = "t = load x[0] (1, 4) strides (0, 1)"


def kernel(*lines):
    """A kernel with three buffers from lines whose leading `.` are levels of indentation."""
    text = [HEAD]
    for line in lines:
        content = line.lstrip(".")
        text.append("  " * (1 + len(line) - len(content)) + content)
    return parse_kernel("\n".join(text))


@pytest.mark.parametrize("sample", samples.ALL, ids=lambda sample: sample.name)
def test_hand_written_kernels_pass(sample):
    verify(sample)


def test_types_of_tiles():
    types = tile_types(samples.GEMM)
    assert types["alpha"] == (float64, (1, 1))
    assert types["scale"] == (float32, (1, 1))
    assert types["tb"] == (float32, (4, 16))
    assert types["ak"] == (float32, (4, 1))
    assert types["acc"] == types["sum"] == types["w"] == (float32, (4, 16))
    types = tile_types(samples.GATHER)
    assert types["rows"] == (int64, (4, 1))


def test_a_carried_tile_widens_through_a_chain():
    found = tile_types(
        kernel(
            LOAD,
            "z = const 0.0 float32",
            "for seq i in n carrying (c = z then d, d1 = z then t)",
            ".d = add c d1",
            "e = gt c d1",
            DONE,
        )
    )
    assert found["c"] == found["d1"] == (float32, (1, 4))
    assert found["e"] == (bool_, (1, 4))


def test_loops_side_by_side_share_a_variable():
    verify(
        kernel(LOAD, "for seq i in n", ".u = index i", "for seq i in n", ".v = index i + i.n", DONE)
    )


BROKEN = {
    # names
    "t is defined twice": [LOAD, LOAD, DONE],
    "the name n is defined twice": [LOAD, "n = exp t", DONE],
    "the name i is defined twice": [LOAD, "for seq i in n", "i = exp t", DONE],
    "tile u is not defined": [LOAD, "v = exp u", DONE],
    "tile u is out of scope here": [LOAD, "for seq i in n", ".u = exp t", "v = exp u", DONE],
    "s is not a buffer or local visible here": [
        LOAD,
        "for seq i in n",
        ".local s: float32[4]",
        "u = load s[0] (1, 4) strides (0, 1)",
        DONE,
    ],
    "loop variable i hides another name": [LOAD, "for seq i in n", ".for seq i in n", DONE],
    "loop variable x hides another name": [LOAD, "for seq x in n", DONE],
    # index expressions
    "index symbol m is not defined here": ["t = load x[m] (1, 4) strides (0, 1)", DONE],
    "index symbol i is not defined here": [LOAD, "for seq i in n", "u = index i", DONE],
    "index symbol i.n is not defined here": [LOAD, "u = index i.n", DONE],
    "index symbol a is a (1, 1) tile of chainrule.float64": [LOAD, "u = index a", DONE],
    "index symbol u is a (1, 4) tile of chainrule.int64": [
        LOAD,
        "u = iota (1, 4) axis 1",
        "for seq i in u",
        DONE,
    ],
    "index symbol q is not defined": ["t = load x[0] (1, 4) strides (0, 1) valid (all, q)", DONE],
    # dtypes and shapes
    "operands of add differ in dtype": [LOAD, "u = const 1 int64", "v = add t u", DONE],
    "do not broadcast": [LOAD, "u = iota (1, 8) axis 1", "w = cast u float32", "v = add t w", DONE],
    "not a primitive": [LOAD, "u = sinh t", DONE],
    "empty shape (1, 0)": [LOAD, "u = iota (1, 0) axis 1", DONE],
    "the shape (0, 4) is empty": ["t = load x[0] (0, 4) strides (0, 1)", DONE],
    "lanes t are of chainrule.float32": [
        LOAD,
        "u = load x[0] (1, 4) strides (0, 0) lanes t",
        DONE,
    ],
    "lanes q of shape (1, 8) does not broadcast to (1, 4)": [
        "q = iota (1, 8) axis 1",
        "t = load x[0] (1, 4) strides (0, 0) lanes q",
        DONE,
    ],
    "no value -inf to fill with": ["q = load p[0] (1, 1) strides (0, 0) fill -inf", LOAD, DONE],
    "and is not defined for chainrule.float32": [LOAD, "u = reduce and t axis 1", DONE],
    "the inner sizes differ": [LOAD, "z = const 0.0 float32", "u = mma z t t", DONE],
    "no product of": [
        LOAD,
        "q = load p[0] (4, 1) strides (1, 0)",
        "z = const 0.0 float32",
        "u = mma z t q",
        DONE,
    ],
    "tile z of shape (2, 1) does not broadcast to (1, 4)": [
        LOAD,
        "o = load x[0] (1, 1) strides (0, 0)",
        "z = load x[0] (2, 1) strides (1, 0)",
        "u = mma z o t",
        DONE,
    ],
    # stores and locals
    "buffer x is not marked written": [LOAD, DONE, "store t x[0] (1, 4) strides (0, 1)"],
    "buffer y is marked written but has no store": [LOAD],
    "tile q is of chainrule.int64, y of chainrule.float32": [
        "q = const 1 int64",
        "store q y[0] (1, 1) strides (0, 0)",
    ],
    "tile t of shape (1, 4) does not broadcast to (1, 8)": [
        LOAD,
        "store t y[0] (1, 8) strides (0, 1)",
    ],
    "n is not a buffer": [LOAD, "store t n[0] (1, 4) strides (0, 1)"],
    "bool values do not accumulate": [
        LOAD,
        DONE,
        "local s: bool[4]",
        "b = gt t t",
        "accumulate b s[0] (1, 4) strides (0, 1)",
    ],
    "the size depends on i, which is not an extent": [
        LOAD,
        DONE,
        "for seq i in n",
        ".local s: float32[4*i]",
    ],
    "the size is 0": [LOAD, DONE, "local s: float32[0]"],
    # loops
    "a grid loop stands alone": [LOAD, DONE, "for grid i in n"],
    "a grid loop stands alone, outermost or": ["for seq j in n", ".for grid i in n"],
    "a grid loop stands alone, outermost": ["for grid j in n", f".{LOAD}", ".for grid i in n"],
    "no carries, no unroll": ["for grid j in n unroll 2"],
    "step 0 and unroll 1": [LOAD, DONE, "for seq j in n step 0"],
    "c starts as chainrule.float32 and continues as chainrule.bool": [
        LOAD,
        "for seq j in n carrying (c = t then u)",
        ".u = gt c c",
        DONE,
    ],
    "tile w is not defined": [LOAD, "for seq j in n carrying (c = t then w)", DONE],
    "tile w is out of scope": [
        LOAD,
        "for seq j in n carrying (c = t then w)",
        ".for seq k in n",
        "..w = exp c",
        DONE,
    ],
    "the name t is defined twice": [LOAD, "for seq j in n carrying (t = t then t)", DONE],
}


@pytest.mark.parametrize(("complaint", "lines"), BROKEN.items(), ids=BROKEN)
def test_a_broken_rule_is_named(complaint, lines):
    with pytest.raises(VerifyError, match=re.escape(complaint)) as caught:
        verify(kernel(*lines))
    assert str(caught.value).startswith("kernel k: ")


def test_the_message_quotes_the_innermost_statement():
    broken = kernel("for grid i in n", ".for seq j in n", f"..{LOAD}", "..v = exp u", f"..{DONE}")
    with pytest.raises(VerifyError, match=re.escape("kernel k: `v = exp u`: tile u is not")):
        verify(broken)


@pytest.mark.parametrize("name", ["", "a b", "i.n", "2x"])
def test_names_are_identifiers(name):
    zero = as_index(0)
    bad = Kernel("k", (Buffer("x", float32),), (Map(name, "const", (), (0.0, float32)),))
    with pytest.raises(VerifyError, match="is not a name"):
        verify(bad)
    load = Load("t", "x", zero, (1, 1), (zero, zero))
    with pytest.raises(VerifyError, match=r"parameters: .* is not a name"):
        verify(Kernel("k", (Buffer("x", float32), Buffer(name, float32)), (load,)))
