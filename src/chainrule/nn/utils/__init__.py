"""PyTorch's `nn.utils`: clipping, parameter vectors, `rnn`, under the names programs import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.nn.clip import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from chainrule.nn.utils import parametrizations, parametrize, rnn
from chainrule.nn.vectors import parameters_to_vector, vector_to_parameters
from chainrule.nn.weight_norm import older_weight_norm as weight_norm
from chainrule.nn.weight_norm import remove_weight_norm

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm",
    "parameters_to_vector", "parametrizations", "parametrize", "remove_weight_norm", "rnn",
    "vector_to_parameters", "weight_norm",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
