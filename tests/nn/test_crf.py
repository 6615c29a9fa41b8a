"""A CRF against the sum over all paths, against PyTorch, and what it does with -inf and padding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError
from chainrule.inspect import gradcheck_module

TIME, BATCH, TAGS = 4, 3, 3
LENGTHS = (4, 2, 1)
INSIDE = np.arange(TIME)[:, None] < np.array(LENGTHS)


def layer(**options):
    cr.manual_seed(1)
    crf = nn.CRF(TAGS, **options).double()
    with cr.no_grad():
        for scores in crf.parameters():
            scores.mul_(20)  # ±2: what follows what matters
    return crf


def batch(seed=0):
    """Emissions, tags and mask, with numbers in the padding that must not be read."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(TIME, BATCH, TAGS)), rng.integers(0, TAGS, (TIME, BATCH))
    x[~INSIDE], y[~INSIDE] = np.nan, -100
    return cr.tensor(x), cr.tensor(y), cr.tensor(INSIDE)


def paths(crf, x):
    """The score of each path, and the paths, of one sequence (L, K)."""
    start, end, moves = (scores.detach().numpy() for scores in crf.parameters())
    every = [*itertools.product(range(TAGS), repeat=len(x))]
    emitted = [sum(x[t, k] for t, k in enumerate(path)) for path in every]
    moved = [sum(moves[a, b] for a, b in itertools.pairwise(path)) for path in every]
    ends = [start[path[0]] + end[path[-1]] for path in every]
    return np.array(emitted) + moved + ends, np.array(every)


def sequences(x, y):
    return [(x.numpy()[:n, i], y.numpy()[:n, i]) for i, n in enumerate(LENGTHS)]


def log_total(scores):
    return np.logaddexp.reduce(scores)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_likelihood_is_that_of_a_sum_over_all_paths(compiled):
    crf, (x, y, inside) = layer(), batch()
    wanted = []
    for emissions, tags in sequences(x, y):
        scores, every = paths(crf, emissions)
        own = scores[(every == tags).all(1)]
        wanted.append(own.item() - log_total(scores))
    call = cr.compile(crf, fullgraph=True) if compiled else crf
    for reduction, number in (
        ("none", wanted), ("sum", sum(wanted)), ("mean", np.mean(wanted)),
        ("token_mean", sum(wanted) / sum(LENGTHS)),
    ):  # fmt: skip
        found = call(x, y, inside, reduction).detach()
        np.testing.assert_allclose(found.numpy(), number, rtol=1e-12)


def test_probabilities_of_all_paths_sum_to_1():
    crf, (x, _, _) = layer(), batch()
    x = x[:, :1].expand(-1, TAGS**TIME, -1)
    every = cr.tensor([*itertools.product(range(TAGS), repeat=TIME)]).T
    assert crf(x, every, reduction="none").exp().sum().item() == pytest.approx(1, rel=1e-12)


def test_the_decoded_path_is_the_best_of_all():
    crf = layer()
    for seed in range(20):
        x, y, inside = batch(seed)
        found = crf.decode(x, inside)
        for path, (emissions, _) in zip(found, sequences(x, y), strict=True):
            scores, every = paths(crf, emissions)
            assert path == every[scores.argmax()].tolist()


@pytest.mark.parametrize("compiled", [False, True])
def test_marginals_are_the_probabilities_of_each_tag(compiled):
    crf, (x, y, inside) = layer(), batch()
    call = cr.compile(crf.marginals) if compiled else crf.marginals
    with cr.no_grad():
        found = call(x, inside)
    assert not found.requires_grad
    for i, (emissions, _) in enumerate(sequences(x, y)):
        scores, every = paths(crf, emissions)
        probability = np.exp(scores - log_total(scores))
        for t, k in np.ndindex(len(emissions), TAGS):
            assert found[t, i, k].item() == pytest.approx(probability[every[:, t] == k].sum())
    assert not found.numpy()[~INSIDE].any()
    assert all(p.grad is None for p in crf.parameters())


def test_the_gradient_is_right():
    crf, (x, y, inside) = layer(), batch()
    x = cr.where(inside.unsqueeze(-1), x, 0.0).requires_grad_()
    assert cr.gradcheck(lambda x: crf(x, y, inside), (x,))
    assert gradcheck_module(crf, (x.detach(), y, inside))


def test_compiled_gradients_are_the_eager_ones():
    crf, (x, y, inside) = layer(), batch()
    x.requires_grad_()

    def loss(x, y, inside):
        return cr.autograd.grad(crf(x, y, inside), [x, *crf.parameters()])

    for one, other in zip(loss(x, y, inside), cr.compile(loss)(x, y, inside), strict=True):
        assert np.isfinite(one.numpy()).all()
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-10, atol=1e-12)


def test_batch_first_is_a_transposition():
    crf, other, (x, y, inside) = layer(), layer(batch_first=True), batch()
    turned = [t.transpose(0, 1) for t in (x, y, inside)]
    with pytest.raises(ShapeError, match=r"not False at \(1, 0\)"):
        other(turned[0], turned[1], turned[2].flip(1))
    assert other(*turned).item() == crf(x, y, inside).item()
    assert other.decode(turned[0], turned[2]) == crf.decode(x, inside)
    found = other.marginals(turned[0], turned[2]).transpose(0, 1)
    np.testing.assert_array_equal(found.numpy(), crf.marginals(x, inside).numpy())


