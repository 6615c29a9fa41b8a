"""Index polynomials as code: integers and element addresses, each part at its own loop depth.

A polynomial splits by the depth of its symbols; the part known outside a loop is computed there,
once, and constants end up as displacements of the machine's addressing modes. Imports kernel, base.

Example: `i*ld + k + 3` inside loop k becomes row = base + i*ld outside, `row[k]` with offset 3.
"""

from __future__ import annotations

from chainrule.base.errors import CompileError
from chainrule.compiler.codegen import integers
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.tiles import is_literal, spell, spell_memory
from chainrule.compiler.codegen.writer import Value, constant
from chainrule.kernel.index import Index, Monomial, as_index, symbol


def resolve(ctx: Context, index: Index | int) -> Index:
    """The polynomial with every symbol replaced by what it stands for here, over atoms."""
    total = Index()
    for monomial, coefficient in as_index(index).terms:
        product = as_index(coefficient)
        for name in monomial:
            product = product * _meaning(ctx, name)
        total = total + product
    return total


def _meaning(ctx: Context, name: str) -> Index:
    known = ctx.symbols.get(name)
    if known is not None:
        return known
    tile = ctx.tiles.get(name)
    if tile is None or tile.wide or tile.shape != (1, 1) or tile.dtype.kind != "int":
        raise CompileError(f"index symbol {name!r} is no loop variable, extent or integer tile")
    text = tile.parts[0][0]
    if is_literal(text):
        return as_index(int(text))
    if tile.dtype.itemsize < 8:
        extend = "sext" if tile.dtype.is_signed else "zext"
        text = ctx.writer.hoist(f"{extend} {spell(tile.dtype)} {text} to i64", tile.depth)
    atom = f"{name}@{text}"
    ctx.atoms[atom] = Value(text, tile.depth)
    return symbol(atom)


def _product(ctx: Context, monomial: Monomial, coefficient: int) -> Value:
    value = constant(coefficient)
    for factor in sorted((ctx.atoms[name] for name in monomial), key=lambda a: a.depth):
        value = integers.multiply(ctx.writer, value, factor)
    return value


def _by_depth(ctx: Context, resolved: Index) -> tuple[dict[int, list[Value]], int]:
    """The values of the terms, grouped by depth, and the constant term."""
    groups: dict[int, list[Value]] = {}
    number = 0
    for monomial, coefficient in resolved.terms:
        if monomial:
            value = _product(ctx, monomial, coefficient)
            groups.setdefault(value.depth, []).append(value)
        else:
            number = coefficient
    return dict(sorted(groups.items())), number


def evaluate(ctx: Context, index: Index | int) -> Value:
    """The polynomial's number as an int64 operand."""
    return value_of(ctx, resolve(ctx, index))


def value_of(ctx: Context, resolved: Index) -> Value:
    """The number of a polynomial over atoms as an int64 operand."""
    groups, number = _by_depth(ctx, resolved)
    total = constant(0)
    for values in groups.values():
        for value in values:
            total = integers.add(ctx.writer, total, value)
    return integers.add(ctx.writer, total, constant(number))


def pointer(ctx: Context, buffer: str, at: Index, offset: Index | int = 0) -> str:
    """The address of element `at` + `offset` (over atoms) of a buffer or `Local`.

    `offset` is what differs between the rows of a tile. It is added after what `at` knows outside
    the current scope and before the rest: rows share the former and keep one register each.
    """
    writer = ctx.writer
    common, number = _by_depth(ctx, at)
    own, more = _by_depth(ctx, as_index(offset))
    inner = common.pop(writer.depth, [])
    base, dtype = ctx.pointers[buffer]
    kind = spell_memory(dtype)
    for values in (*common.values(), *own.values(), inner):
        total = constant(0)
        for value in values:
            total = integers.add(writer, total, value)
        if total.const != 0:
            depth = max(base.depth, total.depth)
            text = f"getelementptr {kind}, ptr {base.text}, i64 {total.text}"
            base = Value(writer.hoist(text, depth), depth)
    if number + more == 0:
        return base.text
    # not hoisted: next to its use the constant becomes a displacement instead of a register
    return writer.op(f"getelementptr {kind}, ptr {base.text}, i64 {number + more}")
