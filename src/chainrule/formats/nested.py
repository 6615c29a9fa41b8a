"""Nested Python values as JSON text and named arrays, and back: the content of a file of `save`.

    >>> packed = pack({"model": state, "epoch": 3})
    >>> list(packed.arrays), unpack(packed.text, packed.arrays)["epoch"]
    (['model.weight', 'model.bias'], 3)

JSON's own values stand for themselves; any other value is a list that begins with its kind:
`["tuple", [1, 2]]`. A tensor is `["tensor", i]`, where entry i of the table "tensors" has the name
of its array; a tensor that occurs twice is read as one tensor. May import `base` and `tensor`.
"""

from __future__ import annotations

import base64
import json
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, ChainruleError, CheckpointError
from chainrule.base.shapes import Size
from chainrule.formats.allowance import DEPTH, Allowance, shown
from chainrule.tensor.device import device
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.parameter import Parameter
from chainrule.tensor.tensor import Tensor

_PLAIN = (bool, int, float, str)
_SEQUENCES: dict[type, str] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    Size: "size",
}
_HASHING = (set, frozenset)
_MAPPINGS: dict[type, str] = {dict: "dict", OrderedDict: "ordered"}
_NUMBERS: dict[str, Callable[[Any], Any]] = {
    np.dtype(code).name: np.dtype(code).type for code in "?bBhHiIqQefd"
}
_NARROWED = {"float32": "float16"}  # dtype as read → dtype in the file
_VERSION = 1


@dataclass(frozen=True)
class Packed:
    """The text of a structure, and its arrays by name."""

    text: str
    arrays: dict[str, NDArray[Any]]


def pack(value: Any) -> Packed:
    """Separate a value into text and arrays; `ArgumentError` locates what cannot be saved."""
    packer = _Packer()
    form = packer.form(value, ())
    whole = {"version": _VERSION, "tensors": packer.tensors, "value": form}
    return Packed(json.dumps(whole, separators=(",", ":")), packer.arrays)


