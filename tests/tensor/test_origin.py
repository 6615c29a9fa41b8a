"""Where an axis came from: followed through whatever only passes it on."""

from __future__ import annotations

import linecache

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError
from chainrule.tensor.axis_origin import passed_on

# what is done to x of shape (2, 3, 4); the axis asked for; the op that made its size
MAKERS = [
    (lambda x: x.relu() + 1.0, -1, "input"),
    (lambda x: x.transpose(0, 2), 0, "input"),
    (lambda x: x.permute(2, 0, 1).exp(), 2, "input"),
    (lambda x: x.flatten(1), 1, "reshape"),
    (lambda x: x.flatten(1).tanh(), 0, "input"),
    (lambda x: x.reshape(2, 3, 2, 2), 1, "input"),
    (lambda x: x.unsqueeze(1), 1, "reshape"),
    (lambda x: x[:, 1:], 1, "slice"),
    (lambda x: x[:, 1:], 2, "input"),
    (lambda x: cr.cat([x, x], 1), 1, "concat"),
    (lambda x: cr.cat([x, x], 1), 0, "input"),
    (lambda x: x @ cr.ones(4, 5), 2, "input"),
    (lambda x: x @ cr.ones(4, 5), 1, "input"),
    (lambda x: cr.ones(7, 1, 1, 1) * x, 0, "input"),
    (lambda x: x + cr.zeros(4), 2, "input"),
]


@pytest.mark.parametrize(("made", "axis", "op"), MAKERS)
def test_who_made_an_axis(made, axis, op):
    out = made(cr.ones(2, 3, 4, requires_grad=True))
    maker, computed = passed_on(out._node, axis % len(out.shape))
    assert maker.op.name == op
    assert computed.op.name != "input"


def told(program):
    """The notes of the ShapeError that a program ends with."""
    text = "import chainrule as cr\nfrom chainrule import nn\n" + program
    linecache.cache["prog.py"] = (len(text), None, text.splitlines(keepends=True), "prog.py")
    with pytest.raises(ShapeError) as caught:
        exec(compile(text, "prog.py", "exec"), {"__name__": "prog"})  # noqa: S102
    notes = caught.value.__notes__
    del linecache.cache["prog.py"]
    return [note.strip() for note in notes[:-1]]


def test_a_variable_of_an_outer_frame():
    assert told("def f(a, b):\n    return a + b\nx = cr.ones(3)\nf(x, cr.ones(2))") == [
        "input (3,): made at prog.py:5  x = cr.ones(3)"
    ]


def test_a_member_of_a_list():
    assert "tensors[1] (1, 3): made at prog.py:3  xs = [cr.ones(2, 2), cr.ones(1, 3)]" in told(
        "xs = [cr.ones(2, 2), cr.ones(1, 3)]\ncr.cat([cr.ones(2, 2), xs[1]])"
    )


def test_a_view_is_told_by_its_base():
    assert told("x = cr.ones(3, 2)\ny = x.T\nz = y + cr.ones(5)")[0].startswith("input (2, 3): ")


def test_what_is_not_known_is_not_said():
    assert told("if cr.ones(1):\n    x = cr.ones(3)\nx + cr.ones(2)") == []


def test_without_gradients_the_shapes_are_still_told():
    found = told("m = nn.Linear(4, 3)\nx = cr.ones(2, 5)\nwith cr.no_grad():\n    m(x)")
    assert found == [
        "in layer Linear",
        "input (2, 5): made at prog.py:4  x = cr.ones(2, 5)",
        "weight (3, 4): m.weight, made at prog.py:3  m = nn.Linear(4, 3)",
    ]


def test_modules_of_another_library_are_passed_over():
    class Foreign:
        def __init__(self):
            self._modules, self._parameters, self._buffers = {}, {"weight": object()}, {}

        def named_modules(self):
            return [("", self)]

    layer = nn.Linear(3, 2)
    foreign = Foreign()  # a variable of this frame, which is looked at
    with pytest.raises(ShapeError) as caught:
        layer(cr.ones(2, 4, requires_grad=True) * 1.0)
    assert any("weight (2, 3)" in note for note in caught.value.__notes__)
    assert foreign.named_modules()


def test_long_lines_are_cut():
    (line,) = told(f"x = cr.ones({'1, ' * 30}3)\nx + cr.ones(2)")
    assert line.endswith("…")
    assert line.count("1, ") < 60


@pytest.mark.parametrize("own", ["self", "this"])
@pytest.mark.parametrize("model", ["Net().forward", "cr.compile(Net())"])
def test_the_object_of_a_method_may_have_any_name(own, model):
    found = told(
        "class Net(nn.Module):\n"
        f"    def __init__({own}):\n"
        "        super().__init__()\n"
        f"        {own}.fc = nn.Linear(4, 3)\n"
        f"    def forward({own}, x):\n"
        f"        return {own}.fc(x)\n"
        f"{model}(cr.ones(2, 5))"
    )
    assert any(
        note.startswith("weight (3, 4): fc.weight of Net, made at prog.py:6") for note in found
    )
