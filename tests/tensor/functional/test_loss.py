"""Losses: classic mistakes are told, extreme values stay finite, CTC is the sum over alignments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, DTypeError, IndexBoundsError, ShapeError

X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
def test_a_column_against_a_vector_warns(loss):
    with pytest.warns(UserWarning, match=r"(?s)\(3, 1\).*\(3,\).*\(3, 3\).*view_as"):
        assert loss(cr.randn(3, 1), cr.randn(3), reduction="none").shape == (3, 3)


@pytest.mark.at_once
@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.cross_entropy(X, np.zeros(3)), DTypeError, r"target.long\(\)"),
        (lambda: F.cross_entropy(X, np.zeros((3, 1), int)), ShapeError, r"squeeze\(-1\)"),
        (lambda: F.cross_entropy(cr.zeros(2, 5, 7), np.zeros((2, 5), int)), ShapeError, "axis 1"),
        (lambda: F.cross_entropy(X, np.array([0, 4, 1])), IndexBoundsError, "4"),
        (lambda: F.cross_entropy(X, np.array([0, -1, 1])), IndexBoundsError, "-1"),
        (lambda: F.cross_entropy(X, np.zeros(3, int), weight=cr.ones(3)), ShapeError, "4 classes"),
        (lambda: F.cross_entropy(X, np.zeros(3, int), reduction="all"), ArgumentError, "'all'"),
        (lambda: F.binary_cross_entropy(cr.tensor([1.5]), cr.ones(1)), ArgumentError, "sigmoid"),
        (lambda: F.binary_cross_entropy(cr.tensor([0.5]), cr.ones(1, 1)), ShapeError, "view_as"),
        (lambda: F.mse_loss(X, X, weight=cr.ones(4)), ArgumentError, "weights"),
        (lambda: F.huber_loss(X, X, delta=0), ArgumentError, "delta"),
        (lambda: F.smooth_l1_loss(X, X, beta=-1), ArgumentError, "beta"),
        (lambda: F.gaussian_nll_loss(X, X, -cr.ones(3, 4)), ArgumentError, "negative"),
        (lambda: F.gaussian_nll_loss(X, X, cr.ones(2)), ShapeError, "var"),
        (lambda: F.multi_margin_loss(X, np.zeros(3, int), p=3), ArgumentError, "1 or 2"),
        (lambda: F.multi_margin_loss(X, np.zeros(3)), DTypeError, "integer"),
        (lambda: F.multilabel_margin_loss(X, np.zeros(3, int)), ShapeError, "labels"),
        (lambda: F.margin_ranking_loss(X, X, cr.ones(3)), ShapeError, "axes"),
        (lambda: F.cosine_embedding_loss(X, X, cr.ones(3, 1)), ShapeError, r"\(N\)"),
        (lambda: F.triplet_margin_loss(X, X, X, margin=0), ArgumentError, "margin"),
    ],
)  # fmt: skip
def test_classic_mistakes_are_told(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_compiled_step_refuses_labels_out_of_range():
    step = cr.compile(F.cross_entropy)
    assert np.isfinite(step(X, np.array([0, 3, 1])).item())
    with pytest.raises(IndexBoundsError):
        step(X, np.array([0, 4, 1]))


def test_the_older_switches_decide_and_warn():
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(X, X + 1, size_average=False).item() == pytest.approx(12)
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_extreme_values_stay_finite():
    p = cr.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, cr.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert loss.tolist() == [0, 0, 100, 100]
    loss.sum().backward()
    assert np.isfinite(p.grad.numpy()).all()
    x = cr.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    F.cross_entropy(x, cr.tensor([1, 1])).backward()
    assert np.isfinite(x.grad.numpy()).all()
    same = cr.ones(2, 3).requires_grad_()
    (F.cosine_similarity(same * 0, same).sum() + F.triplet_margin_loss(same, same, same)).backward()
    assert np.isfinite(same.grad.numpy()).all()


def alignments(probabilities, labels):
    """The sum over all paths that read as `labels` once repeats and blanks (0) are dropped."""
    time, classes = probabilities.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=time):
        read = [k for k, _ in itertools.groupby(path) if k]
        if read == labels:
            total += np.prod([probabilities[t, k] for t, k in enumerate(path)])
    return total


@pytest.mark.parametrize("labels", [[1, 2], [1, 1], [2], []])
@pytest.mark.parametrize("compiled", [False, True])
def test_ctc_sums_over_all_alignments(labels, compiled):
    logits = cr.tensor(np.random.default_rng(1).normal(size=(5, 1, 3)))
    targets = np.array([labels + [0] * (2 - len(labels))])

    def loss(x):
        return F.ctc_loss(F.log_softmax(x, -1), targets, (5,), (len(labels),), reduction="sum")

    wanted = -np.log(alignments(np.asarray(F.softmax(logits, -1))[:, 0], labels))
    call = cr.compile(loss) if compiled else loss
    assert call(logits).item() == pytest.approx(wanted, rel=1e-12)


def test_ctc_refuses_what_does_not_fit():
    x = F.log_softmax(cr.randn(4, 2, 3), -1)
    fine = {"targets": [[1, 2], [2, 1]], "input_lengths": [4, 3], "target_lengths": [2, 1]}
    assert np.isfinite(F.ctc_loss(x, **fine).item())
    for name, value, error in (
        ("targets", [[1, 3], [2, 1]], IndexBoundsError),
        ("input_lengths", [4, 5], IndexBoundsError),
        ("target_lengths", [3, 1], IndexBoundsError),
        ("input_lengths", [4], ShapeError),
        ("targets", [1, 2, 1, 1], ShapeError),
    ):
        with pytest.raises(error):
            F.ctc_loss(x, **{**fine, name: np.array(value)})
    impossible = F.ctc_loss(x, [[1, 1], [2, 2]], [2, 2], [2, 2], reduction="none")
    assert impossible.tolist() == [np.inf, np.inf]
    with pytest.raises(ArgumentError, match="blank"):
        F.ctc_loss(x, **fine, blank=3)
    step = cr.compile(lambda x, n: F.ctc_loss(x, np.array([[1, 2], [2, 1]]), (4, 3), n))
    with pytest.raises(IndexBoundsError):
        step(x, np.array([3, 1]))


@pytest.mark.parametrize(
    ("module", "shapes"),
    [
        (nn.SmoothL1Loss(beta=0.5), 2), (nn.HuberLoss(delta=0.5), 2),
        (nn.KLDivLoss(reduction="sum"), 2),
        (nn.PoissonNLLLoss(full=True), 2), (nn.GaussianNLLLoss(full=True), 3),
        (nn.BCELoss(), 2), (nn.SoftMarginLoss(), 2), (nn.MultiLabelSoftMarginLoss(), 2),
        (nn.HingeEmbeddingLoss(0.5), 2), (nn.MarginRankingLoss(0.5), 3),
        (nn.TripletMarginLoss(0.5, p=1), 3), (nn.TripletMarginWithDistanceLoss(margin=0.5), 3),
        (nn.CosineSimilarity(-1), 2), (nn.PairwiseDistance(1.0), 2),
    ],
)  # fmt: skip
def test_modules_hand_their_options_to_the_functions(module, shapes):
    """A changed option changes the value: none is dropped on the way."""
    args = [cr.tensor(np.random.default_rng(i).uniform(0.1, 0.9, (3, 4))) for i in range(shapes)]
    first = module(*args).numpy().copy()
    assert np.isfinite(first).all()
    for name, value in list(vars(module).items()):
        if name in {"beta", "delta", "margin", "p", "norm"}:
            setattr(module, name, value * 3)
            assert (module(*args).numpy() != first).any(), name
            setattr(module, name, value)
        elif name == "reduction":
            module.reduction = "none"
            assert module(*args).shape != ()
            module.reduction = value


@pytest.mark.parametrize("run", [lambda f: f, cr.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    "options",
    [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"weight": [1.0, 2.0, 0.5]}],
    ids=lambda o: next(iter(o), "plain"),
)
def test_an_offset_of_all_scores_changes_no_cross_entropy(options, run):
    given = {k: cr.tensor(v) if k == "weight" else v for k, v in options.items()}
    scores, labels = cr.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]]), cr.tensor([0, 2])

    def step(x):
        loss = F.cross_entropy(x, labels, **given)
        return loss, cr.autograd.grad(loss, x)[0]

    want = step(scores.double().requires_grad_())
    for offset in (1e3, -1e4, 2.0**20, 2.0**22):  # scores and offset add up exactly
        for got, right in zip(run(step)((scores + offset).requires_grad_()), want, strict=True):
            np.testing.assert_allclose(got.detach(), right.detach(), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("size", [1e4, 1e8, 1e20])
def test_equal_scores_of_any_size_share_the_probability(size):
    x = cr.full((1, 2), size, requires_grad=True)
    loss = F.cross_entropy(x, cr.tensor([0]))
    assert loss.item() == pytest.approx(np.log(2), rel=1e-6)
    assert cr.autograd.grad(loss, x)[0].tolist() == [[-0.5, 0.5]]
    assert cr.autograd.grad(cr.logsumexp(x, 1).sum(), x)[0].tolist() == [[0.5, 0.5]]
