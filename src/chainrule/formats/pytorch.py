"""Files of `torch.save`: state dictionaries and nested plain values, read without unpickling.

    >>> state = read_pytorch(Path("model.pt").read_bytes(), "model.pt", narrow := [])

Tensors of one storage become independent values, and their total memory stays in proportion to the
file. Source: https://docs.pytorch.org/docs/stable/notes/serialization.html. May import `base` and
`tensor`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base import dtypes
from chainrule.base.errors import ChainruleError, CheckpointError
from chainrule.base.shapes import Size
from chainrule.formats.allowance import Allowance, shown
from chainrule.formats.archive import read_archive
from chainrule.formats.narrow import NARROW, widened
from chainrule.formats.pickled import Known, read_pickle
from chainrule.tensor.device import device
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.parameter import Parameter
from chainrule.tensor.tensor import Tensor

_STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Byte": "uint8", "Bool": "bool",
}  # fmt: skip
_AXES = 64  # of NumPy's arrays


class _Storage(NamedTuple):
    """Stored elements, and their dtype in the file."""

    values: NDArray[Any]
    kind: str


def read_pytorch(data: bytes, name: str, narrow: list[str]) -> Any:
    """The value in a zip file of `torch.save`; the dtypes of widened tensors go to `narrow`."""
    try:
        records = read_archive(data)
        allowance = Allowance(len(data))
        reader = _Reader(records, narrow, allowance)
        pickle = bytes(records["data.pkl"])
        value = read_pickle(pickle, reader.table(), reader.storage, allowance)
        _check_plain(value)
    except ChainruleError as error:
        raise CheckpointError(f"{name} was not loaded: {error}") from None
    return value


class _Reader:
    """The storages of an archive, and the tensors on them."""

    def __init__(
        self, records: dict[str, memoryview], narrow: list[str], allowance: Allowance
    ) -> None:
        self._records = records
        self._narrow = narrow
        self._allowance = allowance
        self._storages: dict[str, _Storage] = {}
        self._arrays: dict[tuple[Any, ...], NDArray[Any]] = {}  # by storage, offset, size, stride
        order = bytes(records.get("byteorder", b"little")).decode("ascii", "replace").strip()
        if order not in {"little", "big"}:
            raise CheckpointError(f"its byte order is {shown(order)}")
        self._order: Literal["<", ">"] = "<" if order == "little" else ">"

    def table(self) -> dict[str, Any]:
        """The globals that a file may name."""
        return {
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "torch.Size": _size,
            "torch.device": _device,
            "_codecs.encode": _encoded,
            **{f"torch.{name}Storage": _uncallable for name in _STORAGES},
            **{f"torch.{d.name}": d for d in (*dtypes.ALL, *dtypes.NARROW)},
        }

    def storage(self, key: Any) -> _Storage:
        """`("storage", torch.FloatStorage, "0", "cpu", 24)`: 24 elements of the record data/0."""
        if not isinstance(key, tuple) or len(key) != 5 or key[0] != "storage":
            raise CheckpointError(f"its pickle refers to {shown(key)}, which is not a storage")
        _, kind, number, _, count = key
        if type(number) is not str or type(count) is not int:
            raise CheckpointError(f"its pickle has a storage {shown(number)} of {shown(count)}")
        if not isinstance(kind, Known) or not kind.name.endswith("Storage"):
            raise CheckpointError("a storage has no type")
        dtype = _STORAGES[kind.name.removeprefix("torch.").removesuffix("Storage")]
        if number not in self._storages:
            self._storages[number] = _Storage(self._values(number, dtype), dtype)
        found = self._storages[number]
        if found.kind != dtype or found.values.size != count:
            raise CheckpointError(
                f"storage {shown(number)} has {found.values.size} elements of {found.kind}, the "
                f"pickle says {shown(count)} of {dtype}"
            )
        return found

    def _values(self, number: str, dtype: str) -> NDArray[Any]:
        content = self._records.get(f"data/{number}")
        if content is None:
            raise CheckpointError(f"there is no record of its storage {shown(number)}")
        stored = np.dtype("u2" if dtype in NARROW else "u1" if dtype == "bool" else dtype)
        if len(content) % stored.itemsize:
            raise CheckpointError(
                f"storage {shown(number)} has {len(content)} bytes, not whole elements of {dtype}"
            )
        raw = np.frombuffer(content, stored.newbyteorder(self._order))
        raw = raw.astype(stored, copy=False)
        if dtype in NARROW:
            return widened(raw, dtype)
        return raw != 0 if dtype == "bool" else raw

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False,
        hooks: Any = None, metadata: Any = None,
    ) -> Tensor:  # fmt: skip
        """A copy of the elements `offset + Σ iₖ · strideₖ` of a storage."""
        del hooks, metadata
        if not isinstance(storage, _Storage):
            raise CheckpointError("a tensor has no storage")
        if not _are_counts(size, stride) or len(size) != len(stride) or not _is_count(offset):
            raise CheckpointError(
                f"a tensor has the size {shown(size)}, stride {shown(stride)}, "
                f"offset {shown(offset)}"
            )
        values = storage.values
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 not in size and last >= values.size:
            raise CheckpointError(
                f"a tensor of size {size} and stride {stride} at {offset} goes beyond its storage "
                f"of {values.size} elements"
            )
        if storage.kind in NARROW:
            self._narrow.append(storage.kind)
        out = wrap(self._array(values, offset, size, stride))
        if requires_grad:
            out.requires_grad = True
        return out

    def _array(
        self, values: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> NDArray[Any]:
        """The elements of a tensor; tensors of the same elements share them until one is written.

        Tied weights are listed once per name. A tensor that repeats stored elements is counted each
        time, since a few bytes of the file can describe any amount of memory.
        """
        key, count = (id(values), offset, size, stride), math.prod(size)
        if key not in self._arrays or count > values.size:
            self._allowance.memory(count * values.itemsize)
            self._arrays[key] = _strided(values, offset, size, stride)
        return self._arrays[key]


def _strided(
    values: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> NDArray[Any]:
    if 0 in size:
        return np.empty(size, values.dtype)
    steps = [n * values.itemsize for n in stride]
    view = np.lib.stride_tricks.as_strided(values[offset:], size, steps, writeable=False)
    return np.array(view, order="C")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _are_counts(*sizes: Any) -> bool:
    """Whether all are tuples of counts, with no more axes than an array can have."""
    return all(
        isinstance(size, tuple) and len(size) <= _AXES and all(map(_is_count, size))
        for size in sizes
    )


def _size(axes: Any = ()) -> Size:
    if not _are_counts(axes):
        raise CheckpointError(f"its pickle makes a size of {shown(axes)}")
    return Size(axes)


def _device(kind: Any, index: Any = None) -> device:
    if type(kind) is not str or not (index is None or _is_count(index)):
        raise CheckpointError(f"its pickle makes a device of {shown(kind)} and {shown(index)}")
    return device(kind, index)


def _parameter(data: Any, requires_grad: Any, hooks: Any) -> Parameter:
    del hooks
    if not isinstance(data, Tensor):
        raise CheckpointError("a parameter has no tensor")
    return Parameter(data.detach(), requires_grad=bool(requires_grad))


def _encoded(text: Any, encoding: Any) -> bytes:
    """The bytes of a text in the form of old pickles."""
    if not isinstance(text, str) or encoding != "latin1":
        raise CheckpointError("its pickle encodes a text that stands for no bytes")
    return text.encode("latin1")


def _uncallable(*_: Any) -> Any:
    raise CheckpointError("its pickle calls a type of storage")


def _check_plain(value: Any) -> None:
    """Raise if the value has parts that are only valid inside the file."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, _Storage):
            raise CheckpointError("it holds a bare storage: save tensors instead")
        if isinstance(each, Known):
            raise CheckpointError(f"it holds {each.name} itself, not a value")
        if isinstance(each, (dict, list, tuple, set, frozenset)) and id(each) not in seen:
            seen.add(id(each))
            waiting += _parts(each)


def _parts(container: Any) -> Iterator[Any]:
    if isinstance(container, dict):
        for key, value in container.items():
            yield key
            yield value
    else:
        yield from container
