"""Sums of products over chosen axes: Einstein's summation, `tensordot`, `inner`.

    einsum("bij,bjk->bik", a, b)      out[b, i, k] = Σ_j a[b, i, j] · b[b, j, k]

Pairs are contracted by matrix products, those with the smallest result first. Letters that occur
twice in one operand take its diagonal; `...` stands for axes that broadcast.
Source: https://docs.pytorch.org/docs/stable/generated/torch.einsum.html
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, result_dtype
from chainrule.tensor.convert import expand as expand_to
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, diagonal, layout
from chainrule.tensor.functional.forms import also_called, with_out
from chainrule.tensor.functional.products import matmul, reshaped
from chainrule.tensor.handle import Handle
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["einsum", "inner", "tensordot"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
Labels = tuple[Any, ...]  # letters, and numbers for the axes of an ellipsis


class _Term(NamedTuple):
    """An operand with a label for each axis, all different."""

    value: Tensor
    labels: Labels


@one_call
def einsum(equation: Any, *operands: Any) -> Tensor:
    """The sums of products that the equation names; see the module's docstring.

    Also `einsum(a, [0, 1], b, [1, 2], [0, 2])`, with numbers below 52 for letters and `...`.
    Without an arrow the result has the letters that occur once, in alphabetical order.
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    tensors = [as_tensor(x) for x in operands]
    lists, wanted = _parse(equation, [len(x.shape) for x in tensors])
    if len(lists) == 1 and len({*lists[0]}) == len(lists[0]) and {*lists[0]} == {*wanted}:
        return layout.permute(tensors[0], [lists[0].index(label) for label in wanted])
    dtype = result_dtype(tensors)
    terms = [
        _without_repeats(equation, cast(x, dtype), labels)
        for x, labels in zip(tensors, lists, strict=True)
    ]
    sizes = _sizes(equation, terms)
    terms = [_without_ones(term, sizes) for term in terms]
    while len(terms) > 1:
        first, second = _cheapest(terms, wanted, sizes)
        rest = [t for i, t in enumerate(terms) if i not in {first, second}]
        later = {label for t in rest for label in t.labels} | set(wanted)
        terms = [*rest, _contract(terms[first], terms[second], later)]
    return _arranged(terms[0], wanted, sizes)


