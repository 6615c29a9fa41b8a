"""Reading and writing by index, masks, counts and bags, against PyTorch."""

from __future__ import annotations

import pytest

from tests.tensor.functional.oracle import agree, both_refuse, compiled_agrees, method, turned

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::UserWarning")]

M, V, B = (3, 4), (4,), (2, 3, 4)
ROWS = "t([[0, 1, 2, 0], [2, 2, 0, 1], [0, 2, 2, 0]])"  # along axis 0 of a (3, 4)
COLUMNS = "t([[3, 1, 0], [2, 3, 1], [0, 1, 2]])"  # along axis 1, no place twice
REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")
CASES = [
    method(f"lib.gather(x, 0, {ROWS}) + x.gather(0, {ROWS})", M),
    method(f"x.gather(1, {COLUMNS})", M),
    method("x.gather(-1, t([[[3], [0], [1]], [[0], [0], [2]]])).squeeze(-1)", B),
    method("x.gather(0, t(2, 2, 1))", V),
    method("x.gather(0, lib.zeros(0, 4, dtype=lib.int64))", M),
    method("x.take(t([[0, -1], [5, 5]])) + lib.take(x, t(3))", M),
    method(f"lib.take_along_dim(x, {ROWS}, 0)", M),
    method("lib.take_along_dim(x, t([[0], [3], [1]]), dim=1)", M),
    method("x.contiguous().take_along_dim(t(7, 0))", M),
    method("lib.index_select(x, 0, t(2, 0, 2)) + x.index_select(-2, t(2, 0, 2))", M),
    method("lib.masked_select(x, x > 0), x.masked_select(t(1, 0, 0, 1) > 0)", M),
    method("lib.nonzero(x > 0), (x > 0).nonzero(as_tuple=True), lib.argwhere(x > 1)", M),
    method("lib.where(x > 0), x.where(x > 0, y), lib.where(x > 0, x, 0.0), lib.where(x > 0, 1, y)",
           M, V),
    method("lib.bincount(t(0, 3, 3, 1)), t(2, 2).bincount(minlength=5)"),
    method("lib.bincount(t(0, 3, 3, 1), x.detach())", V),
    method("F.one_hot(t([[0, 2], [1, 1]]), 4)"),
    method("lib.masked_fill(x, x > 0, 2.5) + x.masked_fill(t(1, 0, 1, 0) > 0, y)", M, ()),
    method("lib.masked_scatter(x, y > 0, z)", M, V, (12,)),
    method("x.clone().masked_scatter_(y > 0, z)", M, V, (3, 4)),
    method(f"lib.scatter(x, 1, {COLUMNS}, y)", M, (3, 3)),
    method(f"x.scatter(1, {COLUMNS}, y) + x.scatter(1, {COLUMNS}, value=2.5)", M, (3, 3)),
    method(f"x.clone().scatter_(1, {COLUMNS}, 1.5)", M),
    method("x.scatter(0, t(3, 0), y)", V, (2,)),
    method(f"x.detach().scatter(0, {ROWS}, y.detach(), reduce='add')", M, M),
    method(f"x.detach().clone().scatter_(1, {COLUMNS}, 3.0, reduce='multiply')", M),
    method(f"lib.scatter_add(x, 0, {ROWS}, y) + x.clone().scatter_add_(0, {ROWS}, y)", M, M),
    *[
        method(f"lib.scatter_reduce(x, 0, {ROWS}, y, {r!r}, include_self={s})", M, M)
        for r in REDUCTIONS for s in (True, False)
    ],
    method(f"x.clone().scatter_reduce_(0, {ROWS}, y, 'amax')", M, M),
    method(f"(x * 9).long().scatter_reduce(0, {ROWS}, (y * 9).long(), 'amin', include_self=False)",
           M, M),
    method("lib.index_add(x, 1, t(2, 0, 2), y, alpha=2)", M, (3, 3)),
    method("x.clone().index_add_(0, t(1), y)", V, (1,)),
    method("lib.index_copy(x, 0, t(2, 0), y) + x.clone().index_copy_(0, t(2, 0), y)", M, (2, 4)),
    method("lib.index_fill(x, 1, t(2, -4), 1.5) + x.clone().index_fill_(0, t(1), -1.5)", M),
    *[
        method(f"x.index_reduce(0, t(2, 0, 2), y, {r!r}, include_self={s})", M, M)
        for r in REDUCTIONS[1:] for s in (True, False)
    ],
    method("lib.index_reduce(x, 1, t(0), y, 'amax')", M, (3, 1)),
    method("lib.select_scatter(x, y, 1, -1) + x.select_scatter(y, 1, 0)", M, (3,)),
    method("lib.slice_scatter(x, y, 1, 0, 4, 2) + x.slice_scatter(y, 1, 1, None, 2)", M, (3, 2)),
    method("lib.diagonal_scatter(x, y, 1) + x.diagonal_scatter(y, -1)[0]", (4, 4), (3,)),
    method("x.index_put((t(0, 2), t(1, -1)), y) + lib.index_put(x, (t(0, 2),), y[0])", M, (2,)),
    method("x.clone().index_put_((t(0, 2, 0), t(1, 1, 1)), y, accumulate=True)", M, (3,)),
    *[
        method(f"F.embedding(t([[0, 2, 2], [1, 2, 0]]), x{a})", M)
        for a in ("", ", 2", ", -1", ", scale_grad_by_freq=True")
    ],
    *[
        method(f"F.embedding_bag(t([[0, 2, 2], [1, 2, 0]]), x, mode={m!r}{a})", M)
        for m in ("sum", "mean") for a in ("", ", padding_idx=2")
    ],
    *[
        method(f"F.embedding_bag(t(0, 2, 1, 1, 0), x, t(0, 3, 3), mode={m!r}{a})", M)
        for m in ("sum", "mean", "max") for a in ("", ", padding_idx=0")
    ],
    method("F.embedding_bag(t(0, 2, 1), x, t(0, 1, 3), include_last_offset=True)", M),
    method("F.embedding_bag(t([[0, 2], [1, 2]]), x, per_sample_weights=y, mode='sum')", M, (2, 2)),
]  # fmt: skip
EAGER_ONLY = ("masked_s", "nonzero", "bincount", "lib.where(x > 0),", "max', padding")
REFUSED = [
    method("x.gather(0, t([[3, 0, 0, 0]]))", M),
    method("x.gather(0, t([[-1, 0, 0, 0]]))", M),
    method("x.gather(0, t(1, 1))", M),
    method("x.gather(1, t([[0]] * 4))", M),
    method("x.gather(0, x)", M),
    method("x.take(t(12))", M),
    method("x.scatter(0, t([[3, 0, 0, 0]]), 1.0)", M),
    method("x.scatter(1, t([[0, 1]]), y)", M, (1, 1)),
    method("x.scatter(1, t([[0, 1]]), 1.0, reduce='mean')", M),
    method("x.scatter_reduce(1, t([[0, 1]]), y, 'median')", M, (1, 2)),
    method("x.index_add(0, t(0, 1), y)", M, (1, 4)),
    method("x.index_add(0, t(0, 3), y)", M, (2, 4)),
    method("x.index_copy(1, t(0), y)", M, (3, 2)),
    method("x.index_fill(1, t(4), 1.0)", M),
    method("x.index_select(0, t(3))", M),
    method("x.masked_scatter(x > -9, y)", M, V),
    method("x.bincount()", V),
    method("t(-1).bincount()"),
    method("x.select_scatter(y, 0, 0)", M, (3,)),
    method("F.embedding(t(3), x)", M),
    method("F.embedding_bag(t(0), x)", M),
    method("F.embedding_bag(t(0, 1), x, t(1), mode='sum')", M),
    method("F.embedding_bag(t([[0, 1]]), x, mode='median')", M),
    method("F.embedding_bag(t([[0, 1]]), x, per_sample_weights=y)", M, (1, 2)),
    method("x[t(3)]", M),
    method("x[:, t(0, 4)]", M),
    method("x[x > 0, 0]", M),
    method("x[lib.ones(2) > 0]", M),
]
EVERY = "call", "shapes", "low", "high"


@pytest.mark.parametrize(EVERY, CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)
    agree(turned(call), [s[::-1] for s in shapes], low, high)


def test_compiled():
    compiled_agrees([c for c in CASES if not any(name in c.id for name in EAGER_ONLY)])


@pytest.mark.parametrize(EVERY, REFUSED)
def test_errors(call, shapes, low, high):
    both_refuse(call, shapes, low, high)
