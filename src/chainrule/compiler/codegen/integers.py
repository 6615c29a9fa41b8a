"""Integer arithmetic on int64 operands: folded when constant, hoisted and shared otherwise.

Every function returns a `Value` at the depth of its deepest operand. Imports the writer only.

Example: `multiply(w, Value("%ld"), constant(4))` writes `mul i64 %ld, 4` at entry, once.
"""

from __future__ import annotations

from chainrule.compiler.codegen.writer import Value, Writer, constant


def _binary(writer: Writer, expression: str, a: Value, b: Value) -> Value:
    depth = max(a.depth, b.depth)
    return Value(writer.hoist(f"{expression} {a.text}, {b.text}", depth), depth)


def add(writer: Writer, a: Value, b: Value) -> Value:
    """a + b."""
    if a.const is not None and b.const is not None:
        return constant(a.const + b.const)
    if b.const == 0:
        return a
    return b if a.const == 0 else _binary(writer, "add i64", a, b)


def subtract(writer: Writer, a: Value, b: Value) -> Value:
    """a - b."""
    if a.const is not None and b.const is not None:
        return constant(a.const - b.const)
    return a if b.const == 0 else _binary(writer, "sub i64", a, b)


def multiply(writer: Writer, a: Value, b: Value) -> Value:
    """a · b."""
    if a.const is not None and b.const is not None:
        return constant(a.const * b.const)
    if 0 in (a.const, b.const):
        return constant(0)
    if a.const == 1:
        return b
    return a if b.const == 1 else _binary(writer, "mul i64", a, b)


def quotient(writer: Writer, a: Value, by: Value) -> Value:
    """a div by, for a ≥ 0 and by > 0."""
    if a.const is not None and by.const is not None:
        return constant(a.const // by.const)
    return a if by.const == 1 else _binary(writer, "udiv i64", a, by)


def remainder(writer: Writer, a: Value, by: Value) -> Value:
    """a mod by, for a ≥ 0 and by > 0."""
    if a.const is not None and by.const is not None:
        return constant(a.const % by.const)
    return constant(0) if by.const == 1 else _binary(writer, "urem i64", a, by)


def least(writer: Writer, a: Value, b: Value) -> Value:
    """min(a, b)."""
    if a.const is not None and b.const is not None:
        return constant(min(a.const, b.const))
    return _extreme(writer, "smin", a, b)


def greatest(writer: Writer, a: Value, b: Value) -> Value:
    """max(a, b)."""
    if a.const is not None and b.const is not None:
        return constant(max(a.const, b.const))
    return _extreme(writer, "smax", a, b)


def _extreme(writer: Writer, name: str, a: Value, b: Value) -> Value:
    writer.declare("i64", f"llvm.{name}.i64", ("i64", "i64"))
    depth = max(a.depth, b.depth)
    call = f"call i64 @llvm.{name}.i64(i64 {a.text}, i64 {b.text})"
    return Value(writer.hoist(call, depth), depth)


def less(writer: Writer, a: Value, b: Value) -> Value:
    """a < b as an i1; constant 0 or 1 where known."""
    if a.const is not None and b.const is not None:
        known = a.const < b.const
        return Value("true" if known else "false", 0, int(known))
    return _binary(writer, "icmp slt i64", a, b)


def choose(writer: Writer, condition: Value, yes: Value, no: Value) -> Value:
    """`yes` if the i1 `condition` holds, else `no`."""
    if condition.const is not None:
        return yes if condition.const else no
    depth = max(condition.depth, yes.depth, no.depth)
    text = f"select i1 {condition.text}, i64 {yes.text}, i64 {no.text}"
    return Value(writer.hoist(text, depth), depth)
