"""Functions that read Python state, each with changes of it: eager says what is right.

Example: `STATES["a list"]()` gives a function and what changes the state between its calls.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn

Made = tuple[Callable[..., Any], list[Callable[[], Any]]]
STATES: dict[str, Callable[[], Made]] = {}
GLOBAL = 1.0


class Config:
    """Holds whatever is assigned."""

    factor = 1.0

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def state(name: str) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """Enter a maker under a name."""

    def entered(make: Callable[[], Made]) -> Callable[[], Made]:
        STATES[name] = make
        return make

    return entered


def put(owner: Any, name: str, value: Any) -> Callable[[], Any]:
    """A change: an attribute, or an element."""
    if isinstance(owner, dict | list | np.ndarray):
        return lambda: owner.__setitem__(name, value)
    return lambda: setattr(owner, name, value)


@state("attributes of plain objects")
def _() -> Made:
    c = Config(a=2.0, sub=Config(b=[1.0, 2.0]), d={"k": 3.0})

    def fn(x: Any) -> Any:
        return x * c.a * c.sub.b[0] + c.d["k"]

    new = types.SimpleNamespace(b=[5.0])
    return fn, [put(c, "a", 3.0), put(c.sub.b, 0, 9.0), put(c.d, "k", 7.0), put(c, "sub", new)]


@state("dataclasses, with and without slots")
def _() -> Made:
    @dataclasses.dataclass
    class Open:
        a: float = 1.0
        t: tuple[float, float] = (1.0, 2.0)

    @dataclasses.dataclass(slots=True)
    class Closed:
        a: float = 1.0

    c, s = Open(), Closed()
    fn = lambda x: x * c.a * c.t[1] * s.a  # noqa: E731
    return fn, [put(c, "a", 3.0), put(c, "t", (1.0, 5.0)), put(s, "a", 4.0)]


@state("the elements of a list")
def _() -> Made:
    values = [1.0, 2.0]

    def fn(x: Any) -> Any:
        for v in values:
            x = x * v
        return x

    return fn, [lambda: values.append(3.0), put(values, 0, 5.0), values.pop]


@state("attributes of elements, in a comprehension and in enumerate")
def _() -> Made:
    many = [Config(s=1.0), Config(s=2.0)]

    def fn(x: Any) -> Any:
        y = sum([x * c.s for c in many])
        for i, c in enumerate(many):
            y = y + i * c.s
        return y

    return fn, [put(many[1], "s", 9.0), lambda: many.append(many[0])]


@state("the items of a dict, as arguments, too")
def _() -> Made:
    many, options = {"a": 1.0, "b": 2.0}, {"alpha": 1.0}

    def fn(x: Any) -> Any:
        for _, v in many.items():  # noqa: PERF102 - as programs do
            x = x * v
        return cr.add(x, x, **options) + len(many)

    return fn, [put(many, "a", 4.0), put(many, "c", 2.0), put(options, "alpha", 3.0)]


@state("names that are made up, and asked for")
def _() -> Made:
    model = nn.Linear(2, 2)
    model.s0, model.s1 = 1.0, 2.0

    def fn(x: Any) -> Any:
        for i in range(2):
            x = x * getattr(model, f"s{i}")
        return x * (3 if hasattr(model, "extra") else 1) * sum(vars(Config(a=1.0)).values())

    return fn, [put(model, "s1", 7.0), put(model, "extra", 1), lambda: delattr(model, "extra")]


@state("the layers of a Sequential")
def _() -> Made:
    m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    return m, [
        lambda: m.append(nn.Linear(2, 2)),
        lambda: m.__setitem__(1, nn.Tanh()),
        lambda: m.__delitem__(0),
        lambda: m.insert(0, nn.Sigmoid()),
    ]


@state("the layers of a ModuleList and a ModuleDict")
def _() -> Made:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2)])
            self.heads = nn.ModuleDict({"a": nn.Linear(2, 2)})
            self.head, self.act = "a", F.relu

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = self.act(layer(x))
            return self.heads[self.head](x)

    m = Model()
    return m, [
        lambda: m.layers.append(nn.Linear(2, 2)),
        lambda: m.layers.__setitem__(0, nn.Linear(2, 2)),
        put(m, "act", cr.tanh),
        lambda: m.heads.update({"b": nn.Linear(2, 2)}),
        put(m, "head", "b"),
        lambda: m.heads.update({"b": nn.Linear(2, 2)}),
    ]


@state("hooks, and what they close over")
def _() -> Made:
    m, scale, handles = nn.Linear(2, 2), [2.0], []

    def hooked() -> None:
        handles.append(m.register_forward_hook(lambda *a: a[2] * scale[0]))

    return m, [hooked, put(scale, 0, 5.0), lambda: handles.pop().remove()]


@state("cells, also those of a function that is called")
def _() -> Made:
    k = 1.0

    def assign(v: Any) -> None:
        nonlocal k
        k = v

    def innermost(x: Any) -> Any:
        return x * k

    def inner(x: Any) -> Any:
        return innermost(x)

    return inner, [lambda: assign(4.0), lambda: assign(2), lambda: assign(2.0)]


@state("a global that becomes something else")
def _() -> Made:
    globals()["GLOBAL"] = 1.0

    def fn(x: Any) -> Any:
        return x * GLOBAL

    values = [3.0, cr.tensor(2.0), np.float32(2.5)]
    return fn, [put(globals(), "GLOBAL", v) for v in values]


@state("arrays of NumPy that are written to")
def _() -> Made:
    a = np.array([1.0, 2.0], np.float32)
    return lambda x: x * cr.tensor(a) + a[0], [put(a, 0, 5.0)]


@state("default arguments")
def _() -> Made:
    def inner(x: Any, s: Any = [2.0], *, k: Any = {"a": 1.0}) -> Any:  # noqa: B006
        return x * s[0] * k["a"]

    changes = [put(inner.__defaults__[0], 0, 3.0), put(inner.__kwdefaults__["k"], "a", 3.0)]
    return (lambda x: inner(x) + 0), [*changes, put(inner, "__defaults__", ([5.0],))]


@state("functions of a module that are exchanged")
def _() -> Made:
    space = types.ModuleType("space")
    space.fn, space.c = (lambda x: x * 2), 1.0

    def other(x: Any) -> Any:
        return x * 5

    relu = F.relu
    return lambda x: space.fn(F.relu(x)) * space.c, [
        put(space, "fn", other),
        put(space, "c", 4.0),
        put(F, "relu", lambda x: x * 7),
        put(F, "relu", relu),
    ]


@state("class attributes, their overriding, and methods that are exchanged")
def _() -> Made:
    class Base(nn.Module):
        k = 1.0

        def forward(self, x: Any) -> Any:
            return x * self.k * Config.factor

    class Derived(Base):
        pass

    m = nn.Sequential(Derived())
    return m, [
        put(Base, "k", 3.0),
        put(Derived, "k", 4.0),
        put(m[0], "k", 5.0),
        put(Config, "factor", 2.0),
        put(Config, "factor", 1.0),
        put(Derived, "forward", lambda self, x: x * 100 * self.k),
        put(m[0], "forward", lambda x: x * 7),
    ]


@state("the code of a function, and what a partial holds")
def _() -> Made:
    values = [2.0]

    def inner(s: Any, x: Any) -> Any:
        return x * s[0]

    def other(s: Any, x: Any) -> Any:
        return x - s[0]

    partial = functools.partial(inner, values)
    return (lambda x: partial(x) + 0), [put(values, 0, 4.0), put(inner, "__code__", other.__code__)]


@state("an object with a method, a property and a call")
def _() -> Made:
    class Trainer:
        def __init__(self) -> None:
            self.k, self.model, self._c = 1.0, nn.Linear(2, 2), Config(a=1.0)

        @property
        def config(self) -> Any:
            return self._c

        def __call__(self, x: Any) -> Any:
            return self.model(x) * self.k * self.config.a

    t = Trainer()
    return t, [put(t, "k", 4.0), put(t, "model", nn.Linear(2, 2)), put(t.config, "a", 3.0)]


@state("enumerations, deques, ordered dicts and sets")
def _() -> Made:
    class Mode(enum.Enum):
        SLOW = 1.0
        FAST = 2.0

    c, q = Config(mode=Mode.SLOW), collections.deque([1.0, 2.0])
    o, s = collections.OrderedDict(a=1.0), {1.0}
    fn = lambda x: x * c.mode.value * q[0] * o["a"] * max(s)  # noqa: E731
    return fn, [put(c, "mode", Mode.FAST), lambda: q.appendleft(4.0), put(o, "a", 4.0),
                lambda: s.add(9.0)]  # fmt: skip


@state("containers of the library and dicts with attributes")
def _() -> Made:
    class Open(dict):  # type: ignore[type-arg]
        __getattr__ = dict.__getitem__
        __setattr__ = dict.__setitem__

    d, u = Open(a=1.0, s=Open(b=2.0)), collections.UserDict(a=1.0)
    c = collections.ChainMap({}, {"a": 1.0})
    fn = lambda x: x * d.a * d.s.b * u["a"] * c["a"]  # noqa: E731
    return fn, [put(d, "a", 3.0), put(d.s, "b", 3.0), lambda: u.update(a=3.0),
                lambda: c.update(a=3.0)]  # fmt: skip


@state("tensors that are exchanged or written to")
def _() -> Made:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("b", cr.ones(2))
            self.p, self.t = nn.Parameter(cr.ones(2)), cr.ones(2)

        def forward(self, x: Any) -> Any:
            return x * self.b * self.p * self.t

    m = Model()
    return m, [
        lambda: setattr(m, "b", cr.ones(2) * 3),
        lambda: m.b.mul_(2),
        lambda: setattr(m, "p", nn.Parameter(cr.ones(2) * 2)),
        lambda: setattr(m, "t", cr.ones(2) * 5),
        lambda: m.t.mul_(2),
    ]


@state("numbers of layers")
def _() -> Made:
    m = nn.Sequential(
        nn.LayerNorm(2), nn.LeakyReLU(0.1), nn.ELU(1.0), nn.Hardtanh(), nn.Dropout(0.0)
    )
    return m, [put(m[0], "eps", 3.0), put(m[1], "negative_slope", 0.5), put(m[2], "alpha", 3.0),
               put(m[3], "max_val", 0.1), put(m[4], "p", 1.0)]  # fmt: skip


@state("signs of zeros, types of numbers, tests of membership")
def _() -> Made:
    values, names, c = [0.0], ["a"], Config(n=2)

    def fn(x: Any) -> Any:
        for _ in range(int(c.n)):
            x = x * 2
        return (x * c.n + 1 / (x * values[0])) * (3 if "b" in names else 1)

    return fn, [put(values, 0, -0.0), put(c, "n", 2.0), lambda: names.append("b")]


@state("the default dtype")
def _() -> Made:
    return lambda x: x + cr.ones(2) * 0.1, [
        lambda: cr.set_default_dtype(cr.float64),
        lambda: cr.set_default_dtype(cr.float32),
    ]


@state("what a decorator, a getter and an object with __getattr__ lead to")
def _() -> Made:
    class Box:
        def __init__(self, **values: Any) -> None:
            self._values = values

        def __getattr__(self, name: str) -> Any:
            return self._values[name]

    c, box = Config(k=1.0), Box(a=1.0)

    def given() -> Any:
        return c

    def scaled(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inner(*args: Any) -> Any:
            return fn(*args) * c.k

        return inner

    @scaled
    @cr.no_grad()
    def fn(x: Any) -> Any:
        return x * box.a * given().k

    return fn, [put(c, "k", 3.0), lambda: box._values.update(a=2.0)]


@state("modes, slices of layers and lists of parameters")
def _() -> Made:
    m = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Dropout(1.0)).eval()
    many, c = nn.ParameterList([nn.Parameter(cr.ones(2))]), Config(n=2)

    def fn(x: Any) -> Any:
        for p in many:
            x = x * p
        return m[: c.n](x) + m(x)

    return fn, [
        put(c, "n", 3),
        lambda: m.__setitem__(0, nn.Linear(2, 2)),
        m[3].train,
        m[3].eval,
        lambda: many.append(nn.Parameter(cr.ones(2) * 2)),
        lambda: many.__setitem__(0, nn.Parameter(cr.ones(2) * 3)),
    ]


@state("settings of losses and of convolutions")
def _() -> Made:
    loss, huber, conv = nn.CrossEntropyLoss(), nn.HuberLoss(), nn.Conv1d(1, 1, 3)

    def fn(x: Any) -> Any:
        y = conv(x.expand(1, 1, 2).repeat(1, 1, 4)).sum()
        return loss(x.view(1, 2), cr.tensor([1])) + huber(x, x * 3) + y

    return fn, [
        put(loss, "label_smoothing", 0.5),
        put(loss, "weight", cr.tensor([1.0, 5.0])),
        put(loss, "reduction", "sum"),
        put(huber, "delta", 0.1),
        put(conv, "padding", (2,)),
        put(conv, "stride", (2,)),
    ]


@state("nested containers, unpacked and named")
def _() -> Made:
    point = collections.namedtuple("point", "a b")  # noqa: PYI024 - as programs do
    c = Config(pair=(Config(k=1.0), Config(k=2.0)), p=point(1.0, 2.0), fns=[cr.tanh, cr.sin])
    d = {"a": {"b": [1.0, {"c": 2.0}]}}

    def fn(x: Any) -> Any:
        a, b = c.pair
        for f in c.fns:
            x = f(x)
        return x * a.k + b.k * c.p.a + d["a"]["b"][1]["c"] * d.get("e", 1.0)

    return fn, [
        put(c.pair[1], "k", 3.0),
        put(c, "p", point(3.0, 2.0)),
        put(d["a"]["b"][1], "c", 5.0),
        put(d, "e", 7.0),
        lambda: c.fns.append(cr.cos),
    ]


@state("attributes of functions, and names that a class gets later")
def _() -> Made:
    class Gain:
        pass

    gain = Gain()

    def fn(x: Any) -> Any:
        return x * fn.scale * getattr(gain, "k", 1.0)  # type: ignore[attr-defined]

    fn.scale = 2.0  # type: ignore[attr-defined]
    return fn, [put(fn, "scale", 3.0), put(Gain, "k", 5.0), put(gain, "k", 7.0)]


@state("a property that is exchanged, and the class of a layer and of an object")
def _() -> Made:
    class Scaled(nn.Module):
        gain = property(lambda self: 2.0)  # noqa: ARG005 - the signature

        def forward(self, x: Any) -> Any:
            return x * self.gain

    class Shifted(Scaled):
        def forward(self, x: Any) -> Any:
            return x + 100.0

    class Three:
        value = 3.0

    class Four:
        value = 4.0

    model, number = Scaled(), Three()
    return lambda x: model(x) * number.value, [
        put(Scaled, "gain", property(lambda self: 6.0)),  # noqa: ARG005 - the signature
        put(model, "__class__", Shifted),
        put(number, "__class__", Four),
    ]


@state("parameters that are registered, and a parametrization")
def _() -> Made:
    class Doubled(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2

    layer = nn.Linear(3, 2)
    add = functools.partial(layer.register_parameter, "extra", nn.Parameter(cr.ones(3)))
    double = functools.partial(
        nn.utils.parametrize.register_parametrization, layer, "weight", Doubled()
    )
    return lambda x: sum((p * p).sum() for p in layer.parameters()) + x, [add, double]


@state("attributes of what `modules()` gives, and of tensors")
def _() -> Made:
    layer, scale = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), cr.ones(2)
    for each in layer.modules():
        each.gain = 1.0
    scale.factor = 2.0

    def fn(x: Any) -> Any:
        for _, each in layer.named_modules():
            x = x * each.gain
        return x * scale.factor * (3.0 if scale.requires_grad else 1.0)

    return fn, [
        put(layer[0], "gain", 3.0),
        put(layer, "gain", 5.0),
        put(scale, "factor", 7.0),
        put(scale, "requires_grad", True),
    ]


@state("the state of an optimizer that is cleared, or exchanged for one parameter")
def _() -> Made:
    p = nn.Parameter(cr.ones(2))
    optimizer = cr.optim.SGD([p], lr=0.1, momentum=0.9)

    def fn(x: Any) -> Any:
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        return p.detach()

    return fn, [
        optimizer.state.clear,
        lambda: optimizer.state.pop(p),
        lambda: optimizer.state[p].update(momentum_buffer=cr.ones(2)),
        lambda: optimizer.state[p].pop("momentum_buffer"),
    ]
