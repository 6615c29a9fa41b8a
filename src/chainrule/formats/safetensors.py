"""State dictionaries as safetensors files.

    >>> write_state(Path("model.safetensors"), model.state_dict(), {"made_by": "chainrule"})
    >>> model.load_state_dict(read_state(Path("model.safetensors")).arrays)

Source: https://huggingface.co/docs/safetensors. May import `base` and `tensor`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import CheckpointError
from chainrule.formats.allowance import shown
from chainrule.formats.atomic import write_whole
from chainrule.formats.narrow import notice, widened

_DTYPES = {
    "BOOL": "bool", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4",
    "I32": "<i4", "U64": "<u8", "I64": "<i8", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_NARROW = {"F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class State:
    """The arrays of one file by name, and its free-form text entries.

    `narrow` names the arrays that were stored as 16-bit floats; they are float32 here.
    """

    arrays: dict[str, NDArray[Any]]
    metadata: dict[str, str]
    narrow: dict[str, str] = field(default_factory=dict)


def write_state(
    path: Path, tensors: Mapping[str, ArrayLike], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors or arrays atomically; `OSError` leaves the old file."""
    write_whole(path, state_bytes(tensors, metadata))


def state_bytes(
    tensors: Mapping[str, ArrayLike], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a file of `write_state`.

    Arrays are made contiguous first, since the format stores raw memory.
    """
    from safetensors.numpy import save

    arrays = {name: _contiguous(tensor) for name, tensor in tensors.items()}
    return save(arrays, metadata=dict(metadata or {}))


def read_state(path: Path) -> State:
    """The state in a file; a missing or damaged one raises `CheckpointError`.

    16-bit floats are read as float32, with one warning.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {str(path)!r}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {error}") from None
    state = parse_state(data, repr(str(path)))
    notice(list(state.narrow.values()), repr(str(path)))
    return state


def parse_state(data: bytes, name: str) -> State:
    """The state in the bytes of a file; damaged ones raise `CheckpointError` with `name`."""
    from safetensors import SafetensorError, deserialize

    try:
        # checks sizes, gaps and overlaps
        stored = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(f"{name} is not a whole safetensors file: {error}") from None
    metadata = _header(data, name).get("__metadata__") or {}
    arrays, narrow = {}, {}
    for key, entry in stored:
        kind = entry["dtype"]
        if kind in _NARROW:
            narrow[key] = _NARROW[kind]
            flat: NDArray[Any] = widened(np.frombuffer(entry["data"], "<u2"), _NARROW[kind])
        elif kind in _DTYPES:
            flat = np.frombuffer(entry["data"], _DTYPES[kind])
        else:
            raise CheckpointError(f"{name}: {shown(key)} has the unknown dtype {kind}")
        arrays[key] = _shaped(flat, entry["shape"], f"{name}: {shown(key)}")
    return State(arrays, metadata, narrow)


def _header(data: bytes, name: str) -> dict[str, Any]:
    """The JSON text at the beginning, in which each name is unique."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, count in Counter(k for k, _ in pairs).items() if count > 1)
            raise CheckpointError(f"{name} has two entries {shown(twice)} in its header")
        return found

    length = int.from_bytes(data[:8], "little")
    try:
        found = json.loads(data[8 : 8 + length], object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name} has a damaged header: {shown(str(error))}") from None
    return found if isinstance(found, dict) else {}


def _shaped(flat: NDArray[Any], shape: list[int], title: str) -> NDArray[Any]:
    """`flat` in the shape of the header, if an array can have it."""
    try:
        return flat.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(f"{title} has the shape {shown(shape)}: {error}") from None


def _contiguous(tensor: ArrayLike) -> NDArray[Any]:
    array = np.asarray(tensor)
    return np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes scalars 1-d
