"""Run a program under each way of evaluation, and compare what it observed.

Example: `observed("always", program)` is what `program()` returns, as arrays and Python values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.base.settings import reload_settings
from chainrule.tensor.deferred import structure
from chainrule.tensor.deferred.recorder import forget, mark


@contextmanager
def evaluation(way: str) -> Iterator[None]:
    """Inside the block CHAINRULE_DEFER is `way`, and no structure is known yet."""
    before = os.environ.get("CHAINRULE_DEFER")
    os.environ["CHAINRULE_DEFER"] = way
    reload_settings()
    forget()
    structure.forget_structures()
    if way in {"always", "compiled"}:
        mark()
    try:
        yield
    finally:
        forget()
        structure.forget_structures()
        if before is None:
            del os.environ["CHAINRULE_DEFER"]
        else:
            os.environ["CHAINRULE_DEFER"] = before
        reload_settings()


def observed(way: str, program: Callable[[], Any]) -> Any:
    """What the program returns, evaluated so, from the same seed."""
    with evaluation(way):
        cr.manual_seed(0)
        return plain(program())


def plain(value: Any) -> Any:
    """Arrays instead of tensors."""
    if isinstance(value, cr.Tensor):
        return np.array(value.detach().numpy())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def assert_same(one: Any, other: Any, place: str = "", rounding: float = 2e-4) -> None:
    """Equal up to the rounding of floating-point numbers."""
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            assert_same(one[key], other[key], f"{place}.{key}", rounding)
    elif isinstance(one, list):
        assert len(one) == len(other), place
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{place}[{i}]", rounding)
    elif isinstance(one, np.ndarray) and one.dtype.kind != "f":
        assert one.dtype == other.dtype, place
        np.testing.assert_array_equal(one, other, place)
    elif isinstance(one, (np.ndarray, float)):
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.shape) == (other.dtype, other.shape), place
        np.testing.assert_allclose(other, one, rtol=rounding, atol=rounding / 10, err_msg=place)
    else:
        assert one == other, place
