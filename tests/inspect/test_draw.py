"""Pictures: nodes and edges once, values and gradients on them, boxes that do not overlap."""

from __future__ import annotations

import cProfile
import itertools
import json
import pstats
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.inspect import draw, explain, saved_for_backward, why_no_grad
from chainrule.inspect.arrange import Edge, Rectangle, Size, arrange
from chainrule.inspect.boxes import Boxes
from chainrule.inspect.outline import AUTO
from chainrule.models.gpt import GPT

SVG = "{http://www.w3.org/2000/svg}"


def drawing(depth=None):
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))
    return draw(lambda x: (model(x) ** 2).sum(), cr.ones(1, 2), depth=depth)


def texts(svg):
    return ["".join(t.itertext()) for t in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - ours


def test_the_lecture_example_shows_values_and_gradients():
    w = cr.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    b = cr.tensor([0.5, 0.6], requires_grad=True)
    loss = (cr.sigmoid(w @ cr.tensor([1.0, 2.0]) + b) * cr.tensor([0.7, 0.8])).sum()
    shown = texts(draw(loss).to_svg())
    assert "1, 1.7" in shown
    assert "0.138, 0.104" in shown
    assert "0.138, 0.275, 0.104, 0.209" in shown
    assert {"matmul", "add", "sigmoid", "mul", "sum", "w", "b"} <= set(shown)
    assert "reshape" not in shown  # the vector as a column: the same numbers


def test_a_reshape_that_moves_numbers_is_a_box():
    x = cr.ones(2, 3, requires_grad=True)
    assert "reshape" in texts(draw((x.reshape(3, 2) @ cr.ones(2, 1)).sum()).to_svg())


def test_a_constant_behind_a_bare_reshape_is_left_out():
    x = cr.ones(2, requires_grad=True)
    shown = texts(draw((cr.ones(1, 2).reshape(2) * x).sum()).to_svg())
    assert "constant" not in shown
    assert "mul" in shown


def test_labels_lie_between_the_boxes():
    w = cr.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    svg = ET.fromstring(draw((w @ cr.tensor([1.0, 2.0])).tanh().sum()).to_svg())  # noqa: S314 - ours
    boxes = [
        (float(r.get("x")), float(r.get("x")) + float(r.get("width")))
        for r in svg.iter(f"{SVG}rect")
        if r.get("rx") == "6"
    ]
    for label in svg.iter(f"{SVG}text"):
        if label.get("class") in {"v", "g"}:
            half = len("".join(label.itertext())) * 6 / 2
            low, high = float(label.get("x")) - half, float(label.get("x")) + half
            assert all(high <= left or right <= low for left, right in boxes)


def test_modules_are_boxes_and_fold():
    shown = texts(drawing().to_svg())
    assert "tanh" in shown
    folded = texts(drawing(depth=1).to_svg())
    assert "tanh" not in folded
    assert "1 Sequential" in folded


def test_dot_and_json_say_the_same():
    made = drawing()
    dot, record = made.to_dot(), json.loads(made.to_json())
    assert dot.count("{") == dot.count("}")
    edges = sum(len(s["operands"]) for s in record["steps"])
    assert 0 < dot.count(" -> ") <= edges
    assert 'subgraph "cluster_1.1"' in dot


def test_a_picture_is_saved(tmp_path):
    drawing().save(tmp_path / "loss.svg")
    assert ET.parse(tmp_path / "loss.svg").getroot().tag == f"{SVG}svg"  # noqa: S314 - ours


def overlap(a: Rectangle, b: Rectangle) -> bool:
    beside = a.x >= b.x + b.along or b.x >= a.x + a.along
    return not (beside or a.y >= b.y + b.across or b.y >= a.y + a.across)


def holds(outer: Rectangle, inner: Rectangle) -> bool:
    return (
        outer.x <= inner.x
        and inner.x + inner.along <= outer.x + outer.along
        and outer.y <= inner.y
        and inner.y + inner.across <= outer.y + outer.across
    )


@pytest.mark.parametrize("size", [1, pytest.param(4, marks=pytest.mark.slow)])
@given(data=st.data())
def test_nothing_overlaps_and_all_lies_in_its_groups(size, data):
    count = data.draw(st.integers(1, 10 * size))
    groups = {
        i: tuple(data.draw(st.lists(st.sampled_from("ab"), max_size=2))) for i in range(count)
    }
    pairs = [p for p in itertools.combinations(range(count), 2)
             if data.draw(st.integers(0, 3)) == 0][: 3 * count]  # fmt: skip
    edges = [Edge(a, b, Size(30, 20)) for a, b in pairs]
    at = arrange(dict.fromkeys(range(count), Size(60, 40)), groups, edges, Size(0, 20))
    assert at.boxes.keys() == groups.keys()
    solid = [*at.boxes.values(), *(p for p in at.labels if p is not None)]
    for a, b in itertools.combinations(solid, 2):
        assert not overlap(a, b)
    for a, b in itertools.combinations(at.groups, 2):
        if a[: len(b)] != b and b[: len(a)] != a:
            assert not overlap(at.groups[a], at.groups[b])
    for box, place in at.boxes.items():
        for depth in range(len(groups[box]) + 1):
            assert holds(at.groups[groups[box][:depth]], place)
    for edge, bends in zip(edges, at.bends, strict=True):
        for x, y in bends:  # edges run past boxes, not through them
            point = Rectangle(x, y, 1e-9, 1e-9)
            others = [p for b, p in at.boxes.items() if b not in {edge.source, edge.target}]
            assert not any(overlap(point, p) for p in others)


MODELS = {
    "deep": lambda: (nn.Sequential(*(nn.Linear(3, 3) for _ in range(12))), cr.randn(2, 3)),
    "lstm": lambda: (nn.LSTMCell(2, 3), cr.randn(1, 2)),
    "encoder": lambda: (
        nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), cr.randn(1, 4, 8)
    ),
    "gpt": lambda: (GPT(vocabulary=9, context=8, layers=4, heads=2, width=8),
                    cr.randint(9, (2, 8))),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_pictures_are_as_wide_as_a_page(name):
    model, x = MODELS[name]()

    def loss(x):
        out = model(x)
        return ((out[0] if isinstance(out, tuple) else out) ** 2).mean()

    made = draw(loss, x)
    root = ET.fromstring(made.to_svg())  # noqa: S314 - ours
    assert float(root.get("width")) <= 1100
    assert len(list(root.iter(f"{SVG}g"))) <= 45  # boxes
    sideways = draw(loss, x, direction="right")
    assert texts(sideways.to_svg()).sort() == texts(made.to_svg()).sort()
    with pytest.raises(ArgumentError, match="'right' or 'down'"):
        draw(loss, x, direction="up")


def test_parameters_stand_in_their_modules():
    shown = texts(drawing().to_svg())
    assert "0 Linear" in shown
    assert "1 Sequential" in shown
    assert shown.count("weight") == 2
    assert "5 nodes, 2 parameters" in texts(drawing(depth=1).to_svg())


def test_the_ops_of_a_model_itself_stand_beside_its_parts():
    model, x = MODELS["encoder"]()
    shown = texts(draw(lambda x: model(x).sum(), x, depth=1).to_svg())
    assert "self_attn MultiheadAttention" in shown
    assert "relu" in shown
    assert "TransformerEncoderLayer" not in shown


def test_a_leaf_that_is_used_several_times_shows_each_part_and_the_sum():
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    shown = texts(draw((x * x.exp()).sum()).to_svg())
    assert "7.39, 20.1" in shown  # through the product
    assert "14.8, 60.3" in shown  # through exp
    assert "Σ 22.2, 80.3" in shown


def test_long_computations_without_modules_are_told_by_line():
    def chain(x):
        y = x
        for _ in range(200):
            y = cr.tanh(y) * 1.01
        return y.sum()

    shown = texts(draw(chain, cr.ones(2, requires_grad=True)).to_svg())
    assert any(text.startswith("test_draw.py:") for text in shown)
    assert "600 nodes" in shown


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("out.svg", "<svg"), ("out.HTML", "<!doctype html>"), ("out.dot", "digraph"),
        ("out.gv", "digraph"), ("out.json", "{"),
    ],
)  # fmt: skip
def test_a_file_is_what_its_name_ends_with(name, start, tmp_path):
    cr.draw(lambda x: (x * x).sum(), cr.ones(2, requires_grad=True)).save(tmp_path / name)
    assert (tmp_path / name).read_text("utf-8").startswith(start)


