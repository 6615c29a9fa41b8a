"""As an eager kernel, every op and every gradient rule means what NumPy computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.compiler.eager import exact, offers
from chainrule.graph.node import Node, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.compose import compose
from chainrule.ops.record import Op
from chainrule.tensor import large
from chainrule.tensor.calls import Call, rule_graph
from chainrule.tensor.large import Job
from tests.ops.calls import calls, generator

NAMES = sorted(
    name
    for name, op in TABLE.items()
    if not op.traits & {"host", "constant", "structure", "control"}
)


@pytest.fixture(autouse=True)
def _all_sizes(monkeypatch):
    """Whatever has a kernel gets it."""
    monkeypatch.setattr(exact, "_FEW_PASSES", 0)
    monkeypatch.setattr(offers, "_LIGHT", 0)
    monkeypatch.setattr(large, "CHEAP", 0)


def types_of(values):
    return tuple([Type(dtypes.from_numpy(v.dtype), v.shape) for v in values])


def jobs(op: Op, values: tuple[Any, ...], attrs: dict[str, Any], rng: np.random.Generator):
    """The op, and its rule if every operand may have a gradient, with operands."""
    call = Call(op, types_of(values), attrs)
    call.size = 1
    meaning = call.compute.function if isinstance(call.compute, Job) else call.compute
    yield Job(call, meaning, print), values
    floats = tuple([v.dtype.kind == "f" for v in values])
    if not (isinstance(call.type, Type) and call.smooth and any(floats)):
        return
    out = np.asarray(meaning(*values))
    node = Node(op, tuple([input_node(t) for t in call.types]), attrs, call.type)
    try:
        rule = compose(*rule_graph(node, call.saves, floats, None))
    except Exception as error:  # noqa: BLE001 - not differentiable
        assert "differentiable" in str(error)  # noqa: PT017
        return
    ct = rng.normal(size=out.shape).astype(out.dtype)
    yield Job(call, rule, print, floats), [ct, *call.keep((*values, out))]


def as_tuple(found):
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_kernels_mean_what_numpy_computes(name):
    rng = generator(name)
    for sample in [c.sample for c in calls(name, dtypes.float32)]:
        values = tuple([np.asarray(v) for v in sample.inputs])
        if any(v.size == 0 or v.dtype == object for v in values):
            continue  # nothing that is large
        with np.errstate(all="ignore"):
            for job, operands in jobs(TABLE[name], values, sample.attrs, rng):
                expected = as_tuple(job.function(*operands))
                job.spent = large.FIRST_PLAN
                found = [offers.native(job, operands), exact.exact_function(job, operands)]
                for function in [f for f in found if f is not None]:
                    compare(as_tuple(function(*operands)), expected, operands)


def compare(found, expected, operands):
    sizes = [
        np.abs(v[np.isfinite(v)]).max(initial=0)
        for v in exact.flattened([*operands, *[e for e in expected if e is not None]])
        if v.dtype.kind == "f"
    ]
    for value, right in zip(found, expected, strict=True):
        assert (value is None) == (right is None)
        if right is not None:
            right = np.asarray(right)  # noqa: PLW2901 - a number
            assert (value.shape, value.dtype) == (right.shape, right.dtype)
            scale = max(sizes, default=0)
            np.testing.assert_allclose(value, right, rtol=3e-5, atol=3e-6 * (1 + scale))
