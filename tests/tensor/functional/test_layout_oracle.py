"""Reordering, repeating, joining, cutting, diagonals and padding, against PyTorch."""

from __future__ import annotations

import pytest

from tests.tensor.functional.oracle import agree, both_refuse, compiled_agrees, method, turned

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

M, V, B = (3, 4), (4,), (2, 3, 4)
CASES = [
    *[method(f"lib.tril(x, {k})", B) for k in (-4, -1, 0, 2)],
    *[method(f"x.triu(diagonal={k})", M) for k in (-4, -1, 0, 2)],
    *[method(f"lib.{n}_indices({a})") for n in ("tril", "triu")
      for a in ("3, 4", "4, 2, -1", "0, 3")],
    *[
        method(f"lib.roll(x, {a})", B)
        for a in ("1", "(1, -2)[:1]", "1, 0", "-2, -1", "(1, 2), (0, 2)", "(5, 3), dims=(1, 1)")
    ],
    method("x.roll(0, 1)", M),
    method("x.roll(1, 1)", (0, 3)),
    method("x.flip(0, 2)", B),
    method("lib.fliplr(x) + x.flipud()", M),
    *[method(f"lib.rot90(x, {k})", M) for k in (0, 1, 2, 3, -1, 6)],
    method("x.rot90(1, [2, 0])", B),
    *[method(f"x.repeat({a})", M) for a in ("2, 1", "(1, 3)", "2, 1, 2", "0, 1", "1, 1")],
    *[method(f"lib.tile(x, ({a}))", M) for a in ("2,", "2, 3", "2, 1, 1")],
    method("x.tile(2)", M),
    *[method(f"lib.repeat_interleave(x, {a})", M) for a in ("2", "3, 0", "2, dim=1", "0, 1")],
    method("x.repeat_interleave(2, -1)", B),
    *[method(f"x.expand({a})", (3, 1))
      for a in ("3, 4", "(2, 3, 4)", "-1, 4", "2, -1, -1", "3, 0")],
    method("x.expand_as(y) * y", (3, 1), M),
    method("x.view_as(y) * y", (12,), M),
    method("x.reshape_as(y) * y", (4, 3), M),
    method("lib.broadcast_to(x, (3, 4)) + x.broadcast_to((3, 4))", V),
    method("lib.broadcast_tensors(x, y)", (3, 1), V),
    method("list(lib.broadcast_shapes((3, 1), (4,), 1))"),
    *[method(f"lib.stack([x, y], {d})", M, M) for d in (0, 1, -1)],
    *[method(f"lib.{n}([x, y])", s, s) for n in ("hstack", "vstack", "dstack", "column_stack")
      for s in (V, M, B)],
    method("lib.row_stack([x, y])", V, M),
    method("lib.hstack((x, y))", (), ()),
    method("lib.concat([x, y.float()], dim=1) + lib.concatenate([x, y], 1)", M, M),
    method("lib.cat([x, lib.zeros(0, dtype=lib.float64), y])", M, M),
    method("lib.split(x, [1, 2], 0)", M),
    method("x.split(3, -1)", M),
    method("lib.split_with_sizes(x, [1, 3], 1)", M),
    *[method(f"lib.tensor_split(x, {a})", M)
      for a in ("2", "5", "(1, 2)", "[2, 1], 1", "3, 1", "(-1,), 1", "(1, 9)")],
    method("x.tensor_split(lib.tensor([1, 3]), dim=1)", M),
    method("lib.hsplit(x, 2) + lib.hsplit(y, [1]) + x.hsplit(4)", M, V),
    method("lib.vsplit(x, 3) + lib.dsplit(y, 2)", M, B),
    *[method(f"lib.chunk(x, {a})", M) for a in ("2", "5", "3, 1", "4, -1")],
    method("lib.unbind(x) + x.unbind(-1)", M),
    *[method(f"x.squeeze({a})", (1, 3, 1)) for a in ("", "0", "1", "-1", "(0, 1)", "(0, 2)")],
    *[method(f"lib.unsqueeze(x, {d})", M) for d in (0, 1, -1, 2)],
    *[method(f"lib.movedim(x, {a})", B)
      for a in ("0, 2", "-1, 0", "(0, 1), (2, 0)", "(2, 0), (0, 1)")],
    method("lib.moveaxis(x, 2, 0) + x.moveaxis(-1, 0) + x.movedim(2, 0)", B),
    method("lib.swapaxes(x, 0, 2) + x.swapdims(0, -1) + lib.swapdims(x, 0, 2)", B),
    method("x.T + x.t() + x.mT + x.mH + x.H", M),
    method("x.mT.contiguous() + x.mH", B),
    *[method(f"x.unfold({a})", B)
      for a in ("2, 2, 1", "1, 3, 1", "-1, 2, 2", "2, 3, 2", "0, 1, 3", "1, 0, 1")],
    method("lib.meshgrid(x, y, indexing='ij') + lib.meshgrid(x, y, indexing='xy')", (3,), V),
    method("lib.meshgrid([x, y, z], indexing='xy')", (3,), V, (2,)),
    method("lib.cartesian_prod(x, y) + lib.cartesian_prod(x, y)", (3,), V),
    method("lib.cartesian_prod(x)", (3,)),
    *[method(f"lib.combinations(x{a})", V) for a in ("", ", 3", ", 2, True", ", 1", ", 5")],
    *[method(f"lib.atleast_{n}d(x)", s) for n in (1, 2, 3) for s in ((), V, M, B)],
    method("lib.atleast_2d(x, y)", (), V),
    *[method(f"lib.flatten(x{a})", B) for a in ("", ", 1", ", 0, 1", ", -2, -1")],
    method("x.flatten() + lib.flatten(x, 0, 0)", ()),
    method("lib.ravel(x) + x.ravel()", B),
    *[method(f"x.unflatten({a})", (2, 6)) for a in ("1, (2, 3)", "-1, (-1, 2)", "0, (2, 1)")],
    *[method(f"lib.diag(x{a})", s) for a in ("", ", 1", ", -2", ", 9")[:3] for s in (V, M)],
    method("x.diag(-3)", M),
    *[method(f"lib.diagonal(x, {a})", B)
      for a in ("0", "1", "-1", "0, 0, 2", "1, -1, -2", "-1, 2, 0", "7")],
    *[method(f"lib.diag_embed(x, {a})", M)
      for a in ("0", "1", "-2", "0, 0, 2", "1, 2, 0", "0, -1, 0")],
    method("lib.diagflat(x, 1)", (2, 2)),
    method("lib.trace(x) + x.trace()", M),
    method("lib.block_diag(x, y, z)", (2, 3), (1, 2), ()),
    *[method(f"F.pad(x, {a})", B) for a in (
        "(1, 2)", "(0, 0, 1, 1)", "(-1, 2, 1, -1)", "(1, 1), value=2.5", "[1, 0, 0, 1, 2, 2]", "()",
    )],
    *[method(f"F.pad(x, {p}, mode={m!r})", B) for m in ("reflect", "replicate", "circular")
      for p in ("(1, 2)", "(2, 1, 1, 0)", "(-1, 1)", "(0, 0)")],
    method("F.pad(x, (5, 6), 'replicate')", M),
    method("F.pad(x, (1, 1, 2, 0, 1, 1), 'replicate')", (1, 2, 2, 3, 2)),
    method("x.new_zeros(2, 3) + x.new_ones((2, 3)) + x.new_full((2, 3), 2.5)", M),
    method("x.new_tensor([1, 2]), x.new_empty(0), x.new_zeros(size=(2,), dtype=lib.int64)", M),
    method("(x.size(-1), x.dim(), x.ndim, x.numel(), x.nelement(), x.storage_offset(), "
         "x.element_size())", (3, 4)),
    method("lib.clone(x) + x.narrow_copy(0, 0, 3) + lib.narrow_copy(x, 1, 0, 4)", M),
    method("lib.detach(x), lib.is_same_size(x, x.mT), x.is_same_size(x)", M),
    method("lib.adjoint(x) + x.adjoint() + x.real.mT", M),
    method("x.sum_to_size(1, 4), x.sum_to_size(4), x.sum_to_size(2, 3, 1)", B),
    method("lib.put(x, t([[0, -1], [3, 5]]), y), x.clone().put_(t(0), lib.tensor([9.0]).double())",
           M, (4,)),
    method("x.put(t(0, 3, 0), y, accumulate=True)", M, (3,)),
    method("lib.unravel_index(t(0, 5, 11), (3, 4)), lib.unravel_index(t(5), 7)"),
    method("lib.dist(x, y) + x.dist(y, 1) + lib.dist(x, y, 3)", M, M),
    method("x.nbytes, x.itemsize, x.ndimension(), x.get_device(), x.byte()", M, low=0),
    method("x.contiguous().detach().clone().resize_(2, 2)", M),
    method("x.contiguous().detach().clone().resize_as_(x[0])", M),
    method("x.clone().transpose_(0, 1).unsqueeze_(0).squeeze_()", M),
    method("x.clone().t_().tril_().triu_(-1)", M),
    method("x.clone().fill_diagonal_(2.5)", M),
    method("x.clone().fill_diagonal_(2.5, wrap=True) * 2", (7, 3)),
    method("x.clone().copy_(y).mul(2), x.new_zeros(2).zero_().fill_(2)", M, V),
    method("lib.zeros(2, dtype=lib.float64).set_(x.detach())", M),
    method("x.repeat_interleave(t(2, 0, 1))", (3,)),
    method("x.repeat_interleave(t(2, 0, 1), dim=0)", M),
    method("lib.repeat_interleave(t(2, 0, 3))"),
]  # fmt: skip
EAGER_ONLY = ("_indices", "lib.combinations", "set_", "lib.tensor(", "t(2, 0")
REFUSED = [
    method("lib.tril(x)", V),
    method("x.roll((1, 2), 0)", M),
    method("x.repeat(2)", M),
    method("x.expand(-1, 3, 4)", M),
    method("x.expand(4)", M),
    method("x.unfold(0, 4, 1)", M),
    method("x.unfold(0, 2, 0)", M),
    method("lib.meshgrid(x, indexing='no')", V),
    method("lib.movedim(x, (0, 1), (0, 0))", M),
    method("lib.diagonal(x, 0, 1, 1)", M),
    method("lib.diag(x)", B),
    method("lib.trace(x)", B),
    method("lib.hsplit(x, 3)", M),
    method("x.split([1, 1])", M),
    method("x.unflatten(1, (3, 2))", M),
    method("F.pad(x, (1,))", M),
    method("F.pad(x, (4, 0), 'reflect')", M),
    method("F.pad(x, (5, 0), 'circular')", M),
    method("F.pad(x, (1, 1, 1, 1), 'reflect')", M),
    method("F.pad(x, (1, 1), 'mirror')", M),
    method("lib.fliplr(x)", V),
    method("lib.rot90(x, 1, (0, 0))", M),
    method("x.mT", V),
    method("x.size(2)", M),
    method("lib.cat([])"),
    method("x.repeat_interleave(-1)", V),
    method("x.repeat_interleave(t(1, 2))", V),
]


EVERY = "call", "shapes", "low", "high"


@pytest.mark.parametrize(EVERY, CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)
    agree(turned(call), [s[::-1] for s in shapes], low, high)


def test_strides_are_row_major():
    agree(lambda _, x: (x.stride(), x.stride(-1), x.is_contiguous()), [M], 0, 1)


def test_compiled():
    compiled_agrees([c for c in CASES if not any(name in c.id for name in EAGER_ONLY)])


@pytest.mark.parametrize(EVERY, REFUSED)
def test_errors(call, shapes, low, high):
    both_refuse(call, shapes, low, high)
