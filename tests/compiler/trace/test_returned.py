"""A compiled function returns what the plain one returns, and does the same to its arguments."""

from __future__ import annotations

import collections
import dataclasses
import types
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import TraceError
from tests.compiler.seen import seen

pytestmark = pytest.mark.filterwarnings("ignore:.*traced again at every call")


def plain():
    return cr.arange(1.0, 4.0)


def leaf():
    return plain().requires_grad_()


def computed():
    return leaf() * 1


def square():
    return cr.arange(4.0).reshape(2, 2)


def without_grad(x):
    with cr.no_grad():
        x.mul_(2)
    return x * x


def marked(x):
    x.requires_grad_()
    return x * 2


def new_views(x):
    y = x * 2
    return y[:2], y[1:]


def with_gradient(x):
    (x * x).sum().backward()
    return x.grad


RESULTS = {
    "the argument": lambda x: x,
    "twice the same": lambda x: (x * 2,) * 2,
    "a view": lambda x: x[1:],
    "a view of a result": lambda x: (y := x * 2, y[1:]),
    "views that overlap": new_views,
    "views that do not": lambda x: (x * 2).split(1),
    "detached": lambda x: x.detach(),
    "a result, detached": lambda x: (y := x * 2, y.detach()),
    "data": lambda x: x.data,
    "a copy": lambda x: x.clone(),
    "of the same shape": lambda x: x.reshape(3),
    "of the same dtype": lambda x: x.to(cr.float32),
    "a leaf": lambda x: (x.detach() * 2).requires_grad_(),
    "a constant": lambda x: (c := cr.tensor([1.0, 2.0]), c[1:], x.sum()),
    "other dtypes": lambda x: (x > 1, x.argmax(), x.int()),
    "no tensor": lambda x: (None, 3, "a", 2.5, range(3), x.shape, slice(1, 2), cr.float32),
    "a generator's": lambda x: list(x * i for i in range(3)),  # noqa: C400 - a generator
    "without grad": without_grad,
}
CHANGES = {
    "in place": lambda x: x.mul_(2),
    "in place, of a view": lambda x: x[1:].mul_(2),
    "zeros": lambda x: x.zero_(),
    "data": lambda x: setattr(x, "data", x.detach() * 2),
}


@pytest.mark.parametrize("make", [plain, leaf, computed])
@pytest.mark.parametrize("fn", RESULTS.values(), ids=RESULTS.keys())
def test_results_are_who_they_are_eagerly(fn, make):
    want, compiled = seen(fn, (make(),)), cr.compile(fn)
    for _ in range(2):
        assert seen(compiled, (make(),)) == want


@pytest.mark.parametrize("make", [plain, computed])
@pytest.mark.parametrize("fn", CHANGES.values(), ids=CHANGES.keys())
def test_changes_of_arguments_are_seen(fn, make):
    want, compiled = seen(fn, (make(),)), cr.compile(fn)
    for _ in range(2):
        assert seen(compiled, (make(),)) == want


@pytest.mark.parametrize(
    ("fn", "make"),
    [
        (marked, plain),
        (lambda x: x.detach_(), computed),
        (with_gradient, leaf),
        (lambda x: setattr(x, "grad", x.detach() * 2), leaf),
    ],
)
def test_what_belongs_to_autograd_is_set(fn, make):
    want, compiled = seen(fn, (make(),)), cr.compile(fn)
    for _ in range(2):
        assert seen(compiled, (make(),)) == want


SHARED = {
    "twice": lambda: (x := plain(), x),
    "base, view": lambda: (x := plain(), x[:2]),
    "view, base": lambda: ((x := plain())[:2], x),
    "overlapping": lambda: ((x := plain())[:2], x[1:]),
    "view of a view": lambda: ((x := cr.arange(6.0))[1:], x[2:][::2]),
    "transposed": lambda: (x := square(), x.t()),
    "diagonal": lambda: (x := square(), x.diagonal()),
    "flat": lambda: (x := square(), x.view(-1)),
    "detached": lambda: (x := plain(), x.detach()),
    "computed": lambda: (x := computed(), x[:2]),
    "computed and detached": lambda: (x := computed(), x.detach()),
    "none": lambda: (plain(), plain()),
}
WRITES = {
    "first": lambda a, b: (a.mul_(2), b * 1)[1],
    "second": lambda a, b: (b.mul_(2), a * 1)[1],
    "both": lambda a, b: (a.mul_(2), b.add_(1)),
    "neither": lambda a, b: a.sum() + b.sum(),
    "a part": lambda a, b: (a[0].mul_(2), b * 1)[1],
}


@pytest.mark.parametrize("fn", WRITES.values(), ids=WRITES.keys())
def test_writes_are_seen_by_arguments_that_share_memory(fn):
    """One function for all kinds of sharing."""
    compiled = cr.compile(fn)
    for _ in range(2):
        for make in SHARED.values():
            assert seen(compiled, make()) == seen(fn, make())


