"""Kernels as text: golden lines, and exact round trips of random kernels."""

import math
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.kernel import ir
from chainrule.kernel.index import as_index, symbol
from chainrule.kernel.ir import (
    Buffer,
    Carry,
    Extent,
    For,
    Kernel,
    Load,
    Local,
    Map,
    Mma,
    Reduce,
    Scalar,
    Store,
)
from chainrule.kernel.scalar import PRIMITIVES
from chainrule.kernel.text import parse_kernel, parse_statement, print_kernel, print_statement
from tests.kernel import samples

# kernels that need not make sense: text knows no rules but those of syntax
names = st.sampled_from(["a", "b1", "Out_2", "load", "store", "valid", "step", "nan"])
symbols = names | names.map(lambda name: f"{name}.n")
terms = st.tuples(st.integers(-9, 9), st.lists(symbols, max_size=3))


def polynomial(parts):
    total = as_index(0)
    for factor, monomial in parts:
        product = as_index(factor)
        for name in monomial:
            product = product * symbol(name)
        total = total + product
    return total


indices = st.lists(terms, max_size=3).map(polynomial)
element_types = st.sampled_from(dtypes.ALL)
shapes = st.tuples(st.integers(1, 64), st.integers(1, 64))
floats = st.floats(allow_nan=False)
places = st.fixed_dictionaries(
    {
        "buffer": names,
        "at": indices,
        "shape": shapes,
        "strides": st.tuples(indices, indices),
        "valid": st.tuples(st.none() | indices, st.none() | indices),
    }
)
plain = [n for n, p in PRIMITIVES.items() if n not in ("const", "cast", "philox")]
maps = st.one_of(
    st.builds(Map, names, st.sampled_from(plain), st.lists(names, max_size=3).map(tuple)),
    st.builds(
        Map,
        names,
        st.just("const"),
        st.just(()),
        st.tuples(floats | st.integers() | st.booleans(), element_types),
    ),
    st.builds(Map, names, st.just("cast"), st.tuples(names), element_types),
    st.builds(Map, names, st.just("index"), st.just(()), indices),
    st.builds(
        Map,
        names,
        st.just("iota"),
        st.just(()),
        st.tuples(st.integers(1, 99), st.integers(1, 99), st.integers(0, 1)),
    ),
    st.builds(Map, names, st.just("philox"), st.tuples(*[names] * 6), st.integers(0, 3)),
)
monoids = st.sampled_from(["add", "max", "min", "mul", "and", "or"])
simple = st.one_of(
    maps,
    st.builds(
        lambda out, place, lanes, fill: Load(out, **place, lanes=lanes, fill=fill),
        names,
        places,
        st.none() | names,
        floats | st.integers() | st.booleans(),
    ),
    st.builds(
        lambda tile, place, mode: Store(tile, **place, mode=mode),
        names,
        places,
        st.sampled_from(["set", "add"]),
    ),
    st.builds(Reduce, names, monoids, names, st.integers(0, 1)),
    st.builds(Mma, names, names, names, names),
    st.builds(Local, names, element_types, indices),
)
statements = st.recursive(
    simple,
    lambda inner: st.builds(
        For,
        names,
        indices,
        st.lists(inner, max_size=3).map(tuple),
        st.integers(1, 512),
        st.sampled_from(["grid", "seq"]),
        st.lists(st.builds(Carry, names, names, names), max_size=3).map(tuple),
        st.booleans(),
        st.integers(1, 8),
    ),
    max_leaves=10,
)
params = st.one_of(
    st.builds(Buffer, names, element_types, st.booleans()),
    st.builds(Extent, names),
    st.builds(Scalar, names),
)
kernels = st.builds(
    Kernel,
    names,
    st.lists(params, max_size=4).map(tuple),
    st.lists(statements, max_size=6).map(tuple),
)


@given(kernels)
def test_parsing_is_the_inverse_of_printing(kernel):
    text = print_kernel(kernel)
    again = parse_kernel(text)
    assert again == kernel
    assert print_kernel(again) == text  # also where values compare equal: 1, 1.0 and true


@given(statements)
def test_statements_print_on_one_line(node):
    assert "\n" not in print_statement(node)


@pytest.mark.parametrize("kernel", samples.ALL, ids=lambda kernel: kernel.name)
def test_hand_written_kernels_come_back(kernel):
    assert parse_kernel(print_kernel(kernel)) == kernel


def test_the_example_of_the_tile_language_is_exact():
    example = ir.__doc__.partition("at a time):\n\n")[2].partition("\n\n")[0]
    text = textwrap.dedent(example)
    assert print_kernel(parse_kernel(text)) == text


i, ld = symbol("i"), symbol("ld")
GOLDEN = {
    "t = load x[4 + i*ld] (8, 1) strides (ld, 0)": Load(
        "t", "x", 4 + i * ld, (8, 1), (ld, as_index(0))
    ),
    "t = load x[i] (1, 4) strides (0, 1) valid (all, i.n) lanes r fill -inf": Load(
        "t",
        "x",
        i,
        (1, 4),
        (as_index(0), as_index(1)),
        (None, symbol("i.n")),
        "r",
        -math.inf,
    ),
    "accumulate t y[0] (1, 4) strides (0, 1)": Store(
        "t", "y", as_index(0), (1, 4), (as_index(0), as_index(1)), mode="add"
    ),
    "c = const 1e-05 float32": Map("c", "const", (), (np.float64(1e-5), dtypes.float32)),
    "c = const true bool": Map("c", "const", (), (np.True_, dtypes.bool_)),
    "c = const nan float64": Map("c", "const", (), (math.nan, dtypes.float64)),
    "p = philox a b c d e f word 3": Map("p", "philox", tuple("abcdef"), 3),
    "k = iota (8, 1) axis 0": Map("k", "iota", (), (8, 1, 0)),
    "m = reduce max t axis 1": Reduce("m", "max", "t", 1),
    "s = mma acc a b": Mma("s", "acc", "a", "b"),
    "local pb: float32[16*ld]": Local("pb", dtypes.float32, ld * 16),
    "for seq j in i.n step 8 split unroll 2 carrying (m = lo then m1, s = z then s1)": For(
        "j",
        symbol("i.n"),
        (),
        8,
        "seq",
        (Carry("m", "lo", "m1"), Carry("s", "z", "s1")),
        split=True,
        unroll=2,
    ),
}


@pytest.mark.parametrize(("line", "node"), GOLDEN.items(), ids=GOLDEN)
def test_statement_texts(line, node):
    assert print_statement(node) == line
    assert repr(parse_statement(line)) == repr(node).replace("np.float64(1e-05)", "1e-05").replace(
        "np.True_", "True"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must start with"),
        ("kernel k(buffer x)", "not a parameter"),
        ("kernel k(buffer x: float16)", "not a parameter"),
        ("kernel k()\n  t = cast x float16", "unknown dtype"),
        ("kernel k()\n  t = cast", "cannot read"),
        ("kernel k()\n    t = exp x", "wrong indentation"),
        ("kernel k()\n  t = load x[i] (1) strides (0, 1)", "cannot read"),
        ("kernel k()\n  t = load x[i - 1] (1, 4) strides (0, 1)", "is not an index"),
        ("kernel k()\n  t = reduce mean x axis 0", "is not a monoid"),
        ("kernel k()\n  t = const one float32", "cannot read"),
        ("kernel k()\n  t = iota 4 4", "cannot read"),
        ("kernel k()\n  do something", "not a statement"),
    ],
)
def test_what_is_not_a_kernel_is_named(text, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        parse_kernel(text)