def _from_lists(given: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    def text(numbers: Any) -> str:
        if any(n is not Ellipsis and not 0 <= n < len(_LETTERS) for n in numbers):
            raise ArgumentError(f"einsum names axes by numbers from 0 to 51, not {list(numbers)}")
        return "".join("..." if n is Ellipsis else _LETTERS[n] for n in numbers)

    tensors, lists = given[0::2], given[1::2]
    if len(tensors) > len(lists):
        out = f"->{text(tensors[-1])}"
        tensors = tensors[:-1]
    else:
        out = ""
    return ",".join(map(text, lists)) + out, tuple(tensors)


def _parse(equation: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """Labels for each operand and for the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise ArgumentError(
            f"einsum {equation!r} names {len(parts)} operands and was given {len(ranks)}"
        )
    named = [len(p.replace("...", "")) for p in parts]
    dots = max(
        (r - n for p, r, n in zip(parts, ranks, named, strict=True) if "..." in p), default=0
    )
    lists = []
    for part, rank, n in zip(parts, ranks, named, strict=True):
        extra = rank - n
        if extra < 0 or (extra and "..." not in part):
            raise ShapeError(
                f"einsum {equation!r}: {part!r} names {n} axes of an operand that has {rank}"
            )
        lists.append(_labels(equation, part, range(dots - extra, dots)))
    used = [label for labels in lists for label in labels]
    if arrow:
        wanted = _labels(equation, right, range(dots))
        unknown = [str(x) for x in wanted if x not in used]
        if unknown or len(set(wanted)) < len(wanted):
            raise ArgumentError(
                f"einsum {equation!r}: the result names {unknown or right}, which must stand in an "
                "operand, and once in the result"
            )
        return lists, wanted
    once = sorted(x for x in set(used) if isinstance(x, str) and used.count(x) == 1)
    return lists, (*range(dots), *once)


def _labels(equation: str, part: str, dots: range) -> Labels:
    before, ellipsis, after = part.partition("...")
    letters = before + after
    if not all(c in _LETTERS for c in letters):
        raise ArgumentError(f"einsum {equation!r}: axes are named by letters, not by {part!r}")
    return (*before, *(dots if ellipsis else ()), *after)


def _without_repeats(equation: str, x: Tensor, labels: Labels) -> _Term:
    """The diagonal of axes with the same label."""
    while len(set(labels)) < len(labels):
        label = next(a for i, a in enumerate(labels) if a in labels[:i])
        first = labels.index(label)
        second = labels.index(label, first + 1)
        if x.shape[first] != x.shape[second]:
            raise ShapeError(
                f"einsum {equation!r}: axis {label!r} has sizes {x.shape[first]} and "
                f"{x.shape[second]} in an operand of shape {x.shape}"
            )
        x = diagonal.diagonal(x, 0, first, second)
        labels = (*(a for i, a in enumerate(labels) if i not in {first, second}), label)
    return _Term(x, labels)


def _sizes(equation: str, terms: Sequence[_Term]) -> dict[Any, int]:
    sizes: dict[Any, int] = {}
    for x, labels in terms:
        for label, n in zip(labels, x.shape, strict=True):
            known = sizes.get(label, 1)
            if n not in {known, 1} and known != 1:
                raise ShapeError(f"einsum {equation!r}: axis {label!r} has sizes {known} and {n}")
            sizes[label] = known if n == 1 else n
    return sizes


def _without_ones(term: _Term, sizes: dict[Any, int]) -> _Term:
    """The operand without axes of size 1 that broadcast."""
    kept = [i for i, a in enumerate(term.labels) if term.value.shape[i] == sizes[a]]
    shape = tuple(term.value.shape[i] for i in kept)
    return _Term(reshaped(term.value, shape), tuple(term.labels[i] for i in kept))


def _cheapest(terms: Sequence[_Term], wanted: Labels, sizes: dict[Any, int]) -> tuple[int, int]:
    """The pair whose contraction has the smallest result; the first of equals."""

    def result(pair: tuple[int, int]) -> int:
        others = {a for i, t in enumerate(terms) if i not in pair for a in t.labels} | set(wanted)
        both = {*terms[pair[0]].labels, *terms[pair[1]].labels}
        return shapes.size([sizes[a] for a in both & others])

    return min(itertools.combinations(range(len(terms)), 2), key=result)


def _summed(term: _Term, kept: Any) -> _Term:
    """The sum over all labels that nothing else reads."""
    axes = tuple(i for i, a in enumerate(term.labels) if a not in kept)
    if not axes:
        return term
    x = term.value if term.value.dtype.kind == "float" else cast(term.value, dtypes.int64)
    total = cast(apply(TABLE["sum"], x, axes=axes), term.value.dtype)
    return _Term(total, tuple(a for a in term.labels if a in kept))


def _contract(left: _Term, right: _Term, later: Any) -> _Term:
    """The product of two operands, summed over shared labels that nothing reads later."""
    left = _summed(left, {*right.labels, *later})
    right = _summed(right, {*left.labels, *later})
    shared = [a for a in left.labels if a in right.labels]
    batch = [a for a in shared if a in later]
    inner = [a for a in shared if a not in later]
    rows = [a for a in left.labels if a not in shared]
    columns = [a for a in right.labels if a not in shared]
    a, b = _turned(left, [*batch, *rows, *inner]), _turned(right, [*batch, *inner, *columns])
    outer, m, k = _split(a, len(batch), len(rows))
    n = b.shape[len(batch) + len(inner) :]
    labels = (*batch, *rows, *columns)
    if not inner:
        wide = reshaped(a, (*outer, *m, *(1,) * len(n)))
        tall = reshaped(b, (*outer, *(1,) * len(m), *n))
        return _Term(arithmetic.mul(wide, tall), labels)
    lead = (shapes.size(outer),) if batch else ()
    flat = (shapes.size(m), shapes.size(k), shapes.size(n))
    product = matmul(reshaped(a, (*lead, flat[0], flat[1])), reshaped(b, (*lead, flat[1], flat[2])))
    return _Term(reshaped(product, (*outer, *m, *n)), labels)


def _split(x: Handle, first: int, second: int) -> tuple[shapes.Shape, shapes.Shape, shapes.Shape]:
    return x.shape[:first], x.shape[first : first + second], x.shape[first + second :]


def _turned(term: _Term, labels: Sequence[Any]) -> Tensor:
    axes = tuple(term.labels.index(a) for a in labels)
    if axes == tuple(range(len(axes))):
        return term.value
    return apply(TABLE["transpose"], term.value, axes=axes)


def _arranged(term: _Term, wanted: Labels, sizes: dict[Any, int]) -> Tensor:
    """The result with its labels in order, axes of size 1 that were left out included."""
    term = _summed(term, wanted)
    present = [a for a in wanted if a in term.labels]
    out = _turned(term, present)
    if len(present) < len(wanted):
        out = reshaped(out, tuple(sizes[a] if a in present else 1 for a in wanted))
        out = expand_to(out, tuple(sizes[a] for a in wanted))
    return out


@with_out
def inner(input: Operand, other: Operand) -> Tensor:
    """Σ over the last axis of both; with a number, their product."""
    a, b = as_tensor(input), as_tensor(other)
    if not a.shape or not b.shape:
        return arithmetic.mul(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"inner of shapes {a.shape} and {b.shape}: the last axes must be equal")
    return tensordot(a, b, ([-1], [-1]))


def _meeting(x: Tensor, axes: list[int], sizes: list[int]) -> Tensor:
    """`x` with its axes of size 1 repeated to `sizes`."""
    wide = list(x.shape)
    for axis, size in zip(axes, sizes, strict=True):
        wide[axis] = size if wide[axis] == 1 else wide[axis]
    return expand_to(x, tuple(wide))


@with_out
@also_called(a="input", b="other")
def tensordot(input: Operand, other: Operand, dims: Any = 2) -> Tensor:
    """Σ over the last `dims` axes of input and the first of other, or over two lists of axes."""
    a, b = as_tensor(input), as_tensor(other)
    if isinstance(dims, Handle):
        dims = Handle._result.tolist(dims)
    if not isinstance(dims, (list, tuple)):
        dims = check_whole("tensordot: dims", dims)
    if isinstance(dims, int):
        if not 0 <= dims <= min(len(a.shape), len(b.shape)):
            raise ShapeError(f"tensordot over {dims} axes of shapes {a.shape} and {b.shape}")
        dims = list(range(len(a.shape) - dims, len(a.shape))), list(range(dims))
    first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [shapes.normal_axis(d, len(a.shape)) for d in first]
    right = [shapes.normal_axis(d, len(b.shape)) for d in second]
    sizes = [a.shape[d] for d in left], [b.shape[d] for d in right]
    if len(left) == len(right) and sizes[0] != sizes[1]:  # a size of 1 meets any, as in PyTorch
        a, b = _meeting(a, left, sizes[1]), _meeting(b, right, sizes[0])
    if [a.shape[d] for d in left] != [b.shape[d] for d in right]:
        raise ShapeError(
            f"tensordot of shapes {a.shape} and {b.shape} over axes {left} and {right}: the sizes "
            "must be equal"
        )
    rows = [d for d in range(len(a.shape)) if d not in left]
    columns = [d for d in range(len(b.shape)) if d not in right]
    m, n = tuple(a.shape[d] for d in rows), tuple(b.shape[d] for d in columns)
    k = shapes.size([a.shape[d] for d in left])
    out = matmul(
        layout.reshape(layout.permute(a, (*rows, *left)), (shapes.size(m), k)),
        layout.reshape(layout.permute(b, (*right, *columns)), (k, shapes.size(n))),
    )
    return apply(TABLE["reshape"], out, shape=(*m, *n))
