"""Kernels as text and back: `parse_kernel(print_kernel(k)) == k`.

One statement per line, two spaces of indentation per loop, as in the example of `kernel.ir`. Bug
reports, golden tests and cache keys use this text. Imports base and kernel.

Example: `print_statement(Reduce("m", "max", "t", 1))` is `m = reduce max t axis 1`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

from chainrule.base.dtypes import ALL, DType, by_name
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.kernel.index import Index, as_index, symbol
from chainrule.kernel.ir import (
    Buffer,
    Carry,
    Extent,
    For,
    Kernel,
    Load,
    Local,
    Map,
    Mma,
    Monoid,
    Param,
    Reduce,
    Scalar,
    Shape,
    Statement,
    Store,
)

_INDENT = "  "


# printing


def print_kernel(kernel: Kernel) -> str:
    """The kernel's text, without a final newline."""
    params = ", ".join(_print_param(p) for p in kernel.params)
    lines = [f"kernel {kernel.name}({params})"]
    lines += _print_body(kernel.body, _INDENT)
    return "\n".join(lines)


def print_statement(node: Statement) -> str:
    """One statement on one line; a loop without its body."""
    return _PRINTERS[type(node)](node)


def _print_body(body: Sequence[Statement], indent: str) -> Iterator[str]:
    for node in body:
        yield indent + print_statement(node)
        if isinstance(node, For):
            yield from _print_body(node.body, indent + _INDENT)


def _print_param(param: Param) -> str:
    if isinstance(param, Buffer):
        return f"buffer {param.name}: {param.dtype.name}" + (" written" if param.written else "")
    return f"{'extent' if isinstance(param, Extent) else 'scalar'} {param.name}"


def _print_address(node: Load | Store) -> str:
    rows, columns = node.shape
    text = f"{node.buffer}[{node.at}] ({rows}, {columns}) strides ({node.strides[0]}, "
    text += f"{node.strides[1]})"
    if node.valid != (None, None):
        counts = ("all" if v is None else str(v) for v in node.valid)
        text += f" valid ({', '.join(counts)})"
    return text


def _print_load(node: Load) -> str:
    text = f"{node.out} = load {_print_address(node)}"
    if node.lanes is not None:
        text += f" lanes {node.lanes}"
    number = print_number(node.fill)
    return text if number == "0.0" else f"{text} fill {number}"


def _print_store(node: Store) -> str:
    verb = "store" if node.mode == "set" else "accumulate"
    return f"{verb} {node.tile} {_print_address(node)}"


def _print_map(node: Map) -> str:
    return " ".join([f"{node.out} = {node.fn}", *node.ins, *_print_attr(node)])


def _print_attr(node: Map) -> tuple[str, ...]:
    attr: Any = node.attr
    if node.fn == "const":
        return print_number(attr[0]), attr[1].name
    if node.fn == "iota":
        return (f"({attr[0]}, {attr[1]}) axis {attr[2]}",)
    if node.fn == "philox":
        return (f"word {attr}",)
    if isinstance(attr, DType):
        return (attr.name,)
    return () if attr is None else (str(attr),)


def _print_for(node: For) -> str:
    parts = [f"for {node.kind} {node.var} in {node.extent}"]
    if node.step != 1:
        parts.append(f"step {node.step}")
    if node.split:
        parts.append("split")
    if node.unroll != 1:
        parts.append(f"unroll {node.unroll}")
    if node.carries:
        carries = ", ".join(f"{c.name} = {c.init} then {c.next}" for c in node.carries)
        parts.append(f"carrying ({carries})")
    return " ".join(parts)


_PRINTERS: dict[type, Callable[[Any], str]] = {
    Load: _print_load,
    Map: _print_map,
    Reduce: lambda n: f"{n.out} = reduce {n.monoid} {n.tile} axis {n.axis}",
    Mma: lambda n: f"{n.out} = mma {n.acc} {n.a} {n.b}",
    Store: _print_store,
    Local: lambda n: f"local {n.name}: {n.dtype.name}[{n.size}]",
    For: _print_for,
}


