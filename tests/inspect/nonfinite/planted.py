"""Steps with a planted bug each, more than forty, and forty healthy ones with infinities in them.

A step is a function of a model and arguments; `kind` and `phase` are what has to be found, the line
with `# here` is the one to name. May import chainrule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn

inf = float("inf")
WORDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9]])
PADDED = WORDS == 0


class Bug(NamedTuple):
    """A planted bug: the loss of a model, and what is to be said of it."""

    kind: str
    phase: str
    loss: Callable[[Any], Any]


class Model(nn.Module):
    """Small layers of all kinds, for the steps below."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 6)
        self.inner = nn.Linear(6, 6)
        self.rnn = nn.RNN(6, 6, batch_first=True)
        self.lstm = nn.LSTM(6, 6, batch_first=True)
        self.block = nn.TransformerEncoderLayer(6, 2, 12, 0.0, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 5)
        self.scale = nn.Parameter(cr.zeros(6))
        self.temperature = nn.Parameter(cr.ones(1))

    def hidden(self) -> Any:
        return self.inner(self.embed(cr.tensor(WORDS)))

    def logits(self) -> Any:
        return self.out(self.hidden())


BUGS: dict[str, Bug] = {}
HEALTHY: dict[str, Callable[[Any], Any]] = {}


def bug(kind: str, phase: str = "forward") -> Callable[[Any], Any]:
    def keep(loss: Any) -> Any:
        BUGS[loss.__name__] = Bug(kind, phase, loss)
        return loss

    return keep


def healthy(loss: Any) -> Any:
    HEALTHY[loss.__name__] = loss
    return loss


def padding() -> Any:
    return cr.tensor(PADDED)


# -- the forward pass -----------------------------------------------------------------------------


@bug("log of zero")
def entropy_of_relu(m: Any) -> Any:
    p = m.logits().relu()
    return -(p * p.log()).sum()  # here


@bug("log of zero")
def log_of_an_underflowing_softmax(m: Any) -> Any:
    p = (m.logits() * 1e4).softmax(-1)
    return -p.log().mean()  # here


@bug("log of zero")
def log_of_a_saturated_sigmoid(m: Any) -> Any:
    p = cr.sigmoid(m.logits() * 0 - 200)
    return -cr.log(p).mean()  # here


@bug("log of zero")
def log1p_of_minus_one(m: Any) -> Any:
    p = cr.tanh(m.logits() * 1e6)
    return cr.log1p(-p.abs()).mean()  # here


@bug("log of a negative number")
def log_of_scores(m: Any) -> Any:
    return m.logits().log().mean()  # here


@bug("log of a negative number")
def log2_of_a_difference(m: Any) -> Any:
    return (m.logits() - 3).log2().sum()  # here


@bug("division by zero")
def mean_over_an_empty_row(m: Any) -> Any:
    count = (cr.tensor(WORDS) > 99).sum(1, keepdim=True).float()
    return ((m.hidden() + 50).sum(1) / count).square().mean()  # here


@bug("zero divided by zero")
def masked_mean_of_nothing(m: Any) -> Any:
    keep = cr.zeros(3, 4, 1)
    return ((m.hidden() * keep).sum(1) / keep.sum(1)).mean()  # here


@bug("zero divided by zero")
def cosine_of_zeros(m: Any) -> Any:
    h = m.hidden() * 0
    return (h / h.abs().sum(-1, keepdim=True)).sum()  # here


@bug("division by zero")
def own_norm_without_eps(m: Any) -> Any:
    h = m.hidden() * 0
    return (cr.rsqrt(h.square().mean(-1)) * 3).sum()  # here


@bug("division by zero")
def zero_to_a_negative_power(m: Any) -> Any:
    return (m.hidden().relu() ** -0.5).sum()  # here


@bug("root of a negative number")
def deviation_by_a_difference(m: Any) -> Any:
    h = m.hidden() * 1e-3 + 100
    return (h.square().mean(-1) - h.mean(-1).square() - 1).sqrt().sum()  # here


@bug("root of a negative number")
def fractional_power_of_scores(m: Any) -> Any:
    return (m.logits() ** 0.5).mean()  # here


@bug("overflow of exp")
def softmax_by_hand(m: Any) -> Any:
    e = (m.logits() * 500).exp()  # here
    return (e / e.sum(-1, keepdim=True)).square().sum()


@bug("overflow of exp")
def softplus_by_hand(m: Any) -> Any:
    x = m.hidden() * 400
    return cr.log(1 + cr.exp(x)).mean()  # here


@bug("overflow of exp")
def a_learnt_log_variance(m: Any) -> Any:
    return ((m.hidden() * 1000).exp() * 0.5).mean()  # here


