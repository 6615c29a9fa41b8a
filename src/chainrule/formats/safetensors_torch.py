"""`safetensors.torch` for programs that run as PyTorch: the same files, chainrule's tensors.

    >>> save_file(model.state_dict(), "model.safetensors")
    >>> model.load_state_dict(load_file("model.safetensors"))

The library's own module needs the storages of PyTorch's tensors, which do not exist here. May
import `base`, `tensor` and `formats`.
Source: https://huggingface.co/docs/safetensors/api/torch
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import CheckpointError
from chainrule.base.missing import missing_from
from chainrule.formats.narrow import notice
from chainrule.formats.safetensors import State, parse_state, read_state, state_bytes, write_state
from chainrule.tensor.convert import check_device, tensor
from chainrule.tensor.tensor import Tensor

__all__ = ["load", "load_file", "load_model", "save", "save_file", "save_model"]


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file with `tensors` by name, and text entries."""
    return state_bytes(tensors, metadata)


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write `tensors` by name, whole or not at all."""
    write_state(Path(filename), tensors, metadata)


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a file; damaged ones raise `CheckpointError`."""
    name = "the file in these bytes"
    state = parse_state(data, name)
    notice(list(state.narrow.values()), name)
    return _tensors(state)


def load_file(
    filename: str | os.PathLike[str], device: Any = "cpu", *, backend: str = "mmap"
) -> dict[str, Tensor]:
    """The tensors of a file by name; a missing or damaged file raises `CheckpointError`.

    `backend` is accepted without effect: the file is read as a whole.
    """
    del backend
    check_device(device)
    return _tensors(read_state(Path(filename)))


def save_model(
    model: Any,
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    force_contiguous: bool = True,
) -> None:
    """Write the state of a module; a tensor with several names is written under the first.

    The other names are text entries. Arrays are always made contiguous.
    """
    del force_contiguous
    state, first = model.state_dict(), _first_names(model)
    tied = {name: kept for name, kept in first.items() if name != kept}
    kept = {name: value for name, value in state.items() if name not in tied}
    save_file(kept, filename, {**(metadata or {}), **tied})


def load_model(
    model: Any, filename: str | os.PathLike[str], strict: bool = True, device: Any = "cpu"
) -> tuple[set[str], list[str]]:
    """Load a file of `save_model`; returns (missing names, unexpected names).

    With `strict` any such name raises `CheckpointError`.
    """
    found, first = load_file(filename, device), _first_names(model)
    report = model.load_state_dict(found, strict=False)
    given = {first.get(name, name) for name in found}
    missing = {name for name in report.missing_keys if first.get(name, name) not in given}
    unexpected = list(report.unexpected_keys)
    if strict and (missing or unexpected):
        raise CheckpointError(
            f"{filename} does not fit {type(model).__name__}: "
            f"missing {', '.join(sorted(missing)) or 'nothing'}; "
            f"unexpected {', '.join(sorted(unexpected)) or 'nothing'}\n"
            "  strict=False loads what fits"
        )
    return missing, unexpected


def _tensors(state: State) -> dict[str, Tensor]:
    return {key: tensor(array) for key, array in state.arrays.items()}


def _first_names(model: Any) -> dict[str, str]:
    """Name in a module's state → the first name of its tensor."""
    first: dict[int, str] = {}
    state = model.state_dict(keep_vars=True)
    return {name: first.setdefault(id(value), name) for name, value in state.items()}


if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
