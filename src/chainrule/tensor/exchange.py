"""DLPack: the exchange of tensors with other libraries. Example: `from_dlpack(np.ones(3))`.

An exported tensor shares its memory, flagged as read-only; a consumer of the first protocol, which
has no such flag, gets a copy. An imported tensor is copied, since tensors are values.
Source: https://dmlc.github.io/dlpack/latest/python_spec.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import SharingError
from chainrule.tensor.convert import check_device, tensor
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]

_CPU = (1, 0)


def export(
    self: Handle, *, stream: Any = None, max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None, copy: bool | None = None,
) -> Any:  # fmt: skip
    """The DLPack capsule of a tensor: shared and read-only, or a copy.

    `max_version` is the newest protocol that the consumer knows, `stream` must be None on a CPU.
    """
    if self.requires_grad:
        raise SharingError("a tensor that requires grad cannot be shared\n  use x.detach()")
    if stream is not None:
        raise SharingError(f"there are no streams on a CPU, so stream must be None, not {stream}")
    if dl_device is not None and (int(dl_device[0]), int(dl_device[1])) != _CPU:
        raise SharingError(f"tensors are on the CPU {_CPU}, not on device {dl_device}")
    array = self._concrete("DLPack")
    told = max_version is not None and max_version[0] >= 1
    if copy is False and not told:
        raise SharingError(
            "a consumer of DLPack before 1.0 cannot be told that the memory is read-only\n  leave "
            "copy=False out"
        )
    if copy or not told:
        array = array.copy()
    else:
        array = array.view()
        array.flags.writeable = False
    return array.__dlpack__(max_version=max_version) if told else array.__dlpack__()


def device_of(self: Handle) -> tuple[int, int]:
    """The CPU."""
    del self
    return _CPU


class _Held:
    """An existing capsule as an object of the protocol."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        del options
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor with a copy of the values of an object with `__dlpack__`, or of a capsule.

    Source: https://docs.pytorch.org/docs/stable/dlpack.html
    """
    check_device(device)
    if copy is False:
        raise SharingError("tensors are values and share no memory\n  leave copy=False out")
    held = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Held(ext_tensor)
    return tensor(np.from_dlpack(held))


def to_dlpack(tensor: Handle) -> Any:
    """A capsule with a copy of the values, for a consumer that takes capsules."""
    return export(tensor)