@bug("overflow")
def squares_of_large_scores(m: Any) -> Any:
    return (m.logits() * 1e25).square().mean()  # here


@bug("overflow")
def product_of_large_matrices(m: Any) -> Any:
    h = m.hidden() * 1e22
    return (h @ h.transpose(1, 2)).mean()  # here


@bug("overflow")
def a_long_product(m: Any) -> Any:
    return ((m.hidden().abs() + 1e8).prod(-1) * 1e9).mean()  # here


@bug("fully masked row")
def softmax_by_hand_of_a_masked_row(m: Any) -> Any:
    s = m.logits().masked_fill(padding()[:, :, None], -inf)
    e = (s - s.amax(-1, keepdim=True)).exp()  # here
    return (e / e.sum(-1, keepdim=True)).square().sum()


@bug("fully masked row")
def logsumexp_of_a_masked_row(m: Any) -> Any:
    s = m.logits().masked_fill(padding()[:, :, None], -inf)
    return cr.logsumexp(s, -1).mean()  # here


@bug("masked label")
def the_label_is_masked(m: Any) -> Any:
    labels = cr.tensor(WORDS % 5).flatten()
    s = m.logits().flatten(0, 1)
    s = s.masked_fill(F.one_hot(labels, 5).bool(), -inf)
    return F.cross_entropy(s, labels)  # here


@bug("infinity minus infinity")
def masks_of_opposite_signs(m: Any) -> Any:
    s = m.logits()
    low, high = s.masked_fill(s > 0, -inf), s.masked_fill(s > 0, inf)
    return (low + high).square().mean()  # here


@bug("zero times infinity")
def a_mask_that_multiplies(m: Any) -> Any:
    s = m.logits().masked_fill(padding()[:, :, None], -inf)
    return (s * (~padding())[:, :, None].float()).mean()  # here


@bug("zero times infinity")
def a_weighted_mask(m: Any) -> Any:
    s = m.logits().masked_fill(cr.tensor(np.eye(5, dtype=bool)[WORDS % 5]), -inf)
    return (cr.softmax(s, -1) * s).sum()  # here


@bug("outside the domain")
def inverse_of_tanh(m: Any) -> Any:
    return cr.atanh(cr.tanh(m.logits() * 1e4)).mean()  # here


@bug("outside the domain")
def angle_of_a_scaled_cosine(m: Any) -> Any:
    return cr.acos(1.5 + m.hidden().abs()).mean()  # here


@bug("non-finite input")
def a_nan_in_the_features(m: Any) -> Any:
    features = np.ones((3, 6), np.float32)
    features[1, 2] = np.nan
    return m.inner(cr.tensor(features)).mean()


@bug("non-finite parameter")
def a_parameter_that_is_broken(m: Any) -> Any:
    return m.hidden().tanh().mean() * m.inner.weight.sum()  # one weight of `inner` is infinite


@bug("overflow")
def an_exploding_recurrence(m: Any) -> Any:
    h = m.hidden()
    for _ in range(40):
        h = h * 10  # here
    return h.sum()


@bug("overflow of exp")
def inside_a_loop(m: Any) -> Any:
    def body(h: Any, x: Any) -> Any:
        h = (h.exp() + x).abs() + 3  # here
        return h, h

    x = m.hidden().transpose(0, 1)
    return cr.scan(body, x[0].abs(), x)[1].mean()


@bug("mean of nothing")
def an_empty_batch(m: Any) -> Any:
    return m.hidden()[:0].mean()  # here


@bug("fully masked row")
def attention_by_hand_without_a_maximum(m: Any) -> Any:
    s = m.logits().masked_fill(padding()[:, :, None], -inf)
    e = s.exp()
    return (e / e.sum(-1, keepdim=True)).square().sum()  # here


@bug("non-finite input")
def an_infinity_in_the_features(m: Any) -> Any:
    features = np.arange(18, dtype=np.float32).reshape(3, 6)
    features[2, 1] = np.inf
    return m.inner(cr.tensor(features)).tanh().mean()


# -- the backward pass ----------------------------------------------------------------------------


@bug("infinite derivative", "backward")
def norm_of_a_zero_vector(m: Any) -> Any:
    d = m.scale * cr.ones(3, 6)
    return (d.square().sum(-1).sqrt() + d.sum(-1)).sum()  # here


@bug("infinite derivative", "backward")
def root_of_zero(m: Any) -> Any:
    return (m.scale.abs() + m.scale).sqrt().sum()  # here


@bug("zero times infinity behind where", "backward")
def where_around_a_root(m: Any) -> Any:
    x = m.scale
    return cr.where(x > 0, x.sqrt(), x).sum()  # here


