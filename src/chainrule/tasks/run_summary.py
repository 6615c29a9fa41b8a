"""What a run leaves for people: `result.json`'s figures and `report.html`.

    >>> result_of(session, folder, metrics.records)["held_out_loss"]
    1.34

May import `train` and what lies below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.formats.atomic import write_whole
from chainrule.train import runs
from chainrule.train.metrics import Metrics, baseline_of
from chainrule.train.monitor import Verdict
from chainrule.train.run_report import report
from chainrule.train.session import Session

_RECENT = 100  # steps whose mean is the final training loss


def result_of(session: Session, folder: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
    """The final figures, for `result.json`; None for those that are NaN or infinite."""
    config, job, progress = session.config, session.job, session.progress
    verdicts = verdicts_of(session)
    losses = [record["loss"] for record in records if "loss" in record]
    baselines = [baseline for record in records if (baseline := baseline_of(record))]
    figures = {
        "run": str(folder),
        "task": session.task,
        "model": config.model,
        "data": job.source,
        **job.figures,
        "parameters": session.parameters,
        "steps": progress.step,
        "seed": config.seed,
        "training_loss": float(np.mean(losses[-_RECENT:])) if losses else None,
        **{f"held_out_{name}": value for name, value in session.kept.items()},
        **({"kept_step": progress.best_step} if config.keep == "best" else {}),
        **{f"{b.key}_{name}": value for b in baselines for name, value in b.scores.items()},
        "seconds": round(progress.seconds, 3),
        f"{job.counted}_per_second": round(progress.tokens / max(progress.seconds, 1e-9)),
        "compiled": not config.eager,
        "verdicts": None if verdicts is None else [v.kind for v in verdicts],
    }
    return {name: value if _is_json(value) else None for name, value in figures.items()}


def _is_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def verdicts_of(session: Session) -> Sequence[Verdict] | None:
    """The verdicts on the run; None without a flight recorder."""
    looked = session.watch is not None and session.watch.newest()
    return session.watch.verdicts() if session.watch is not None and looked else None


def write_report(session: Session, folder: Path, metrics: Metrics) -> None:
    """Write `report.html`."""
    config, progress, job = session.config, session.progress, session.job
    facts = {
        "task": f"{session.task}, model {config.model}",
        **job.facts,
        "parameters": f"{session.parameters:,}",
        "steps": f"{progress.step:,} of {config.steps:,}, batches of {config.batch}",
        **{f"held-out {name}": f"{value:.4f}" for name, value in session.kept.items()},
        "training time": f"{progress.seconds:.1f} s",
    }
    path = folder / runs.REPORT
    page = report(
        f"chainrule run {folder.name}",
        facts,
        metrics.records,
        verdicts_of(session),
        unit=job.unit,
        sampled=job.sampled,
    )
    with runs.saving(path):
        write_whole(path, page.encode())