@pytest.mark.parametrize(("name", "variants"), [("neither", 1), ("first", 3)])
def test_sharing_makes_variants_only_where_something_is_written(name, variants):
    fn = cr.compile(WRITES[name])
    for _ in range(2):
        for start in (0, 3, 0):
            x = cr.arange(6.0)
            fn(x[start : start + 3], x[:3])
        fn(plain(), plain())
    assert len(fn.explain_cache()) == variants


def test_a_numpy_argument_is_written_or_refused():
    fn = cr.compile(lambda a, b: (a.mul_(2), b.sum())[1])
    a, b = np.ones(3, np.float32), np.ones(3, np.float32)
    assert fn(a, b).item() == 3
    assert a.tolist() == [2, 2, 2]
    with pytest.raises(TraceError, match="shares its memory"):
        cr.compile(lambda a, b: (a.mul_(2), b.sum())[1])(a, a[1:])


# containers


@dataclasses.dataclass
class Batch:
    x: object
    y: object = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: object
    y: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    x: object
    y: object = None


class Pair(NamedTuple):
    x: object
    y: object = None


class Named(dict):
    @property
    def loss(self):
        return self["x"]


class Listed(list):
    pass


class Tupled(tuple):  # noqa: SLOT001 - may have attributes
    pass


class Anything:
    def __init__(self, x, y=None):
        self.x, self.y = x, y


BY_NAME = [Batch, Frozen, Slotted, Pair, Anything, types.SimpleNamespace]
BY_KEY = [dict, Named, collections.OrderedDict, collections.UserDict, collections.Counter]
IN_ORDER = [list, tuple, Listed, Tupled, collections.deque, collections.UserList]
MAKERS = {
    **{c.__name__: lambda x, y=None, c=c: c(x=x, y=y) for c in (*BY_NAME, *BY_KEY)},
    **{c.__name__: lambda x, y=None, c=c: c([x, y]) for c in IN_ORDER},
    "defaultdict": lambda x, y=None: collections.defaultdict(list, x=x, y=y),
    "set": lambda x, y=None: {x, y is None},
    "frozenset": lambda x, y=None: frozenset([x, y is None]),
    "slice": lambda x, y=None: slice(x, y, 2),
    "nested": lambda x, y=None: Batch({"a": [Pair(x, y)]}, collections.OrderedDict(b=x)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_containers_keep_their_class(make):
    """As results, and as arguments that are handed through, with what they hold."""
    for fn, given in [
        (lambda x: make(x, x * 2), leaf),
        (lambda x: make(x * 3), computed),
        (lambda held: held, lambda: make(leaf())),
        (lambda held: [held, 1], lambda: make(plain(), plain())),
    ]:
        compiled = cr.compile(fn)
        for _ in range(2):
            assert seen(compiled, (given(),)) == seen(fn, (given(),))


def test_factories_and_greatest_lengths_are_kept():
    got = cr.compile(lambda x: collections.defaultdict(list, x=x * 2))(plain())
    assert got["missing"] == []
    got = cr.compile(lambda x: collections.deque([x, x * 2], maxlen=2))(plain())
    got.append(1)
    assert len(got) == got.maxlen == 2


FILLED = {
    "append": (lambda to, x: to.append(x * 2), list),
    "append the argument": (lambda to, x: to.append(x), list),
    "append a view": (lambda to, x: to.append(x[1:]), list),
    "grow and return": (lambda to, x: (to.append(x * 2), to)[1], list),
    "deque": (lambda to, x: to.append(x * 2), lambda: collections.deque([plain()], maxlen=1)),
    "entry": (lambda to, x: to.update(y=to["x"] * x), lambda: {"x": plain()}),
    "no entry": (lambda to, x: (to.pop("x"), x)[1], lambda: {"x": plain()}),
    "inner": (lambda to, x: to["a"].append(x + 1), lambda: {"a": []}),
    "order": (lambda to, x: (to.reverse(), x.sum())[1], lambda: [plain(), plain() * 2]),
    "empty": (lambda to, x: (to.clear(), x.sum())[1], lambda: [plain()]),
    "add": (lambda to, x: to.add(x * 2), set),
    "field": (lambda to, x: setattr(to, "x", to.x * x), lambda: Batch(plain())),
    "name": (lambda to, x: setattr(to, "y", to.x * x), lambda: types.SimpleNamespace(x=plain())),
    "attribute": (lambda to, x: setattr(to, "y", to.x * x), lambda: Anything(plain())),
    "attribute is argument": (lambda to, x: setattr(to, "y", x), lambda: Anything(plain())),
    "attribute is view": (lambda to, x: setattr(to, "y", x[1:]), lambda: Anything(plain())),
}  # fmt: skip


@pytest.mark.parametrize("name", FILLED)
def test_containers_of_the_arguments_are_filled(name):
    fn, make = FILLED[name]
    compiled = cr.compile(fn)
    for _ in range(2):
        assert seen(compiled, (make(), plain())) == seen(fn, (make(), plain()))


def test_a_container_that_holds_itself_is_refused():
    held = [plain()]
    held.append(held)
    with pytest.raises(TypeError, match="holds itself"):
        cr.compile(lambda a: a[0] * 2)(held)
