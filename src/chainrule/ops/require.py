"""A checked value: `x` where all `faults` are 0, else an error that shows the value `seen`.

What eager functions ask of values – probabilities, variances, offsets – stays a node of a trace:
a compiled step looks at the faults where it looks at its indices, before it changes anything.
Example: `b(require, x, x, faults, error="ArgumentError", rule="normal: a deviation is ≥ 0")`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import errors
from chainrule.base.dtypes import float32, int64
from chainrule.base.errors import ChainruleError, DTypeError
from chainrule.graph.node import Attrs, Type
from chainrule.ops.record import Illegal, Limit, Op, Sample, leading


def refusal(attrs: Attrs, faults: Any, seen: Any = None) -> ChainruleError:
    """The error: the rule, and the first value that breaks it if each value has a fault.

    The value stands for `{}` in the rule's first line, or behind it.
    """
    text, line, rest = str(attrs["rule"]).partition("\n")
    if seen is not None and seen.shape == faults.shape:
        place = tuple(int(i) for i in np.argwhere(faults)[0])
        text = (
            text.replace("{}", str(seen[place])) if "{}" in text else f"{text}, not {seen[place]}"
        )
        text += f" at {place}" if place else ""
    made: ChainruleError = getattr(errors, attrs["error"])(text + line + rest)
    return made


def _infer(ins: tuple[Any, ...], attrs: Attrs) -> Any:
    del attrs
    if ins[2].dtype is not int64:
        raise DTypeError(f"faults are int64, not {ins[2].dtype}")
    return ins[0]


def _require(values: Sequence[Any], attrs: Attrs) -> Any:
    x, seen, faults = values
    if faults.any():
        raise refusal(attrs, faults, seen)
    return x


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    attrs = {"error": "ArgumentError", "rule": "the values are right"}
    for shape, other in (((3, 2), (3, 2)), ((), ()), ((0, 2), (2,)), ((4,), ())):
        x = np.asarray(rng.integers(0, 2, shape), dtype)
        yield Sample((x, np.ones(other, np.int64), np.zeros(other, np.int64)), attrs)


require = Op(
    "require",
    _infer,
    _require,
    vjp=lambda b, node, ct: (ct, None, None),  # noqa: ARG005 - the rule's signature
    jvp=lambda b, node, tangents: tangents[0],  # noqa: ARG005 - the rule's signature
    decompose=lambda b, node: node.inputs[0],  # noqa: ARG005 - the signature
    batch=leading,
    limits=lambda types, attrs: [Limit(2, 1)],  # noqa: ARG005 - the signature
    samples=_samples,
    illegal=(
        Illegal((Type(float32, (2,)),) * 3, {"error": "ArgumentError", "rule": ""}, DTypeError),
    ),
)

TABLE = (require,)
