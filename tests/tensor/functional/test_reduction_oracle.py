"""Reductions, running totals, norms, sorting are PyTorch's: values, gradients; also compiled."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from tests.tensor.functional.oracle import A, agree, compiled_agrees, method

oracle = pytest.mark.oracle
C = (2, 3, 4)
NAN = "lib.where(x > 1, float('nan'), x)"

REDUCED = [
    *[
        method(f"x.{fn}({args})", C)
        for fn in ("var", "std")
        for args in (
            "",
            "1",
            "(0, 2), keepdim=True",
            "-1, correction=0",
            "1, False",
            "correction=2",
        )
    ],
    method("lib.var_mean(x, 1, keepdim=True)", C),
    method("lib.std_mean(x, (0, 1), correction=0)", C),
    method("lib.std(x * 0 + 1.5, 1)", A),
    *[method(f"x.prod({args})", C) for args in ("", "1", "2, keepdim=True")],
    method("(x * (x.detach() > 0)).prod(1)", (3, 5)),
    method("lib.prod(lib.tensor([2, 3, 4]))"),
    *[method(f"lib.linalg.vector_norm(x, {p})", C) for p in (0, 1, 2, 3, 0.5, "float('inf')")],
    method("lib.linalg.vector_norm(x, -float('inf'), (0, 2), keepdim=True)", C),
    *[
        method(f"lib.linalg.matrix_norm(x, {p})", C)
        for p in ("'fro'", 1, -1, "float('inf')", "-float('inf')")
    ],
    method("lib.linalg.norm(x)", C),
    method("lib.linalg.norm(x, 1, dim=0)", C),
    method("lib.linalg.norm(x, 'fro', dim=(0, 1), keepdim=True)", C),
    method("lib.norm(x, 2.5, 1)", C),
    method("lib.norm(x, p='fro', dim=(0, 1)) + lib.norm(x * 0, dim=0).sum()", A),
    method("(x > 0).all((0, 2)) | (x > 1.5).any(1).any(1)[0]", C),
    method("lib.tensor([1, 0], dtype=lib.uint8).any()"),
    method("lib.count_nonzero(x > 0, 1)", A),
    method("lib.aminmax(x, dim=1)", A),
    method("x.aminmax(dim=0, keepdim=True)[1]", A),
    method("lib.amin(t(3, 1, 2), 0) + t(3, -1, 2).argmin()"),
    method("lib.tensor([3, 0, 2], dtype=lib.uint8).argmin() + (x > 0).max(1)[1]", A),
    method(f"lib.nansum({NAN}, 1)", A),
    method(f"lib.nanmean({NAN}, 1)", A),
]
RUNNING = [
    method("x.cumsum(1)", A),
    method("lib.cumsum(x, 0)", C),
    method("lib.cumsum(x, -1)", (2, 70)),
    method("lib.cumsum(t(1, 2, 3) > 1, 0)"),
    method("x.cumprod(1)", A),
    method("(x * (x.detach() > 0)).cumprod(1)", (3, 5)),
    method("lib.cumprod(x, 1)", (2, 40), low=0.9, high=1.1),
    method("lib.logcumsumexp(x, 1)", C),
    method("lib.logcumsumexp(x * 400, 1)", (2, 40)),
    method("lib.cummax(x, 1)", (3, 20)),
    method("lib.cummin(x, 0)", C),
    method("lib.cummin(t(3, 1, 1, 2), 0)"),
    method("lib.diff(x)", A),
    method("lib.diff(x, 2, 0)", A),
    method("x.diff(dim=1, prepend=x[:, :1], append=x[:, 2:])", A),
    method("lib.diff(x > 0)", A),
]
SORTED = [
    method("x.sort()", C),
    method("lib.sort(x, 0, descending=True)", C),
    method("lib.sort(t(3, 1, 3, 2, 1), stable=True)"),
    method("lib.sort(t(3, 1, 3, 2, 1), descending=True, stable=True)"),
    method(f"lib.sort({NAN}, 1)[0]", A),
    method("x.argsort(1, descending=True)", C),
    method("lib.msort(x)", A),
    method("lib.argsort(x > 0, stable=True)", A),
    method("x.topk(2)", C),
    method("lib.topk(x, 3, 0, largest=False)", (5, 4)),
    method("lib.topk(x, 5)", (2, 300)),
    method("lib.topk(x, 0).values", A),
    method("x.kthvalue(2)", C),
    method("lib.kthvalue(x, 1, 0, True)", C),
    method("x.median() + lib.median(x, 1).values.sum()", C),
    method("lib.median(x, 0, keepdim=True)", C),
    method(f"lib.median({NAN}, 1)[0]", A),
    method(f"lib.nanmedian({NAN}, 1)", A),
    method(f"lib.nanmedian({NAN})", A),
    method("lib.mode(x)", C),
    method("lib.mode(lib.tensor([[2, 1, 2, 1], [3, 3, 0, 3]]), 1)"),
    method("(x > 0).mode(0, True)", (5, 4)),
    method("lib.quantile(x, 0.3)", A),
    method("lib.quantile(x, lib.tensor([0.1, 0.5, 1.0], dtype=x.dtype), dim=1)", C),
    method("lib.quantile(x, lib.tensor([0.1, 0.5], dtype=x.dtype), dim=0, keepdim=True)", C),
    *[
        method(f"x.quantile(0.37, 1, interpolation='{way}')", (3, 6))
        for way in ("lower", "higher", "midpoint", "nearest")
    ],
    method(f"lib.nanquantile({NAN}, 0.6, 1)", A),
    method(f"lib.quantile({NAN}, 0.6, 1)", A),
    method("lib.searchsorted(x.sort(1)[0].detach(), y)", (3, 6), A),
    method("lib.searchsorted(t(1, 3, 5, 5), t(5, 0, 3), right=True)"),
    method("lib.searchsorted(t(1, 3, 5, 5), t(5, 0, 3), side='left', out_int32=True)"),
    method("lib.bucketize(x, lib.tensor([-1.0, 0.0, 1.0], dtype=x.dtype))", A),
    method("lib.isin(t(1, 2, 3), t(3, 1)) & ~lib.isin(t(1, 2, 3), t(3), invert=True)"),
    method("lib.histc(x.detach(), 5, -1, 1)", C),
    method("lib.histc(x.detach(), 4)", C),
]
EAGER = [
    method("lib.unique(t(3, 1, 3, 2))"),
    method("lib.unique(t(3, 1, 3, 2), return_inverse=True, return_counts=True)"),
    method("lib.unique(x > 0, dim=0, return_inverse=True)", (5, 2)),
    method("lib.unique_consecutive(t(1, 1, 2, 1), return_inverse=True, return_counts=True)"),
    method("lib.tensor([[1, 1, 2], [1, 1, 2]]).unique_consecutive(dim=1)"),
]
CASES = REDUCED + RUNNING + SORTED + EAGER


@oracle
@pytest.mark.parametrize(("call", "shapes", "low", "high"), CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)


@pytest.mark.parametrize("cases", [REDUCED, RUNNING, SORTED], ids=["reduced", "running", "sorted"])
def test_compiled_they_are_the_same(cases):
    compiled_agrees(cases)


@pytest.mark.parametrize("fn", [cr.unique, cr.unique_consecutive])
def test_what_depends_on_values_is_eager_only(fn):
    with pytest.raises(TraceError, match="number of results depends on values"):
        cr.compile(fn)(cr.tensor([1, 1, 2]))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("length", [37, 3001])
def test_rows_with_ties_and_nan_are_sorted_alike(length, descending):
    x = np.random.default_rng(0).integers(0, 9, (3, length)).astype("f")
    x[1, ::5], x[1, 1::5], x[2] = np.nan, np.inf, np.nan if not descending else -np.inf
    whole = cr.tensor(x)
    fn = lambda x: cr.sort(x, -1, descending)  # noqa: E731
    for one, other in zip(cr.compile(fn)(whole), fn(whole), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_out_takes_each_of_two_results():
    values, indices = cr.empty(0), cr.empty(0, dtype=cr.int64)
    cr.sort(cr.tensor([3.0, 1.0]), out=(values, indices))
    assert (values.tolist(), indices.tolist()) == ([1.0, 3.0], [1, 0])
    assert cr.cumsum(cr.tensor([1.0, 2.0]), 0, out=values) is values
    assert values.tolist() == [1.0, 3.0]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_no_elements(shape):
    x = cr.zeros(shape)
    assert cr.cumsum(x, 0).shape == shape
    assert cr.sort(x, 0).indices.shape == shape
    assert x.prod().item() == 1.0
    assert np.isnan(x.var().item())
    assert x.norm().item() == 0.0
    assert x.median().isnan().item()


def test_wrong_calls_say_what_fits():
    x = cr.ones(2, 3)
    with pytest.raises(ShapeError, match="topk needs"):
        cr.topk(x, 4)
    with pytest.raises(ArgumentError, match="kthvalue needs"):
        cr.kthvalue(x, 0)
    with pytest.raises(ArgumentError, match="matrix norms are"):
        cr.linalg.matrix_norm(x, 3)
    with pytest.raises(ArgumentError, match="interpolation"):
        cr.quantile(x, 0.5, interpolation="cubic")
    with pytest.raises(ShapeError, match="rows of"):
        cr.searchsorted(x, cr.ones(3, 3))
    with pytest.raises(ArgumentError, match="both"):
        cr.var(x, 0, unbiased=True, correction=0)
