"""Count everything and write it down: `python -m tests.breadth.record` (minutes; needs PyTorch).

Writes `tests/breadth/counts.json` and, from it, the page `docs/oracle.md`. Given names of entries,
only those are counted anew: `python -m tests.breadth.record softmax`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COUNTS = Path(__file__).with_name("counts.json")
PAGE = ROOT / "docs" / "oracle.md"
FULL = 40  # samples of each dtype
_SHOWN = 4  # failures of one entry


def count(group: str, name: str, limit: int) -> dict[str, Any]:
    """One entry's counts; `group` is functions, modules or optimizers."""
    from tests.breadth import optimizers, tally

    counters = {
        "functions": tally.count_function,
        "modules": tally.count_module,
        "optimizers": optimizers.count_optimizer,
    }
    found = counters[group](name, limit)
    return {
        "passed": found.passed,
        "skipped": dict(sorted(found.skipped.items())),
        "failed": _short(found.failed),
    }


def _short(failed: dict[str, int]) -> dict[str, int]:
    """The first few, and how many more there are."""
    first = dict(sorted(failed.items())[:_SHOWN])
    rest = sum(failed.values()) - sum(first.values())
    return {**first, "others": rest} if rest else first


def read() -> dict[str, dict[str, dict[str, Any]]]:
    """What was counted last."""
    return json.loads(COUNTS.read_text(encoding="utf-8"))


def page(counts: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The page's text."""
    every = [entry for group in counts.values() for entry in group.values()]
    passed, skipped, failed = (
        sum(e["passed"] for e in every),
        sum(sum(e["skipped"].values()) for e in every),
        sum(sum(e["failed"].values()) for e in every),
    )
    lines = [
        "# Compared with PyTorch's own samples",
        "",
        "<!-- written by `python -m tests.breadth.record` -->",
        "",
        "For every function, module and optimizer here that PyTorch has, samples come from",
        "PyTorch's own generators: float32, float64, int64 and bool, every third sample",
        "non-contiguous, methods, in-place methods and other names included. Wrong calls must be",
        "refused, with an error that programs catch which were written for PyTorch.",
        "Results, dtypes and first gradients must agree: float64 within 10⁻¹⁰ of the norm, float32",
        "within 10⁻⁵, or else no further from PyTorch's float64 result than twice what PyTorch's",
        "float32 result is. Of equal elements any may be named; a gradient that is 0 may be",
        "absent; in training nothing is dropped; `ctc_loss` follows a `log_softmax`. Optimizers",
        "take four steps with each set of options, with groups and with names.",
        "",
        f"{len(counts['functions'])} entries of functions, {len(counts['modules'])} modules and",
        f"{len(counts['optimizers'])} optimizers:",
        f"**{passed:,} samples agree**, {skipped:,} are skipped for the reasons below,",
        f"{failed:,} differ and are listed at the end.",
        "",
        "`pytest -m oracle tests/breadth` runs a slice, `-m 'oracle and slow'` all of it.",
    ]
    lines += ["", "## Skipped, and why", "", "| reason | samples |", "|---|---:|"]
    reasons: dict[str, int] = {}
    for entry in every:
        for reason, number in entry["skipped"].items():
            reasons[reason] = reasons.get(reason, 0) + number
    lines += [f"| {reason} | {reasons[reason]:,} |" for reason in sorted(reasons)]
    for group, entries in counts.items():
        lines += ["", f"## {group.capitalize()}", ""]
        lines += [f"| {group[:-1]} | agree | skipped | differ |", "|---|---:|---:|---:|"]
        for name, e in entries.items():
            numbers = (e["passed"], sum(e["skipped"].values()), sum(e["failed"].values()))
            lines.append(f"| `{name}` | {' | '.join(f'{n:,}' for n in numbers)} |")
    lines += ["", "## What differs", ""]
    differing = [(n, e) for g in counts.values() for n, e in g.items() if e["failed"]]
    lines += [f"- `{n}`: {_example(e)}" for n, e in differing] or ["Nothing."]
    return "\n".join(lines) + "\n"


def _example(entry: dict[str, Any]) -> str:
    first = next(iter(entry["failed"])).replace("`", "'").replace("<", "‹").replace("|", "/")
    return f"{sum(entry['failed'].values())}, for instance `{first[:180]}`"


def main(names: list[str]) -> None:
    from tests.breadth import generators

    kept = read() if names and COUNTS.is_file() else {}
    current = generators.entries()
    counts: dict[str, dict[str, Any]] = {}
    for group, entries in current.items():
        counts[group] = {}
        for name in entries:
            known = kept.get(group, {}).get(name)
            fresh = known is None or name in names
            entry = count(group, name, FULL) if fresh else known
            if any(entry.values()):  # there are samples of the dtypes here
                counts[group][name] = entry
            if fresh and entry["failed"]:
                print(name, entry["failed"])  # noqa: T201 - a script
    COUNTS.write_text(json.dumps(counts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(counts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