def test_vmap_over_examples():
    crf, (x, y, _) = layer(), batch(3)
    x = cr.where(x.isnan(), 0.0, x)
    y = y.clamp(min=0)
    every = cr.vmap(lambda x, y: crf(x.unsqueeze(1), y.unsqueeze(1)), (1, 1))(x, y)
    np.testing.assert_allclose(every.detach(), crf(x, y, reduction="none").detach(), rtol=1e-12)


def test_forbidden_transitions_have_no_probability_and_no_nan():
    crf, (x, y, inside) = layer(), batch(1)
    with cr.no_grad():
        crf.transitions[0, 1] = crf.start_transitions[2] = crf.transitions[2, 1] = -np.inf
    chosen = [*itertools.pairwise(crf.decode(x, inside)[0])]
    assert not {(0, 1), (2, 1)} & {*chosen}
    allowed = cr.tensor([[1, 0, 0], [1, 2, 0], [0, 0, 0], [0, 0, 0]])
    x = cr.where(inside.unsqueeze(-1), x, 0.0).requires_grad_()
    (-crf(x, allowed, inside)).backward()
    for tensor in (x, *crf.parameters()):
        assert np.isfinite(tensor.grad.numpy()).all()
    assert crf.transitions.grad[0, 1].item() == 0
    np.testing.assert_allclose(crf.marginals(x, inside).sum(-1).numpy(), INSIDE, rtol=1e-12)
    impossible = allowed.clone()
    impossible[1] = 1
    impossible[0] = 0
    assert crf(x, impossible, inside).item() == -np.inf
    assert y.shape == allowed.shape


def test_a_chain_learns_what_emissions_do_not_tell():
    """Tags alternate, the emissions are the same everywhere: only transitions can know it."""
    cr.manual_seed(0)
    crf = nn.CRF(2, batch_first=True)
    x, y = cr.zeros(1, 8, 2), cr.tensor([[0, 1] * 4])
    optimizer = cr.optim.Adam(crf.parameters(), lr=0.2)
    for _ in range(60):
        loss = -crf(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    assert crf.decode(x) == y.tolist()


@pytest.mark.at_once
def test_mistakes_are_told():
    crf, (x, y, inside) = layer(), batch()
    for call, error, text in (
        (lambda: nn.CRF(0), ArgumentError, "num_tags must be at least 1"),
        (lambda: crf(x[..., :2], y, inside), ShapeError, r"\(T, B, K\) with T ≥ 1 and K = 3"),
        (lambda: crf(x[:0], y[:0]), ShapeError, "T ≥ 1"),
        (lambda: crf(x, y[:2], inside), ShapeError, "tags"),
        (lambda: crf(x, y, inside[:2]), ShapeError, "mask"),
        (lambda: crf(x, y, inside, "median"), ArgumentError, "'token_mean'"),
        (lambda: crf(x, y, inside.flip(0)), ShapeError, r"first position to its last.*\(0, 1\)"),
        (lambda: crf(x, y, ~inside & inside), ShapeError, "first position"),
        (lambda: crf(cr.zeros(2, 1, 3), cr.tensor([[3], [0]])), IndexBoundsError, "outside 0 to 2"),
    ):
        with pytest.raises(error, match=text):
            call()
    compiled = cr.compile(crf, fullgraph=True)
    with pytest.raises(ShapeError, match="first position to its last"):
        compiled(x, y, inside.flip(0))
    assert repr(nn.CRF(5, True)) == "CRF(num_tags=5, batch_first=True)"


def theirs(torch, crf, x, y, inside):
    """The same likelihood in PyTorch: a loop over time in the log domain."""
    start, end, moves = (torch.tensor(p.tolist(), requires_grad=True) for p in crf.parameters())
    total = start + x[0]
    score = start[y[0]] + x[0].gather(1, y[0][:, None])[:, 0]
    for t in range(1, len(x)):
        new = torch.logsumexp(total[:, :, None] + moves + x[t][:, None], 1)
        total = torch.where(inside[t][:, None], new, total)
        more = moves[y[t - 1], y[t]] + x[t].gather(1, y[t][:, None])[:, 0]
        score = score + torch.where(inside[t], more, torch.zeros_like(more))
    last = y.gather(0, inside.sum(0)[None] - 1)[0]
    return (score + end[last] - torch.logsumexp(total + end, 1)).sum(), (start, end, moves)


@pytest.mark.oracle
@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_gradients_are_those_of_pytorch(compiled):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    inside = np.arange(12)[:, None] < rng.integers(1, 13, 7)
    arrays = rng.normal(size=(12, 7, 5)), rng.integers(0, 5, (12, 7)), inside
    crf = nn.CRF(5).double()
    other = torch.tensor(arrays[0], requires_grad=True)
    torch.set_default_dtype(torch.float64)
    try:
        value, scores = theirs(torch, crf, other, *map(torch.tensor, arrays[1:]))
    finally:
        torch.set_default_dtype(torch.float32)
    value.backward()
    x = cr.tensor(arrays[0], requires_grad=True)

    def step(x, y, inside):
        loss = crf(x, y, inside)
        loss.backward()
        return loss

    call = cr.compile(step, keep_grads=True) if compiled else step
    found = call(x, *map(cr.tensor, arrays[1:]))
    assert found.item() == pytest.approx(value.item(), rel=1e-12)
    for one, two in zip((x, *crf.parameters()), (other, *scores), strict=True):
        np.testing.assert_allclose(one.grad.numpy(), two.grad.numpy(), rtol=1e-9, atol=1e-12)
