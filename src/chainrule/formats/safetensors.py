"""State dictionaries as safetensors files.

    >>> write_state(Path("model.safetensors"), model.state_dict(), {"made_by": "chainrule"})
    >>> model.load_state_dict(read_state(Path("model.safetensors")).arrays)

Source: https://huggingface.co/docs/safetensors. May import `base` and `tensor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import CheckpointError
from chainrule.formats.atomic import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class State:
    """The arrays of one file by name, and its free-form text entries."""

    arrays: dict[str, NDArray[Any]]
    metadata: dict[str, str]


def write_state(
    path: Path, tensors: Mapping[str, ArrayLike], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named Tensors or arrays atomically; `OSError` leaves what was there.

    Arrays are made contiguous first: the format stores raw memory and would scramble others.
    """
    from safetensors.numpy import save

    arrays = {name: _contiguous(tensor) for name, tensor in tensors.items()}
    write_whole(path, save(arrays, metadata=dict(metadata or {})))


def read_state(path: Path) -> State:
    """Read a whole file; a missing or damaged one raises `CheckpointError`."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"there is no file {str(path)!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return State(arrays, dict(file.metadata() or {}))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{str(path)!r} is not a whole safetensors file: {error}") from None


def _contiguous(tensor: ArrayLike) -> NDArray[Any]:
    array = np.asarray(tensor)
    return np.ascontiguousarray(array).reshape(array.shape)  # the former makes scalars 1-d
