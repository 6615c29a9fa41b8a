"""Normalisation by statistics of batches and instances: `BatchNorm1d`, `InstanceNorm2d`, ….

The running averages are buffers, updated in training and used in evaluation.
Example: `BatchNorm1d(64)(x)` for x (N, 64) or (N, 64, L). May import `tensor`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.arguments import check_number, check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn.normalization import Affine
from chainrule.tensor.convert import as_tensor, check_device, tensor
from chainrule.tensor.functional import arithmetic, batch_norm, layout
from chainrule.tensor.functional.creation import ones, zeros
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor


class _ByChannel(Affine):
    """Scale and shift per channel, and running averages; subclasses define the averaged axes."""

    ranks: ClassVar[tuple[int, ...]]  # number of axes of inputs with a batch axis
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
        affine: bool = True, track_running_stats: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_whole(f"{type(self).__name__}: num_features", num_features, least=0)
        check_number(f"{type(self).__name__}: eps", eps)
        if momentum is not None:
            check_number(f"{type(self).__name__}: momentum", momentum)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        tracked = track_running_stats
        mean, var = zeros(num_features, dtype=dtype), ones(num_features, dtype=dtype)
        self.register_buffer("running_mean", mean if tracked else None)
        self.register_buffer("running_var", var if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0) if tracked else None)
        self._add_parameters((num_features,), dtype, weight=affine, bias=affine and bias)

    def reset_running_stats(self) -> None:
        """Reset the averages to mean 0 and variance 1, and the batch count to 0."""
        if self.running_mean is not None:
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            with no_grad():
                self.running_mean.zero_()
                self.running_var.fill_(1)
                self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set weights to 1 and biases to 0, and reset the running averages."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_channels(self, input: Tensor, axis: int) -> None:
        if input.shape[axis] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__} of {self.num_features} channels got an input of shape "
                f"{input.shape}: axis {axis} must be {self.num_features}"
            )

    def _count_batch(self) -> float | Tensor:
        """The weight of this batch in the averages; without momentum 1/n, for plain means."""
        count = self.num_batches_tracked
        if count is not None:
            with no_grad():
                count.add_(1)
        if self.momentum is not None:
            return self.momentum
        if count is None:
            return 0.0
        assert self.running_mean is not None
        return arithmetic.div(1.0, count.to(self.running_mean.dtype))

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ByChannel):
    """(x - μ) / √(σ² + eps) · weight + bias per channel, over batch and positions.

    μ, σ² are the batch's in training (and without running averages), the running ones in
    evaluation. Source: Ioffe & Szegedy, Batch normalization (2015).
    """

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        if len(input.shape) not in self.ranks:
            wanted = " or ".join(map(str, self.ranks))
            raise ShapeError(f"{type(self).__name__} takes {wanted} axes, not shape {input.shape}")
        self._check_channels(input, 1)
        moves = self.training and self.track_running_stats
        momentum = self._count_batch() if moves else (self.momentum or 0.0)
        used = not self.training or self.track_running_stats
        return batch_norm.batch_norm(
            input,
            self.running_mean if used else None,
            self.running_var if used else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L) per channel, over batch and positions."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W) per channel, over batch and positions."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W) per channel, over batch and positions."""

    ranks = (5,)


class _InstanceNorm(_ByChannel):
    """(x - μ) / √(σ² + eps) · weight + bias per channel of each instance, over positions.

    Source: Ulyanov et al., Instance normalization (2016).
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        if momentum is None:
            raise ArgumentError("InstanceNorm needs a momentum; only BatchNorm takes None")
        options = (affine, track_running_stats, device, dtype)
        super().__init__(num_features, eps, momentum, *options, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """The same shape, with or without a batch axis."""
        input = as_tensor(input)
        rank, (batched,) = len(input.shape), self.ranks
        if rank not in {batched, batched - 1}:
            raise ShapeError(
                f"{type(self).__name__} takes {batched} axes, or {batched - 1} without a batch, "
                f"not shape {input.shape}"
            )
        single = rank < batched
        if self.weight is not None or self.running_mean is not None:  # else no size to check
            self._check_channels(input, 0 if single else 1)
        out = batch_norm.instance_norm(
            layout.unsqueeze(input, 0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum,
            self.eps,
        )
        return layout.squeeze(out, 0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L) per channel, over positions."""

    ranks = (3,)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W) per channel, over positions."""

    ranks = (4,)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W) per channel, over positions."""

    ranks = (5,)
