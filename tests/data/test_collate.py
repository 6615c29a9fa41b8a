"""Collating: PyTorch's kinds and dtypes for every kind of sample."""

from __future__ import annotations

from collections import OrderedDict, UserDict, namedtuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import DataError, DTypeError, ShapeError
from chainrule.utils.data import default_collate, default_convert

Point = namedtuple("Point", "x y")  # noqa: PYI024 - what users write

SAMPLES = {
    "floats": lambda _: [1.0, 2.5],
    "ints": lambda _: [1, 2],
    "bools": lambda _: [True, False],
    "strings": lambda _: ["a", "bc"],
    "bytes": lambda _: [b"a", b"bc"],
    "tensors": lambda lib: [lib.ones(2, 3), lib.zeros(2, 3)],
    "scalars": lambda lib: [lib.tensor(3), lib.tensor(4)],
    "arrays": lambda _: [np.arange(3, dtype=np.float32), np.ones(3, np.float32)],
    "numpy scalars": lambda _: [np.float32(1.5), np.float32(2)],
    "numpy bools": lambda _: [np.bool_(True), np.bool_(False)],
    "tuples": lambda lib: [(lib.ones(2), 1), (lib.zeros(2), 2)],
    "lists": lambda _: [[1, 2.0], [3, 4.0]],
    "dicts": lambda _: [{"x": 1, "y": ["a"]}, {"x": 2, "y": ["b"]}],
    "ordered": lambda _: [OrderedDict(b=1.0, a=2), OrderedDict(b=3.0, a=4)],
    "named": lambda lib: [Point(1, lib.ones(1)), Point(2, lib.ones(1))],
    "nested": lambda _: [({"a": [1, (2.0,)]}, "t"), ({"a": [3, (4.0,)]}, "u")],
    "one": lambda lib: [lib.ones(4)],
}


def plain(value):
    """Tensors as (dtype, values), containers with their type's name."""
    if hasattr(value, "dtype"):
        return str(value.dtype).rpartition(".")[2], value.tolist()
    if isinstance(value, dict):
        return type(value).__name__, {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


@pytest.mark.oracle
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("function", ["default_collate", "default_convert"])
def test_batches_are_pytorchs(name, function):
    import torch

    ours = getattr(cr.utils.data, function)(SAMPLES[name](cr))
    theirs = getattr(torch.utils.data, function)(SAMPLES[name](torch))
    assert plain(ours) == plain(theirs)


def test_known_batches():
    batch = default_collate(SAMPLES["nested"](cr))
    assert plain(batch) == (
        "list",
        [
            ("dict", {"a": ("list", [("int64", [1, 3]), ("list", [("float64", [2.0, 4.0])])])}),
            ("tuple", ["t", "u"]),
        ],
    )
    assert plain(default_convert({"a": np.ones(2), "b": 3})) == (
        "dict",
        {"a": ("float64", [1.0, 1.0]), "b": 3},
    )


def test_gradients_go_through_a_batch():
    w = cr.ones(2, requires_grad=True)
    default_collate([w * 2, w * 3]).sum().backward()
    assert w.grad.tolist() == [5.0, 5.0]


def test_containers_that_cannot_be_made_again():
    class Odd(UserDict):
        def __init__(self, a, b):
            super().__init__({"a": a, "b": b})

    assert default_collate([Odd(1, 2), Odd(3, 4)])["b"].tolist() == [2, 4]


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([object()], TypeError, "collate_fn"),
        ([None], TypeError, "NoneType"),
        ([np.ones(2), np.ones(3)], ShapeError, r"(?s)\(2,\), \(3,\).*pad"),
        ([[1], [1, 2]], DataError, r"different lengths \[1, 2\]"),
        ([np.ones(2, np.complex64)], DTypeError, "complex64"),
    ],
)
def test_what_is_refused(batch, error, text):
    with pytest.raises(error, match=text):
        default_collate(batch)
