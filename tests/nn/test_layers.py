"""What layers refuse, and what they do beyond their formula."""

from __future__ import annotations

import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, DTypeError, IndexBoundsError, ShapeError


def test_embedding_padding_stays_zero_and_gets_no_gradient():
    layer = nn.Embedding(4, 3, padding_idx=1)
    assert layer.weight[1].tolist() == [0.0, 0.0, 0.0]
    assert layer.weight.is_leaf
    layer(cr.tensor([1, 1, 2])).sum().backward()
    assert layer.weight.grad.tolist() == [[0] * 3, [0] * 3, [1] * 3, [0] * 3]


def test_embedding_from_rows():
    table = cr.arange(6.0).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert layer(cr.tensor([2])).tolist() == [[4.0, 5.0]]
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


@pytest.mark.at_once
@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: nn.Embedding(3, 2, padding_idx=3), ArgumentError, "table of 3 rows"),
        (lambda: nn.Embedding(3, 2, max_norm=1.0), ArgumentError, "max_norm"),
        (lambda: nn.Embedding(3, 2)(cr.ones(2)), DTypeError, "index.long"),
        (lambda: nn.Embedding(3, 2)(cr.tensor([3])), IndexBoundsError, "outside"),
        (lambda: nn.Embedding.from_pretrained(cr.ones(3)), ShapeError, "2 axes"),
        (lambda: nn.Linear(3, 2)(cr.ones(4)), ShapeError, "takes 3"),
        (lambda: nn.LayerNorm(3)(cr.ones(4)), ShapeError, "over"),
        (lambda: nn.Dropout(1.5), ArgumentError, "between 0 and 1"),
        (lambda: nn.GELU("fast")(cr.ones(1)), ArgumentError, "approximate"),
        (lambda: F.cross_entropy(cr.ones(2, 3), cr.ones(2)), DTypeError, "target.long"),
        (lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([1])), ShapeError, "need"),
        (lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([0, 3])), IndexBoundsError, "outside"),
        (lambda: F.mse_loss(cr.ones(2), cr.ones(2), reduction="avg"), ArgumentError, "'mean'"),
        (lambda: F.pad(cr.ones(2), (1,)), ShapeError, "one pair per axis"),
        (lambda: F.pad(cr.ones(2), (1, 1), mode="mirror"), ArgumentError, "reflect"),
    ],
)
def test_refusals_say_what_is_wrong(build, error, text):
    with pytest.raises(error, match=text):
        build()


def test_inplace_activations_rebind_their_input():
    x = cr.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 2.0]


def test_all_labels_ignored_is_nan_as_in_pytorch():
    loss = F.cross_entropy(cr.ones(2, 3), cr.tensor([-100, -100]))
    assert loss.item() != loss.item()


def test_losses_stay_finite_for_large_logits():
    x = cr.tensor([[1e4, -1e4]], requires_grad=True)
    loss = F.cross_entropy(x, cr.tensor([1]))
    assert loss.item() == 2e4
    loss.backward()
    assert x.grad.tolist() == [[1.0, -1.0]]
    y = cr.tensor([1e4, -1e4], requires_grad=True)
    F.binary_cross_entropy_with_logits(y, cr.tensor([0.0, 1.0])).backward()
    assert y.grad.tolist() == [0.5, -0.5]


def test_an_mlp_learns():
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = cr.optim.AdamW(model.parameters(), lr=0.05)
    x = cr.rand(64, 2) - 0.5
    y = (x[:, 0] * x[:, 1] > 0).long()  # XOR of signs: no line separates it
    for _ in range(100):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_an_rnn_remembers_its_first_input():
    cr.manual_seed(0)
    rnn, head = nn.RNN(1, 8, batch_first=True), nn.Linear(8, 2)
    optimizer = cr.optim.Adam([*rnn.parameters(), *head.parameters()], lr=0.03)
    x = cr.zeros(32, 6, 1)
    x[:, 0, 0] = (cr.rand(32) > 0.5).float() * 2 - 1
    y = (x[:, 0, 0] > 0).long()
    for _ in range(60):
        _, last = rnn(x)
        loss = F.cross_entropy(head(last[0]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
