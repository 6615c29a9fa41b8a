"""Gradient checks for the command line: of a formula, a claim, a trained run.

    check_claim("sum((W @ x) ** 2)", "W=[[1,2]] x=[1,2]", "W=[[10,20]]")
    check_run(Path("runs/001"))

May import `inspect`, `train` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chainrule.base.errors import ArgumentError, ConfigError
from chainrule.inspect.claim import check_gradient
from chainrule.inspect.gradcheck import gradcheck, gradcheck_module
from chainrule.inspect.verdict import Report
from chainrule.tasks.formula import Formula, arguments, formula, values
from chainrule.tasks.overflow import not_finite
from chainrule.tasks.run import open_run
from chainrule.tensor.convert import as_tensor, tensor
from chainrule.tensor.functional import reduce
from chainrule.train.job import LossModule


def scalar(fn: Any) -> Any:
    """`fn`, with its result summed unless it is one number."""

    def total(*args: Any) -> Any:
        out = as_tensor(fn(*args))
        if out.dtype.kind != "float":
            raise ConfigError(
                f"{fn.__name__} gives {out.dtype.name}, which has no gradient; multiply by it, "
                "as in (x > 0) * x"
            )
        return out if out.array_type.size == 1 else reduce.sum(out)

    total.__name__ = fn.__name__
    return total


def check_formula(text: str, at: str, order: int) -> Report:
    """Compare chainrule's own gradient of a formula with finite differences."""
    known = values(at)
    asked = formula(text, known)
    given = tuple(arguments(asked, known))
    _refuse_overflow(asked, given)
    report = gradcheck(asked.fn, given, order, raise_exception=False, names=asked.names)
    return _with_notes(report, asked, given)


def check_claim(text: str, at: str, claim: str) -> Report:
    """Check gradients claimed for a formula, entry by entry."""
    known = values(at)
    asked = formula(text, known)
    given = tuple(arguments(asked, known))
    _refuse_overflow(asked, given)
    claims = values(claim, known)
    for name in claims:
        if name not in asked.names:
            raise ConfigError(f"a gradient is claimed for {name}, which the formula does not use")
    floats = [n for n, x in zip(asked.names, given, strict=True) if x.requires_grad]
    for name in claims:
        if name not in floats:
            raise ConfigError(f"{name} holds classes, which have no gradient to claim")
    claimed = tuple(claims.get(name) for name in floats)
    report = check_gradient(scalar(asked.fn), given, claimed, names=asked.names)
    return _with_notes(_without_lines(report), asked, given)


def _refuse_overflow(asked: Formula, given: Sequence[Any]) -> None:
    """Raise if a value of the formula is not finite."""
    said = not_finite(scalar(asked.fn), given)
    if said:
        raise ArgumentError(said)


def _with_notes(report: Report, asked: Formula, given: Sequence[Any]) -> Report:
    """The report with a note if the result was summed."""
    out = as_tensor(asked.fn(*given))
    if out.array_type.size == 1:
        return report
    note = (
        f"{asked.fn.__name__} is not one number but {list(out.shape)}: its sum was differentiated"
    )
    return replace(report, notes=(*report.notes, note))


def _without_lines(report: Report) -> Report:
    """The report without source lines, which a formula does not have."""
    diagnosis = report.diagnosis
    for finding in report.findings:
        diagnosis = diagnosis.replace(f" ({finding.source})", "")
    findings = tuple(replace(finding, source="") for finding in report.findings)
    return replace(report, diagnosis=diagnosis, findings=findings)


def check_run(
    folder: Path, budget: int, progress: Callable[[str, int, int], None] | None = None
) -> Report:
    """Check every parameter of a run's model, on some examples of its own data."""
    job = open_run(folder).job
    batch = job.few(job.batches.draw())
    report = gradcheck_module(
        LossModule(job).eval(),
        tuple(map(tensor, batch)),
        raise_exception=False,
        budget=budget,
        progress=progress,
    )
    return replace(report, subject=type(job.model).__name__)
