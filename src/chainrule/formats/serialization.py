"""`save` and `load`: nested values with their tensors in one file.

    >>> save({"model": model.state_dict(), "epoch": 3}, "run.pt")
    >>> model.load_state_dict(load("run.pt")["model"])

A file is a safetensors file whose text entry holds the nesting: nothing is pickled, and every
reader of safetensors can read a saved state dictionary. `load` also reads other safetensors files
and the zip files of `torch.save`. May import `base` and `tensor`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.save.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.base.errors import ArgumentError, CheckpointError
from chainrule.base.reading import EndlessError, read_to_end
from chainrule.formats.atomic import write_whole
from chainrule.formats.narrow import notice
from chainrule.formats.nested import pack, unpack
from chainrule.formats.pytorch import read_pytorch
from chainrule.formats.safetensors import parse_state, state_bytes
from chainrule.tensor.convert import check_device, tensor

_ENTRY = "structure"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write tensors, arrays, numbers, texts and their containers to a path or a binary file.

    A path gets the whole file or keeps its old one. Any other value in `obj` raises `ArgumentError`
    with its location. PyTorch's settings of pickle are accepted without effect.
    """
    del pickle_module, pickle_protocol, _use_new_zipfile_serialization
    packed = pack(obj)
    data = state_bytes(packed.arrays, {_ENTRY: packed.text})
    if isinstance(f, (str, os.PathLike)):
        write_whole(Path(f), data)
    elif callable(getattr(f, "write", None)):
        f.write(data)
    else:
        raise ArgumentError(f"save writes to a path or a binary file, not {type(f).__name__}")


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """The value in a file of `save`, of safetensors or of `torch.save`, given by path or file.

    Only plain values are created, as with `weights_only`; a file with other values, or a damaged
    one, raises `CheckpointError`. 16-bit floats are read as float32 with one warning. All tensors
    are on the CPU: a `map_location` that names another device raises `DeviceError`, a function is
    not called.
    """
    del pickle_module, weights_only, mmap
    wanted = map_location.values() if isinstance(map_location, Mapping) else [map_location]
    for each in wanted:
        if not callable(each):
            check_device(each)
    data, name = _read(f)
    if data.startswith(_ZIP):
        narrow: list[str] = []
        value = read_pytorch(data, name, narrow)
        notice(narrow, name)
        return value
    if data.startswith(_PICKLE) and data[8:9] != b"{":  # the beginning of a safetensors header
        raise CheckpointError(
            f"{name} is a bare pickle, as old versions of torch.save wrote: load it with PyTorch "
            "and save it again as a zip file (its default since 1.6) or as safetensors"
        )
    if not data:
        raise CheckpointError(f"{name} is empty, or already read to its end: call f.seek(0)")
    state = parse_state(data, name)
    text = state.metadata.get(_ENTRY)
    if text is None:
        notice(list(state.narrow.values()), name)
        return {key: tensor(array) for key, array in state.arrays.items()}
    try:
        return unpack(text, state.arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{name} was not loaded: {error}") from None


def _read(f: Any) -> tuple[bytes, str]:
    """All bytes, and the name of their source for messages."""
    if isinstance(f, (str, os.PathLike)):
        try:
            return read_to_end(Path(f)), repr(os.fspath(f))
        except EndlessError:
            raise CheckpointError(f"{os.fspath(f)!r} is a device, not a file") from None
    if not callable(getattr(f, "read", None)):
        raise ArgumentError(f"load reads a path or a binary file, not {type(f).__name__}")
    data = f.read()
    if not isinstance(data, (bytes, bytearray)):
        raise ArgumentError("load reads binary files: use open(path, 'rb')")
    return bytes(data), repr(getattr(f, "name", type(f).__name__))