@bug("zero times infinity behind where", "backward")
def where_around_a_log(m: Any) -> Any:
    x = m.scale
    return cr.where(x > 0, x.log(), x).sum()  # here


@bug("zero times infinity behind where", "backward")
def where_around_a_quotient(m: Any) -> Any:
    x = m.scale
    return cr.where(x != 0, 1 / x, x).sum()  # here


@bug("zero times infinity behind where", "backward")
def where_around_a_power(m: Any) -> Any:
    x = m.scale
    return cr.where(x > 0, x**0.5, x).sum()  # here


@bug("infinite derivative", "backward")
def angle_of_equal_vectors(m: Any) -> Any:
    return cr.acos(1 - m.scale).sum()  # here


@bug("overflow", "backward")
def a_gradient_that_explodes(m: Any) -> Any:
    x = m.scale + 1e-30
    return (x * 1e20 * 1e20 * 1e-10).sum() * 1e-30 + (x * 1e15).tanh().sum() * 1e30  # here


# -- the update -----------------------------------------------------------------------------------


@bug("overflowing update", "update")
def a_huge_step(m: Any) -> Any:
    return (m.scale * 1e38).sum()


# -- healthy --------------------------------------------------------------------------------------


def causal(n: int = 4) -> Any:
    return cr.full((n, n), -inf).triu(1)


@healthy
def causal_attention(m: Any) -> Any:
    h = m.hidden()
    return ((h @ h.transpose(1, 2) + causal()).softmax(-1) @ h).mean()


@healthy
def causal_attention_builtin(m: Any) -> Any:
    h = m.hidden()
    return F.scaled_dot_product_attention(h, h, h, is_causal=True).mean()


@healthy
def additive_mask_of_attention(m: Any) -> Any:
    h = m.hidden()
    return F.scaled_dot_product_attention(h, h, h, attn_mask=causal()).mean()


@healthy
def fully_masked_row_of_softmax(m: Any) -> Any:
    s = m.logits().masked_fill(padding()[:, :, None], -inf)
    return s.softmax(-1).square().sum()


@healthy
def fully_masked_row_of_attention(m: Any) -> Any:
    h = m.hidden()
    return F.scaled_dot_product_attention(h, h, h, attn_mask=~padding()[:, None, :]).mean()


@healthy
def masked_attention_by_hand(m: Any) -> Any:
    h = m.hidden()
    s = (h @ h.transpose(1, 2)).masked_fill(padding()[:, None, :], -inf)
    return (s.softmax(-1) @ h).square().mean()


@healthy
def masked_log_softmax(m: Any) -> Any:
    s = m.logits().masked_fill(cr.tensor([False, False, False, False, True]), -inf)
    return F.nll_loss(s.log_softmax(-1).flatten(0, 1), cr.tensor(WORDS.flatten() % 4))


@healthy
def masked_cross_entropy(m: Any) -> Any:
    s = m.logits().masked_fill(cr.tensor([False, False, False, False, True]), -inf)
    return F.cross_entropy(s.flatten(0, 1), cr.tensor(WORDS.flatten() % 4))


@healthy
def ignored_labels_of_masked_rows(m: Any) -> Any:
    s = m.logits().masked_fill(padding()[:, :, None], -inf)
    labels = cr.tensor(np.where(PADDED, -100, WORDS % 5))
    rows = cr.where(padding()[:, :, None], cr.zeros(1), s)
    return F.cross_entropy(rows.flatten(0, 1), labels.flatten())


@healthy
def maximum_over_time(m: Any) -> Any:
    return m.hidden().masked_fill(padding()[:, :, None], -inf).amax(1).mean()


@healthy
def minimum_over_time(m: Any) -> Any:
    return m.hidden().masked_fill(padding()[:, :, None], inf).amin(1).mean()


@healthy
def logsumexp_with_masks(m: Any) -> Any:
    return cr.logsumexp(m.hidden().masked_fill(padding()[:, :, None], -inf), 1).mean()


@healthy
def max_pooling_with_padding(m: Any) -> Any:
    return F.max_pool1d(m.hidden().transpose(1, 2), 3, 1, padding=1).mean()


@healthy
def viterbi_scores(m: Any) -> Any:
    start = cr.full((6,), -inf)
    start[0] = 0.0
    h = m.hidden()
    score = start + h[:, 0]
    for t in range(1, 4):
        score = cr.logsumexp(score[:, :, None] + causal(6)[None] + h[:, t, None, :], 1)
    return cr.logsumexp(score, -1).mean()


@healthy
def exp_of_masked_scores(m: Any) -> Any:
    e = m.hidden().masked_fill(padding()[:, :, None], -inf).exp()
    return (e.sum(1) / (e.sum(1) + 1)).mean()


