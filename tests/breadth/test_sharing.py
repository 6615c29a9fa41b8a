"""Every function shares memory with its arguments exactly where PyTorch's does.

What differs on purpose is in `DIFFERS`, and in `docs/differences.toml` where a user meets it.
"""

from __future__ import annotations

import warnings

import pytest

import chainrule as cr
from tests.breadth.translate import NoCounterpartError

SAMPLES = 6
DIFFERS = {
    "as_strided": "elements that share places are read, not written",
    "as_strided.partial_views": "the sample is a part of a buffer",
    "unfold": "elements that share places are read, not written",
    "linalg.lstsq": "PyTorch's drivers return empty tensors too",
    "nn.functional.batch_norm": "a sample without channels is refused",
    "nn.functional.local_response_norm": "an input without elements is not handed through",
}
RANDOM = ("bernoulli", "cauchy", "empty", "exponential", "geometric", "log_normal", "multinomial",
          "new_empty", "normal", "rand", "uniform", "nn.functional.alpha_dropout",
          "nn.functional.dropout", "nn.functional.feature_alpha_dropout")  # fmt: skip


def differences(name: str, *, compiled: bool) -> list[str]:
    """What an entry's samples say, as functions and as methods."""
    from tests.breadth import generators, sharing

    entry, found = generators.functions()[name], []
    kinds = generators.dtypes(entry)
    if not kinds:
        return []
    forms = [(entry.op, generators.ours(entry))]
    if entry.method_variant is not None and not entry.name.startswith("__"):
        forms.append((entry.method_variant, getattr(cr.Tensor, entry.name, None)))
    kind = "float32" if "float32" in kinds else kinds[0]
    for theirs, ours in forms:
        for sample in generators.samples(entry, kind, SAMPLES) if ours is not None else ():
            call = (sample.input, *sample.args), sample.kwargs
            try:
                what = sharing.difference(theirs, ours, *call, compiled=compiled)
            except NoCounterpartError:
                continue
            except (RuntimeError, ValueError) as error:  # one of both refuses the sample
                what = str(error)
            if what is not None:
                found.append(what)
    return found


def entries() -> list[str]:
    """The labels that the table of counts has."""
    from tests.breadth import record

    return [n for n in record.read()["functions"] if not n.startswith(RANDOM)]


@pytest.mark.oracle
@pytest.mark.parametrize("name", entries())
def test_memory_is_shared_as_in_pytorch(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = differences(name, compiled=False)
    assert bool(found) == (name in DIFFERS), found


VIEWS = ["T", "H", "mT", "diagonal", "flip", "movedim", "narrow", "permute", "reshape", "roll",
         "rot90", "select", "split", "squeeze", "t", "transpose", "unbind", "unflatten",
         "unsqueeze", "view", "ravel", "contiguous", "clone", "positive"]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_shared_so_by_compiled_functions(name):
    assert differences(name, compiled=True) == []