def print_number(value: Any) -> str:
    """A constant: `true`, `3`, `0.5`, `-inf`, `nan`."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


# parsing


def parse_kernel(text: str) -> Kernel:
    """The kernel with this text; an `ArgumentError` names the line that cannot be parsed."""
    lines = [line for line in text.splitlines() if line.strip()]
    head = re.fullmatch(r"kernel (\w+)\((.*)\)", lines[0]) if lines else None
    if head is None:
        raise ArgumentError("kernel text must start with `kernel name(parameters)`")
    params = tuple(_parse_param(part) for part in head[2].split(", ") if part)
    body, rest = _parse_body(lines[1:], 1)
    if rest:
        raise ArgumentError(f"wrong indentation: {rest[0]!r}")
    return Kernel(head[1], params, body)


def _parse_body(lines: list[str], level: int) -> tuple[tuple[Statement, ...], list[str]]:
    """The statements at this level of indentation, and the lines after them."""
    body: list[Statement] = []
    while lines:
        content = lines[0].lstrip(" ")
        if len(lines[0]) - len(content) != level * len(_INDENT):
            break
        node = parse_statement(content)
        lines = lines[1:]
        if isinstance(node, For):
            inner, lines = _parse_body(lines, level + 1)
            node = For(
                node.var, node.extent, inner, node.step, node.kind, node.carries, node.split,
                node.unroll,
            )  # fmt: skip
        body.append(node)
    return tuple(body), lines


def parse_statement(line: str) -> Statement:
    """One statement; a loop has an empty body."""
    for pattern, build in _PARSERS:
        found = re.fullmatch(pattern, line)
        if found is not None:
            try:
                return build(found)
            except (DTypeError, IndexError, ValueError) as reason:
                raise ArgumentError(f"cannot read {line!r}: {reason}") from None
    raise ArgumentError(f"not a statement of the tile language: {line!r}")


def _parse_param(text: str) -> Param:
    found = re.fullmatch(r"buffer (\w+): (\w+)( written)?|(extent|scalar) (\w+)", text)
    if found is None or (found[2] and found[2] not in {d.name for d in ALL}):
        raise ArgumentError(f"not a parameter: {text!r}")
    if found[1]:
        return Buffer(found[1], by_name(found[2]), bool(found[3]))
    return Extent(found[5]) if found[4] == "extent" else Scalar(found[5])


def parse_index(text: str) -> Index:
    """The inverse of `str(index)`: `4 + -2*i*ld`."""
    total = as_index(0)
    for term in text.split(" + "):
        product = as_index(1)
        for factor in term.split("*"):
            if re.fullmatch(r"-?\d+", factor):
                product = product * int(factor)
            elif re.fullmatch(r"[A-Za-z_][\w.]*", factor):
                product = product * symbol(factor)
            else:
                raise ValueError(f"{text!r} is not an index")
        total = total + product
    return total


def _parse_number(text: str) -> float:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return math.nan if text == "nan" else float(text)


def _parse_shape(text: str) -> Shape:
    rows, columns = text.split(", ")
    return int(rows), int(columns)


def _parse_place(found: re.Match[str]) -> dict[str, Any]:
    row_stride, column_stride = (parse_index(s) for s in found["strides"].split(", "))
    counts = (found["valid"] or "all, all").split(", ")
    rows, columns = (None if c == "all" else parse_index(c) for c in counts)
    return {
        "buffer": found["buffer"],
        "at": parse_index(found["at"]),
        "shape": _parse_shape(found["shape"]),
        "strides": (row_stride, column_stride),
        "valid": (rows, columns),
    }


def _parse_load(found: re.Match[str]) -> Load:
    fill = _parse_number(found["fill"] or "0.0")
    return Load(found["out"], **_parse_place(found), lanes=found["lanes"], fill=fill)


def _parse_store(found: re.Match[str]) -> Store:
    mode: Literal["set", "add"] = "set" if found["verb"] == "store" else "add"
    return Store(found["tile"], **_parse_place(found), mode=mode)


def _parse_map(found: re.Match[str]) -> Map:
    fn, rest = found["fn"], found["rest"]
    words = rest.split()
    if fn == "const":
        number, dtype = words
        return Map(found["out"], fn, (), (_parse_number(number), by_name(dtype)))
    if fn == "index":
        return Map(found["out"], fn, (), parse_index(rest.strip()))
    if fn == "iota":
        parts = re.fullmatch(r" \((.*)\) axis (\d)", rest)
        if parts is None:
            raise ValueError("iota needs `(rows, columns) axis n`")
        return Map(found["out"], fn, (), (*_parse_shape(parts[1]), int(parts[2])))
    if fn == "cast":
        return Map(found["out"], fn, tuple(words[:-1]), by_name(words[-1]))
    if fn == "philox":
        *ins, _, word = words
        return Map(found["out"], fn, tuple(ins), int(word))
    return Map(found["out"], fn, tuple(words))


def _parse_reduce(found: re.Match[str]) -> Reduce:
    monoid: Any = found["monoid"]
    if monoid not in get_args(Monoid):
        raise ValueError(f"{monoid!r} is not a monoid")
    return Reduce(found["out"], monoid, found["tile"], int(found["axis"]))


def _parse_step(text: str) -> int | Index:
    step = parse_index(text)
    return step if step.constant is None else step.constant


def _parse_for(found: re.Match[str]) -> For:
    carries = []
    for part in found["carries"].split(", ") if found["carries"] else ():
        name, _, init, _, following = part.split(" ")
        carries.append(Carry(name, init, following))
    return For(
        found["var"],
        parse_index(found["extent"]),
        (),
        _parse_step(found["step"] or "1"),
        "grid" if found["kind"] == "grid" else "seq",
        tuple(carries),
        found["split"] is not None,
        int(found["unroll"] or 1),
    )


_ADDRESS = (
    r"(?P<buffer>\w+)\[(?P<at>[^\]]*)\] \((?P<shape>[^)]*)\) strides \((?P<strides>[^)]*)\)"
    r"( valid \((?P<valid>[^)]*)\))?"
)
_FOR = (
    r"for (?P<kind>grid|seq) (?P<var>\w+) in (?P<extent>.*?)( step (?P<step>.*?))?"
    r"(?P<split> split)?( unroll (?P<unroll>\d+))?( carrying \((?P<carries>.*)\))?"
)
_PARSERS: tuple[tuple[str, Callable[[re.Match[str]], Statement]], ...] = (
    (rf"(?P<out>\w+) = load {_ADDRESS}( lanes (?P<lanes>\w+))?( fill (?P<fill>\S+))?", _parse_load),
    (rf"(?P<verb>store|accumulate) (?P<tile>\w+) {_ADDRESS}", _parse_store),
    (
        r"(?P<out>\w+) = reduce (?P<monoid>\w+) (?P<tile>\w+) axis (?P<axis>[01])",
        _parse_reduce,
    ),
    (
        r"(?P<out>\w+) = mma (?P<acc>\w+) (?P<a>\w+) (?P<b>\w+)",
        lambda found: Mma(found["out"], found["acc"], found["a"], found["b"]),
    ),
    (
        r"local (?P<name>\w+): (?P<dtype>\w+)\[(?P<size>[^\]]*)\]",
        lambda found: Local(found["name"], by_name(found["dtype"]), parse_index(found["size"])),
    ),
    (_FOR, _parse_for),
    (r"(?P<out>\w+) = (?P<fn>\w+)(?P<rest>.*)", _parse_map),
)
