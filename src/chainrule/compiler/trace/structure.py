"""Nested arguments and results as a flat list of arrays and a hashable structure, and back.

Tensors and NumPy arrays are leaves; containers (`containers.py`) are taken apart and made
again of the same class; everything else is part of the structure.
Example: `flatten(((x, {"y": y}), 3))` → `[x, y]` and a structure that holds the 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import KindError
from chainrule.compiler.trace.containers import Shell, contents, is_mutable, remade
from chainrule.tensor.handle import Handle

Leaves = list[Any]
_LEAF = "*"
_ARRAYS = (Handle, np.ndarray)
_KNOWN, _STATIC, _FLOAT, _SCALAR = "known", "static", "float", "scalar"  # not taken apart
_TUPLE, _LIST, _DICT, _MADE = "tuple", "list", "dict", "made"  # containers, plain ones and others
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
        return (_TUPLE, tuple([_flatten(v, leaves, known) for v in value]))
    if cls is list:
        return (_LIST, tuple([_flatten(v, leaves, known) for v in value]))
    if cls is dict:
        return (_DICT, tuple([(k, _flatten(v, leaves, known)) for k, v in value.items()]))
    if cls is float:  # as text, -0.0 is not 0.0 and NaN is NaN
        return (_FLOAT, value.hex())
    if cls in _PLAIN:
        return (_STATIC, cls.__name__, value)
    if isinstance(value, np.generic):
        return (_SCALAR, value.dtype.str, value.tobytes())
    found = contents(value)
    if found is None:
        return (_STATIC, cls.__name__, value)
    shell, parts = found
    before = len(leaves)
    inner = tuple([_flatten(v, leaves, known) for v in parts])
    if len(leaves) == before and _is_constant(value):
        return (_STATIC, cls.__name__, value)
    return (_MADE, shell, inner)


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
    if structure is _LEAF or _is_leaf(structure):
        return next(leaves)
    kind, *rest = structure
    if kind == _KNOWN:
        return known[rest[0]]
    if kind == _FLOAT:
        return float.fromhex(rest[0])
    if kind == _SCALAR:
        return np.frombuffer(rest[1], rest[0])[0]
    if kind == _STATIC:
        return rest[1]
    number = -1 if made is None or kind == _TUPLE else len(made)
    if made is not None and number >= 0:
        made.append(None)
    inner = [v for _, v in rest[0]] if kind == _DICT else rest[-1]
    parts = [_unflatten(v, leaves, made, known) for v in inner]
    value: Any = parts
    if kind == _TUPLE:
        return tuple(parts)
    if kind == _DICT:
        value = dict(zip([k for k, _ in rest[0]], parts, strict=True))
    elif kind == _MADE:
        value = remade(rest[0], parts)
    if made is not None:
        made[number] = value
    return value


def _is_leaf(structure: Any) -> bool:
    return isinstance(structure, str) and structure == _LEAF


def _parts(structure: Any) -> Sequence[Any]:
    """The structures of what a container holds."""
    if _is_leaf(structure) or structure[0] not in {_TUPLE, _LIST, _DICT, _MADE}:
        return ()
    return [v for _, v in structure[1]] if structure[0] == _DICT else structure[-1]


def has_known(structure: Any) -> bool:
    """Whether a container that existed before is part of a structure."""
    known = not _is_leaf(structure) and structure[0] == _KNOWN
    return known or any(map(has_known, _parts(structure)))


def mutables(value: Any) -> list[Any]:
    """The containers of an argument that a function may change, as `unflatten` makes them.

    Where a container cannot change, None stands.
    """
    found: list[Any] = []
    _mutables(value, flatten(value)[1], found)
    return found


def _mutables(value: Any, structure: Any, found: list[Any]) -> None:
    if _is_leaf(structure) or structure[0] not in {_TUPLE, _LIST, _DICT, _MADE}:
        return
    if structure[0] != _TUPLE:
        found.append(value if is_mutable(value) else None)
    taken = contents(value)
    assert taken is not None
    for part, inner in zip(taken[1], _parts(structure), strict=True):
        _mutables(part, inner, found)


def describe(structure: Any, leaves: Sequence[str]) -> str:
    """A call's arguments as text: `float32[5, 4], 3, mask=None`; `leaves` are the arrays' texts."""
    _, (args, kwargs) = structure
    rest = iter(leaves)
    parts = [_describe(v, rest) for v in args[1]]
    parts += [f"{name}={_describe(v, rest)}" for name, v in kwargs[1]]
    return ", ".join(parts)


def _describe(structure: Any, leaves: Iterator[str]) -> str:
    if _is_leaf(structure):
        return next(leaves)
    kind, *rest = structure
    if kind == _DICT:
        return "{" + ", ".join(f"{k!r}: {_describe(v, leaves)}" for k, v in rest[0]) + "}"
    if kind in {_TUPLE, _LIST}:
        inner = ", ".join([_describe(v, leaves) for v in rest[-1]])
        return f"[{inner}]" if kind == _LIST else f"({inner})"
    if kind == _MADE:
        return _describe_made(rest[0], rest[1], leaves)
    return repr(unflatten(structure, ()))


def _describe_made(shell: Shell, inner: Sequence[Any], leaves: Iterator[str]) -> str:
    """`Batch(x=float32[2], y=float32[2])`."""
    texts = [_describe(v, leaves) for v in inner]
    names = [*(shell.keys or [None] * shell.size), *shell.names]
    shown = [t if n is None else f"{n}={t}" for n, t in zip(names, texts, strict=True)]
    return f"{shell.cls.__name__}({', '.join(shown)})"
