"""Mistakes at functions of rows: softmax, log-softmax, log-sum-exp, normalisation.

Each entry of a row's result depends on all of the row, so that the Jacobian has entries off its
diagonal. With y the result and u the upstream gradient:

    softmax      y·(u − Σ u·y)         but not   y·u   or   u·y·(1 − y)
    log_softmax  u − p·Σ u             but not   u·(1 − p)
    logsumexp    u·p                   but not   u,   u·p·(1 − p)   or   u·exp(x)
    normalising  (u − ū − y·mean(u·y)) / σ       but not with mean or variance held constant

Example: `list(of_rows(node))`. May import `inspect.mistakes.mistake`.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.grad.reverse import local_rule
from chainrule.graph.node import Node
from chainrule.inspect.mistakes.mistake import Mistake, Parts, Send, Visit
from chainrule.ops.arithmetic import add, div, mul, sub
from chainrule.ops.exponential import exp, rsqrt
from chainrule.ops.loss import cross_entropy
from chainrule.ops.normalize import along, log_softmax, logsumexp, softmax, standardize
from chainrule.ops.record import Op
from chainrule.ops.reduce import sum_


def of_rows(node: Node) -> Iterator[Mistake]:
    """Mistakes at an op with a full Jacobian along an axis."""
    yield from _MISTAKES.get(node.op, ())
    if "axis" in node.attrs and node.op in {softmax, log_softmax, standardize}:
        for axis, size in enumerate(node.shape):
            if axis != node.attrs["axis"] and size > 1:
                yield Mistake(
                    "wrong-axis",
                    f"{node.op.name} is differentiated along axis {axis}, but computed along axis "
                    f"{node.attrs['axis']}",
                    _along(axis),
                )


def _along(axis: int) -> Send:
    def send(at: Visit) -> Parts:
        attrs = {**at.node.attrs, "axis": axis}
        node = Node(at.node.op, at.node.inputs, attrs, at.node.type, at.node.source)
        return local_rule(at.b, node, at.ct)

    return send


def _diagonal(name: str) -> str:
    return (
        f"the derivative of {name} is taken entry by entry, p·(1 − p): the Jacobian's other "
        "entries −pᵢ·pⱼ are forgotten"
    )


def _slope(at: Visit, ct: Node, p: Node) -> Node:
    return at.b(mul, ct, at.b(mul, p, at.b(sub, at.number(1, p), p)))


def _wide(at: Visit, x: Node) -> Node:
    """One number for each row, repeated along the row."""
    like = at.node.inputs[0]
    return along(at.b, x, like, at.node.attrs.get("axis", len(like.shape) - 1))


def _p(at: Visit) -> Node:
    x = at.node.inputs[0]
    return at.b(softmax, x, axis=at.node.attrs.get("axis", len(x.shape) - 1))


def _with_onehot(at: Visit, x: Node) -> Node:
    """The gradient of the right vjp, with x instead of p."""
    return at.b(add, at.part(0), at.b(mul, _wide(at, at.ct), at.b(sub, x, _p(at))))


def _mean(at: Visit, x: Node) -> Node:
    axis = at.node.attrs["axis"]
    total = at.b(sum_, x, axes=(axis,))
    return _wide(at, at.b(div, total, at.number(x.shape[axis], total)))


def _through_variance(at: Visit) -> Node:
    """y·mean(u·y)."""
    return at.b(mul, at.node, _mean(at, at.b(mul, at.ct, at.node)))


def _scaled(at: Visit, x: Node) -> Node:
    """x / σ."""
    given = at.node.inputs[0]
    centred = at.b(sub, given, _mean(at, given))
    variance = _mean(at, at.b(mul, centred, centred))
    shifted = at.b(add, variance, at.number(at.node.attrs["eps"], variance))
    return at.b(mul, x, at.b(rsqrt, shifted))


_MISTAKES: dict[Op, tuple[Mistake, ...]] = {
    softmax: (
        Mistake("jacobian-diagonal", _diagonal("softmax"), lambda at: [_slope(at, at.ct, at.node)]),
        Mistake(
            "jacobian-forgotten",
            "the Jacobian of softmax is forgotten: y·u alone, without −y·Σ u·y over the row",
            lambda at: [at.b(mul, at.ct, at.node)],
        ),
        Mistake("derivative-left-out", "the derivative of softmax is left out", lambda at: [at.ct]),
        Mistake(
            "jacobian-forgotten",
            "the Jacobian of softmax is that of exp alone: the sum it divides by is held constant",
            lambda at: [at.b(mul, at.ct, at.b(exp, at.node.inputs[0]))],
        ),
    ),
    log_softmax: (
        Mistake(
            "jacobian-diagonal",
            "the derivative of log_softmax is taken entry by entry, 1 − p: what the other entries "
            "of the row get is forgotten",
            lambda at: [at.b(sub, at.ct, at.b(mul, at.ct, at.b(exp, at.node)))],
        ),
        Mistake(
            "derivative-left-out", "the derivative of log_softmax is left out", lambda at: [at.ct]
        ),
        Mistake(
            "onehot-left-out",
            "of the derivative of log_softmax, only −p·Σ u is there: the entry's own 1 is "
            "forgotten (p instead of p − onehot)",
            lambda at: [at.b(sub, at.part(0), at.ct)],
        ),
        Mistake(
            "jacobian-diagonal",
            _diagonal("log_softmax"),
            lambda at: [_slope(at, at.ct, at.b(exp, at.node))],
        ),
        Mistake(
            "output-for-derivative",
            "p = softmax(x) stands where the derivative of log_softmax belongs",
            lambda at: [at.b(mul, at.ct, at.b(exp, at.node))],
        ),
    ),
    cross_entropy: (
        Mistake(
            "onehot-left-out",
            "p stands where p − onehot belongs: the derivative of cross-entropy by the right class "
            "is p − 1",
            lambda at: [at.b(mul, _wide(at, at.ct), _p(at)), None],
        ),
        Mistake(
            "jacobian-diagonal",
            "the derivative of cross-entropy is p − onehot, not softmax's p·(1 − p) entry by entry",
            lambda at: [_slope(at, _wide(at, at.ct), _p(at)), None],
        ),
        Mistake(
            "softmax-left-out",
            "the softmax is left out: x − onehot stands where p − onehot belongs",
            lambda at: [_with_onehot(at, at.node.inputs[0]), None],
        ),
        Mistake(
            "softmax-left-out",
            "the softmax is left out: 1 − onehot stands where p − onehot belongs",
            lambda at: [_with_onehot(at, at.number(1, at.node.inputs[0])), None],
        ),
        Mistake(
            "softmax-left-out",
            "the softmax is left out: −onehot stands where p − onehot belongs",
            lambda at: [_with_onehot(at, at.number(0, at.node.inputs[0])), None],
        ),
    ),
    logsumexp: (
        Mistake(
            "derivative-left-out",
            "the derivative of logsumexp is left out: it is softmax, not 1",
            lambda at: [_wide(at, at.ct)],
        ),
        Mistake(
            "jacobian-diagonal",
            "the derivative of logsumexp is softmax p itself, not p·(1 − p)",
            lambda at: [_slope(at, _wide(at, at.ct), _p(at))],
        ),
        Mistake(
            "not-normalised",
            "the derivative of logsumexp is exp(x) over its sum, not exp(x)",
            lambda at: [at.b(mul, _wide(at, at.ct), at.b(exp, at.node.inputs[0]))],
        ),
        Mistake(
            "not-normalised",
            "the derivative of logsumexp is exp(x) over its sum, not 1 over the sum",
            lambda at: [at.b(div, _wide(at, at.ct), _wide(at, at.b(exp, at.node)))],
        ),
    ),
    standardize: (
        Mistake(
            "statistics-constant",
            "mean and variance of the normalisation are held constant: they depend on x too",
            lambda at: [_scaled(at, at.ct)],
        ),
        Mistake(
            "variance-constant",
            "the variance of the normalisation is held constant: it depends on x too",
            lambda at: [_scaled(at, at.b(sub, at.ct, _mean(at, at.ct)))],
        ),
        Mistake(
            "mean-constant",
            "the mean of the normalisation is held constant: it depends on x too",
            lambda at: [_scaled(at, at.b(sub, at.ct, _through_variance(at)))],
        ),
        Mistake(
            "scale-left-out",
            "the division by the standard deviation is left out of the normalisation's gradient",
            lambda at: [at.b(sub, at.b(sub, at.ct, _mean(at, at.ct)), _through_variance(at))],
        ),
        Mistake(
            "derivative-left-out",
            "the derivative of the normalisation is left out",
            lambda at: [at.ct],
        ),
    ),
}
