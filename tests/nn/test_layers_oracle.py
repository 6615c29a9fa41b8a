"""Every layer: from equal weights, values and gradients are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.oracle


def case(text, *shapes, integers=None):
    return pytest.param(text, shapes, integers, id=text)


CASES = [
    case("N.Linear(4, 3)", (2, 5, 4)),
    case("N.Linear(4, 3, bias=False)", (4,)),
    case("N.Embedding(6, 3)", integers=6),
    case("N.Embedding(6, 3, padding_idx=-2)", integers=6),
    case("N.LayerNorm(4)", (2, 3, 4)),
    case("N.LayerNorm((3, 4), eps=1e-3, bias=False)", (2, 3, 4)),
    case("N.LayerNorm(4, elementwise_affine=False)", (2, 4)),
    case("N.Identity(1, x=2)", (3,)),
    case("N.Flatten()", (2, 3, 4)),
    case("N.Flatten(0, 1)", (2, 3, 4)),
    case("N.Unflatten(1, (3, -1))", (2, 12)),
    case("N.Tanh()", (3, 4)),
    case("N.Sigmoid()", (3, 4)),
    case("N.ReLU()", (3, 4)),
    case("N.SiLU()", (3, 4)),
    case("N.GELU()", (3, 4)),
    case("N.GELU('tanh')", (3, 4)),
    case("N.LeakyReLU(0.3)", (3, 4)),
    case("N.Softplus(2.0)", (3, 4)),
    case("N.LogSigmoid()", (3, 4)),
    case("N.Softmax(0)", (3, 4)),
    case("N.LogSoftmax(dim=-1)", (3, 4)),
    case("N.Dropout(0.0)", (3, 4)),
    case("N.MSELoss()", (3, 4), (3, 4)),
    case("N.L1Loss(reduction='sum')", (3, 4), (3, 4)),
    case("N.BCEWithLogitsLoss()", (3, 4), (3, 4)),
    case("N.Conv1d(4, 6, 3)", (2, 4, 9)),
    case("N.Conv1d(4, 6, (3,), 2, 1, 2, 2, False)", (4, 9)),
    case("N.Conv1d(4, 6, 4, padding='same', padding_mode='reflect')", (2, 4, 9)),
    case("N.Conv1d(4, 6, 3, padding=2, padding_mode='circular')", (2, 4, 9)),
    case("N.Conv2d(4, 6, 3, padding=(1, 2), padding_mode='replicate')", (2, 4, 5, 6)),
    case("N.Conv2d(4, 6, (3, 2), stride=2, padding='valid')", (2, 4, 5, 6)),
    case("N.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2)", (2, 4, 9)),
    case("N.ConvTranspose2d(4, 6, (3, 2), stride=2)", (2, 4, 5, 6)),
    case("N.MaxPool1d(3, 2, ceil_mode=True)", (2, 4, 9)),
    case("N.MaxPool1d(3, return_indices=True)", (2, 4, 9)),
    case("N.MaxPool2d(2, padding=1)", (2, 4, 5, 6)),
    case("N.AvgPool1d(3, 2, 1, count_include_pad=False)", (2, 4, 9)),
    case("N.AvgPool2d((2, 3), divisor_override=2)", (2, 4, 5, 6)),
    case("N.LPPool1d(2, 3)", (2, 4, 9)),
    case("N.LPPool2d(2, 3)", (2, 4, 5, 6)),
    case("N.AdaptiveAvgPool1d(4)", (2, 4, 9)),
    case("N.AdaptiveAvgPool2d((None, 3))", (2, 4, 5, 6)),
    case("N.AdaptiveMaxPool1d(1)", (2, 4, 9)),
    case("N.AdaptiveMaxPool2d(2)", (2, 4, 5, 6)),
    case("N.Sequential(N.Linear(4, 8), N.Tanh(), N.Linear(8, 2))", (3, 4)),
]


@pytest.mark.parametrize(("text", "shapes", "integers"), CASES)
def test_values_and_gradients(text, shapes, integers):
    import torch

    rng = np.random.default_rng(1)
    theirs = eval(text, {"N": torch.nn}).double()  # noqa: S307 - the cases above
    ours = eval(text, {"N": cr.nn}).double()  # noqa: S307 - the cases above
    ours.load_state_dict(theirs.state_dict())
    values = [rng.normal(size=s) for s in shapes]
    if integers:
        values = [rng.integers(0, integers, (3, 4))]
    a = [cr.tensor(v) for v in values]
    b = [torch.tensor(v) for v in values]
    for tensor in (*a, *b):
        tensor.requires_grad = not integers
    got, wanted = ours(*a), theirs(*b)
    if not isinstance(got, tuple):
        got, wanted = (got,), (wanted,)
    total, other = 0.0, 0.0
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(g), w.detach().numpy(), rtol=1e-10, atol=1e-12)
        seed = rng.normal(size=g.shape)
        total, other = total + (g * cr.tensor(seed)).sum(), other + (w * torch.tensor(seed)).sum()
    if not total.requires_grad:
        return
    total.backward()
    other.backward()
    leaves = [*zip(a, b, strict=True), *zip(ours.parameters(), theirs.parameters(), strict=True)]
    for mine, their in leaves:
        if their.grad is None:
            assert mine.grad is None
            continue
        np.testing.assert_allclose(mine.grad.numpy(), their.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"ignore_index": 2}, {"reduction": "sum", "label_smoothing": 0.1}]
)
def test_classification_losses(options):
    import torch

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    weight = rng.uniform(0.5, 2, 4)
    for name in ("CrossEntropyLoss", "NLLLoss"):
        if name == "NLLLoss" and "label_smoothing" in options:
            continue
        mine = getattr(cr.nn, name)(cr.tensor(weight), **options)
        their = getattr(torch.nn, name)(torch.tensor(weight), **options)
        a, b = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        loss, other = mine(a, cr.tensor(labels)), their(b, torch.tensor(labels))
        assert loss.item() == pytest.approx(other.item(), rel=1e-12)
        loss.backward()
        other.backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-14)
        assert list(mine.state_dict()) == list(their.state_dict())


def test_initial_weights_have_pytorchs_spread():
    import torch

    for text in (
        "N.Conv1d(100, 80, 3)",
        "N.ConvTranspose1d(90, 80, 3)",
        "N.Linear(300, 200)",
        "N.Embedding(300, 200)",
        "N.GRUCell(200, 100)",
    ):
        ours = eval(text, {"N": cr.nn})  # noqa: S307 - the line above
        theirs = eval(text, {"N": torch.nn})  # noqa: S307 - the line above
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            a, b = p.numpy(force=True), q.detach().numpy()
            assert a.std() == pytest.approx(b.std(), rel=0.15)
            assert abs(a).max() == pytest.approx(abs(b).max(), rel=0.3)
