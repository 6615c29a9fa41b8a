"""PyTorch's `nn.functional`: layers without state, with its argument names, order and defaults.

The functions are those of `tensor/functional`, here with PyTorch's argument `inplace`. May import
`tensor`. Example: `F.cross_entropy(logits, labels)`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError
from chainrule.base.missing import missing_from
from chainrule.base.source import warn
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.functional import activation, arithmetic, bag, gather
from chainrule.tensor.functional import normalize as rows
from chainrule.tensor.functional.activation import (
    celu,
    elu,
    gelu,
    given,
    glu,
    gumbel_softmax,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu6,
    rrelu,
    selu,
    sigmoid,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from chainrule.tensor.functional.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from chainrule.tensor.functional.attention import scaled_dot_product_attention
from chainrule.tensor.functional.batch_norm import batch_norm, instance_norm
from chainrule.tensor.functional.convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
)
from chainrule.tensor.functional.distance import cosine_similarity, pairwise_distance
from chainrule.tensor.functional.dropout import (
    alpha_dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from chainrule.tensor.functional.dropout import dropout as plain_dropout
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.gather import one_hot
from chainrule.tensor.functional.im2col import fold, unfold
from chainrule.tensor.functional.loss.binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from chainrule.tensor.functional.loss.classification import cross_entropy, nll_loss
from chainrule.tensor.functional.loss.ctc import ctc_loss
from chainrule.tensor.functional.loss.margin import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from chainrule.tensor.functional.loss.regression import (
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from chainrule.tensor.functional.multi_head import multi_head_attention_forward
from chainrule.tensor.functional.normalize import (
    group_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    lp_pool1d,
    lp_pool2d,
    max_pool1d,
    max_pool2d,
)
from chainrule.tensor.functional.products import bilinear, linear
from chainrule.tensor.functional.trigonometry import tanh
from chainrule.tensor.methods.in_place import in_place
from chainrule.tensor.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "alpha_dropout", "avg_pool1d", "avg_pool2d", "batch_norm", "bilinear", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "celu_", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "ctc_loss",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_", "embedding", "embedding_bag",
    "feature_alpha_dropout", "fold", "gaussian_nll_loss", "gelu", "glu", "group_norm",
    "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "hinge_embedding_loss", "huber_loss", "instance_norm", "kl_div", "l1_loss", "layer_norm",
    "leaky_relu", "leaky_relu_", "linear", "local_response_norm", "log_softmax", "logsigmoid",
    "lp_pool1d", "lp_pool2d", "margin_ranking_loss", "max_pool1d", "max_pool2d", "mish", "mse_loss",
    "multi_head_attention_forward", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance",
    "poisson_nll_loss", "prelu", "relu", "relu6", "relu_", "rms_norm", "rrelu", "rrelu_",
    "scaled_dot_product_attention", "selu", "selu_", "sigmoid", "silu", "smooth_l1_loss",
    "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh",
    "tanhshrink", "threshold", "threshold_", "triplet_margin_loss",
    "triplet_margin_with_distance_loss", "unfold",
]  # fmt: skip


def relu(input: Operand, inplace: bool = False) -> Tensor:
    """max(input, 0); derivative 0 at 0."""
    return given(input, activation.relu(input), inplace)


def silu(input: Operand, inplace: bool = False) -> Tensor:
    """input · sigmoid(input), also called swish."""
    return given(input, activation.silu(input), inplace)


relu_ = in_place(activation.relu)
elu_ = in_place(activation.elu)
selu_ = in_place(activation.selu)
celu_ = in_place(activation.celu)
hardtanh_ = in_place(activation.hardtanh)
leaky_relu_ = in_place(activation.leaky_relu)
rrelu_ = in_place(activation.rrelu)
threshold_ = in_place(activation.threshold)


@of_kinds
def dropout(input: Operand, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """While training, zero each element with probability p and scale the rest by 1/(1 - p)."""
    return given(input, plain_dropout(input, p, training), inplace)


def _axis(name: str, x: Tensor, dim: int | None) -> int:
    """`dim`, by default PyTorch's choice: axis 0 of 0, 1 or 3 axes, else axis 1."""
    if dim is not None:
        return dim
    implicit = 0 if x.ndim in {0, 1, 3} else 1
    warn(
        f"{name} without dim takes axis {implicit} of {tuple(x.shape)}, as old PyTorch did\n"
        f"  give the axis: {name}(x, dim={implicit})"
    )
    return implicit


def softmax(
    input: Operand, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(x) / Σ exp(x) along `dim`; a fully masked row (all -inf) gives zeros."""
    x = as_tensor(input)
    return rows.softmax(x, _axis("softmax", x, dim), dtype)


def softmin(
    input: Operand, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(-input) / Σ exp(-input) along `dim`."""
    x = as_tensor(input)
    return rows.softmax(arithmetic.neg(x), _axis("softmin", x, dim), dtype)


def log_softmax(
    input: Operand, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """input - log Σ exp(input) along `dim`."""
    x = as_tensor(input)
    return rows.log_softmax(x, _axis("log_softmax", x, dim), dtype)


@of_kinds
def normalize(
    input: Operand, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """input / max(‖input‖ₚ, eps), the norm along `dim`."""
    found = rows.normalize(input, p, dim, eps)
    return found if out is None else given(out, found, inplace=True)


def refuse_renormalised_rows(max_norm: float | None, norm_type: float) -> None:
    """Raise `ArgumentError` if `max_norm` asks for renormalised rows."""
    del norm_type
    if max_norm is not None:
        raise ArgumentError(
            "embeddings with max_norm are not supported: reading would change the table. Divide "
            "the rows by their norms where they exceed it, under no_grad, after each step"
        )


@of_kinds
def embedding(
    input: Operand, weight: Operand, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Rows of `weight` (V, D) at integer `input` (…): (…, D); row padding_idx gets no gradient.

    `scale_grad_by_freq` divides a row's gradient by its number of reads. `sparse` is accepted: a
    compiled step keeps row gradients sparse by itself.
    """
    del sparse
    refuse_renormalised_rows(max_norm, norm_type)
    return gather.embedding(input, weight, padding_idx, scale_grad_by_freq)


@of_kinds
def embedding_bag(
    input: Operand, weight: Operand, offsets: Operand = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Operand = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """(bags, D): the sum, mean or max of the rows of `weight` for each bag of indices."""
    del sparse
    refuse_renormalised_rows(max_norm, norm_type)
    return bag.embedding_bag(
        input, weight, offsets, scale_grad_by_freq, mode, per_sample_weights, include_last_offset,
        padding_idx,
    )  # fmt: skip


if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
