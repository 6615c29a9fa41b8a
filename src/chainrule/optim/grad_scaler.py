"""`GradScaler`: PyTorch's guard against underflow of float16 gradients, which do not occur here.

Source: https://docs.pytorch.org/docs/stable/amp.html#gradient-scaling
"""

from __future__ import annotations

from typing import Any, TypeVar

from chainrule.base.source import warn

T = TypeVar("T")


class GradScaler:
    """Scale by 1: losses and steps pass through.

    Gradients are float32 or float64, whose range needs no help; asking for scaling (`enabled=True`)
    warns once per object and passes through as well.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        del init_scale, growth_factor, backoff_factor, growth_interval
        if enabled:
            warn(f"GradScaler({device!r}) passes through: gradients here are not float16")

    def scale(self, outputs: T) -> T:
        """The outputs as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Leave the gradients as they are: they are not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(…)`."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """The scale stays 1."""

    def get_scale(self) -> float:
        """The scale, which is 1."""
        return 1.0

    def is_enabled(self) -> bool:
        """Whether gradients are scaled: never."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Empty, as PyTorch's is when disabled."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Accept a saved state, which has no effect."""
