"""`compile(…, check_finite=True)`: a step that would return NaN changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import IndexBoundsError, NonFiniteError


def make() -> tuple[Any, nn.Module, optim.Optimizer]:
    cr.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    optimizer = optim.AdamW(model.parameters(), lr=0.1)

    @cr.compile(check_finite=True)
    def step(words: Any, scale: Any) -> Any:
        loss = (model(words) * scale).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, model, optimizer


def everything(model: nn.Module, optimizer: optim.Optimizer) -> list[np.ndarray[Any, Any]]:
    found = [p.detach().numpy().copy() for p in model.parameters()]
    for state in optimizer.state.values():
        found += [np.array(v) for v in state.values()]
    return found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_step_that_is_not_finite_changes_nothing(bad: float) -> None:
    step, model, optimizer = make()
    words, scale = np.array([0, 1, 4]), np.ones((3, 2), np.float32)
    step(words, scale)
    before = everything(model, optimizer)
    with pytest.raises(NonFiniteError, match="step gives NaN or infinity; nothing was changed"):
        step(words, scale * np.float32(bad))
    for a, b in zip(before, everything(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(step(words, scale).item())


def test_a_wrong_index_is_still_told() -> None:
    step, model, optimizer = make()
    before = everything(model, optimizer)
    with pytest.raises(IndexBoundsError, match="index 5 at position"):
        step(np.array([0, 5, 4]), np.ones((3, 2), np.float32))
    for a, b in zip(before, everything(model, optimizer), strict=False):
        np.testing.assert_array_equal(a, b)


def test_integers_and_masks_are_not_looked_at() -> None:
    @cr.compile(check_finite=True)
    def masked(x: Any) -> Any:
        scores = x.masked_fill(x > 0, -cr.inf)
        return scores.softmax(-1), x.argmax(-1)

    share, place = masked(np.array([[1.0, -1.0, -2.0]], np.float32))
    assert share.tolist()[0][0] == 0
    assert place.tolist() == [0]
