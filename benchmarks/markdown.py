"""Numbers, names and tables of results in Markdown.

`table(["", "ms"], [["step", number(2.04)]])` is a table of one row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from benchmarks.output import Result

TITLES = {
    "chainrule": "chainrule",
    "chainrule-eager": "chainrule, eager",
    "chainrule-undeferred": "chainrule, not deferred",
    "chainrule-module": "chainrule, torch.compile(model)",
    "torch-eager": "PyTorch eager",
    "torch-compile": "torch.compile",
    "jax": "JAX",
    "autograd": "HIPS autograd",
}


def number(value: float) -> str:
    """Three significant digits without an exponent: 0.0312, 2.04, 38.5, 296."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 4)}f}"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table; every column after the first is right-aligned."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def geometric_mean(values: list[float]) -> float:
    """exp(mean(log x))."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def cold_and_warm(contestant: Result, cold: str, warm: str) -> str:
    """A contestant's figures with an empty / with a filled cache on disk."""
    first, again = contestant[cold], contestant.get(warm)
    return number(first) if again is None else f"{number(first)} / {number(again)}"


def first_steps(contestant: Result) -> str:
    """Seconds with an empty / with a filled cache."""
    return cold_and_warm(contestant, "first_cold_s", "first_warm_s")


def measured(result: Result, about: str = "") -> str:
    """When and where, `about` the CPU, and with which versions: the begin of a provenance."""
    m, found = result["machine"], dict[str, str]()
    for row in result["rows"]:
        for contestant in row["contestants"].values():
            found |= contestant["versions"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
    return (
        f"Measured {m['date']} on {m['cores']} cores of {m['cpu']}{about}, {m['system']}, "
        f"Python {m['python']}; {versions}."
    )
