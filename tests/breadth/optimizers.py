"""PyTorch's samples of optimisers: steps with every choice of options, and wrong choices.

`count_optimizer("SGD", 40)` gives a `Tally`: for each dtype and set of options, parameters after
each of four steps, and what the state holds, with plain parameters, with two groups, with names.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import chainrule as cr
from tests.breadth import compare, generators
from tests.breadth.refused import refused
from tests.breadth.tally import Tally
from tests.breadth.translate import NoCounterpartError, into

STEPS = 4
FORMS = ("plain", "groups", "named")
_SHAPES = ((3, 4), (4,), (1,))


def count_optimizer(name: str, limit: int) -> Tally:
    """Steps of an optimiser, and constructions that must be refused."""
    entry, tally = generators.optimizers()[name], Tally()
    for dtype in ("float32", "float64"):
        for sample in generators.optimizer_samples(entry, dtype, limit):
            for form in FORMS if entry.supports_param_groups else ("plain", "named"):
                tally.one(
                    name,
                    f"{dtype} {form} {sample.kwargs}",
                    functools.partial(_steps, entry, sample.kwargs, dtype, form),
                )
    for wrong in generators.optimizer_errors(entry, limit):
        sample = wrong.optimizer_error_input
        tally.one(
            name,
            f"wrong call {sample.desc} {sample.kwargs}",
            lambda wrong=wrong: refused(lambda: _wrong(name, wrong), wrong.error_type),
        )
    return tally


def _wrong(name: str, wrong: Any) -> None:
    sample = wrong.optimizer_error_input
    params = [cr.nn.Parameter(cr.ones(2, 2))] if sample.params is None else into(sample.params)
    made = getattr(cr.optim, name)(params, **into(sample.kwargs))
    if wrong.error_on.name == "STEP_ERROR":
        made.zero_grad()
        for group in made.param_groups:
            for p in group["params"]:
                p.grad = cr.ones_like(p)
        made.step()


def _steps(entry: Any, kwargs: dict[str, Any], dtype: str, form: str) -> None:
    import torch

    if entry.only_supports_sparse_grads:
        raise NoCounterpartError("sparse tensors are out")
    theirs, mine = (_Run(lib, entry.optim_cls.__name__, dtype, form) for lib in (torch, cr))
    theirs.make(kwargs)
    mine.make(into(kwargs))
    for step in range(STEPS):
        theirs.step(step)
        mine.step(step)
        for p, q in zip(mine.params, theirs.params, strict=True):
            compare.equal(compare.Pair(f"step {step}", _array(p), _array(q)))
    if mine.names() != theirs.names():
        raise compare.DifferenceError(f"state {mine.names()}, not {theirs.names()}")


def _array(p: Any) -> Any:
    return p.detach().numpy().copy()


class _Run:
    """The same parameters and gradients under one of the libraries."""

    def __init__(self, library: Any, name: str, dtype: str, form: str) -> None:
        rng = np.random.default_rng(0)
        self.library, self.kind, self.form = library, getattr(library.optim, name), form
        self.params = [
            library.nn.Parameter(library.tensor(rng.normal(0, 1, shape).astype(dtype)))
            for shape in _SHAPES
        ]

    def make(self, kwargs: dict[str, Any]) -> None:
        """The optimiser, of these parameters in this form."""
        given: Any = self.params
        if self.form == "groups":
            given = [{"params": given[:1], "lr": 0.02}, {"params": given[1:]}]
        elif self.form == "named":
            given = [(f"p{i}", p) for i, p in enumerate(given)]
        self.optimizer = self.kind(given, **kwargs)

    def step(self, number: int) -> None:
        """One step along gradients that depend on the parameters, so that errors add up."""

        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = sum(((p - (i + number)) ** 2).sum() for i, p in enumerate(self.params))
            loss.backward()
            return loss

        self.optimizer.step(closure)

    def names(self) -> dict[str, list[str]]:
        """What `state_dict` holds for a parameter, and for a group."""
        saved = self.optimizer.state_dict()
        return {
            "state": sorted(saved["state"].get(0, {})),
            "group": sorted(saved["param_groups"][0]),
        }
