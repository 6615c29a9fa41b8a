"""The laws that every op keeps, generated from its record: its types, meaning and gradients."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.base.errors import ChainruleError
from chainrule.base.shapes import View
from chainrule.grad.forward import push
from chainrule.graph.node import Graph, Node, TupleType, input_node
from chainrule.graph.text import parse_graph, print_graph
from chainrule.graph.verify import verify
from chainrule.graph.walk import topological
from chainrule.kernel.scalar import erf
from chainrule.ops import TABLE
from chainrule.ops.decomposition import decomposition
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import OUT, Contract, IndexMap, Map, Op, Reduce, Symbolic
from tests.ops.calls import (
    FLOATS,
    STEP,
    Call,
    call,
    calls,
    differentiable,
    directions,
    generator,
    gradient,
    inner,
    is_float,
    samples,
    slope,
    type_of,
)
from tests.structure.package import ROOT

NAMES = sorted(TABLE)
SMOOTH = differentiable(dtypes.float64, smooth=True)
by_dtype = pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda d: d.name)
by_float = pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
by_name = pytest.mark.parametrize("name", NAMES)
by_smooth_name = pytest.mark.parametrize("name", SMOOTH)


def smooth(name: str) -> list[Call]:
    return [c for c in calls(name, dtypes.float64) if c.sample.smooth]


def seedings(c: Call) -> list[list[int]]:
    """Which results receive a cotangent: each alone, and all together."""
    several = [i for i, n in enumerate(c.graph.outputs) if is_float(n)]
    return [[i] for i in several] + ([several] if len(several) > 1 else [])


@by_name
def test_an_op_has_samples(name):
    legal = [c for dtype in dtypes.ALL for c in calls(name, dtype)]
    assert legal
    sizes = [n.array.size for c in legal for n in (*c.graph.inputs, *c.graph.outputs)]
    assert min(sizes) <= 1 < max(sizes), "samples need several elements, and one or none"


@by_name
@by_dtype
def test_infer_says_what_numpy_returns(name, dtype):
    op, refused = TABLE[name], 0
    for sample in samples(name, dtype):
        types = tuple(type_of(v) for v in sample.inputs)
        try:
            inferred = op.infer(types, sample.attrs)
        except ChainruleError:
            refused += 1
            continue
        with np.errstate(all="ignore"):
            assert type_of(op.numpy(list(sample.inputs), sample.attrs)) == inferred, sample
    assert refused in {0, len(samples(name, dtype))}, "a dtype is refused for all shapes or none"


def spread(x: np.ndarray) -> np.ndarray:
    """The same values at every second place of a larger, read-only array."""
    if isinstance(x, tuple):
        return tuple(spread(v) for v in x)
    wide = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    inside = wide[(*(slice(2 * n, 0, -2) for n in x.shape), ...)]
    inside[...] = x
    inside.flags.writeable = False
    return inside


@by_name
@by_dtype
def test_strides_do_not_matter(name, dtype):
    for c in calls(name, dtype):
        scattered = call(c.op, c.sample._replace(inputs=tuple(map(spread, c.sample.inputs))))
        exact = dtype.kind != "float"
        for one, other in zip(c.results, scattered.results, strict=True):
            close = 0 if exact else 8 * np.finfo(dtype.numpy).eps
            np.testing.assert_allclose(other, one, rtol=close, atol=close, err_msg=str(c))


@pytest.mark.parametrize(
    ("name", "place"), [(n, i) for n in NAMES for i in range(len(TABLE[n].illegal))]
)
def test_illegal_calls_raise_the_coded_error(name, place):
    illegal = TABLE[name].illegal[place]
    with pytest.raises(illegal.error) as caught:
        TABLE[name].infer(illegal.types, illegal.attrs)
    assert type(caught.value) is illegal.error
    assert caught.value.code != ChainruleError.code
    assert len(str(caught.value)) > 20


@by_name
@by_dtype
def test_text_is_an_exact_inverse(name, dtype):
    for c in calls(name, dtype):
        verify(c.graph)
        graphs = [c.graph]
        if any(map(is_float, c.graph.inputs)) and any(map(is_float, c.graph.outputs)):
            graphs.append(gradient(c.graph).graph)
        for graph in graphs:
            text = print_graph(graph)
            again = parse_graph(text, TABLE)
            assert print_graph(again) == text
            verify(again)


@by_smooth_name
def test_vjp_is_the_finite_difference(name):
    rng, checked = generator(name), 0
    for c in smooth(name):
        for seeded in seedings(c):
            found = gradient(c.graph, seeded)
            verify(found.graph)
            if "cut" in c.op.traits:
                assert not found.moving
                continue
            weights = directions(rng, [c.graph.outputs[i] for i in seeded])
            moves = movements(rng, c.graph)
            claimed = evaluate(found.graph, (*c.values, *weights))
            exact = inner(claimed, [moves[i] for i in found.moving])
            measured = slope(c.graph, c.values, moves, dict(zip(seeded, weights, strict=True)))
            if not crosses_a_kink(c, moves):
                checked += 1
                assert exact == pytest.approx(measured, rel=1e-8, abs=1e-8), c
    assert checked >= 3 or "cut" in TABLE[name].traits


def movements(rng: np.random.Generator, graph: Graph) -> dict[int, np.ndarray]:
    """A random direction for each float input, by its position."""
    chosen = [i for i, n in enumerate(graph.inputs) if is_float(n)]
    return dict(zip(chosen, directions(rng, [graph.inputs[i] for i in chosen]), strict=True))


def crosses_a_kink(c: Call, moves: dict[int, np.ndarray]) -> bool:
    """Whether a decision changes within the reach of the finite difference."""
    if c.op.decisions is None:
        return False
    sides = [
        c.op.decisions(
            [v + t * moves[i] if i in moves else v for i, v in enumerate(c.values)], c.sample.attrs
        )
        for t in (-2 * STEP, 2 * STEP)
    ]
    return not np.array_equal(*sides)


@pytest.mark.parametrize("name", differentiable(dtypes.float64, smooth=False))
@by_float
def test_jvp_is_the_transpose_of_vjp(name, dtype):
    rng = generator(name)
    for c in calls(name, dtype):
        if not c.sample.smooth and not all(np.isfinite(v).all() for v in c.values):
            continue
        moving = [i for i, n in enumerate(c.graph.inputs) if is_float(n)]
        for part in [[i] for i in moving] + ([moving] if len(moving) > 1 else []):
            types = {n.dtype for n in (*c.graph.inputs, *c.graph.outputs)}
            _check_transpose(rng, c, part, 2e-4 if dtypes.float32 in types else 1e-10)


def _check_transpose(rng: np.random.Generator, c: Call, part: list[int], close: float) -> None:
    tangents = {i: input_node(c.graph.inputs[i].type) for i in part}
    found = push(
        Symbolic(), c.graph.outputs, c.graph.inputs, list(map(tangents.get, range(len(c.values))))
    )
    outs = [i for i, t in enumerate(found) if t is not None]
    forward = Graph((*c.graph.inputs, *tangents.values()), tuple(found[i] for i in outs))
    verify(forward)
    assert [n.type for n in forward.outputs] == [c.graph.outputs[i].type for i in outs]
    moves = directions(rng, [c.graph.inputs[i] for i in part])
    weights = directions(rng, [n for n in c.graph.outputs if is_float(n)])
    back = gradient(c.graph)
    pushed = evaluate(forward, (*c.values, *moves))
    pulled = evaluate(back.graph, (*c.values, *weights))
    weight_of = dict(zip(back.seeded, weights, strict=True))
    here = [k for k, i in enumerate(back.moving) if i in part]
    left = inner(pushed, [weight_of[i] for i in outs])
    right = inner([pulled[k] for k in here], [moves[part.index(back.moving[k])] for k in here])
    size = sum(np.abs(p * weight_of[i]).sum() for p, i in zip(pushed, outs, strict=True))
    if np.isfinite(size):
        assert abs(left - right) <= close * (1 + size), c


@by_smooth_name
def test_vjp_of_vjp_is_the_finite_difference(name):
    rng = generator(name)
    for c in smooth(name):
        first = gradient(c.graph)
        if not first.moving:
            continue
        weights = directions(rng, [c.graph.outputs[i] for i in first.seeded])
        values = [*c.values, *weights]
        second = gradient(first.graph)
        verify(second.graph)
        ups = directions(rng, list(first.graph.outputs))
        claimed = evaluate(second.graph, (*values, *ups))
        moves = movements(rng, first.graph)
        exact = inner(claimed, [moves[i] for i in second.moving])
        if crosses_a_kink(c, moves):
            continue
        measured = slope(first.graph, values, moves, dict(enumerate(ups)))
        assert exact == pytest.approx(measured, rel=1e-7, abs=1e-7), c


MEANING = {
    **{name: lambda *ins, op=op: op.numpy(ins, {}) for name, op in TABLE.items()},
    **{k: getattr(np, k) for k in dir(np) if not k.startswith("_")},
    "erf": erf,
}


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].formula is not None])
def test_formula_is_value_and_derivative(name):
    formula = TABLE[name].formula
    of_floats = smooth(name)
    for c in of_floats or calls(name, dtypes.int64) or calls(name, dtypes.bool_):
        (out,) = c.results
        known = {**MEANING, **dict(zip("xyz", c.values, strict=False)), "out": out}

        def value(text, known=known):
            return eval(text, {"__builtins__": {}}, known)  # noqa: S307 - the record's own text

        np.testing.assert_allclose(value(formula.value), out, rtol=1e-12, err_msg=str(c))
        back = gradient(c.graph)
        ones = [np.ones(out.shape)] * len(back.seeded)
        local = dict(zip(back.moving, evaluate(back.graph, (*c.values, *ones)), strict=True))
        assert len(formula.derivatives) == len(c.values)
        for i, text in enumerate(formula.derivatives):
            assert (text is None) == (i not in local)
            if text is not None:
                want = np.broadcast_to(value(text), out.shape)
                np.testing.assert_allclose(local[i], want, rtol=1e-10, atol=1e-14, err_msg=str(c))


def _fold(v, x):
    """`v` summed over the axes that a broadcast of `x` repeated."""
    x = np.asarray(x)
    v = v.sum(tuple(range(v.ndim - x.ndim)))
    axes = tuple(i for i, n in enumerate(x.shape) if n == 1 and v.shape[i] != 1)
    return v.sum(axes, keepdims=True)


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].sends])
def test_what_is_sent_back_is_as_the_text_says(name):
    words = {
        **MEANING,
        "T": lambda m: np.swapaxes(m, -1, -2),
        "fold": _fold,
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
        "one_hot": lambda y, x: np.arange(x.shape[-1]) == np.expand_dims(y, -1),
    }
    for c in smooth(name):
        (out,) = c.results
        if out.dtype.kind != "f" or c.values[0].dtype.kind != "f":
            continue
        ct = np.random.default_rng(0).normal(size=out.shape)
        known = {**words, **dict(zip("xyz", c.values, strict=False)), "out": out, "ct": ct}
        back = gradient(c.graph)
        sent = dict(zip(back.moving, evaluate(back.graph, (*c.values, ct)), strict=True))
        for i, text in enumerate(TABLE[name].sends):
            want = eval(text, {"__builtins__": {}}, {**known, **c.sample.attrs})  # noqa: S307 - likewise
            np.testing.assert_allclose(sent[i], want, rtol=1e-10, atol=1e-14, err_msg=str(c))


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].decisions is not None])
@by_dtype
def test_decisions_mark_each_element(name, dtype):
    for c in calls(name, dtype):
        with np.errstate(all="ignore"):
            made = np.asarray(c.op.decisions(c.values, c.sample.attrs))
            again = np.asarray(c.op.decisions(c.values, c.sample.attrs))
        assert made.shape in {n.shape for n in (*c.graph.inputs, *c.graph.outputs)}
        np.testing.assert_array_equal(made, again)
        if c.sample.smooth and dtype is dtypes.float64:
            near = [v + 1e-9 if v.dtype.kind == "f" else v for v in c.values]
            np.testing.assert_array_equal(made, c.op.decisions(near, c.sample.attrs))


@pytest.mark.parametrize("name", [n for n in SMOOTH if TABLE[n].decisions is not None])
def test_equal_decisions_mean_equal_derivatives(name):
    """Our ops with kinks are linear between them: the derivative is a function of the decision."""
    rng = generator(name)
    for c in smooth(name):
        back = gradient(c.graph).graph
        ones = [np.ones(n.shape) for n in c.graph.outputs]
        other = [
            rng.random(v.shape) < 0.5 if v.dtype.kind == "b" else 3 * rng.normal(size=v.shape)
            for v in c.values
        ]
        sides = [np.asarray(c.op.decisions(v, c.sample.attrs)) for v in (c.values, other)]
        slopes = [evaluate(back, (*v, *ones)) for v in (c.values, other)]
        for one, two in zip(*slopes, strict=True):
            equal = np.broadcast_to(sides[0] == sides[1], one.shape)
            np.testing.assert_array_equal(one[equal], two[equal], err_msg=str(c))


def used(c: Call, gradients: Graph) -> set[int]:
    """Which inputs' values, and whether the results' (`OUT`), the gradients are made from."""
    place = {n: i for i, n in enumerate(c.node.inputs)} | {c.node: OUT}
    found: set[int] = set()
    seen: set[Node] = set()
    stack = list(gradients.outputs)
    while stack:
        node = stack.pop()
        if node in place:
            found.add(place[node])
        elif node not in seen:
            seen.add(node)
            stack += node.inputs
    return found


@pytest.mark.parametrize("name", [n for n in SMOOTH if TABLE[n].saves is not None])
def test_vjp_touches_what_it_saves(name):
    touched = set()
    for c in smooth(name):
        touched |= used(c, gradient(c.graph).graph)
    assert touched == set(TABLE[name].saves)


@by_name
def test_traits_hold(name):
    op = TABLE[name]
    assert op.lower is not None or op.decompose is not None or {"structure", "host"} & op.traits
    lowered = {"elementwise": Map, "index-map": IndexMap, "contraction": Contract}
    assert all(
        (trait in op.traits) is isinstance(op.lower, kind) for trait, kind in lowered.items()
    )
    assert not isinstance(op.lower, Reduce) or "reduction" in op.traits
    for c in calls(name, dtypes.float64):
        if "elementwise" in op.traits:
            assert all(n.shape == c.node.shape for n in c.node.inputs)
        if "elementwise" in op.traits and "positional" not in op.traits:
            turned = [v.reshape(-1)[::-1] for v in c.values]
            if c.values:
                with np.errstate(all="ignore"):
                    again = op.numpy(turned, c.sample.attrs)
                # Vector and remainder loops of NumPy may round differently
                want = c.results[0].reshape(-1)
                np.testing.assert_allclose(again[::-1], want, rtol=1e-14, err_msg=str(c))
        if "linear" in op.traits and all(np.isfinite(v).all() for v in c.values):
            twice = op.numpy([v + v for v in c.values], c.sample.attrs)
            np.testing.assert_array_equal(twice, 2 * c.results[0])
        for i, v in enumerate(c.values if "multilinear" in op.traits else ()):
            if v.dtype.kind == "f":
                twice = op.numpy([*c.values[:i], v + v, *c.values[i + 1 :]], c.sample.attrs)
                np.testing.assert_array_equal(twice, 2 * c.results[0])
        if "constant" in op.traits:
            assert not c.node.inputs
        if "in-place" in op.traits:
            base, *others = c.node.inputs
            assert c.node.type == base.type
            if not all(n.array.size for n in others):  # nothing is written
                np.testing.assert_array_equal(c.results[0], c.values[0])


def test_the_page_of_adding_an_op_lists_the_traits():
    text = (ROOT / "docs" / "adding_an_op.md").read_text(encoding="utf-8")
    rows = text.partition("## Traits")[2].partition("\n## ")[0]
    listed = {
        t for cell in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE) for t in cell.split(", ")
    }
    assert listed == {f"`{t}`" for op in TABLE.values() for t in op.traits}


def test_the_page_of_adding_an_op_lists_the_fields():
    text = (ROOT / "docs" / "adding_an_op.md").read_text(encoding="utf-8")
    rows = text.partition("## The record")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`(\w+)", cell)]
    assert sorted(listed) == sorted(f.name for f in fields(Op))


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].limits is not None])
def test_indices_outside_their_limits_are_errors(name):
    tried = 0
    for c in (c for dtype in dtypes.ALL for c in calls(name, dtype)):
        types = tuple(n.type for n in c.graph.inputs)
        for place, stop, low in TABLE[name].limits(types, c.sample.attrs):
            index = c.values[place]
            assert low <= index.min(initial=low) <= index.max(initial=low) < max(stop, low + 1)
            for wrong in (low - 1, stop) if index.size else ():
                values = list(c.values)
                values[place] = np.full_like(index, wrong)
                with pytest.raises(ChainruleError):
                    c.op.numpy(values, c.sample.attrs)
                tried += 1
    assert tried


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].below is not None])
@by_dtype
def test_results_are_below_what_is_promised(name, dtype):
    for c in calls(name, dtype):
        (found,) = c.results
        if found.size:
            assert found.min() >= 0
            assert found.max() < TABLE[name].below(c.sample.attrs)


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(TABLE[n].lower, IndexMap)])
def test_the_inverse_of_a_view_is_what_was_viewed(name):
    lower = TABLE[name].lower
    for c in calls(name, dtypes.float32):
        (x,) = c.graph.inputs
        whole = View.whole(x.shape)
        seen = lower.view(c.sample.attrs, whole, c.node.shape)
        assert seen is not None
        if lower.inverse is not None:
            back = lower.inverse(c.sample.attrs, seen, x.shape)
            assert back is not None
            assert back.same_elements(whole)


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].decompose is not None])
@by_dtype
def test_decomposition_means_the_same(name, dtype):
    for c in calls(name, dtype):
        graph = decomposition(c.node)
        verify(graph)
        got = evaluate(graph, c.values)
        close = 200 * np.finfo(dtype.numpy).eps if dtype.kind == "float" else 0
        for one, other in zip(c.results, got, strict=True):
            assert type_of(one) == type_of(other)
            np.testing.assert_allclose(other, one, rtol=close, atol=close, err_msg=str(c))


def test_an_op_without_samples_would_fail(monkeypatch):
    monkeypatch.setitem(TABLE, "bare", Op("bare", lambda ins, _: ins[0], lambda ins, _: ins[0]))
    with pytest.raises(AssertionError):
        test_an_op_has_samples("bare")


def test_gradients_carry_the_types_of_their_inputs():
    for name, dtype in itertools.product(SMOOTH, FLOATS):
        for c in calls(name, dtype):
            found = gradient(c.graph)
            for i, out in zip(found.moving, found.graph.outputs, strict=True):
                assert out.type == c.graph.inputs[i].type, c
            assert not any(isinstance(n.type, TupleType) for n in found.graph.outputs)
            assert len(topological(found.graph.outputs)) < 300, "a local rule stays local"


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].along is not None])
@by_dtype
def test_what_lies_along_an_axis_is_made_of_what_lies_along_the_inputs(name, dtype):
    """One position of the result is the op on that position of the inputs."""
    for c in calls(name, dtype):
        for axis, size in enumerate(c.node.shape):
            axes = c.op.along(c.node, axis)
            if axes is None:
                continue
            assert len(axes) == len(c.values)
            attrs = dict(c.sample.attrs)
            if "shape" in attrs:
                shape = attrs["shape"]
                attrs["shape"] = (*shape[:axis], 1, *shape[axis + 1 :])
            for i in range(min(size, 3)):
                ins = [
                    v if a is None else v.take([i], a) for v, a in zip(c.values, axes, strict=True)
                ]
                with np.errstate(all="ignore"):
                    part = np.asarray(c.op.numpy(ins, attrs))
                want = c.results[0].take([i], axis)
                close = 8 * np.finfo(dtype.numpy).eps if dtype.kind == "float" else 0
                np.testing.assert_allclose(part, want, rtol=close, atol=close, err_msg=str(c))