@pytest.mark.parametrize("name", ["out.png", "out.pdf", "out.txt", "out"])
def test_a_file_of_another_kind_is_refused(name, tmp_path):
    drawing = cr.draw(lambda x: (x * x).sum(), cr.ones(2, requires_grad=True))
    with pytest.raises(cr.errors.ArgumentError, match=r"\.svg, \.html, \.dot"):
        drawing.save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_explanation_is_saved_too(tmp_path):
    found = cr.explain(lambda x: (x * x).sum(), cr.ones(2, requires_grad=True))
    for name, start in (("a.txt", "<lambda>"), ("a.html", "<!doctype"), ("a.json", "{")):
        found.save(tmp_path / name)
        assert (tmp_path / name).read_text("utf-8").lstrip().startswith(start)


def test_long_arrays_can_be_told_in_short():
    drawing = cr.draw(lambda x: (x * x).sum(), cr.full((3, 40), 2.0, requires_grad=True))
    steps = json.loads(drawing.to_json(most=50))["steps"]
    short = {"shape": [3, 40], "min": 2.0, "max": 2.0, "mean": 2.0, "rms": 2.0}
    assert steps[0]["value"] == short
    assert steps[-1]["value"] == 480.0
    assert len(json.loads(drawing.to_json(most=None))["steps"][0]["value"]) == 3


