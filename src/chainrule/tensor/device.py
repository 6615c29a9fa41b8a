"""The one device there is, in PyTorch's form: `device("cpu")`. May import base.

Programs written for several devices run unchanged: `x.to(device)` accepts it, anything else says
what is missing. Example: `device("cpu").type == "cpu"`.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.base.errors import DeviceError

__all__ = [
    "device",
]

_KNOWN = frozenset({"cpu", "cuda", "mps", "xpu", "meta"})


@dataclass(frozen=True, slots=True, init=False)
class device:  # noqa: N801 - PyTorch's name
    """A device by kind and number; only the CPU exists.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
    """

    type: str
    index: int | None

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        """`device("cpu")`, `device("cpu:0")` or `device("cpu", 0)`."""
        kind, _, number = str(type).partition(":")
        if kind != "cpu" or (number and number != "0") or index not in {None, 0}:
            raise DeviceError(f"device {str(type)!r} does not exist here: use 'cpu'")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", 0 if number or index == 0 else None)

    def __str__(self) -> str:
        """`cpu` or `cpu:0`."""
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        """As PyTorch prints it."""
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{number})"


CPU = device()


def names_device(value: object) -> bool:
    """Whether `value` can only be meant as a device: `x.to("cuda:1")` is not a dtype."""
    return isinstance(value, device) or (
        isinstance(value, str) and value.partition(":")[0] in _KNOWN
    )
