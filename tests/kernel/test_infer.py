"""Types of primitives: what is inferred is what NumPy gives, and nonsense is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base import dtypes
from chainrule.base.errors import VerifyError
from chainrule.kernel.infer import broadcast, map_type, representable
from chainrule.kernel.scalar import PRIMITIVES

ONE = (1, 1)
OPERATIONS = [n for n in PRIMITIVES if n not in ("const", "cast", "philox", "select")]


def accepted(fn, dtype):
    try:
        return map_type(fn, [(dtype, ONE)] * PRIMITIVES[fn].arity, None)
    except VerifyError:
        return None


@pytest.mark.parametrize(("fn", "dtype"), list(itertools.product(OPERATIONS, dtypes.ALL)), ids=str)
def test_the_inferred_dtype_is_that_of_the_numpy_meaning(fn, dtype):
    kind = accepted(fn, dtype)
    if kind is None:
        return
    ins = tuple(np.ones(ONE, dtype.numpy) for _ in range(PRIMITIVES[fn].arity))
    value = PRIMITIVES[fn].numpy(ins, None)
    assert value.dtype == kind[0].numpy
    assert value.shape == kind[1]


def test_kinds_of_operands():
    def kinds(fn):
        return {d.kind for d in dtypes.ALL if accepted(fn, d)}

    assert kinds("exp") == kinds("div") == kinds("pow") == {"float"}
    assert kinds("sub") == kinds("floordiv") == {"int", "float"}
    assert kinds("xor") == {"bool", "int"}
    assert kinds("not") == {"bool"}
    assert kinds("lt") == kinds("max") == {"bool", "int", "float"}


@pytest.mark.parametrize(
    ("fn", "ins", "attr", "complaint"),
    [
        ("add", [dtypes.float32, dtypes.float64], None, "differ in dtype"),
        ("add", [dtypes.float32], None, "takes 2 tiles, not 1"),
        ("exp", [dtypes.int64], None, "not defined for chainrule.int64"),
        ("exp", [dtypes.float32], 3, "takes no attribute"),
        ("select", [dtypes.int64, dtypes.float32, dtypes.float32], None, "condition"),
        ("select", [dtypes.bool_, dtypes.int64, dtypes.float32], None, "differ in dtype"),
        ("cast", [dtypes.int64], "float32", "needs a dtype"),
        ("philox", [dtypes.int32] * 6, 0, "six int64"),
        ("philox", [dtypes.int64] * 6, 4, "words 0 to 3"),
        ("const", [], 1.0, "number, dtype"),
        ("const", [], (0.5, dtypes.int64), "no value 0.5"),
        ("const", [], (256, dtypes.uint8), "no value 256"),
        ("const", [dtypes.int64], (1, dtypes.int64), "takes no tiles"),
        ("index", [], 3, "index expression"),
        ("iota", [], (4, 4), "rows, columns, axis"),
        ("iota", [], (4, 4, 2), "rows, columns, axis"),
        ("sinh", [dtypes.float32], None, "not a primitive"),
    ],
)
def test_nonsense_is_refused(fn, ins, attr, complaint):
    with pytest.raises(VerifyError, match=complaint):
        map_type(fn, [(dtype, ONE) for dtype in ins], attr)


sizes = st.sampled_from([1, 2, 8])
shapes = st.lists(st.tuples(sizes, sizes), min_size=1, max_size=3)


@given(shapes)
def test_broadcasting_is_numpys(parts):
    try:
        wanted = np.broadcast_shapes(*parts)
    except ValueError:
        with pytest.raises(VerifyError, match="do not broadcast"):
            broadcast(parts)
    else:
        assert broadcast(parts) == wanted


def test_which_constants_a_dtype_has():
    assert representable(float("-inf"), dtypes.float32)
    assert not representable(float("-inf"), dtypes.int64)
    assert not representable(float("nan"), dtypes.int32)
    assert representable(2**63 - 1, dtypes.int64)
    assert not representable(2**63, dtypes.int64)
    assert representable(255.0, dtypes.uint8)
    assert not representable(-1, dtypes.uint8)
    assert representable(True, dtypes.bool_)
    assert not representable(2, dtypes.bool_)
