"""`Embedding`: a learnt row for each word. Example: `Embedding(1000, 64)(tokens)`.

May import `tensor`.
"""

from __future__ import annotations

from typing import Any, Self

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn import functional, init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.creation import empty
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor


class Embedding(Module):
    """Rows of a table (num_embeddings, embedding_dim) at integer indices.

    Rows start from N(0, 1). Row `padding_idx` starts at zero and gets no gradient. `sparse` is
    accepted: a compiled step keeps row gradients sparse by itself.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_device(device)
        functional.refuse_renormalised_rows(max_norm, norm_type, scale_grad_by_freq)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(f"padding_idx {padding_idx} is not one of {num_embeddings} rows")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.sparse = sparse
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype), not _freeze)
            self.reset_parameters()
        elif _weight.shape != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"an embedding of shape {_weight.shape} for sizes {(num_embeddings, embedding_dim)}"
            )
        else:
            self.weight = Parameter(_weight, not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Self:
        """A layer with the given rows (V, D), not trained unless `freeze` is False."""
        if len(embeddings.shape) != 2:
            raise ShapeError(f"an embedding table has 2 axes, not shape {embeddings.shape}")
        return cls(*embeddings.shape, padding_idx=padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw new start values; the padding row is zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(self, input: Tensor) -> Tensor:
        """int (…) → (…, embedding_dim)."""
        return functional.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
