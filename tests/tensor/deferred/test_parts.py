"""Batches in parts: new graphs at every step, made of rounds that are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.tensor.deferred import parts, recorder, structure
from tests.tensor.deferred.running import evaluation


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    monkeypatch.setattr(parts, "LEAST_SIZE", 1)
    with evaluation("on"):
        yield


@pytest.fixture
def ways(monkeypatch):
    """How each batch was evaluated."""
    seen = []
    monkeypatch.setattr(recorder, "evaluate", counting(seen))
    return seen


def counting(seen):
    def evaluate(batch, *, in_parts):
        seen.append(parts.evaluate(batch, in_parts=in_parts))
        return seen[-1]

    return evaluate


def rounds(x: cr.Tensor, coins: list[bool], table: cr.Tensor | None = None) -> cr.Tensor:
    """Rounds of one kind, or of another if the coin says so; a value above 2 is an index of 1."""
    for coin in coins:
        for _ in range(3):
            x = x + (x * 0.5).sin() * 0.125
        if table is not None:
            x = x + table[(x[:, 0] * 0.5).long()]
        x = x.cos() if coin else x.sin() + 0.25
    return x


def coins(step: int, count: int = 8) -> list[bool]:
    return [bool(bit) for bit in np.random.default_rng(step).integers(0, 2, count)]


def test_rounds_that_occurred_before_are_native_though_the_whole_is_new(ways):
    results = [rounds(cr.full((3,), float(i)), coins(i)).sum().item() for i in range(30)]
    assert ways[:4] == [parts.How.NEW] * 4  # two marks pass before
    assert ways[-15:] == [parts.How.PARTS] * 15
    assert structure.counts().compiled <= 12
    with evaluation("off"):
        expected = [rounds(cr.full((3,), float(i)), coins(i)).sum().item() for i in range(30)]
    np.testing.assert_allclose(results, expected, rtol=1e-5)


@pytest.mark.parametrize(("size", "way"), [(3, parts.How.NEW), (1 << 15, parts.How.PARTS)])
def test_small_operations_are_not_worth_parts(monkeypatch, ways, size, way):
    monkeypatch.undo()
    monkeypatch.setattr(recorder, "evaluate", counting(ways))
    for i in range(20):
        rounds(cr.full((size,), float(i)), coins(i)).sum().item()
    assert ways[-2:] == [way] * 2


def test_more_rounds_compile_nothing_more(ways):
    for i in range(30):
        rounds(cr.full((3,), float(i)), coins(i, max(8, i))).sum().item()
    assert structure.counts().compiled <= 12
    assert ways[-10:] == [parts.How.PARTS] * 10


def test_a_graph_without_rounds_is_evaluated_call_by_call(ways):
    for i in range(20):
        x = cr.full((3,), float(i))
        for j in range(12):
            x = x.reshape(1, 3).expand(1 + 12 * i + j, 3).sum(0)
        x.sum().item()
    assert set(ways) == {parts.How.NEW}
    assert structure.counts().compiled == 0


def test_what_nobody_reads_is_not_computed_in_parts_either(ways):
    for i in range(16):
        x = cr.full((3,), float(i))
        for coin in coins(i):
            unread = x.log()
            x = rounds(x, [coin]) - 0.125
            del unread
        assert np.isfinite(x.sum().item())
    assert ways[-5:] == [parts.How.PARTS] * 5


def test_a_value_in_the_middle_is_alive_if_somebody_holds_it(ways):
    kept = []
    for i in range(20):
        held = [x := rounds(cr.full((3,), float(i)), coins(i))]
        held += [x := rounds(x, coins(i + more, 3)) for more in range(4)]
        x.sum().item()
        kept.append(held)
    assert ways[-4:] == [parts.How.PARTS] * 4
    with evaluation("off"):
        for i, held in enumerate(kept):
            for more, (one, following) in enumerate(itertools.pairwise(held)):
                expected = rounds(one, coins(i + more, 3)).numpy()
                np.testing.assert_allclose(following.numpy(), expected, rtol=1e-5)


def trained(step: int, w: cr.Tensor, optimizer: cr.optim.Optimizer, row: int = 0) -> cr.Tensor:
    """A step with coins and a gradient of its own, and an index that is computed."""
    optimizer.zero_grad()
    x = rounds(w * 1.0, coins(step, 16))
    index = (x.detach().sum() * 0).long() + row
    loss = (x[index.reshape(1)] ** 2).sum()
    loss.backward()
    optimizer.step()
    return loss


def test_a_weight_is_written_in_place_where_nothing_shows_its_array(ways):
    def run() -> list[float]:
        w = nn.Parameter(cr.ones(4, 3))
        optimizer = cr.optim.SGD([w], lr=0.1, momentum=0.9)
        seen, shown, places = [], [], []
        for step in range(40):
            if step % 2:
                array = w.detach().numpy()
                shown.append((array, array.copy()))
            seen.append(trained(step, w, optimizer).item())
            places.append(w.detach().numpy().__array_interface__["data"][0])
        for array, values in shown:
            np.testing.assert_array_equal(array, values)
        kept.append(sum(one == other for one, other in itertools.pairwise(places)))
        return seen

    kept: list[int] = []
    results = run()
    assert {*ways[-8:]} <= {parts.How.PARTS, parts.How.WHOLE}
    with evaluation("off"):
        np.testing.assert_allclose(results, run(), rtol=1e-5)
    assert kept[0] > 8


@pytest.mark.parametrize("known", [1, 24])
def test_an_index_out_of_range_names_its_line_and_undoes_the_step(known):
    w = nn.Parameter(cr.ones(4, 3))
    optimizer = cr.optim.SGD([w], lr=0.1)
    for step in range(8 + known):
        trained(step, w, optimizer).item()
    before = w.detach().numpy().copy()
    with pytest.raises(IndexError, match="4") as caught:
        trained(99, w, optimizer, row=4).item()
    assert "loss = (x[index.reshape(1)]" in str(caught.value) + "".join(caught.value.__notes__)
    np.testing.assert_array_equal(w.detach().numpy(), before)
    trained(100, w, optimizer).item()
    assert not np.array_equal(w.detach().numpy(), before)


def test_an_index_out_of_range_in_a_round_in_the_middle(ways):
    table = cr.tensor([[0.125, 0.25, 0.5]])
    for step in range(24):
        assert np.isfinite(rounds(cr.full((4, 3), 0.1), coins(step), table).sum().item())
    assert ways[-4:] == [parts.How.PARTS] * 4
    x = rounds(cr.full((4, 3), 0.1), coins(77), table)
    x = rounds(x * 0 + 3, coins(78), table)
    with pytest.raises(IndexError, match="1") as caught:
        x.sum().item()
    assert "x = x + table" in str(caught.value) + "".join(caught.value.__notes__)
    assert np.isfinite(rounds(cr.full((4, 3), 0.1), coins(3), table).sum().item())
