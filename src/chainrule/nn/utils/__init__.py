"""PyTorch's `nn.utils`: clipping, parameter vectors, `rnn`, under the names programs import."""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.nn.clip import clip_grad_norm_, clip_grad_value_, get_total_norm
from chainrule.nn.utils import rnn
from chainrule.nn.vectors import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "get_total_norm",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]

__getattr__ = missing_from(__name__)
