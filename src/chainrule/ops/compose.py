"""A graph as one Python function: the NumPy meanings of its nodes, called one after the other.

`evaluate` walks a graph whenever it is asked; what is evaluated many times - the gradient rule of
an op, the body of a loop - is worth writing out. For tanh: ct·4t / (1 + t)² with t = exp(-2|x|):

    def composed(ct, x):
        t0 = f0(x); t1 = f1(t0, c1, t0); del t0; …
        return (t7,)

Values are let go of after their last use, and a ufunc writes into memory that nobody needs after
it. The text names ops and constants, never shapes: graphs that differ in shapes share the compiled
text. Example: `compose((x, y), (z, None))` is a function of two arrays that gives (z, None).
Imports graph and ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from chainrule.base.frames import PACKAGE
from chainrule.graph.node import INPUT, Graph, Node, Type
from chainrule.graph.walk import topological
from chainrule.ops.creation import full
from chainrule.ops.record import Made

Composed = Callable[..., tuple[Any, ...]]
_FILE = f"{PACKAGE}<composed>"  # no frame of the program


def compose(
    inputs: Sequence[Node],
    outputs: Sequence[Node | None],
    prepared: Callable[[Node], Any] = lambda node: None,  # noqa: ARG005 - a node
) -> Composed:
    """The function of the inputs' values (nodes of any op) that gives the outputs' values.

    It has to run where floating-point warnings are off. A node that has a `prepared` call is
    computed by that, the others by their meaning. Raises LookupError for a value that the outputs
    need and the inputs do not give.
    """
    names = {node: f"i{k}" for k, node in enumerate(inputs)}
    ends = [node for node in outputs if node is not None]
    order = topological(ends, names)
    last = {child: node for node in order for child in node.inputs}
    free = _own_memory(order)
    known: dict[str, Any] = {"asarray": np.asarray}
    lines = []
    for k, node in enumerate(order):
        if node.op is INPUT:
            raise LookupError(f"no value is given for {node}, which the outputs need")
        if node.op is full:
            names[node] = f"c{k}"
            known[f"c{k}"] = full.numpy((), node.attrs)
            continue
        done = [n for n in dict.fromkeys(node.inputs) if last[n] is node and n not in ends]
        again = [n for n in done if n in free and node in free and n.type == node.type]
        names[node] = name = f"t{k}"
        args = [names[n] for n in node.inputs]
        call = prepared(node)
        if call is not None:
            known[f"f{k}"], text = call, f"f{k}.compute({', '.join(args)})"
        else:
            text = _meaning(node, k, args, names[again[0]] if again else None, known)
        number = isinstance(node.type, Type) and not node.shape  # without axes it may be one
        lines.append(f"{name} = {f'asarray({text})' if number else text}")
        if gone := [names[n] for n in done if names[n][0] == "t"]:
            lines.append(f"del {', '.join(gone)}")
    results = "".join(f"{'None' if n is None else names[n]}, " for n in outputs)
    head = f"def composed({', '.join(names[n] for n in inputs)}):"
    exec(_compiled("\n    ".join([head, *lines, f"return ({results})"])), known)  # noqa: S102 - text made above
    return known["composed"]  # type: ignore[no-any-return]


def composed(graph: Graph) -> Composed:
    """The function of a graph, composed once."""
    found: Composed | None = graph.derived.get(composed)
    if found is None:
        found = graph.derived[composed] = compose(graph.inputs, graph.outputs)
    return found


def _own_memory(order: Sequence[Node]) -> set[Node]:
    """Results of ufuncs that only ufuncs read: no other array shows the same memory."""
    made = {n for n in order if _ufunc(n) is not None}
    shared = {child for node in order if node not in made for child in node.inputs}
    return made - shared


def _ufunc(node: Node) -> np.ufunc | None:
    meaning = None if node.op is INPUT else node.op.numpy
    fn = meaning.make(node.attrs) if type(meaning) is Made else None
    return fn if isinstance(fn, np.ufunc) else None


def _meaning(node: Node, k: int, args: list[str], into: str | None, known: dict[str, Any]) -> str:
    """The call of a node's meaning, `into` memory that nobody needs any more."""
    meaning = node.op.numpy
    if type(meaning) is Made:
        known[f"f{k}"] = meaning.make(node.attrs)
        arguments = [*args, f"out={into}"] if into else args
        return f"f{k}({', '.join(arguments)})"
    known[f"f{k}"], known[f"a{k}"] = meaning, node.attrs
    return f"f{k}(({''.join(f'{a}, ' for a in args)}), a{k})"


@lru_cache(4096)
def _compiled(text: str) -> CodeType:
    return compile(text, _FILE, "exec")
