"""Mistakes at elementwise ops: the derivative left out, at a wrong point, or of another function.

    y = f(x), upstream u:  u · f'(x)   but not   u,  u·y,  u·x,  u·f'(y),  u·(1 − y²),  u·f'(x)²

Example: `list(of_function(node))`. May import `inspect.mistakes.mistake`.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.grad.reverse import local_rule
from chainrule.graph.node import Node
from chainrule.inspect.mistakes.mistake import PLUMBING, Mistake, Parts, Visit, noun
from chainrule.ops.arithmetic import div, mul, neg, sub
from chainrule.ops.exponential import exp

_SLOPES = {"tanh": "1 − y²", "sigmoid": "y·(1 − y)"}


def of_function(node: Node) -> Iterator[Mistake]:
    """Mistakes at y = f(x)."""
    name = node.op.name
    if len(node.inputs) != 1 or name in PLUMBING or name == "neg":
        return
    if "elementwise" not in node.op.traits or node.dtype.kind != "float":
        return
    if node.op.decisions is not None:
        yield Mistake(
            "mask-left-out",
            f"the derivative of {name} is left out: its gradient passes where it is 0, too",
            lambda at: [at.ct],
        )
        yield Mistake(
            "mask-inverted",
            f"the mask of {name} is inverted: the gradient passes where {name} blocks it",
            lambda at: [at.b(sub, at.ct, at.part(0))],
        )
    yield Mistake(
        "derivative-left-out", f"the derivative of {name} is left out", lambda at: [at.ct]
    )
    yield Mistake(
        "output-for-derivative",
        f"{name}(x) stands where its derivative {name}'(x) belongs",
        lambda at: [at.b(mul, at.ct, at.node)],
    )
    yield Mistake(
        "derivative-at-output",
        f"the derivative of {name} is taken at its output y = {name}(x), not at its input x",
        _at_output,
    )
    yield Mistake(
        "input-for-derivative",
        f"x stands where the derivative {name}'(x) belongs",
        lambda at: [at.b(mul, at.ct, at.node.inputs[0])],
    )
    for other, send in (("tanh", _slope_of_tanh), ("sigmoid", _slope_of_sigmoid)):
        if other != name:
            yield Mistake(
                "derivative-of-another",
                f"the derivative of {name} is that of {other}, {_SLOPES[other]}",
                send,
            )
    yield Mistake(
        "derivative-twice",
        f"the derivative of {name} is multiplied in twice",
        lambda at: at.again(at.part(0)),
    )


def _at_output(at: Visit) -> Parts:
    node = at.node
    type_ = node.op.infer((node.type,), node.attrs)
    return local_rule(at.b, Node(node.op, (node,), node.attrs, type_, node.source), at.ct)


def _slope_of_tanh(at: Visit) -> Parts:
    y = at.node
    return [at.b(mul, at.ct, at.b(sub, at.number(1, y), at.b(mul, y, y)))]


def _slope_of_sigmoid(at: Visit) -> Parts:
    y = at.node
    return [at.b(mul, at.ct, at.b(mul, y, at.b(sub, at.number(1, y), y)))]


def of_arithmetic(node: Node) -> Iterator[Mistake]:
    """Mistakes at a sum, difference, product, quotient or power of two operands."""
    if len(node.inputs) != 2 or "elementwise" not in node.op.traits:
        return
    x, y = node.inputs
    name = node.op.name
    if name == "mul" and x is y:
        yield Mistake(
            "factor-left-out",
            "the factor 2 of x² is left out: x·x has the derivative 2x",
            lambda at: [at.parts[0], None],
        )
    elif name == "mul":
        for i in (0, 1):
            yield _left_out(node, i)
    if name == "div":
        yield from _of_quotient(node)
    if x.type == y.type and x is not y:
        yield Mistake(
            "operands-exchanged",
            f"the two operands of {noun(node)} have each other's gradient",
            lambda at: [at.parts[1], at.parts[0]],
        )


def _left_out(node: Node, i: int) -> Mistake:
    """∂(x·y)/∂x = y is left out: the upstream gradient is passed on unchanged."""
    other = node.inputs[1 - i]
    value = _constant(other)
    if value is not None:
        words = f"the constant factor {value:.6g} is left out"
    else:
        words = f"the other factor of {noun(node)} is left out: ∂(x·y)/∂x is y, not 1"
    return Mistake("factor-left-out", words, lambda at: at.only(i, at.ct))


def _constant(node: Node) -> float | None:
    while node.op.name in {"broadcast_to", "reshape", "cast"}:
        node = node.inputs[0]
    return float(node.attrs["value"]) if node.op.name == "full" else None


def _of_quotient(node: Node) -> Iterator[Mistake]:
    value = _constant(node.inputs[1])
    divisor = "by the denominator" if value is None else f"by {value:.6g}"
    yield Mistake(
        "factor-left-out", f"the division {divisor} is left out", lambda at: at.only(0, at.ct)
    )
    yield Mistake(
        "denominator-not-squared",
        "the derivative of x/y by y is −x/y²: the denominator is not squared",
        lambda at: at.only(1, at.b(neg, at.b(mul, at.ct, at.node))),
    )
    yield Mistake(
        "numerator-left-out",
        "the derivative of x/y by y is −x/y²: the numerator is left out",
        lambda at: at.only(
            1, at.b(neg, at.b(div, at.b(div, at.ct, at.node.inputs[1]), at.node.inputs[1]))
        ),
    )


def of_logarithm(node: Node) -> Iterator[Mistake]:
    """Mistakes at log and exp: the derivative of the other one."""
    if node.op.name == "log":
        yield Mistake(
            "derivative-of-another",
            "the derivative of log is 1/x, not exp(x)",
            lambda at: [at.b(mul, at.ct, at.b(exp, at.node.inputs[0]))],
        )
    if node.op.name == "exp":
        yield Mistake(
            "derivative-of-another",
            "the derivative of exp is exp(x), not 1/x",
            lambda at: [at.b(div, at.ct, at.node.inputs[0])],
        )
