"""Reading and writing by index, against NumPy and PyTorch.

They differ in one place: beside an index array, NumPy takes an integer for another index array,
PyTorch (and chainrule) selects with it first.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.base.errors import DTypeError, IndexBoundsError, ShapeError

SHAPE = (3, 4, 2)


def _slices(n):
    bound = st.one_of(st.none(), st.integers(-n - 1, n + 1))
    return st.builds(slice, bound, bound, st.one_of(st.none(), st.integers(1, 3)))


@st.composite
def indices(draw, *, arrays, masks=False):
    """One entry per leading axis, with an ellipsis and new axes now and then."""
    entries = []
    shape = draw(st.sampled_from([(), (2,), (3, 1), (0,)]))
    if masks:  # a mask broadcasts with index arrays of one element only
        shape = draw(st.sampled_from([(), (1,)]))
        mask = np.random.default_rng(draw(st.integers(0, 9))).random(SHAPE) < 0.5
        rank = draw(st.integers(0, 3))
        entries.append(draw(st.sampled_from([np.asarray(mask[(0,) * (3 - rank)]), True, False])))
        if rank and isinstance(entries[0], np.ndarray) and entries[0].shape != SHAPE[:rank]:
            entries[0] = mask.reshape(*SHAPE[:rank], -1)[..., 0]
        used = rank if isinstance(entries[0], np.ndarray) else 0
        shorter = SHAPE[used : used + draw(st.integers(0, 3 - used))]
        entries += [draw(st.one_of(st.integers(-n, n - 1), _slices(n))) for n in shorter]
        if draw(st.booleans()):
            entries.append(Ellipsis)
        return tuple(entries)
    for n in SHAPE[: draw(st.integers(0, 3))]:
        kinds = [st.integers(-n, n - 1), _slices(n)]
        if arrays:
            seed = draw(st.integers(0, 9))
            drawn = np.random.default_rng(seed).integers(-n, n, shape)
            kinds += [st.just(drawn)] * 2
        entries.append(draw(st.one_of(kinds)))
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), None)
    if draw(st.booleans()):
        entries.append(Ellipsis)
    return tuple(entries)


def numpy_agrees(index):
    return not (
        any(isinstance(e, np.ndarray) for e in index) and any(isinstance(e, int) for e in index)
    )


def base():
    return np.arange(24.0).reshape(SHAPE)


def as_tensors(index):
    return tuple(cr.tensor(e) if isinstance(e, np.ndarray) else e for e in index)


@given(indices(arrays=False))
def test_basic_reading(index):
    wanted = base()[index]
    got = cr.tensor(base())[index]
    assert got.shape == wanted.shape
    assert got.tolist() == wanted.tolist()


@given(indices(arrays=True))
def test_reading_with_arrays(index):
    assume(numpy_agrees(index))
    wanted = base()[index]
    got = cr.tensor(base())[as_tensors(index)]
    assert got.shape == wanted.shape
    assert got.tolist() == wanted.tolist()


@given(indices(arrays=True), st.booleans())
def test_writing(index, scalar):
    assume(numpy_agrees(index))
    array, tensor = base(), cr.tensor(base())
    value = -1.0 if scalar else np.arange(100.0, 100.0 + array[index].size)
    if not scalar:
        value = value.reshape(array[index].shape)
    array[index] = value
    tensor[as_tensors(index)] = value
    assert tensor.tolist() == array.tolist()


@given(indices(arrays=True))
def test_the_gradient_of_reading_counts_how_often(index):
    assume(numpy_agrees(index))
    x = cr.tensor(base(), requires_grad=True)
    got = x[as_tensors(index)]
    got.sum().backward()
    counts = np.zeros(SHAPE)
    np.add.at(counts, index, 1.0)
    assert x.grad.tolist() == counts.tolist()


@pytest.mark.oracle
@given(st.one_of(indices(arrays=True), indices(arrays=False, masks=True)), st.booleans())
def test_pytorch_reads_and_writes_the_same(index, scalar):
    import torch

    theirs = torch.tensor(base(), requires_grad=True)
    ours = cr.tensor(base(), requires_grad=True)
    there = tuple(torch.tensor(e) if isinstance(e, np.ndarray) else e for e in index)
    wanted, got = theirs[there], ours[as_tensors(index)]
    assert got.shape == tuple(wanted.shape)
    assert got.tolist() == wanted.tolist()
    wanted.sum().backward()
    got.sum().backward()
    assert ours.grad.tolist() == theirs.grad.tolist()
    value = -1.0 if scalar else np.arange(float(got.numel())).reshape(got.shape)
    with torch.no_grad(), cr.no_grad():
        theirs[there] = value if scalar else torch.tensor(value)
        ours[as_tensors(index)] = value
    assert ours.tolist() == theirs.tolist()


@given(st.integers(0, 99))
def test_masks(seed):
    rng = np.random.default_rng(seed)
    array = base()
    mask = rng.random(SHAPE[: rng.integers(1, 4)]) < 0.4
    tensor = cr.tensor(array, requires_grad=True)
    picked = tensor[cr.tensor(mask)]
    assert picked.tolist() == array[mask].tolist()
    picked.sum().backward()
    spread = np.broadcast_to(mask.reshape(mask.shape + (1,) * (3 - mask.ndim)), SHAPE)
    assert tensor.grad.tolist() == spread.astype(float).tolist()
    other = cr.tensor(array)
    other[cr.tensor(mask)] = -5.0
    array[mask] = -5.0
    assert other.tolist() == array.tolist()


def test_a_mask_takes_values_one_by_one():
    x = cr.zeros(4)
    x[x == 0] = cr.tensor([1.0, 2.0, 3.0, 4.0])
    assert x.tolist() == [1, 2, 3, 4]
    x[cr.tensor([True, False, True, False])] = cr.tensor([8.0, 9.0])
    assert x.tolist() == [8, 2, 9, 4]


def test_written_values_get_their_gradient():
    x = cr.ones(4, requires_grad=True)
    value = cr.ones(2, requires_grad=True)
    y = x * 1.0
    y[cr.tensor([0, 3])] = value * 5.0
    (y * cr.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert value.grad.tolist() == [5.0, 5000.0]
    assert x.grad.tolist() == [0.0, 10.0, 100.0, 0.0]


def test_lists_and_numpy_arrays_are_indices():
    x = cr.arange(5)
    assert x[[0, -1]].tolist() == [0, 4]
    assert x[np.array([2])].tolist() == [2]
    assert x[cr.tensor(3)].item() == 3
    assert x[[]].shape == (0,)
    assert x[[True, False, True, False, False]].tolist() == [0, 2]


@pytest.mark.at_once
def test_bad_indices_name_what_is_wrong():
    x = cr.ones(3, 4)
    with pytest.raises(IndexBoundsError, match="index 3 is outside axis 0"):
        x[3]
    with pytest.raises(IndexBoundsError, match="4"):
        x[:, cr.tensor([0, 4])]
    with pytest.raises(ShapeError, match="too many indices"):
        x[0, 0, 0]
    with pytest.raises(ShapeError, match="ellipsis"):
        x[..., ...]
    with pytest.raises(ShapeError):
        x[0] = cr.ones(5)


def test_iteration_and_unpacking():
    rows = list(cr.tensor([[1, 2], [3, 4]]))
    assert [r.tolist() for r in rows] == [[1, 2], [3, 4]]
    a, b = cr.tensor([5.0, 6.0])
    assert (a.item(), b.item()) == (5.0, 6.0)


def test_views_and_copies_are_told_apart():
    x = cr.zeros(3)
    x[cr.tensor([0])].fill_(1.0)  # gathering copies
    assert x.tolist() == [0, 0, 0]
    x[0:1].fill_(1.0)
    assert x.tolist() == [1, 0, 0]


def several_indices(i, j):
    """Two arrays; apart; beside numbers, traced ones too; lists; new axes; steps; repeated."""
    rest = slice(None)
    return [
        (rest, i, j), (i, slice(1, None), j), (-1, rest, j), (i[0, 0], rest, j), (i[1, 0],),
        ([0, -1], [1, 2]), (None, i, ..., slice(None, None, 2)), (slice(0, 2), slice(-1, None), 1),
        (j,), (i, j, j),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["read", "write", "add"])
def test_compiled_it_is_the_same(form):
    x = cr.tensor(base(), requires_grad=True)
    v = cr.tensor(np.arange(1.0, 1.0 + 2), requires_grad=True)
    i, j = cr.tensor([[0], [-2]]), cr.tensor([1, 0])

    def program(x, v, i, j):
        out = []
        for at in several_indices(i, j):
            y = x * 1.0
            if form == "read":
                y = y[at]
            elif form == "write":
                y[at] = v.sum() * 2.0
            else:
                y[at] += v.mean()
            total = (y * y).sum()
            out += [y.detach(), *cr.autograd.grad(total, [x, v], allow_unused=form == "read")]
        return [o for o in out if o is not None]

    for got, wanted in zip(cr.compile(program)(x, v, i, j), program(x, v, i, j), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_index_put(compiled):
    def put(x, i, v):
        x.index_put_((i,), v, accumulate=True)
        return x, cr.index_put(x, (i, i), cr.tensor(-1.0))

    x = cr.zeros(3, 3)
    out, other = (cr.compile(put) if compiled else put)(x, cr.tensor([0, 2, 0]), cr.ones(3, 3))
    assert out.tolist() == [[2.0] * 3, [0.0] * 3, [1.0] * 3]
    assert other.diagonal().tolist() == [-1, 0, -1]


@pytest.mark.at_once
@pytest.mark.parametrize("compiled", [False, True])
def test_an_index_must_be_inside_its_own_axis(compiled):
    x = cr.zeros(4, 4)

    def read(i):
        return x[0, i]

    def write(i):
        x[i * 2, 1] = 1.0

    for fn in (read, write):
        run = cr.compile(fn) if compiled else fn
        with pytest.raises(IndexBoundsError, match=r"index -?\d+ at position \(1,\).*-4 to 3"):
            run(cr.tensor([1, 9 if fn is read else -3]))
    assert not x.any()


def test_a_mask_must_have_the_sizes_of_its_axes():
    with pytest.raises(IndexBoundsError, match=r"mask of shape \(2,\)"):
        cr.zeros(3, 4)[cr.tensor([True, False])]
    with pytest.raises(DTypeError, match="long"):
        cr.zeros(3)[cr.tensor([0.0])]


def test_writing_to_a_mask_compiles_where_no_number_of_places_is_needed():
    @cr.compile
    def fill(x, row):
        x[x[:, 0] > 0] = row
        x[x < 0] = 0.0
        return x

    x = cr.tensor([[1.0, 2.0], [-1.0, 5.0]])
    assert fill(x, cr.tensor([7.0, 8.0])).tolist() == [[7, 8], [0, 5]]


def test_numbers_are_written_in_the_tensors_own_precision():
    x = cr.zeros(4, dtype=cr.float64)
    x[0] = 0.1
    x[cr.tensor([1])] = 0.1
    x[2:3].fill_(0.1)
    assert x.masked_fill(x == 0, 0.1).tolist() == [0.1] * 4
    assert x.index_fill(0, cr.tensor([3]), 0.1).tolist() == [0.1] * 4
    assert x.scatter(0, cr.tensor([3]), 0.1).tolist() == [0.1] * 4


def test_bools_add_up():
    x = cr.tensor([True, False, False])
    i, one = cr.tensor([1, 1]), cr.tensor([True, True])
    assert x.index_add(0, i, one).tolist() == [True, True, False]
    assert x.scatter_reduce(0, i, ~one, "amin").tolist() == [True, False, False]
    assert x.index_put((i,), one, accumulate=True).tolist() == [True, True, False]


@st.composite
def views(draw):
    """A chain of views that both libraries have, as functions of a tensor or an array."""
    steps = st.sampled_from(["T", "slice", "row", "new", "swap", "diagonal"])
    chosen, rank, chain = draw(st.lists(steps, max_size=4)), 3, []
    for step in chosen:
        axis = draw(st.integers(0, rank - 1)) if rank else 0
        where = (slice(None),) * axis
        if step == "T":
            chain.append((lambda t: t.permute(*reversed(range(t.ndim))), np.transpose))
        elif step == "slice" and rank:
            part = slice(draw(st.integers(0, 1)), None, draw(st.integers(1, 2)))
            chain.append((lambda v, i=(*where, part): v[i],) * 2)
        elif step == "row" and rank:
            rank -= 1
            chain.append((lambda v, i=(*where, -1): v[i],) * 2)
        elif step == "new":
            rank += 1
            chain.append((lambda v, i=(*where, None): v[i],) * 2)
        elif step == "swap" and rank > 1:
            chain.append((lambda t: t.transpose(0, -1), lambda v: np.swapaxes(v, 0, -1)))
        elif step == "diagonal" and rank > 1:
            rank -= 1
            chain.append((lambda t: t.diagonal(), lambda v: _writable(np.diagonal(v))))
    return chain


def _writable(view):
    view.flags.writeable = True
    return view


@given(views(), st.sampled_from(["set", "add", "first", "array", "mask"]), st.booleans())
def test_writing_through_chains_of_views(chain, form, compiled_too):
    array = base()
    view = array
    for _, step in chain:
        view = step(view)
    assume(isinstance(view, np.ndarray))  # NumPy gives one element as a number, no view
    assume(view.size and (view.ndim or form in {"set", "add"}))
    places = np.array([0, -1])

    def write(x, v):
        for step, _ in chain:
            v = step(v)
        if form == "set":
            v[...] = 7.0
        elif form == "add":
            v += 3.0
        elif form == "first":
            v[0] *= 2.0
        elif form == "array":
            v[cr.tensor(places)] = -1.0
        else:
            v[v > 9] = 0.0
        return x

    if form == "set":
        view[...] = 7.0
    elif form == "add":
        view += 3.0
    elif form == "first":
        view[0] *= 2.0
    elif form == "array":
        view[places] = -1.0
    else:
        view[view > 9] = 0.0
    tensor = cr.tensor(base())
    assert write(tensor, tensor).tolist() == array.tolist()
    if compiled_too and len(chain) == 1:  # machine code for some

        def traced(x):
            y = x * 1.0
            return write(y, y)

        assert cr.compile(traced)(cr.tensor(base())).tolist() == array.tolist()


MASKED = {
    "one value": lambda x, m, _: x.index_put((m,), cr.tensor(7.0)),
    "in place": lambda x, m, _: x.clone().index_put_((m,), cr.tensor([7.0])),
    "added": lambda x, m, _: x.index_put((m,), cr.tensor(7.0), accumulate=True),
    "rows": lambda x, _, r: x.index_put((r,), cr.tensor([7.0, 8.0, 9.0])),
    "rows added": lambda x, _, r: x.index_put((r,), cr.tensor([7.0, 8.0, 9.0]), accumulate=True),
    "many": lambda x, m, _: x.index_put((m,), cr.tensor([7.0, 8.0, 9.0])),
    "many added": lambda x, m, _: x.index_put((m,), cr.tensor([7.0, 8.0, 9.0]), accumulate=True),
    "bools": lambda x, m, _: (x > 2).index_put((m,), cr.tensor(True), accumulate=True),
    "one bool": lambda x, m, _: x.index_put((m.any(),), cr.tensor(7.0)),
    "scatter": lambda x, m, _: x.masked_scatter(m, cr.tensor([9.0, 8.0, 7.0, 6.0])),
    "scatter rows": lambda x, _, r: x.masked_scatter(r[:, None], cr.tensor([9.0, 8.0, 7.0])),
}


@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize(("name", "want"), {
    "one value": [[7, 2, 7], [4, 7, 6]],
    "in place": [[7, 2, 7], [4, 7, 6]],
    "added": [[8, 2, 10], [4, 12, 6]],
    "rows": [[7, 8, 9], [4, 5, 6]],
    "rows added": [[8, 10, 12], [4, 5, 6]],
    "many": [[7, 2, 8], [4, 9, 6]],
    "many added": [[8, 2, 11], [4, 14, 6]],
    "bools": [[1, 0, 1], [1, 1, 1]],
    "one bool": [[7, 7, 7], [7, 7, 7]],
    "scatter": [[9, 2, 8], [4, 7, 6]],
    "scatter rows": [[9, 8, 7], [4, 5, 6]],
}.items())  # fmt: skip
def test_writes_at_a_mask(name, want, how):
    x = cr.arange(1.0, 7.0).reshape(2, 3)
    mask, rows = cr.tensor([[True, False, True], [False, True, False]]), cr.tensor([True, False])
    fn = cr.compile(MASKED[name]) if how == "compiled" else MASKED[name]
    assert fn(x, mask, rows).tolist() == want


def test_a_mask_with_another_number_of_places_than_values_raises_compiled_too():
    fn = cr.compile(lambda x, m, v: x.index_put((m,), v))
    x, values = cr.arange(3.0), cr.tensor([7.0, 8.0])
    assert fn(x, cr.tensor([True, False, True]), values).tolist() == [7, 1, 8]
    for mask in ([True, True, True], [False, True, False]):
        with pytest.raises(ShapeError, match=f"holds at {sum(mask)} place.* v has 2 rows"):
            fn(x, cr.tensor(mask), values)


def test_a_mask_and_integers_index_together():
    x = cr.zeros(2, 3)
    x[cr.tensor([True, False]), cr.tensor([1])] = 7.0
    assert x.tolist() == [[0, 7, 0], [0, 0, 0]]
