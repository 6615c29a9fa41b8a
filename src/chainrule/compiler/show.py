"""Every stage of a compiled call as text: from the traced graph to machine code.

Example: `stages(step, x, y)["plan"]` lists the kernels in the order in which they run. The stages,
in order: `trace`, one per graph pass, `groups`, `plan`, `kernels`, `llvm` and, where asked for,
`assembly`. A pass that runs twice is `simplify` and `simplify 2`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import Target, host_target
from chainrule.compiler.fuse.store import Fused
from chainrule.compiler.lower.schedule import works
from chainrule.compiler.pipeline import fuse, optimize, plan_graph
from chainrule.compiler.runtime.native import engine
from chainrule.compiler.runtime.plan import Plan
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.trace.capture import capture
from chainrule.graph.node import Graph, Node
from chainrule.graph.text import print_graph
from chainrule.graph.walk import ordered
from chainrule.kernel.ir import Kernel
from chainrule.kernel.text import print_kernel


def stages(
    fn: Callable[..., Any],
    *args: Any,
    assembly: bool = False,
    sources: bool = True,
    target: Target | None = None,
) -> dict[str, str]:
    """The text of each stage of `fn(*args)`, which is traced and not run.

    `target` is the machine to make code for, this one unless given; `assembly` is for this one.
    With `sources` the lines of the trace end with the user's line.
    """
    found = capture(fn, args, {}, keep_grads=False).captured
    return graph_stages(found, assembly=assembly, sources=sources, target=target)


def graph_stages(
    captured: Captured,
    *,
    assembly: bool = False,
    sources: bool = False,
    target: Target | None = None,
) -> dict[str, str]:
    """The text of each stage of a graph."""
    machine = target or host_target()
    texts = {"trace": print_graph(captured.graph, sources=sources)}

    def watch(name: str, graph: Graph) -> None:
        again = sum(key.split()[0] == name for key in texts)
        texts[f"{name} {again + 1}" if again else name] = print_graph(graph)

    rewritten = optimize(captured, watch)
    texts["groups"] = print_groups(rewritten.graph, fuse(rewritten).groups)
    plan = plan_graph(rewritten, machine)
    texts["plan"] = "\n".join(plan.lines())
    kernels = distinct_kernels(plan)
    texts["kernels"] = "\n\n".join(map(print_kernel, kernels))
    modules = [emit(k, machine, f"kernel{i}") for i, k in enumerate(kernels)]
    texts["llvm"] = "\n".join(modules)
    if assembly:
        texts["assembly"] = "\n".join(map(engine().assembly, modules))
    return texts


def distinct_kernels(plan: Plan) -> list[Kernel]:
    """The kernels of a plan, each once, in the order of their first use."""
    return list(dict.fromkeys(work.kernel for work in works(plan.units)))


def print_groups(graph: Graph, groups: Sequence[Fused]) -> str:
    """Each group with its nodes, numbered as in the printed graph; `*` marks what is stored."""
    number: dict[Node, str] = {}
    for node in (*graph.inputs, *ordered(graph)):
        number.setdefault(node, f"%{len(number)}")
    return "\n".join(line for i, f in enumerate(groups) for line in _group(i, f, number))


def _group(at: int, f: Fused, number: dict[Node, str]) -> list[str]:
    g = f.group
    rows = f" rows of {g.inner}" if g.inner is not None else ""
    late = " late" if g.late else ""
    lines = [f"{at}: {g.kind} over {list(g.domain)}{rows}{late}"]
    for node in f.nodes:
        ins = ", ".join(number[child] for child in node.inputs)
        stored = "*" if node in f.stores else " "
        lines.append(f"  {stored} {number[node]} = {node.op.name}({ins}) : {node.type}")
    return lines
