"""`For` as code: grid tasks, counted loops with carried tiles, full steps and partial tails.

A loop becomes up to three parts: unrolled groups of full steps, the remaining full steps, and the
partial last step. Parts that constant extents rule out are not written; a part that runs exactly
once is not a loop. Imports kernel and base.

Example: `for seq j in n step 32 split` is a loop while j + 32 ≤ n and then, if j < n, one copy of
the body in which `j.n` is n - j.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.compiler.codegen import integers
from chainrule.compiler.codegen.addresses import evaluate
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.tiles import Tile, broadcast, spell, width_of
from chainrule.compiler.codegen.writer import Value, constant
from chainrule.kernel.index import as_index, symbol
from chainrule.kernel.ir import For, Statement

Body = Callable[[Context, tuple[Statement, ...]], None]


@dataclass(frozen=True, slots=True)
class Part:
    """Positions start, start + stride, … < end of a loop; `copies` steps of the body each.

    `left` is how many positions one step has: a constant, or None for min(step, extent - var).
    """

    start: Value
    end: Value
    copies: int
    left: Value | None


def bind(ctx: Context, name: str, value: Value) -> None:
    """Let an index symbol stand for an SSA value or a constant."""
    if value.const is not None:
        ctx.symbols[name] = as_index(value.const)
        return
    atom = f"{name}@{value.text}"
    ctx.atoms[atom] = value
    ctx.symbols[name] = symbol(atom)


def sequential(ctx: Context, node: For, body: Body) -> None:
    """Emit a "seq" loop; `body` emits statements."""
    extent = evaluate(ctx, node.extent)
    lanes = ctx.target.lanes
    for carry in node.carries:
        shape = ctx.types[carry.name][1]
        ctx.tiles[carry.name] = broadcast(ctx.writer, ctx.tiles[carry.init], shape, lanes)
    for part in _parts(ctx, node, extent):
        _emit_part(ctx, node, extent, part, body)


def _parts(ctx: Context, node: For, extent: Value) -> list[Part]:
    writer, step = ctx.writer, constant(node.stride)
    extent = integers.greatest(writer, extent, constant(0))
    known = extent.const is not None
    done = constant(0)
    parts = []
    for copies in {node.unroll: None, 1: None}:
        if copies == 1 and node.stride > 1 and not node.split and not known:
            continue
        group = constant(copies * node.stride)
        end = integers.subtract(writer, extent, integers.remainder(writer, extent, group))
        parts.append(Part(done, end, copies, step))
        done = end
    if node.stride > 1:
        left = integers.subtract(writer, extent, done) if node.split or known else None
        parts.append(Part(done, extent, 1, left))
    return [p for p in parts if p.start.const is None or p.start.const != p.end.const]


def _emit_part(ctx: Context, node: For, extent: Value, part: Part, body: Body) -> None:
    stride = node.stride * part.copies
    if part.start.const is not None and part.end.const is not None:
        trips = -(-(part.end.const - part.start.const) // stride)
        if trips <= 1:
            _copies(ctx, node, extent, part, part.start, body)
            return
    _loop(ctx, node, extent, part, body)


def _loop(ctx: Context, node: For, extent: Value, part: Part, body: Body) -> None:
    """A loop with its test at the end and a guard in front, or just the guard if it runs once."""
    writer = ctx.writer
    stride = node.stride * part.copies
    once = part.left is not None and part.left.const != node.stride
    guard = integers.less(writer, part.start, part.end)
    before = {c.name: ctx.tiles[c.name] for c in node.carries}
    outside, name = writer.label, writer.fresh("i")
    top, exit_label = f"loop.{name}", f"done.{name}"
    writer.open_scope(f"br i1 {guard.text}, label %{top}, label %{exit_label}", top)
    head = writer.reserve()
    variable = part.start
    pending: list[tuple[str, str]] = []
    if not once:
        variable = Value(f"%{name}", writer.depth)
        pending.append((f"%{name}", f"phi i64 [ {part.start.text}, %{outside} ]"))
        for carry in node.carries:
            ctx.tiles[carry.name] = _phis(ctx, before[carry.name], outside, pending)
    _copies(ctx, node, extent, part, variable, body)
    after = {c.name: ctx.tiles[c.name] for c in node.carries}
    last = writer.label
    if once:
        ending = f"br label %{exit_label}"
    else:
        following = writer.op(f"add nsw i64 %{name}, {stride}")
        more = writer.op(f"icmp slt i64 {following}, {part.end.text}")
        ending = f"br i1 {more}, label %{top}, label %{exit_label}"
        values = [following, *(v for c in node.carries for v in _flat(after[c.name]))]
        head += [
            f"  {result} = {phi}, [ {value}, %{last} ]"
            for (result, phi), value in zip(pending, values, strict=True)
        ]
    writer.close_scope(ending, exit_label)
    for carry in node.carries:
        ctx.tiles[carry.name] = _merge(
            ctx, (before[carry.name], outside), (after[carry.name], last)
        )


def _copies(
    ctx: Context, node: For, extent: Value, part: Part, variable: Value, body: Body
) -> None:
    """The body once per copy, its carried tiles handed on."""
    writer, lanes = ctx.writer, ctx.target.lanes
    for copy in range(part.copies):
        bind(ctx, node.var, variable)
        ctx.symbols[node.var] += copy * node.stride
        left = part.left
        if left is None:
            here = integers.subtract(writer, extent, variable)
            left = integers.least(writer, constant(node.stride), here)
        bind(ctx, f"{node.var}.n", left)
        scratch = ctx.scratch
        body(ctx, node.body)
        ctx.scratch = scratch
        following = {
            c.name: broadcast(writer, ctx.tiles[c.next], ctx.types[c.name][1], lanes)
            for c in node.carries
        }
        ctx.tiles.update(following)


def _flat(tile: Tile) -> list[str]:
    return [value for row in tile.parts for value in row]


def _phis(ctx: Context, tile: Tile, source: str, pending: list[tuple[str, str]]) -> Tile:
    kind = spell(tile.dtype, width_of(tile.shape[1], ctx.target.lanes))
    parts = []
    for row in tile.parts:
        names = tuple("%" + ctx.writer.fresh("c") for _ in row)
        pending += [
            (name, f"phi {kind} [ {value}, %{source} ]")
            for name, value in zip(names, row, strict=True)
        ]
        parts.append(names)
    return Tile(tile.dtype, tile.shape, tuple(parts), tile.wide, ctx.writer.depth)


def _merge(ctx: Context, skipped: tuple[Tile, str], ran: tuple[Tile, str]) -> Tile:
    """The tile after a guarded part: as before if it was skipped."""
    tile = skipped[0]
    kind = spell(tile.dtype, width_of(tile.shape[1], ctx.target.lanes))
    parts = tuple(
        tuple(
            ctx.writer.op(f"phi {kind} [ {old}, %{skipped[1]} ], [ {new}, %{ran[1]} ]")
            for old, new in zip(old_row, new_row, strict=True)
        )
        for old_row, new_row in zip(tile.parts, ran[0].parts, strict=True)
    )
    return Tile(tile.dtype, tile.shape, parts, tile.wide, ctx.writer.depth)


def grid(ctx: Context, loops: list[For], task: Value, body: Body) -> None:
    """Emit the body of a nest of grid loops for task number `task`, innermost fastest."""
    writer = ctx.writer
    rest = task
    for number, node in enumerate(reversed(loops)):
        extent, step = evaluate(ctx, node.extent), evaluate(ctx, as_index(node.step))
        digit = rest
        if number + 1 < len(loops):
            more = integers.subtract(writer, step, constant(1))
            trips = integers.quotient(writer, integers.add(writer, extent, more), step)
            digit = integers.remainder(writer, rest, trips)
            rest = integers.quotient(writer, rest, trips)
        start = integers.multiply(writer, digit, step)
        bind(ctx, node.var, start)
        left = step
        if step.const is None or extent.const is None or extent.const % step.const:
            here = integers.subtract(writer, extent, start)
            left = integers.least(writer, step, here)
        bind(ctx, f"{node.var}.n", left)
    _split_tasks(ctx, loops, body)


def _split_tasks(ctx: Context, loops: list[For], body: Body) -> None:
    """One copy of the body for whole tasks, one for ragged ones, if a grid loop asks for it."""
    inner = loops[-1].body
    split = [n for n in loops if n.split and ctx.symbols[f"{n.var}.n"].constant is None]
    if not split:
        body(ctx, inner)
        return
    writer = ctx.writer
    whole = constant(1)
    ragged = dict(ctx.symbols)
    short = constant(0)
    for node in split:
        missing = integers.subtract(
            writer, constant(node.stride), evaluate(ctx, symbol(f"{node.var}.n"))
        )
        short = integers.add(writer, short, missing)
        ctx.symbols[f"{node.var}.n"] = as_index(node.stride)
    is_whole = integers.less(writer, short, whole)
    for condition, symbols in ((is_whole, dict(ctx.symbols)), (None, ragged)):
        ctx.symbols = symbols
        name = writer.fresh("task")
        text = condition.text if condition else writer.op(f"xor i1 {is_whole.text}, true")
        writer.open_scope(f"br i1 {text}, label %run.{name}, label %after.{name}", f"run.{name}")
        scratch = ctx.scratch
        body(ctx, inner)
        ctx.scratch = scratch
        writer.close_scope(f"br label %after.{name}", f"after.{name}")
