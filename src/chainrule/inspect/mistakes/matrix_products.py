"""Mistakes at matrix products: factors in the wrong order, not transposed, exchanged.

    Y = A @ B, upstream U:   dA = U @ Bᵀ,   dB = Aᵀ @ U

Every product of U and the other factor, each perhaps transposed, in either order, is tried if its
shape fits. Example: `list(of_product(node))`. May import `inspect.mistakes.mistake`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from chainrule.graph.node import Node
from chainrule.inspect.mistakes.mistake import Mistake, Parts, Send, Visit
from chainrule.ops.layout import reshape, transpose
from chainrule.ops.products import matmul


def of_product(node: Node) -> Iterator[Mistake]:
    """Mistakes at Y = A @ B."""
    if node.op is not matmul or len(node.shape) < 2:
        return
    if node.inputs[0].type == node.inputs[1].type:
        yield Mistake(
            "operands-exchanged",
            "A and B of the matrix product have each other's gradient: dA is upstream @ Bᵀ, dB is "
            "Aᵀ @ upstream",
            lambda at: [at.parts[1], at.parts[0]],
        )
    for i in (0, 1):
        yield from _of_operand(node, i)


def _of_operand(node: Node, i: int) -> Iterator[Mistake]:
    """All products that may be confused with the gradient of operand i."""
    letter, other, wanted = "AB"[i], "BA"[i], node.inputs[i].shape
    right = (i == 0, False, True)  # upstream comes first, is not transposed; the other one is
    whole = "upstream @ Bᵀ" if i == 0 else "Aᵀ @ upstream"
    tries = sorted(product((True, False), repeat=3), key=lambda t: _distance(t, right))
    for first, turned, flipped in tries:
        shape = _shape(node, i, first, turned, flipped)
        if (first, turned, flipped) == right or shape != wanted:
            continue
        said = [f"upstream{'ᵀ' if turned else ''}", f"{other}{'ᵀ' if flipped else ''}"]
        text = " @ ".join(said if first else said[::-1])
        code = "factors-swapped" if first != right[0] else "not-transposed"
        why = "the factors are swapped" if first != right[0] else "a factor is not transposed right"
        if (turned, flipped) == (False, False) and first == right[0]:
            why = f"{other} is not transposed"
        yield Mistake(
            code,
            f"the gradient of {letter} in the matrix product A @ B is {whole}, not {text}: {why}",
            _sending(i, first, turned, flipped),
        )


def _distance(found: tuple[bool, ...], right: tuple[bool, ...]) -> int:
    return sum(a is not b for a, b in zip(found, right, strict=True))


def _shape(node: Node, i: int, first: bool, turned: bool, flipped: bool) -> tuple[int, ...] | None:
    u, o = node.shape, node.inputs[1 - i].shape
    if u[:-2] != o[:-2]:
        return None
    a = u[-2:][::-1] if turned else u[-2:]
    b = o[-2:][::-1] if flipped else o[-2:]
    left, right = (a, b) if first else (b, a)
    return (*u[:-2], left[0], right[1]) if left[1] == right[0] else None


def _sending(i: int, first: bool, turned: bool, flipped: bool) -> Send:
    def send(at: Visit) -> Parts:
        u = _turned(at, at.ct) if turned else at.ct
        o = at.node.inputs[1 - i]
        o = _turned(at, o) if flipped else o
        return at.only(i, at.b(matmul, *((u, o) if first else (o, u))))

    return send


def _turned(at: Visit, x: Node) -> Node:
    rank = len(x.shape)
    return at.b(transpose, x, axes=(*range(rank - 2), rank - 1, rank - 2))


def of_transpose(node: Node) -> Iterator[Mistake]:
    """A mistake at a transposed matrix: the gradient reshaped, not transposed."""
    if node.op is transpose and node.attrs["axes"] != tuple(range(len(node.shape))):
        yield Mistake(
            "reshaped-for-transposed",
            "the gradient of a transposed matrix is reshaped, not transposed back",
            lambda at: [at.b(reshape, at.ct, shape=at.node.inputs[0].shape)],
        )
