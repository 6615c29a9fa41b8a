"""PyTorch's own test samples, from the installed wheel: functions, modules, wrong calls.

`functions()` gives the entries of ours that PyTorch tests, `samples(entry, dtype)` bounded lists.
The package `expecttest`, which the wheel's test code imports and no sample needs, may be absent.
"""

from __future__ import annotations

import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import chainrule as cr

DTYPES = ("float32", "float64", "int64", "bool")


@cache
def databases() -> tuple[list[Any], list[Any], list[Any]]:
    """`op_db`, `module_db` and `optim_db`."""
    if "expecttest" not in sys.modules:
        try:
            import expecttest  # noqa: F401
        except ImportError:
            stand_in = types.ModuleType("expecttest")
            stand_in.TestCase = unittest.TestCase
            sys.modules["expecttest"] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.common_modules import module_db
        from torch.testing._internal.common_optimizers import optim_db
    return op_db, module_db, optim_db


def label(entry: Any) -> str:
    """`softmax`, or `softmax.with_dtype` for a variant of the samples."""
    return entry.name + (f".{entry.variant_test_name}" if entry.variant_test_name else "")


@cache
def functions() -> dict[str, Any]:
    """label → PyTorch's entry, for every function that exists here too."""
    found = {label(e): e for e in databases()[0] if ours(e) is not None}
    return dict(sorted(found.items()))


@cache
def modules() -> dict[str, Any]:
    """Class name → PyTorch's entry, for every module that exists here too."""
    found = {m.module_cls.__name__: m for m in databases()[1]}
    return {name: m for name, m in sorted(found.items()) if hasattr(cr.nn, name)}


@cache
def optimizers() -> dict[str, Any]:
    """Class name → PyTorch's entry, for every optimiser that exists here too."""
    found = {o.optim_cls.__name__: o for o in databases()[2]}
    return {name: o for name, o in sorted(found.items()) if hasattr(cr.optim, name)}


def entries() -> dict[str, dict[str, Any]]:
    """All of them by group and name."""
    return {"functions": functions(), "modules": modules(), "optimizers": optimizers()}


def find(name: str) -> Callable[..., Any] | None:
    """The function of this dotted name here; for a method, the method as a function."""
    place: Any = cr
    for part in name.split("."):
        place = getattr(place, part, None)
    if place is None and "." not in name:
        place = getattr(cr.Tensor, name, None)
        if isinstance(place, property):
            place = place.fget
    return place if callable(place) else None


def ours(entry: Any) -> Callable[..., Any] | None:
    """The function here that answers an entry, None if there is none.

    Where the entry's own is a lambda over `torch`, that lambda over this package.
    """
    named = find(entry.name)
    code = getattr(entry.op, "__code__", None)
    if named is not None and code is not None and code.co_name == "<lambda>":
        return types.FunctionType(
            code,
            {**entry.op.__globals__, "torch": cr, "np": __import__("numpy")},
            "rebound",
            entry.op.__defaults__,
            entry.op.__closure__,
        )
    return named


def dtypes(entry: Any) -> list[str]:
    """Those of the dtypes here that PyTorch's entry supports on the CPU."""
    import torch

    supported = getattr(entry, "dtypes", None)
    return [d for d in DTYPES if supported is None or getattr(torch, d) in supported]


def samples(entry: Any, dtype: str, limit: int) -> Iterator[Any]:
    """At most `limit` samples, spread over all of them; every third one non-contiguous."""
    import torch

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wants = dtype.startswith("float") and entry.supports_autograd
        made = entry.sample_inputs("cpu", getattr(torch, dtype), requires_grad=wants)
        every = list(islice(made, 400))
    step = max(1, -(-len(every) // limit))
    for number, sample in enumerate(every[::step]):
        yield sample.noncontiguous() if number % 3 == 2 else sample


def errors(entry: Any, limit: int) -> Iterator[Any]:
    """Wrong calls, each with the error that PyTorch raises."""
    if entry.error_inputs_func is None:
        return
    import torch

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from islice(entry.error_inputs("cpu"), limit)


def module_samples(entry: Any, dtype: str, training: bool, limit: int) -> list[Any]:
    """Constructor and forward arguments of a module, spread over all there are."""
    import torch

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every = list(
            entry.module_inputs_func(
                entry, device="cpu", dtype=getattr(torch, dtype), requires_grad=True,
                training=training,
            )
        )  # fmt: skip
    return every[:: max(1, -(-len(every) // limit))]


def module_errors(entry: Any, limit: int) -> Iterator[Any]:
    """Wrong constructions and wrong calls of a module, each with the error that PyTorch raises."""
    if entry.module_error_inputs_func is None:
        return
    import torch

    torch.manual_seed(0)
    given = {"device": "cpu", "dtype": torch.float32, "requires_grad": False, "training": True}
    yield from islice(entry.module_error_inputs_func(entry, **given), limit)


def optimizer_samples(entry: Any, dtype: str, limit: int) -> list[Any]:
    """Options of an optimiser, spread over all there are."""
    import torch

    every = entry.optim_inputs_func(device="cpu", dtype=getattr(torch, dtype))
    return every[:: max(1, -(-len(every) // limit))]


def optimizer_errors(entry: Any, limit: int) -> list[Any]:
    """Wrong parameters and options, each with the error that PyTorch raises."""
    import torch

    torch.manual_seed(0)
    return entry.optim_error_inputs_func("cpu", torch.float32)[:limit]
