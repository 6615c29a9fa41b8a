"""Devices in PyTorch's form: `device("cpu")` is the one that exists. May import base.

Programs written for several devices run unchanged: any device can be named and compared; moving a
tensor to one other than the CPU is an error. Example: `device("cpu").type`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from chainrule.base.errors import DeviceError

__all__ = ["device"]

_KNOWN = frozenset({"cpu", "cuda", "mps", "xpu", "meta", "hpu", "xla", "mtia"})


@dataclass(frozen=True, slots=True, init=False)
class device:  # noqa: N801 - PyTorch's name
    """A device by type and index; only the CPU exists. As a `with` block: the default device.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
    """

    type: str
    index: int | None

    def __init__(self, type: str | int | device = "cpu", index: int | None = None) -> None:
        """`device("cpu")`, `device("cuda:0")` or `device("cpu", 0)`."""
        if isinstance(type, int):
            raise DeviceError(
                f"device({type}) is the index of an accelerator, and there is none here"
            )
        kind, colon, number = str(type).partition(":")
        if kind not in _KNOWN:
            raise DeviceError(f"unknown device type {kind!r}: use 'cpu'")
        if colon and (not number.isdecimal() or index is not None):
            raise DeviceError(f"{str(type)!r} with index {index} is not a device: use 'cpu'")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", int(number) if colon else index)

    def __enter__(self) -> Self:
        """Raise for a device other than the CPU."""
        if self.type != "cpu":
            raise DeviceError(f"device {str(self)!r} does not exist here: use 'cpu'")
        return self

    def __exit__(self, *exc: object) -> None:
        """The default device was the CPU."""

    def __str__(self) -> str:
        """`cpu` or `cpu:0`."""
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{number})"


CPU = device()


def names_device(value: object) -> bool:
    """Whether `value` names a device: `x.to("cuda:1")` is not about a dtype."""
    return isinstance(value, device) or (
        isinstance(value, str) and value.partition(":")[0] in {"gpu", *_KNOWN}
    )
