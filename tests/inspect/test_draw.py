"""Pictures: nodes and edges once, values and gradients on them, boxes that do not overlap."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.inspect import draw
from chainrule.inspect.arrange import Place, Size, arrange

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
    assert {"matmul", "add", "sigmoid", "mul", "sum"} <= set(shown)
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
    assert "0.weight" in shown
    folded = texts(drawing(depth=1).to_svg())
    assert "tanh" not in folded
    assert "5 nodes" in folded


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


def overlap(a: Place, b: Place) -> bool:
    beside = a.x >= b.x + b.width or b.x >= a.x + a.width
    return not (beside or a.y >= b.y + b.height or b.y >= a.y + a.height)


@pytest.mark.parametrize("size", [1, 5])
@given(data=st.data())
def test_boxes_never_overlap_and_lie_in_their_groups(size, data):
    count = data.draw(st.integers(1, 12 * size))
    groups = {
        i: tuple(data.draw(st.lists(st.sampled_from("ab"), max_size=2))) for i in range(count)
    }
    edges = [(a, b) for a, b in itertools.combinations(range(count), 2)
             if data.draw(st.integers(0, 3)) == 0][: 3 * count]  # fmt: skip
    at = arrange(dict.fromkeys(range(count), Size(60, 40)), groups, edges)
    assert at.boxes.keys() == groups.keys()
    for a, b in itertools.combinations(at.boxes.values(), 2):
        assert not overlap(a, b)
    for box, place in at.boxes.items():
        for depth in range(len(groups[box]) + 1):
            frame = at.groups[groups[box][:depth]]
            assert frame.x <= place.x
            assert place.x + place.width <= frame.x + frame.width
            assert frame.y <= place.y
            assert place.y + place.height <= frame.y + frame.height
