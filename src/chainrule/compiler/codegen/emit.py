"""A tile kernel as the text of one LLVM module: `emit`.

The function has the signature `void (ptr args, i64 first, i64 last, ptr scratch)` and runs the
grid tasks first ≤ t < last. `args` points to int64 slots, one per parameter: a buffer's address,
an extent, or the bits of a float64 scalar. `scratch` is thread-private, 64-byte aligned memory of
`scratch_bytes`. Imports kernel and base.

Example: `engine().load({"inc": emit(kernel, host_target(), "inc")})["inc"]` is its address.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.base.dtypes import float64
from chainrule.base.errors import CompileError
from chainrule.compiler.codegen import integers
from chainrule.compiler.codegen.addresses import evaluate
from chainrule.compiler.codegen.combine import mma, reduce
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.loads import load
from chainrule.compiler.codegen.loops import bind, grid, sequential
from chainrule.compiler.codegen.maps import map_tile
from chainrule.compiler.codegen.scratch import ALIGNMENT, grid_nest
from chainrule.compiler.codegen.stores import store
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.codegen.tiles import Tile
from chainrule.compiler.codegen.writer import Value, Writer, constant
from chainrule.kernel.ir import (
    Buffer,
    Extent,
    Kernel,
    Load,
    Local,
    Map,
    Mma,
    Reduce,
    Scalar,
    Statement,
    Store,
)
from chainrule.kernel.verify import tile_types


def emit(kernel: Kernel, target: Target, symbol: str) -> str:
    """The kernel as LLVM IR: one module whose function is named `symbol`.

    Raises CompileError for what the target or the language does not allow.
    """
    writer = Writer()
    ctx = Context(target, writer, tile_types(kernel))
    _parameters(ctx, kernel)
    _tasks(ctx, kernel)
    writer.do("ret void")
    header = (
        f"define void @{symbol}(ptr noalias readonly %args, i64 %first, i64 %last, "
        "ptr noalias align 64 %scratch) #0 {\nentry:"
    )
    parts = [
        f'target triple = "{target.triple}"',
        header,
        writer.text(),
        "}",
        *sorted(writer.declarations),
        f"attributes #0 = {{ nounwind {target.attributes} }}",
    ]
    return "\n".join(parts) + "\n"


def _parameters(ctx: Context, kernel: Kernel) -> None:
    """Read every argument slot once."""
    writer = ctx.writer
    for slot, parameter in enumerate(kernel.params):
        slot_address = writer.op(f"getelementptr i64, ptr %args, i64 {slot}") if slot else "%args"
        if isinstance(parameter, Buffer):
            address = Value(writer.op(f"load ptr, ptr {slot_address}, align 8"))
            ctx.pointers[parameter.name] = (address, parameter.dtype)
        elif isinstance(parameter, Extent):
            bind(ctx, parameter.name, Value(writer.op(f"load i64, ptr {slot_address}, align 8")))
        else:
            assert isinstance(parameter, Scalar)
            number = writer.op(f"load double, ptr {slot_address}, align 8")
            ctx.tiles[parameter.name] = Tile(float64, (1, 1), ((number,),), wide=False, depth=0)


def _tasks(ctx: Context, kernel: Kernel) -> None:
    """The loop over task numbers, and inside it the kernel's body."""
    writer = ctx.writer
    loops = grid_nest(kernel)
    writer.open_scope(
        "%some = icmp slt i64 %first, %last\n  br i1 %some, label %task, label %end", "task"
    )
    head = writer.reserve()
    task = Value("%t", writer.depth)
    if loops:
        grid(ctx, loops, task, _statements)
    else:
        _statements(ctx, kernel.body)
    following = writer.op("add nsw i64 %t, 1")
    head.append(f"  %t = phi i64 [ %first, %entry ], [ {following}, %{writer.label} ]")
    more = writer.op(f"icmp slt i64 {following}, %last")
    writer.close_scope(f"br i1 {more}, label %task, label %end", "end")


def _statements(ctx: Context, body: Sequence[Statement]) -> None:
    for node in body:
        if isinstance(node, Load):
            ctx.tiles[node.out] = load(ctx, node)
        elif isinstance(node, Map):
            ctx.tiles[node.out] = map_tile(ctx, node)
        elif isinstance(node, Reduce):
            ctx.tiles[node.out] = reduce(ctx, node)
        elif isinstance(node, Mma):
            ctx.tiles[node.out] = mma(ctx, node)
        elif isinstance(node, Store):
            store(ctx, node)
        elif isinstance(node, Local):
            _local(ctx, node)
        elif node.kind == "grid":
            raise CompileError(f"grid loop {node.var} stands inside other statements")
        else:
            sequential(ctx, node, _statements)


def _local(ctx: Context, node: Local) -> None:
    """Give the Local the next 64-byte aligned part of scratch."""
    writer = ctx.writer
    at = ctx.scratch
    text = f"getelementptr i8, ptr %scratch, i64 {at.text}"
    ctx.pointers[node.name] = (Value(writer.hoist(text, at.depth), at.depth), node.dtype)
    size = integers.multiply(writer, evaluate(ctx, node.size), constant(node.dtype.itemsize))
    units = integers.quotient(
        writer, integers.add(writer, size, constant(ALIGNMENT - 1)), constant(ALIGNMENT)
    )
    used = integers.multiply(writer, units, constant(ALIGNMENT))
    ctx.scratch = integers.add(writer, at, used)
