"""A learnt row for each word, alone or summed over bags. Example: `Embedding(1000, 64)(tokens)`.

May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#sparse-layers
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn import functional, init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor


class _Table(Module):
    """A matrix with a row for each word, and PyTorch's options."""

    _options: ClassVar[tuple[str, ...]] = ("padding_idx", "scale_grad_by_freq", "sparse")  # shown

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None,
        max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool,
        weight: Tensor | None, frozen: bool, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_whole("num_embeddings", num_embeddings, least=0)
        check_whole("embedding_dim", embedding_dim, least=0)
        functional.refuse_renormalised_rows(max_norm, norm_type)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                f"padding_idx={padding_idx} is outside a table of {num_embeddings} rows"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype), not frozen)
            self.reset_parameters()
        elif weight.shape != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"the embedding's weight has shape {weight.shape}, not "
                f"{(num_embeddings, embedding_dim)} = (num_embeddings, embedding_dim)"
            )
        else:
            self.weight = Parameter(weight, not frozen)

    def reset_parameters(self) -> None:
        """Draw new start values, with zeros in the padding row."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def extra_repr(self) -> str:
        given = {name: getattr(self, name) for name in self._options}
        shown = [f"{k}={v!r}" for k, v in given.items() if v is not None and v is not False]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *shown])


def _sizes(embeddings: Tensor) -> tuple[int, int]:
    if len(embeddings.shape) != 2:
        raise ShapeError(f"an embedding table has 2 axes, not shape {embeddings.shape}")
    return embeddings.shape[0], embeddings.shape[1]


class Embedding(_Table):
    """Rows of a table (num_embeddings, embedding_dim) at integer indices.

    Rows start from N(0, 1). Row `padding_idx` starts at zero and gets no gradient. `sparse` is
    accepted: a compiled step keeps row gradients sparse by itself.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        options: Any = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        options += (_weight, _freeze, device, dtype)
        super().__init__(num_embeddings, embedding_dim, *options)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:  # fmt: skip
        """A layer with the given rows (V, D), which are trained only if `freeze` is False."""
        options: Any = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        options += (embeddings, freeze)
        return cls(*_sizes(embeddings), *options)

    def forward(self, input: Tensor) -> Tensor:
        """int (…) → (…, embedding_dim)."""
        return functional.embedding(
            input, self.weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq
        )


class EmbeddingBag(_Table):
    """The sum, mean or max of the rows of each bag of indices.

    Rows start from N(0, 1). Words equal to `padding_idx` do not count.
    """

    _options = ("scale_grad_by_freq", "sparse", "mode", "padding_idx")

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
        sparse: bool = False, _weight: Tensor | None = None, include_last_offset: bool = False,
        padding_idx: int | None = None, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        options: Any = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        options += (_weight, False, device, dtype)
        super().__init__(num_embeddings, embedding_dim, *options)
        self.mode = mode
        self.include_last_offset = include_last_offset

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
        sparse: bool = False, include_last_offset: bool = False, padding_idx: int | None = None,
    ) -> Self:  # fmt: skip
        """A layer with the given rows (V, D), which are trained only if `freeze` is False."""
        options: Any = (max_norm, norm_type, scale_grad_by_freq, mode, sparse)
        options += (embeddings, include_last_offset, padding_idx)
        out = cls(*_sizes(embeddings), *options)
        out.weight.requires_grad = not freeze
        return out

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """int (bags, n), or (n) with offsets (bags) → (bags, embedding_dim)."""
        return functional.embedding_bag(
            input, self.weight, offsets, scale_grad_by_freq=self.scale_grad_by_freq, mode=self.mode,
            per_sample_weights=per_sample_weights, include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )  # fmt: skip