class _Packer:
    """The arrays and tensors met so far."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.tensors: list[list[Any]] = []  # name of the array, kind, requires_grad
        self._tensor_at: dict[int, int] = {}
        self._array_at: dict[int, str] = {}
        self._open: set[int] = set()  # the containers around the current value
        self._alive: list[Any] = []  # keeps ids unique

    def form(self, value: Any, path: tuple[Any, ...]) -> Any:
        """The JSON form of `value` at `path`."""
        if value is None or type(value) in _PLAIN:
            return value
        if isinstance(value, Tensor):
            return ["tensor", self._tensor(value, path)]
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            return ["array", self._array(value, path), value.dtype.name]
        if isinstance(value, np.generic) and value.dtype.kind in "biuf":
            return ["scalar", value.dtype.name, value.item()]
        if type(value) is bytes:
            return ["bytes", base64.b64encode(value).decode()]
        if isinstance(value, DType):
            return ["dtype", value.name]
        if isinstance(value, device):
            return ["device", str(value)]
        return self._container(value, path)

    def _container(self, value: Any, path: tuple[Any, ...]) -> list[Any]:
        if len(path) > DEPTH:
            raise ArgumentError(f"the value is nested too deeply: more than {DEPTH} containers")
        if id(value) in self._open:
            raise ArgumentError(f"save cannot write {_entry(path)}: it contains itself")
        self._open.add(id(value))
        kind = type(value)
        if kind in _SEQUENCES:
            out = [_SEQUENCES[kind], [self.form(v, (*path, i)) for i, v in enumerate(value)]]
        elif kind in _MAPPINGS:
            out = [_MAPPINGS[kind], self._items(value, path)]
        elif kind is Namespace:
            out = ["namespace", self._items(vars(value), path)]
        else:
            raise ArgumentError(_refusal(value, path))
        self._open.discard(id(value))
        return out

    def _items(self, value: Mapping[Any, Any], path: tuple[Any, ...]) -> list[Any]:
        return [[self.form(k, (*path, k)), self.form(v, (*path, k))] for k, v in value.items()]

    def _tensor(self, value: Tensor, path: tuple[Any, ...]) -> int:
        if id(value) not in self._tensor_at:
            array = np.asarray(value)
            kind = "parameter" if isinstance(value, Parameter) else "tensor"
            self._tensor_at[id(value)] = len(self.tensors)
            self.tensors.append([self._array(array, path), kind, value.requires_grad])
            self._alive.append(value)
        return self._tensor_at[id(value)]

    def _array(self, array: NDArray[Any], path: tuple[Any, ...]) -> str:
        """The name of an array in the file; an array that occurs twice is stored once."""
        if id(array) not in self._array_at:
            wanted = ".".join(str(part) for part in path) or "value"
            wanted = wanted.encode("utf-8", "backslashreplace").decode()
            name, number = wanted, 1
            while name in self.arrays or name == "__metadata__":
                number += 1
                name = f"{wanted}#{number}"
            self.arrays[name] = array
            self._array_at[id(array)] = name
            self._alive.append(array)
        return self._array_at[id(array)]


def _entry(path: tuple[Any, ...]) -> str:
    return f"the entry {''.join(f'[{part!r}]' for part in path)}" if path else "this object"


def _refusal(value: Any, path: tuple[Any, ...]) -> str:
    hint = "its state_dict()" if hasattr(value, "state_dict") else "numbers, texts and containers"
    return (
        f"save cannot write {_entry(path)}: a file holds tensors, arrays, numbers, texts, lists, "
        f"tuples, sets and dictionaries, not {type(value).__qualname__}; save {hint} instead"
    )


def unpack(text: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """The value of a packed text; a text that `pack` did not write raises `CheckpointError`.

    Tensors and arrays of one stored array share memory until one of them is written.
    """
    try:
        whole = json.loads(text)
        if whole["version"] != _VERSION:
            raise CheckpointError(
                f"it has version {whole['version']} of the format, not {_VERSION}"
            )
        return _Unpacker(whole["tensors"], arrays, Allowance(len(text))).value(whole["value"])
    except ChainruleError as error:
        raise CheckpointError(f"its structure is damaged: {error}") from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError,
            RecursionError) as error:  # fmt: skip
        raise CheckpointError(
            f"its structure is damaged: {type(error).__name__}: {shown(str(error))}"
        ) from None


def _dtypes_by_name() -> dict[str, DType]:
    return {d.name: d for d in (*dtypes.ALL, *dtypes.NARROW)}


class _Unpacker:
    """Values from their forms."""

    def __init__(
        self, tensors: list[Any], arrays: Mapping[str, NDArray[Any]], allowance: Allowance
    ) -> None:
        self._stored = arrays
        self._allowance = allowance
        self._owned: dict[tuple[str, str], NDArray[Any]] = {}  # by name and dtype
        self._depth = 0
        made = [self._tensor(*each) for each in tensors]
        self._known: dict[str, Callable[..., Any]] = {
            "tensor": made.__getitem__,
            "array": self._array,
            "scalar": _scalar,
            "bytes": lambda coded: base64.b64decode(coded, validate=True),
            "dtype": _dtypes_by_name().__getitem__,
            "device": device,
            "namespace": lambda items: Namespace(**self._mapping(dict)(items)),
            **{name: self._sequence(kind) for kind, name in _SEQUENCES.items()},
            **{name: self._mapping(kind) for kind, name in _MAPPINGS.items()},
        }

    def value(self, form: Any) -> Any:
        """The value of a form."""
        if form is None or isinstance(form, _PLAIN):
            return form
        kind, *parts = form
        self._depth += 1
        if self._depth > DEPTH + 1:
            raise CheckpointError(f"it is nested more than {DEPTH} deep")
        made = self._known[kind](*parts)
        self._depth -= 1
        return made

    def _array(self, name: str, kind: str) -> NDArray[Any]:
        """The stored array of that name, in the dtype that was saved."""
        if (name, kind) not in self._owned:
            stored = self._stored[name]
            if kind not in {stored.dtype.name, _NARROWED.get(stored.dtype.name)}:
                raise CheckpointError(
                    f"the array {shown(name)} has dtype {stored.dtype}, not {shown(kind)}"
                )
            self._owned[name, kind] = stored.astype(kind)
        return self._owned[name, kind]

    def _tensor(self, name: str, kind: str, requires_grad: bool) -> Tensor:
        array = self._array(name, dtypes.from_numpy(self._stored[name].dtype).name)
        made = wrap(array)
        if kind == "parameter":
            return Parameter(made, requires_grad=bool(requires_grad))
        if kind != "tensor":
            raise CheckpointError(f"a tensor of the unknown kind {shown(kind)}")
        if requires_grad:
            made.requires_grad = True
        return made

    def _sequence(self, kind: type) -> Callable[[list[Any]], Any]:
        def made(forms: list[Any]) -> Any:
            values = [self.value(form) for form in forms]
            if kind in _HASHING:
                self._allowance.keys(values, values)
            if kind is Size and not all(type(axis) is int for axis in values):
                raise CheckpointError(f"a size of {shown(values)}")
            return kind(values)

        return made

    def _mapping(self, kind: type) -> Callable[[list[Any]], Any]:
        def made(forms: list[Any]) -> Any:
            pairs = [(self.value(key), self.value(value)) for key, value in forms]
            self._allowance.keys(pairs, (key for key, _ in pairs))
            return kind(pairs)

        return made


def _scalar(kind: str, number: Any) -> Any:
    """A NumPy scalar of the given dtype."""
    found = _NUMBERS.get(kind)
    if found is None or not isinstance(number, (int, float)):
        raise CheckpointError(f"a scalar {shown(number)} of the dtype {shown(kind)}")
    return found(number)
