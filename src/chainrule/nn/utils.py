"""PyTorch's `nn.utils`: clipping and parameter vectors, under the names that programs import."""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.nn.clip import clip_grad_norm_, clip_grad_value_, get_total_norm
from chainrule.nn.vectors import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]

__getattr__ = missing_from(__name__)
