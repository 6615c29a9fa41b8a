"""The state that all of emission shares: the target, the writer, and the meaning of names.

Imports kernel and base.

Example: `context.symbols["k"]` is the polynomial `k7 + 3` in the fourth copy of an unrolled loop,
and `context.atoms["k7"]` the SSA value of its induction variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chainrule.base.dtypes import DType
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.codegen.tiles import Tile
from chainrule.compiler.codegen.writer import Value, Writer
from chainrule.kernel.index import Index
from chainrule.kernel.ir import Shape


@dataclass(slots=True)
class Context:
    """State of one function's emission.

    `symbols` maps a kernel's index symbol to a polynomial over atoms, `atoms` maps an atom to its
    SSA value; `pointers` maps a buffer or `Local` to its address and element type; `types` holds
    dtype and shape of every tile; `scratch` is the number of bytes that Locals in force occupy.
    """

    target: Target
    writer: Writer
    types: Mapping[str, tuple[DType, Shape]]
    symbols: dict[str, Index] = field(default_factory=dict)
    atoms: dict[str, Value] = field(default_factory=dict)
    pointers: dict[str, tuple[Value, DType]] = field(default_factory=dict)
    tiles: dict[str, Tile] = field(default_factory=dict)
    scratch: Value = field(default_factory=lambda: Value("0", 0, 0))
