"""A model as TensorBoard's GraphDef: nodes in the scopes of their layers, with their shapes.

    graph_def(model, (x,))      # "Tagger/lstm/loop/matmul", "Tagger/out/weight", …

The body of a loop is in a scope of its own, once. tensorboardX has the classes of the protocol
buffers. May import `inspect.recording` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.graph.node import INPUT, Graph, Node, TupleType, Type
from chainrule.graph.walk import topological
from chainrule.inspect.recording import record

_KINDS = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "bool": "DT_BOOL"}
_GRAPHS = frozenset({"graph", "vjp_graph", "rule"})  # attributes not written as text


def graph_def(model: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, str]:
    """The graph of `model(*args)`, run on symbols, and its text."""
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.versions_pb2 import VersionDef

    recording = record(model, args)
    roots = recording.trace.roots
    scopes = _Scopes({type(m).__name__ for m in roots}, type(roots[0]).__name__ if roots else "")
    parameters = recording.trace.parameter_names()
    for i, (node, handle) in enumerate(zip(recording.graph.inputs, recording.handles, strict=True)):
        name = parameters.get(id(handle))
        if name is None:
            scopes.add("Placeholder", f"input/{i}", node, ())
        else:
            scopes.add("Parameter", scopes.path(name.replace(".", "/")), node, ())
    scopes.graph(recording.graph, "")
    for i, out in enumerate(recording.graph.outputs):
        scopes.add("Output", f"output/{i}", None, (scopes.names[out],), out.type)
    text = "\n".join(f"{n.name} = {n.op}({', '.join(n.input)})" for n in scopes.nodes)
    return GraphDef(node=scopes.nodes, versions=VersionDef(producer=22)), text


class _Scopes:
    """Nodes by unique names."""

    def __init__(self, classes: set[str], root: str) -> None:
        self.names: dict[Node, str] = {}
        self.nodes: list[Any] = []
        self._classes, self._root = classes, root
        self._taken: dict[str, int] = {}

    def path(self, layer: str) -> str:
        """The scope of a layer, inside that of the model."""
        inside = layer.replace(".", "/").replace("[", "_").replace("]", "").replace(" ", "_")
        first = inside.partition("/")[0]
        return inside if not self._root or first in self._classes else f"{self._root}/{inside}"

    def graph(self, graph: Graph, scope: str) -> None:
        """Add all nodes between the inputs, which have names already, and the outputs."""
        for node in topological(graph.outputs):
            if node in self.names:
                continue
            if "projection" in getattr(node.op, "traits", ()):
                self.names[node] = f"{self.names[node.inputs[0]]}:{node.attrs['index']}"
                continue
            where = scope or self.path(node.source.layer if node.source else "")
            ins = tuple(self.names.get(n, "") for n in node.inputs)
            body = node.attrs.get("graph")
            if isinstance(body, Graph):
                ins = self._body(body, self._free(f"{where}/{node.op.name}_body".strip("/")), ins)
            self.add(node.op.name, f"{where}/{node.op.name}".strip("/"), node, ins)

    def _body(self, body: Graph, scope: str, ins: Sequence[str]) -> tuple[str, ...]:
        """Add the nodes of a body, whose inputs are its node's; returns its outputs' names."""
        for inner, outer in zip(body.inputs, ins, strict=True):
            self.names[inner] = outer
        self.graph(body, scope)
        return tuple(self.names[n] for n in body.outputs)

    def add(
        self, op: str, name: str, node: Node | None, ins: Sequence[str], type: Any = None
    ) -> None:
        """Add a node under a new name."""
        from tensorboardX.proto.node_def_pb2 import NodeDef

        name = self._free(name)
        type = node.type if node is not None else type
        attrs = {"_output_shapes": _shapes(type), "dtype": _kind(type)}
        if node is not None:
            self.names[node] = name
            if node.op is not INPUT:
                attrs |= _texts(node.attrs)
            if node.source is not None:
                attrs["line"] = _text(f"{node.source.file}:{node.source.line}")
        self.nodes.append(NodeDef(name=name, op=op, input=[i for i in ins if i], attr=attrs))

    def _free(self, name: str) -> str:
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        return name if not count else f"{name}_{count}"


def _shapes(type: Any) -> Any:
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto as Shape

    types = type.items if isinstance(type, TupleType) else (type,)
    shapes = [Shape(dim=[Shape.Dim(size=n) for n in t.shape]) for t in types]
    return AttrValue(list=AttrValue.ListValue(shape=shapes))


def _kind(type: Any) -> Any:
    from tensorboardX.proto import types_pb2
    from tensorboardX.proto.attr_value_pb2 import AttrValue

    first: Type = type.items[0] if isinstance(type, TupleType) else type
    name = _KINDS.get(first.dtype.name, f"DT_{first.dtype.name.upper()}")
    return AttrValue(type=types_pb2.DataType.Value(name))


def _texts(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(str(v)) for name, v in attrs.items() if name not in _GRAPHS}


def _text(value: str) -> Any:
    from tensorboardX.proto.attr_value_pb2 import AttrValue

    return AttrValue(s=value.encode())
