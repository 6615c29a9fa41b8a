"""Nested arguments and results as a flat list of arrays and a hashable structure, and back.

Tensors and NumPy arrays are leaves; containers (`compiler/containers.py`) are taken apart and made
again of the same class; everything else is part of the structure.
Example: `flatten(((x, {"y": y}), 3))` → `[x, y]` and a structure that holds the 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import KindError
from chainrule.compiler.containers import Shell, contents, is_mutable, remade
from chainrule.tensor.handle import Handle

Leaves = list[Any]
_LEAF = "*"
_ARRAYS = (Handle, np.ndarray)
_KNOWN, _STATIC = "known", "static"  # kinds of parts that are not taken apart
_PLAIN = frozenset({int, bool, str, type(None)})


def flatten(value: Any, known: Mapping[int, int] | None = None) -> tuple[Leaves, Any]:
    """The array leaves in order, and the structure with `*` in their places.

    `known` numbers containers, by id, that are not taken apart: `unflatten` is given them.
    """
    leaves: Leaves = []
    try:
        return leaves, _flatten(value, leaves, known or {})
    except RecursionError:
        raise KindError(
            "an argument or result of a compiled function is nested without end: a container "
            "holds itself"
        ) from None


def _flatten(value: Any, leaves: Leaves, known: Mapping[int, int]) -> Any:
    if isinstance(value, _ARRAYS):
        leaves.append(value)
        return _LEAF
    cls = type(value)
    if known and id(value) in known:
        return (_KNOWN, known[id(value)])
    if cls is tuple:
        return ("tuple", tuple([_flatten(v, leaves, known) for v in value]))
    if cls is list:
        return ("list", tuple([_flatten(v, leaves, known) for v in value]))
    if cls is dict:
        return ("dict", tuple([(k, _flatten(v, leaves, known)) for k, v in value.items()]))
    if cls is float:  # as text, -0.0 is not 0.0 and NaN is NaN
        return ("float", value.hex())
    if cls in _PLAIN:
        return (_STATIC, cls.__name__, value)
    if isinstance(value, np.generic):
        return ("scalar", value.dtype.str, value.tobytes())
    found = contents(value)
    if found is None:
        return (_STATIC, cls.__name__, value)
    shell, parts = found
    before = len(leaves)
    inner = tuple([_flatten(v, leaves, known) for v in parts])
    if len(leaves) == before and _is_constant(value):
        return (_STATIC, cls.__name__, value)
    return ("made", shell, inner)


def _is_constant(value: Any) -> bool:
    """Whether a container without arrays may be handed on as it is: it cannot change."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def unflatten(
    structure: Any,
    leaves: Sequence[Any],
    made: list[Any] | None = None,
    known: Sequence[Any] = (),
) -> Any:
    """The value that `flatten` took apart, with other leaves.

    The mutable containers that are made are added to `made`, in the order of `mutables`.
    """
    return _unflatten(structure, iter(leaves), made, known)


def _unflatten(
    structure: Any, leaves: Iterator[Any], made: list[Any] | None, known: Sequence[Any]
) -> Any:
    if structure is _LEAF or (isinstance(structure, str) and structure == _LEAF):
        return next(leaves)
    kind, *rest = structure
    if kind == "known":
        return known[rest[0]]
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "scalar":
        return np.frombuffer(rest[1], rest[0])[0]
    if kind == "static":
        return rest[1]
    place = -1 if made is None or kind == "tuple" else len(made)
    if made is not None and place >= 0:
        made.append(None)
    inner = [v for _, v in rest[0]] if kind == "dict" else rest[-1]
    parts = [_unflatten(v, leaves, made, known) for v in inner]
    value: Any = parts
    if kind == "tuple":
        return tuple(parts)
    if kind == "dict":
        value = dict(zip([k for k, _ in rest[0]], parts, strict=True))
    elif kind == "made":
        value = remade(rest[0], parts)
    if made is not None:
        made[place] = value
    return value


def has_known(structure: Any) -> bool:
    """Whether a container that existed before is part of a structure."""
    if not isinstance(structure, tuple):
        return False
    if structure and structure[0] in (_KNOWN, _STATIC):
        return structure[0] is _KNOWN
    return any(has_known(part) for part in structure)


def mutables(value: Any) -> list[Any]:
    """The containers of an argument that a function may change, as `unflatten` makes them.

    Where a container cannot change, None stands.
    """
    found: list[Any] = []
    _mutables(value, found)
    return found


def _mutables(value: Any, found: list[Any]) -> None:
    if isinstance(value, (Handle, np.ndarray)):
        return
    taken = contents(value)
    if taken is None or (type(value) not in {list, dict, tuple} and _is_static(value)):
        return
    if type(value) is not tuple:
        found.append(value if is_mutable(value) else None)
    for part in taken[1]:
        _mutables(part, found)


def _is_static(value: Any) -> bool:
    return bool(flatten(value)[1][0] == _STATIC)


def describe(structure: Any, leaves: Sequence[str]) -> str:
    """A call's arguments as text: `float32[5, 4], 3, mask=None`; `leaves` are the arrays' texts."""
    _, (args, kwargs) = structure
    rest = iter(leaves)
    parts = [_describe(v, rest) for v in args[1]]
    parts += [f"{name}={_describe(v, rest)}" for name, v in kwargs[1]]
    return ", ".join(parts)


def _describe(structure: Any, leaves: Iterator[str]) -> str:
    if structure == _LEAF and isinstance(structure, str):
        return next(leaves)
    kind, *rest = structure
    if kind == "dict":
        return "{" + ", ".join(f"{k!r}: {_describe(v, leaves)}" for k, v in rest[0]) + "}"
    if kind in {"tuple", "list"}:
        inner = ", ".join([_describe(v, leaves) for v in rest[-1]])
        return f"[{inner}]" if kind == "list" else f"({inner})"
    if kind == "made":
        return _describe_made(rest[0], rest[1], leaves)
    return repr(unflatten(structure, ()))


def _describe_made(shell: Shell, inner: Sequence[Any], leaves: Iterator[str]) -> str:
    """`Batch(x=float32[2], y=float32[2])`."""
    texts = [_describe(v, leaves) for v in inner]
    names = [*(shell.keys or [None] * shell.size), *shell.names]
    shown = [t if n is None else f"{n}={t}" for n, t in zip(names, texts, strict=True)]
    return f"{shell.cls.__name__}({', '.join(shown)})"