@pytest.mark.parametrize("look", [cr.draw, cr.explain])
def test_json_is_bounded_and_says_what_it_leaves_out(look):
    x = cr.randn(30, 20, requires_grad=True)
    found = look((x * 2).sum())
    record, full = json.loads(found.to_json()), json.loads(found.to_json(most=None))
    sizes = [600 for s in full["steps"] for v in (s["value"], s["gradient"]) if _is_large(v)]
    sizes += [600 for s in full["steps"] for p in s["parts"] if _is_large(p["value"])]
    assert record["left_out"] == {
        "arrays": len(sizes), "entries": sum(sizes), "most": 100, "all": "to_json(most=None)",
    }  # fmt: skip
    assert full["left_out"] is None
    assert np.shape(full["steps"][0]["value"]) == (30, 20)


def _is_large(value):
    return np.size(value) == 600


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.RNNCell(2, 3), nn.Linear(3, 1)

    def forward(self, xs):
        h = cr.zeros(1, 3)
        for x in xs:
            h = self.cell(x, h)
        return self.out(h)


def test_each_call_of_a_module_is_a_box():
    model = Recurrent()
    made = draw(lambda xs: model(xs).sum(), cr.ones(3, 1, 2), depth=1)
    shown = texts(made.to_svg())
    for title in ("cell RNNCell", "cell RNNCell, call 2", "cell RNNCell, call 3", "out Linear"):
        assert shown.count(title) == 1
    assert shown.count("cell.weight_hh") == 1  # shared by the three, so outside of them
    states = [k for k in made._boxes.edges() if {type(k.source), type(k.target)} == {tuple}]
    assert [(k.source[0], k.target[0]) for k in states] == [
        ("cell", "cell[call 2]"), ("cell[call 2]", "cell[call 3]"), ("cell[call 3]", "out"),
    ]  # fmt: skip


def test_each_call_of_a_bare_cell_is_a_box():
    cell = nn.RNNCell(2, 3)

    def loss(xs):
        h = cr.zeros(1, 3)
        for x in xs:
            h = cell(x, h)
        return h.sum()

    shown = texts(draw(loss, cr.ones(3, 1, 2), depth=1).to_svg())
    assert [t for t in shown if "RNNCell" in t] == [
        "RNNCell", "RNNCell, call 2", "RNNCell, call 3",
    ]  # fmt: skip


def test_both_calls_of_a_model_have_their_parts():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    made = draw(lambda x, y: (model(x) - model(y)).sum(), cr.ones(1, 2), cr.zeros(1, 2), depth=1)
    shown = texts(made.to_svg())
    for title in ("0 Linear", "0 Linear, call 2", "1 Tanh", "1 Tanh, call 2"):
        assert title in shown


def test_many_calls_of_a_module_are_one_box():
    model = Recurrent()
    shown = texts(draw(lambda xs: model(xs).sum(), cr.ones(60, 1, 2)).to_svg())
    assert "cell RNNCell" in shown
    assert not any(", call " in t for t in shown)


@pytest.mark.parametrize("what", [Boxes, explain, why_no_grad, saved_for_backward])
def test_looking_at_a_deep_graph_takes_calls_as_it_has_nodes(what):
    w = cr.ones(2, requires_grad=True)

    def loss(count):
        x = w
        for _ in range(count):
            x = x * cr.tensor([1.0, 0.5]) + 1
        return x.sum()

    def look(count):
        if what is Boxes:
            Boxes(explain(loss(count)).derivation, AUTO)
        elif what is why_no_grad:
            str(what(w, loss(count)))
        else:
            str(what(loss(count)))

    few, many = (calls_of(lambda n=n: look(n)) for n in (250, 1000))
    assert many < 4.5 * few
    look(3000)


def calls_of(run):
    profile = cProfile.Profile()
    profile.runcall(run)
    return pstats.Stats(profile).total_calls


def test_depth_zero_shows_a_model_as_one_box():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), nn.Linear(2, 1))

    def loss(x):
        return model(x).sum()

    x = cr.randn(3, 2)
    counts = [cr.draw(loss, x, depth=d).to_svg().count('class="t"') for d in (0, 1, 2, None)]
    assert counts == sorted(counts)
    assert counts[0] < counts[1]
    dot = cr.draw(loss, x, depth=0).to_dot()
    assert "Sequential" in dot
    assert "Linear" not in dot
    lines = [str(cr.explain(loss, x, depth=d)).count("\n") for d in (0, 1, 2, None)]
    assert lines == sorted(lines)
    assert lines[0] < lines[1]
