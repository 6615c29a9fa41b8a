"""Functions recorded as one call: what is one call, and that nothing else can be observed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import IndexBoundsError, ShapeError
from chainrule.tensor.deferred.recorder import Recorder
from chainrule.tensor.functional import arithmetic, products
from chainrule.tensor.modes import modes
from chainrule.tensor.one_call import one_call
from tests.tensor.deferred.running import evaluation, observed, plain


@pytest.fixture(autouse=True)
def _recorded() -> Iterator[None]:
    with evaluation("always"):
        yield


def entries(act: Callable[[], Any]) -> list[str]:
    """The operations that `act` records."""
    recorder = modes.recorder
    assert isinstance(recorder, Recorder)
    batch = recorder.batch
    before = len(batch.entries)
    kept = act()
    found = [entry[0].op.name for entry in batch.entries[before:]]
    del kept
    return found


def leaf(*shape: int) -> cr.Tensor:
    return cr.randn(*shape, requires_grad=True)


@one_call
def scaled(x: cr.Tensor, factor: Any = 1.0, *, twice: Any = False) -> cr.Tensor:
    """Of two operations."""
    out = arithmetic.add(arithmetic.mul(x, factor), 1.0)
    return arithmetic.mul(out, 2.0) if twice is True else out


@one_call
def both(x: cr.Tensor, y: cr.Tensor) -> tuple[cr.Tensor, ...]:
    return arithmetic.mul(x, y), (arithmetic.sub(x, y) > 0).long(), arithmetic.add(x, y)


def test_layers_are_one_call():
    x, w, b = cr.randn(2, 3, 4), leaf(4, 4), leaf(4)
    assert entries(lambda: F.linear(x, w, b)) == ["call"]
    assert entries(lambda: F.layer_norm(x, (4,), b, b)) == ["call"]
    assert entries(lambda: F.layer_norm(x, w.shape[1:], b)) == ["call"]


def test_functions_are_one_call():
    x, words, table = leaf(2, 3, 4), cr.tensor([[0, 1], [2, 0]]), leaf(5, 4)
    assert entries(lambda: F.gelu(x, approximate="tanh")) == ["call"]
    assert entries(lambda: F.gelu(x)) == ["gelu"]
    assert entries(lambda: F.softmax(x, -1)) == ["softmax"]
    assert entries(lambda: F.leaky_relu(x)) == ["call"]
    assert F.leaky_relu(y := -cr.ones(2), 0.5, inplace=True) is y
    assert y.tolist() == [-0.5, -0.5]
    assert entries(lambda: F.embedding(words, table, padding_idx=0)) == ["call"]
    assert entries(lambda: F.embedding(words, table)) == ["gather"]
    assert entries(lambda: F.scaled_dot_product_attention(x, x, x, is_causal=True)) == ["call"]


def test_convolutions_and_pooling_are_one_call():
    x, w, b = cr.randn(2, 3, 9), leaf(4, 3, 2), leaf(4)
    assert entries(lambda: F.conv1d(x, w, b, padding=1)) == ["call"]
    assert entries(lambda: F.max_pool1d(x, 4)) == ["call"]
    top, where = F.max_pool1d(x, 9, return_indices=True)
    assert cr.equal(where.squeeze(-1), x.argmax(-1))
    assert cr.equal(top.squeeze(-1), x.amax(-1))
    wide = cr.randn(8, 64, 64, 64, requires_grad=True)
    assert "call" not in entries(lambda: F.max_pool2d(wide, 2))


def test_a_cell_is_few_calls():
    cell, x, h = cr.nn.GRUCell(4, 3), cr.randn(2, 4), cr.randn(2, 3)
    assert entries(lambda: cell(x, h)) == ["call", "call"]


def test_an_index_that_is_out_of_range_in_a_call_is_named_with_its_line():
    recorder = modes.recorder
    assert isinstance(recorder, Recorder)
    recorder.locates = False
    loss = F.cross_entropy(leaf(2, 3), cr.tensor([0, 7]))
    with pytest.raises(IndexBoundsError, match="index 7") as caught:
        loss.item()
    assert "loss = F.cross_entropy(" in "".join(caught.value.__notes__)


def test_an_index_that_is_out_of_range_is_found_where_nothing_reads_the_result():
    F.cross_entropy(leaf(2, 3), cr.tensor([0, 7]))
    with pytest.raises(IndexBoundsError, match="index 7"):
        cr.ones(2).add(1).tolist()


def test_an_attention_is_one_call():
    layer, x = cr.nn.MultiheadAttention(8, 2), cr.randn(5, 3, 8)
    memory, mask = cr.randn(4, 3, 8), cr.zeros(5, 4)
    assert entries(lambda: layer(x, x, x, need_weights=False)) == ["call"]
    assert entries(lambda: layer(x, memory, memory, attn_mask=mask)) == ["call"]
    assert layer(x, x, x, need_weights=False)[1] is None
    assert layer(x, x, x)[1].shape == (3, 5, 5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers_are_one_call(kind):
    layer, x = getattr(cr.nn, kind)(4, 3, num_layers=2, bidirectional=True), cr.randn(6, 2, 4)
    assert entries(lambda: layer(x)) == ["call"]
    _, last = layer(x)
    assert entries(lambda: layer(x, last)) == ["call"]


def test_dropout_between_recurrent_layers_draws_at_each_call():
    layer, x = cr.nn.GRU(4, 3, num_layers=2, dropout=0.5), cr.ones(6, 2, 4)
    outs = [layer(x)[0] for _ in range(3)]
    assert not cr.equal(outs[0], outs[1])
    assert not cr.equal(outs[1], outs[2])
    layer.eval()
    assert cr.equal(layer(x)[0], layer(x)[0])


def test_a_function_of_one_operation_is_that_operation():
    power = one_call(lambda x: arithmetic.mul(x, x))
    x = leaf(3)
    assert entries(lambda: power(x)) == ["mul"]
    assert power(x).grad_fn.name() == "MulBackward0"
    power(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy(), rtol=1e-6)


def test_one_tensor_may_be_given_twice():
    for x, y in [(leaf(3), None), (leaf(3), leaf(3)), (leaf(3), None)]:
        other = x if y is None else y
        assert entries(lambda x=x, other=other: both(x, other)) == ["call"]
        product, larger, total = both(x, other)
        assert larger.tolist() == (x > other).long().tolist()
        (product.sum() + total.sum()).backward()
        expected = other + 1 if y is not None else 2 * x + 2
        np.testing.assert_allclose(x.grad.numpy(), expected.detach().numpy(), rtol=1e-6)


def test_only_floats_among_several_results_have_a_gradient():
    assert [t.requires_grad for t in both(leaf(3), leaf(3))] == [True, False, True]
    with cr.no_grad():
        assert not any(t.requires_grad for t in both(leaf(3), leaf(3)))


def test_a_result_without_gradient_has_none():
    x = leaf(3)

    @one_call
    def halves(x: cr.Tensor) -> tuple[cr.Tensor, ...]:
        with cr.no_grad():
            apart = arithmetic.mul(x, 2.0)
        return arithmetic.add(x, apart), apart, arithmetic.mul(x, 3.0).detach() + 1.0

    for _ in range(2):
        assert [t.requires_grad for t in halves(x)] == [True, False, False]


def test_options_that_are_equal_and_not_the_same_are_told_apart():
    x = cr.ones(2)
    for _ in range(2):
        for factor in (0.0, -0.0, 1, True, float("nan")):
            expected = np.ones(2, np.float32) * factor + 1
            np.testing.assert_array_equal(scaled(x, factor).numpy(), expected)
        for twice in (1, True, 1.0):
            assert scaled(x, twice=twice).tolist() == [4.0 if twice is True else 2.0] * 2


def test_numbers_in_arrays_and_lists_are_left_to_the_function():
    x = cr.ones(2)
    assert entries(lambda: scaled(x, np.float32(3))) == ["mul", "add"]
    assert scaled(x, cr.tensor([1.0, 2.0])).tolist() == [2.0, 3.0]


def test_a_function_that_returns_its_argument_or_a_view_returns_it():
    same = one_call(lambda x, p: x if p == 0 else arithmetic.mul(x, p))
    x = cr.ones(2, 2)
    assert same(x, 0) is x
    assert same(x, 0) is x
    assert same(x, 2).tolist() == [[2.0, 2.0]] * 2
    row = one_call(lambda x: x[0])
    for _ in range(2):
        row(x).add_(1.0)
    assert x.tolist() == [[3.0, 3.0], [1.0, 1.0]]


def test_a_function_may_return_a_view_of_a_new_tensor():
    turned = one_call(lambda x: arithmetic.mul(x, 2.0).t())
    x = cr.ones(2, 3)
    assert entries(lambda: turned(x)) == ["call"]
    out = turned(x)
    out.add_(1.0)
    assert out.tolist() == [[3.0, 3.0]] * 3
    pair = one_call(lambda x: (y := arithmetic.mul(x, 2.0), y[0]))
    for _ in range(2):
        whole, row = pair(x)
        row.add_(1.0)
        assert whole.tolist() == [[3.0] * 3, [2.0] * 3]


def test_a_function_that_changes_its_argument_changes_it_each_time():
    @one_call
    def grow(x: cr.Tensor) -> cr.Tensor:
        x.add_(1.0)
        return arithmetic.mul(x, 2.0)

    x = cr.zeros(2)
    assert [grow(x).tolist() for _ in range(3)] == [[2.0] * 2, [4.0] * 2, [6.0] * 2]
    assert x.tolist() == [3.0] * 2


def test_random_numbers_are_drawn_at_each_call():
    noisy = one_call(lambda x: arithmetic.add(x, cr.rand(2)))
    x = cr.zeros(2)
    cr.manual_seed(3)
    expected = cr.rand(2).tolist(), cr.rand(2).tolist()
    cr.manual_seed(3)
    assert (noisy(x).tolist(), noisy(x).tolist()) == expected


def test_errors_are_those_of_the_function():
    for _ in range(2):
        with pytest.raises(ShapeError, match="has 3 features, the weight"):
            F.linear(cr.ones(2, 3), leaf(4, 4))


def test_what_a_gradient_would_compute_again_is_kept_if_it_is_large():
    chain = one_call(lambda x, w: products.matmul(cr.tanh(products.matmul(x, w)), w))
    w = leaf(200, 200)
    assert entries(lambda: chain(cr.ones(200, 200), w)) == ["matmul", "tanh", "matmul"]
    assert entries(lambda: chain(cr.ones(20, 200), w)) == ["call"]
    with cr.no_grad():
        assert entries(lambda: chain(cr.ones(200, 200), w)) == ["call"]


def test_each_line_has_a_call_of_its_own():
    x = leaf(2)
    first = scaled(x, 3.0)
    second = scaled(x, 3.0)
    lines = [str(t.grad_fn.source).rpartition(":")[2] for t in (first, second)]
    assert int(lines[1]) == int(lines[0]) + 1


def test_the_default_dtype_tells_calls_apart():
    whole = cr.tensor([1, 2])
    assert scaled(whole, 0.5).dtype == cr.float32
    cr.set_default_dtype(cr.float64)
    try:
        assert scaled(whole, 0.5).dtype == cr.float64
    finally:
        cr.set_default_dtype(cr.float32)


def test_a_recorded_layer_shows_the_operation_that_gave_its_result():
    def program():
        model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
        h = model(cr.ones(2, 4))
        states, (last, _) = nn.LSTM(3, 3)(h.unsqueeze(0))
        loss = F.cross_entropy(h, cr.tensor([0, 1]))
        return [t.grad_fn.name() for t in (model[0](cr.ones(2, 4)), h, states, last, loss)]

    names = observed("off", program)
    assert names == ["AddBackward0", "AddBackward0", "ScanBackward0", "ReshapeBackward0",
                     "DivBackward0"]  # fmt: skip
    assert observed("always", program) == names


def repeated(act: Callable[[], Any], times: int = 40) -> list[Any]:
    """The results of `act`, evaluated at once without gradients, as arrays."""
    with evaluation("off"), cr.no_grad():
        return [plain(act()) for _ in range(times)]


def test_without_gradients_what_repeats_is_evaluated_together(monkeypatch):
    x, w, b = cr.randn(2, 3, 4), cr.randn(5, 4), cr.randn(5)
    heads, scale = nn.MultiheadAttention(4, 2, batch_first=True), cr.ones(4)
    acts: list[Callable[[], Any]] = [
        lambda: F.linear(x, w, b),
        lambda: F.layer_norm(x, (4,), scale, scale),
        lambda: heads(x, x, x),
        lambda: heads(x, x, x, need_weights=False)[0],
        lambda: both(x, scale),
        lambda: scaled(x, -0.0),
    ]
    for act in acts:
        first, *others = repeated(act)
        for other in others:
            np.testing.assert_equal(other, first)
    calls = []
    monkeypatch.setattr(products, "matmul", lambda *a: calls.append(a))
    assert repeated(lambda: F.linear(x, w, b))[0].shape == (2, 3, 5)
    assert not calls


def test_what_repeats_is_told_apart_by_aliases_types_and_gradients():
    x, y = cr.randn(3), cr.randn(3)
    repeated(lambda: both(x, x))
    np.testing.assert_equal(repeated(lambda: both(x, y), 1)[0][0], (x * y).numpy())
    repeated(lambda: scaled(x))
    assert repeated(lambda: scaled(x.double()), 1)[0].dtype == np.float64
    w = leaf(2, 3)
    repeated(lambda: F.linear(x, w))
    with evaluation("off"):
        F.linear(x, w).sum().backward()
    np.testing.assert_equal(w.grad.numpy(), np.stack([x.numpy()] * 2))


def test_what_repeats_keeps_its_errors():
    table, word = cr.randn(5, 4), cr.tensor([1])
    repeated(lambda: F.embedding(word, table, padding_idx=0))
    with evaluation("off"), cr.no_grad():
        for _ in range(2):
            with pytest.raises(IndexBoundsError, match=r"embedding: index 7 .*5 rows"):
                F.embedding(cr.tensor([7]), table, padding_idx=0)
        with pytest.raises(ShapeError, match="the weight"):
            F.linear(cr.randn(2, 3), table)