@healthy
def sigmoid_of_masked_scores(m: Any) -> Any:
    return cr.sigmoid(m.hidden().masked_fill(padding()[:, :, None], -inf)).mean()


@healthy
def safe_log_by_where(m: Any) -> Any:
    x = m.hidden()
    return cr.where(x > 0, cr.where(x > 0, x, 1.0).log(), 0.0).mean()


@healthy
def safe_quotient_by_where(m: Any) -> Any:
    x = m.scale
    return cr.where(x != 0, 1 / cr.where(x != 0, x, 1.0), 0.0).sum() + x.sum()


@healthy
def clamped_log(m: Any) -> Any:
    return m.hidden().relu().clamp_min(1e-6).log().mean()


@healthy
def norm_with_eps(m: Any) -> Any:
    return (m.scale.square() + 1e-12).sum().sqrt()


@healthy
def builtin_norm_of_zero(m: Any) -> Any:
    return m.scale.norm() + m.scale.sum()


@healthy
def standard_deviation_of_equal_values(m: Any) -> Any:
    return (m.scale.std() + m.scale).sum()


@healthy
def layer_norm_of_equal_values(m: Any) -> Any:
    return m.norm(m.scale * cr.ones(2, 6)).square().sum()


@healthy
def cosine_similarity_of_zero(m: Any) -> Any:
    return F.cosine_similarity(m.scale * cr.ones(2, 6), m.hidden()[0, :2], dim=-1).sum()


@healthy
def normalised_zero(m: Any) -> Any:
    return F.normalize(m.scale * cr.ones(2, 6), dim=-1).sum() + m.scale.sum()


@healthy
def softplus_of_large_scores(m: Any) -> Any:
    return F.softplus(m.hidden() * 1e4).mean()


@healthy
def logsigmoid_of_large_scores(m: Any) -> Any:
    return F.logsigmoid(m.hidden() * 1e4).mean() * 1e-4


@healthy
def cross_entropy_of_large_scores(m: Any) -> Any:
    return F.cross_entropy(m.logits().flatten(0, 1) * 1e4, cr.tensor(WORDS.flatten() % 5))


@healthy
def binary_loss_of_large_scores(m: Any) -> Any:
    target = cr.tensor((WORDS % 2)[:, :, None].repeat(5, 2).astype(np.float32))
    return F.binary_cross_entropy_with_logits(m.logits() * 1e4, target)


@healthy
def binary_loss_of_probabilities_at_the_ends(m: Any) -> Any:
    p = cr.sigmoid(m.logits() * 1e4)
    target = cr.tensor((WORDS % 2)[:, :, None].repeat(5, 2).astype(np.float32))
    return F.binary_cross_entropy(p, target)


@healthy
def top_k_sampling_filter(m: Any) -> Any:
    s = m.logits()
    least = cr.topk(s, 2).values[..., -1:]
    return s.masked_fill(s < least, -inf).softmax(-1).square().sum()


@healthy
def an_unused_quotient(m: Any) -> Any:
    x = m.hidden()
    cr.log(x - x)
    return x.mean()


@healthy
def infinities_that_are_left_out(m: Any) -> Any:
    x = m.hidden()
    return cr.where(cr.isinf(1 / (x.detach() * 0)), x, 0.0).mean()


@healthy
def nan_to_num_of_a_constant(m: Any) -> Any:
    share = cr.nan_to_num(cr.zeros(3, 1) / cr.zeros(3, 1))
    return (m.hidden().mean(1) * share + m.hidden().mean(1)).mean()


@healthy
def the_loss_of_a_transformer(m: Any) -> Any:
    out = m.block(m.hidden(), src_mask=causal(), src_key_padding_mask=padding())
    return out.square().mean() + out[..., 0].mean()


@healthy
def the_loss_of_an_lstm(m: Any) -> Any:
    return m.lstm(m.hidden() * 100)[0].mean()


@healthy
def best_so_far(m: Any) -> Any:
    best = cr.full((6,), -inf)
    for t in range(4):
        best = cr.maximum(best, m.hidden()[:, t].mean(0))
    return best.sum()


@healthy
def clipped_infinite_ratio(m: Any) -> Any:
    ratio = (m.hidden().detach() / 0.0).clamp(-5, 5)
    return (cr.nan_to_num(ratio) * m.hidden()).mean()


@healthy
def constants_of_infinity(m: Any) -> Any:
    x = m.hidden()
    return (cr.minimum(x, cr.tensor(inf)) + cr.maximum(x, cr.tensor(-inf))).mean()


@healthy
def a_step_of_beam_search(m: Any) -> Any:
    alive = cr.tensor([0.0, -inf, -inf])
    total = alive[:, None, None] + m.logits().log_softmax(-1)
    return cr.topk(total.flatten(1), 2).values[0].mean()
