"""The verifier of graphs: runs after every pass when CHAINRULE_CHECK=1, and always in tests.

A graph is acyclic by construction: a node's inputs exist before it. It may still have a type that
its op does not infer, an input that is not listed, or an attribute without a text.
Imports graph and base; ops are asked through `node.op.infer`.

Example: `verify(graph)` returns nothing, or raises `VerifyError` naming the node and its line.
"""

from __future__ import annotations

from typing import Any

from chainrule.base.errors import ChainruleError, VerifyError
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.text import print_value
from chainrule.graph.walk import topological


def verify(graph: Graph) -> None:
    """Check the inputs, types and attributes of every node, and the graphs inside attributes."""
    listed = set(graph.inputs)
    if len(listed) != len(graph.inputs):
        raise VerifyError("a graph lists the same input twice")
    for node in graph.inputs:
        if node.op is not INPUT:
            raise VerifyError(f"{_name(node)} is listed as an input, but it is computed")
    for node in topological(graph.outputs):
        if node.op is not INPUT:
            _verify_node(node)
        elif node not in listed:
            raise VerifyError(f"{_name(node)} is used, but it is not among the graph's inputs")


def _verify_node(node: Node) -> None:
    for name, value in node.attrs.items():
        _verify_attribute(node, name, value)
    try:
        inferred = node.op.infer(tuple([child.type for child in node.inputs]), node.attrs)
    except (ChainruleError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise VerifyError(f"{_name(node)} breaks the rules of its op: {error!r}") from error
    if inferred != node.type:
        raise VerifyError(f"{_name(node)} says {node.type}, but its op infers {inferred}")


def _verify_attribute(node: Node, name: str, value: Any) -> None:
    try:
        if isinstance(value, Graph):
            verify(value)
        elif isinstance(value, tuple):
            for item in value:
                _verify_attribute(node, name, item)
        else:
            print_value(value)
    except ChainruleError as error:
        raise VerifyError(f"{_name(node)}, attribute {name}: {error}") from error


def _name(node: Node) -> str:
    """`matmul(float32[3, 4], float32[4, 5]) of train.py:12`."""
    ins = ", ".join(str(child.type) for child in node.inputs)
    where = f" of {node.source}" if node.source is not None else ""
    return f"{node.op.name}({ins}){where}"
