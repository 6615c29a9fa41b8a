"""Products of every kind and einsum, against PyTorch."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn
from tests.tensor.functional.oracle import agree, both_refuse, compiled_agrees, method, turned

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::UserWarning")]

M, V = (3, 4), (4,)
EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 2)), ("ij,jk", (3, 4), (4, 2)), ("ij->ji", (3, 4)),
    ("ij->", (3, 4)), ("ij->j", (3, 4)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("iij->ij", (3, 3, 2)),
    ("iji->j", (3, 2, 3)), ("i,j->ij", (3,), (4,)), ("i,i", (3,), (3,)), ("ij,ij->ij", M, M),
    ("ij,ij", M, M), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
    ("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 5, 4)), ("bnd,dhk->bhnk", (2, 3, 4), (4, 2, 5)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)), ("...ij,...jk", (5, 1, 3, 4), (2, 4, 2)),
    ("...,...->...", (2, 1), (3,)), ("i...->...", (3, 4, 2)), ("...i->i", (3, 4, 2)),
    ("b...d,...d->...b", (2, 3, 4), (3, 4)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("a,b,c->cab", (2,), (3,), (4,)), ("ij,kj->i", (3, 4), (2, 4)), ("ij,k->ijk", (3, 1), (4,)),
    ("ij,jk->ik", (3, 1), (4, 2)), ("ij,ij->ij", (3, 1), (1, 4)), ("bA,Ba->aB", (2, 3), (4, 5)),
    (" i j , j -> i ", (3, 4), (4,)), (",ij->ij", (), M), ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
]  # fmt: skip
CASES = [
    *[
        method(f"lib.einsum({e!r}, {', '.join('xyz'[: len(s)])})", *s)
        for e, *s in EINSUMS
    ],
    method("lib.einsum('ij,jk,kl,li', x, x, x, x)", (3, 3)),
    method("lib.einsum('ij,jk', [x, y])", (3, 4), (4, 2)),
    method("lib.einsum(x, [0, 1], y, [1, 2], [0, 2])", (3, 4), (4, 2)),
    method("lib.einsum(x, [..., 1], y, [1])", (2, 3, 4), (4,)),
    method("lib.dot(x, y) + x.dot(y) + lib.vdot(x, y) + lib.inner(x, y)", V, V),
    method("lib.mv(x, y) + x.mv(y)", M, V),
    method("lib.mm(x, y) + x.mm(y)", M, (4, 2)),
    method("lib.bmm(x, y) + x.bmm(y)", (2, 3, 4), (2, 4, 2)),
    method("lib.outer(x, y) + x.outer(y) + lib.ger(x, y)", V, (3,)),
    method("lib.inner(x, y) + x.inner(y)", (2, 3, 4), (5, 4)),
    method("lib.inner(x, y)", M, ()),
    method("lib.addmm(x, y, z) + x.addmm(y, z, beta=0.5, alpha=2)", (2,), (3, 4), (4, 2)),
    method("lib.addmm(x, y, z, beta=0) + x.clone().addmm_(y, z)", (3, 2), (3, 4), (4, 2)),
    method("lib.addmv(x, y, z, alpha=3) + x.addmv(y, z)", (3,), (3, 4), (4,)),
    method("lib.addr(x, y, z, beta=2)", (3, 4), (3,), (4,)),
    method("lib.baddbmm(x, y, z, beta=0.3) + x.baddbmm(y, z)", (3, 2), (2, 3, 4), (2, 4, 2)),
    method("lib.addbmm(x, y, z, alpha=0.3) + x.addbmm(y, z)", (3, 2), (2, 3, 4), (2, 4, 2)),
    *[method(f"lib.tensordot(x, y, {a})", (2, 3, 4), (3, 4, 5)) for a in ("2", "dims=([1], [0])",
      "([1, 2], [0, 1])", "dims=([2, 1], [1, 0])", "0")],
    *[method("lib.kron(x.contiguous(), y.contiguous())", a, b)
      for a, b in (((2, 3), (2, 2)), ((3,), (2, 2)), ((2,), (3,)))],
    method("lib.chain_matmul(x, y, z)", (2, 5), (5, 3), (3, 4)),
    method("lib.matrix_power(x, 3) + x.matrix_power(0) + x.matrix_power(1)", (3, 3)),
    method("F.bilinear(x, y, z)", (5, 3), (5, 4), (2, 3, 4)),
    method("F.bilinear(x[None], y[None], z, x[0, :2])", (5, 3), (5, 4), (2, 3, 4)),
    *[method(f"lib.cdist(x, y{p})", (3, 4), (2, 4))
      for p in ("", ", p=1.0", ", p=3.0", ", p=float('inf')")],
    method("lib.cdist(x, x)", (2, 3, 2)),
    method("lib.cdist(x, lib.cat([x[:1], x[:1] + 1]))", (3, 2)),
    *[method("lib.matmul(x, y)", a, b) for a, b in (((4,), (2, 4, 3)), ((2, 3, 4), (4,)),
      ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 1, 3, 4), (5, 4, 2)), ((1, 3, 4), (2, 4, 2)))],
    method("lib.linalg.multi_dot([x, y, z])", (5,), (5, 3), (3, 4)),
    method("lib.linalg.multi_dot([x, y, z, z.T, y[0]])", (2, 5), (5, 3), (3, 5)),
    method("lib.linalg.vecdot(x, y) + lib.linalg.matmul(x, y)", M, V),
    method("lib.linalg.diagonal(x, offset=1) + lib.linalg.matrix_power(x, 2)[:, :2, 0]", (2, 3, 3)),
    method("lib.cross(x, y, dim=1) + lib.linalg.cross(x, y, dim=1) + x.cross(y, 1)",
           (2, 3, 2), (2, 3, 2)),
    method("t([[1, 2], [3, 4]]) @ t([[5, 6], [7, 8]]), t(1, 2) @ t(3, 4), t([[1, 2]]) @ t(3, 4)"),
    method("lib.einsum('ij,jk->ki', t([[1, 2], [3, 4]]), t([[5, 6], [7, 8]]))"),
]  # fmt: skip
REFUSED = [
    method("lib.einsum('ij,jk', x)", M),
    method("lib.einsum('ijk', x)", M),
    method("lib.einsum('ij->ik', x)", M),
    method("lib.einsum('ij->ii', x)", M),
    method("lib.einsum('i1', x)", M),
    method("lib.einsum('ij,jk', x, y)", M, M),
    method("lib.einsum('ii', x)", M),
    method("lib.mm(x, y)", M, V),
    method("lib.bmm(x, y)", M, (4, 2)),
    method("lib.dot(x, y)", V, (3,)),
    method("lib.mv(x, y)", M, (3,)),
    method("lib.outer(x, y)", M, V),
    method("lib.addmm(x, y, z)", (5,), M, (4, 2)),
    method("lib.tensordot(x, y, 1)", M, (3, 4)),
    method("lib.inner(x, y)", M, (3,)),
    method("lib.cdist(x, y)", M, (2, 3)),
    method("lib.matrix_power(x, 2)", M),
    method("F.bilinear(x, y, z)", (5, 3), (5, 3), (2, 3, 4)),
    method("t([[1, 2]]) @ t([[1, 2]])"),
    method("x @ y", M, M),
]
EVERY = "call", "shapes", "low", "high"


@pytest.mark.parametrize(EVERY, CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)
    agree(turned(call), [s[::-1] for s in shapes], low, high)


def test_compiled():
    compiled_agrees(CASES)


@pytest.mark.parametrize(EVERY, REFUSED)
def test_errors(call, shapes, low, high):
    both_refuse(call, shapes, low, high)


def test_bilinear_layers_agree():
    import torch

    theirs = torch.nn.Bilinear(3, 4, 2)
    ours = nn.Bilinear(3, 4, 2)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: cr.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, y = torch.randn(5, 3), torch.randn(5, 4)
    got = ours(cr.tensor(x.numpy()), cr.tensor(y.numpy())).detach().numpy()
    assert abs(got - theirs(x, y).detach().numpy()).max() < 1e-5
