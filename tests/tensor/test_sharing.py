"""Which results are views of their arguments, which are copies, and which are the argument."""

from __future__ import annotations

import pytest

import chainrule as cr
import chainrule.nn.functional as F


def grid():
    return cr.arange(6.0).reshape(2, 3).clone()


def scalar():
    return cr.tensor(2.0)


COPIES = {
    "flip": (lambda x: x.flip(0), grid),
    "flip of nothing": (lambda x: x.flip(()), grid),
    "fliplr": (lambda x: x.fliplr(), grid),
    "flipud": (lambda x: x.flipud(), grid),
    "rot90": (lambda x: x.rot90(1), grid),
    "rot90 by 0": (lambda x: x.rot90(0), grid),
    "rot90 by 2": (lambda x: x.rot90(2), grid),
    "roll by 0": (lambda x: x.roll(0), grid),
    "roll by 0 along an axis": (lambda x: x.roll(0, 0), grid),
    "roll of a scalar": (lambda x: x.roll(1), scalar),
    "pad by 0": (lambda x: F.pad(x, (0, 0)), grid),
    "pad by less": (lambda x: F.pad(x, (-1, 0)), grid),
    "replicated by less": (lambda x: F.pad(x[None], (-1, 0), mode="replicate"), grid),
    "diff of order 0": (lambda x: x.diff(n=0), grid),
    "matrix_power of 1": (lambda x: cr.linalg.matrix_power(x[:, :2], 1), grid),
    "to with copy": (lambda x: x.to(cr.float32, copy=True), grid),
    "scatter of nothing": (lambda x: x.scatter(0, cr.zeros(0, 3, dtype=cr.int64), x), grid),
    "prod along one": (lambda x: x[:, :1].clone().prod(1, keepdim=True), grid),
    **{
        name: (lambda x, name=name: getattr(x, name)(), scalar)
        for name in ("sum", "mean", "prod", "amax", "amin", "max", "min")
    },
}
VIEWS = {
    "t of a vector": (lambda x: x[0].t(), grid),
    "expand to the same": (lambda x: x.expand(2, 3), grid),
    "expand by axes of 1": (lambda x: x.expand(1, 2, 3), grid),
    "broadcast_to": (lambda x: x.broadcast_to(1, 2, 3), grid),
    "einsum that turns": (lambda x: cr.einsum("ij->ji", x), grid),
    "einsum that does nothing": (lambda x: cr.einsum("ij", x), grid),
    "meshgrid of one": (lambda x: cr.meshgrid(x[0], indexing="ij")[0], grid),
}
ITSELF = {
    "flatten of one axis": lambda x: x.flatten(1),
    "asarray": cr.asarray,
    "sum_to_size": lambda x: x.sum_to_size(2, 3),
    "broadcast_tensors": lambda x: cr.broadcast_tensors(x, x[0])[0],
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", COPIES)
def test_copies_are_not_written_through(name, compiled):
    fn, make = COPIES[name]
    x = make()
    before = x.tolist()
    out = (cr.compile(fn) if compiled else fn)(x)
    assert out is not x
    out.fill_(-7.0)
    assert x.tolist() == before
    after = out.tolist()
    x.fill_(9.0)
    assert out.tolist() == after


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_views_are_written_through(name, compiled):
    fn, make = VIEWS[name]
    x = make()
    out = (cr.compile(fn) if compiled else fn)(x)
    assert out is not x
    out.fill_(-7.0)
    assert -7.0 in x.reshape(-1).tolist()
    x.fill_(9.0)
    assert {*out.reshape(-1).tolist()} == {9.0}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ITSELF)
def test_some_results_are_the_argument(name, compiled):
    if compiled and name == "asarray":
        pytest.skip("reads values")
    x = grid()
    fn = cr.compile(ITSELF[name]) if compiled else ITSELF[name]
    assert fn(x) is x


def test_a_grid_is_read_and_not_written():
    rows, columns = cr.meshgrid(cr.arange(2.0), cr.arange(3.0), indexing="ij")
    for grid_ in (rows, columns):
        with pytest.raises(RuntimeError, match="overlap"):
            grid_.fill_(0.0)
