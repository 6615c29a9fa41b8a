"""Runs in a folder: what each was, how far it came, and how two differ.

    >>> [summary.name for summary in summaries(folder)]
    ['001', '002', 'wide']

May import `train` and what lies below.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chainrule.base.errors import ChainruleError
from chainrule.formats.safetensors import read_state
from chainrule.tasks.catalogue import DEFAULT
from chainrule.tasks.run import configuration
from chainrule.train import runs
from chainrule.train.config import read_toml
from chainrule.train.run_state import progress_of


@dataclass(frozen=True)
class Summary:
    """One run in a list."""

    name: str
    task: str
    model: str
    state: str  # "complete", "stopped after 120 of 1,800 steps", "training", "diverged", …
    scores: dict[str, float]  # on held-out data


def summaries(root: Path) -> list[Summary]:
    """All runs below `root`, those with damaged files too."""
    return [_summary(folder) for folder in runs.all_runs(root)]


def _summary(folder: Path) -> Summary:
    result = runs.read_result(folder)
    try:
        values = read_toml(folder / runs.CONFIG)
        state = _state(folder, values, result)
    except (ChainruleError, ValueError, LookupError, TypeError) as error:
        return Summary(folder.name, "", "", f"damaged: {str(error).partition(chr(10))[0]}", {})
    return Summary(
        folder.name,
        str(values.get("task", DEFAULT)),
        str(values.get("model", "")),
        state,
        held_out(result),
    )


def _state(folder: Path, values: dict[str, Any], result: dict[str, Any]) -> str:
    if runs.is_trained(folder):
        return "training"
    if "diverged" in result:
        return "diverged"
    if result and result.get("steps") == values.get("steps"):
        return "complete"
    if not (folder / runs.STATE).is_file():
        return "stopped before its first save"
    progress = progress_of(read_state(folder / runs.STATE).metadata)
    if result.get("steps") == progress.step and 0 < values.get("patience", 0) <= progress.waited:
        return "complete"
    return f"stopped after {progress.step:,} of {int(values['steps']):,} steps"


def held_out(result: dict[str, Any]) -> dict[str, float]:
    """The scores on held-out data in a result."""
    begin = "held_out_"
    return {
        key.removeprefix(begin): value
        for key, value in result.items()
        if key.startswith(begin) and isinstance(value, int | float)
    }


def differing_settings(folders: list[Path]) -> list[tuple[str, list[str]]]:
    """(setting, its value in each run) where they differ; the task first, then the data."""
    columns = []
    for folder in folders:
        task, config = configuration(folder)
        columns.append({"task": task.name, **msgspec.structs.asdict(config)})
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, [_shown(column.get(name), name) for column in columns]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def outcomes(folders: list[Path]) -> list[tuple[str, list[str]]]:
    """(figure, its value in each run) of all figures in the results."""
    results = [runs.read_result(folder) for folder in folders]
    names = dict.fromkeys(
        name
        for result in results
        for name, value in result.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name != "seed"
    )
    return [(name, [_shown(result.get(name)) for result in results]) for name in names]


def _shown(value: Any, name: str = "") -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        nothing = {"data": "bundled", "dev": "a part of data"}
        return " ".join(map(str, value)) or nothing.get(name, "–")
    return f"{value:.5g}" if isinstance(value, float) else str(value)
