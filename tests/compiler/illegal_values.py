"""Calls whose values are wrong, each with the argument that makes it so: eager code refuses them.

Example: `fn, argument = ILLEGAL["a variance below 0"]`.
"""

from __future__ import annotations

from typing import Any

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn

t = cr.tensor
ONES = cr.ones(2)
SCORES = cr.ones(2, 3)
LOGGED = cr.zeros(3, 1, 4).log_softmax(-1)
LSTM = nn.LSTM(2, 2)
GRU = nn.GRU(2, 2, batch_first=True)
BAG = nn.EmbeddingBag(3, 2)
WORDS = nn.Embedding(3, 2)


def written(mask: Any, values: Any) -> Any:
    y = cr.zeros(3)
    y[mask] = values
    return y


def summed(x: Any) -> Any:
    return cr.scan(lambda h, w: (h + F.binary_cross_entropy(w, ONES), h), cr.zeros(()), x)[0]


ILLEGAL: dict[str, tuple[Any, Any]] = {
    "a probability above 1": (lambda x: F.binary_cross_entropy(x, ONES), t([1.5, 0.5])),
    "a probability that is NaN": (lambda x: nn.BCELoss()(x, ONES), t([float("nan"), 0.5])),
    "a target below 0": (lambda x: F.binary_cross_entropy(ONES, x), t([-0.5, 0.5])),
    "a probability in a loop": (summed, t([[1.0, 0.5], [0.5, 2.0]])),
    "a variance below 0": (lambda x: F.gaussian_nll_loss(ONES, ONES, x), t([-1.0, 1.0])),
    "a variance of a layer": (lambda x: nn.GaussianNLLLoss()(ONES, ONES, x), t([1.0, -1.0])),
    "mvlgamma of little": (lambda x: cr.special.multigammaln(x, 2), t([0.1])),
    "a chance above 1": (lambda x: cr.bernoulli(x) + 0, t([1.5])),
    "a chance in place": (lambda x: cr.ones(2).bernoulli_(x), t([1.5, 0.5])),
    "a weight below 0": (lambda x: cr.multinomial(x, 1), t([-1.0, 1.0])),
    "a weight that is NaN": (lambda x: cr.multinomial(x, 1, True), t([float("nan"), 1.0])),
    "a weight that is infinite": (lambda x: cr.multinomial(x, 1), t([float("inf"), 1.0])),
    "no weight above 0": (lambda x: cr.multinomial(x, 1), t([0.0, 0.0])),
    "too few weights above 0": (lambda x: cr.multinomial(x, 2), t([[1.0, 1.0], [1.0, 0.0]])),
    "a deviation below 0": (lambda x: cr.normal(cr.zeros(2), x), t([1.0, -1.0])),
    "a divisor 0": (lambda x: t([1, 2]) // x, t([0, 1])),
    "a remainder by 0": (lambda x: 7 % x, t([1, 0])),
    "a division in place by 0": (lambda x: t([1, 2]).fmod_(x), t([1, 0])),
    "a rounded quotient by 0": (lambda x: cr.div(x, x, rounding_mode="trunc"), t([1, 0])),
    "a class too many": (lambda x: F.cross_entropy(SCORES, x), t([3, 0])),
    "a class below 0": (lambda x: F.nll_loss(SCORES, x), t([-1, 0])),
    "a class of a margin": (lambda x: F.multi_margin_loss(SCORES, x), t([3, 0])),
    "a class with weights": (lambda x: F.cross_entropy(SCORES, x, weight=cr.ones(3)), t([3, 0])),
    "a word too many": (lambda x: WORDS(x) + 0, t([7])),
    "a word of a bag": (lambda x: F.embedding_bag(x, SCORES.T, t([0])), t([0, 9])),
    "bags that fall": (lambda x: BAG(t([0, 1, 2]), x), t([0, 2, 1])),
    "bags that begin late": (lambda x: BAG(t([0, 1, 2]), x), t([1, 2])),
    "bags beyond the words": (lambda x: BAG(t([0, 1, 2]), x), t([0, 9])),
    "labels too long": (lambda x: F.ctc_loss(LOGGED, t([[1, 2]]), t([3]), x), t([9])),
    "times too long": (lambda x: F.ctc_loss(LOGGED, t([[1, 2]]), x, t([2])), t([9])),
    "a label too many": (lambda x: F.ctc_loss(LOGGED, x, t([3]), t([2])), t([[1, 9]])),
    "labels left over": (lambda x: F.ctc_loss(LOGGED, t([1, 2]), t([3]), x), t([1])),
    "a length above the time": (lambda x: LSTM(cr.ones(3, 1, 2), lengths=x)[0], t([9])),
    "a length below 0": (lambda x: GRU(cr.ones(2, 3, 2), lengths=x)[0], t([3, -1])),
    "fewer places than rows": (lambda x: written(x, t([1.0, 2.0])), t([True, False, False])),
    "more places than rows": (lambda x: written(x, t([1.0, 2.0])), t([True, True, True])),
    "more places than a source": (
        lambda x: cr.zeros(3).masked_scatter(x, cr.ones(1)),
        t([True, True, False]),
    ),
    "an index of gather": (lambda x: cr.gather(ONES, 0, x), t([2])),
    "an index of take": (lambda x: cr.take(ONES, x), t([-3])),
    "an index of index_select": (lambda x: cr.index_select(ONES, 0, x), t([2])),
    "an index of index_add": (lambda x: cr.zeros(2).index_add(0, x, cr.ones(1)), t([2])),
    "an index of index_copy": (lambda x: cr.zeros(2).index_copy(0, x, cr.ones(1)), t([2])),
    "an index of index_fill": (lambda x: cr.zeros(2).index_fill(0, x, 1.0), t([2])),
    "an index of scatter": (lambda x: cr.zeros(2).scatter(0, x, cr.ones(1)), t([2])),
    "an index of scatter_reduce": (
        lambda x: cr.zeros(2).scatter_reduce(0, x, cr.ones(1), "amax"),
        t([2]),
    ),
    "an index in brackets": (lambda x: ONES[x], t([-3])),
    "a quantile above 1": (lambda x: cr.quantile(cr.ones(3), x), t([1.5])),
}
