"""Results as Markdown tables, inserted into the pages.

    python -m benchmarks.report

reads the results (benchmarks/results/*.json) and rewrites the text between marker comments such as
`<!-- steps:begin -->` and `<!-- steps:end -->` in docs/benchmarks.md and, with the short table, in
README.md and README.zh.md: no figure is copied by hand.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.markdown import (
    TITLES,
    cold_and_warm,
    first_steps,
    geometric_mean,
    measured,
    number,
    table,
)
from benchmarks.output import Result
from benchmarks.program_tables import programs_page, programs_short

ROOT = Path(__file__).resolve().parents[1]


def best_peer(row: Result) -> tuple[str, float]:
    """The fastest rival of a row and its median milliseconds."""
    times = {who: c["median_ms"] for who, c in row["contestants"].items() if who != "chainrule"}
    who = min(times, key=times.__getitem__, default="")
    return (who, times[who]) if who else ("", math.nan)


def ratio(row: Result) -> float:
    """The speed relative to the best peer: above 1 is faster."""
    return float(best_peer(row)[1] / row["contestants"]["chainrule"]["median_ms"])


def peak_share(row: Result, peak: dict[str, float]) -> float:
    """FLOPs a second of our step over the measured FMA peak of the cores used."""
    seconds = row["contestants"]["chainrule"]["median_ms"] / 1e3
    return float(row["flops"] / seconds / 1e9 / peak[row["cores"]])


def rivals_of(rows: list[Result]) -> list[str]:
    """The rivals in the table's order."""
    return [who for who in TITLES if who != "chainrule" and who in rows[0]["contestants"]]


def times_table(rows: list[Result], peak: dict[str, float]) -> str:
    """Median milliseconds a step, ratio to the best peer, share of the FMA peak."""
    rivals = rivals_of(rows)
    head = ["ms per training step", "chainrule", *(TITLES[r] for r in rivals), "× best peer",
            "of FMA peak"]  # fmt: skip
    lines = []
    for row in rows:
        best, everyone = best_peer(row)[0], row["contestants"]
        cells = [number(everyone[r]["median_ms"]) for r in rivals]
        cells = [f"**{c}**" if r == best else c for r, c in zip(rivals, cells, strict=True)]
        ours = number(everyone["chainrule"]["median_ms"])
        lines.append(
            [f"{row['workload']}: {row['summary']}", ours, *cells, f"{ratio(row):.2f}",
             f"{peak_share(row, peak):.0%}"]
        )  # fmt: skip
    if rivals:
        mean = geometric_mean([ratio(row) for row in rows])
        lines.append(["geometric mean", "", *[""] * len(rivals), f"**{mean:.2f}**", ""])
    return table(head, lines)


def starts_table(rows: list[Result]) -> str:
    """Seconds to the first loss, with an empty and with a filled cache."""
    everyone = ["chainrule", *rivals_of(rows)]
    head = ["first step, s (cold / warm)", *(TITLES[w] for w in everyone)]
    return table(
        head,
        [
            [
                row["workload"],
                *(first_steps(row["contestants"][w]) for w in everyone),
            ]
            for row in rows
        ],
    )


def memory_table(rows: list[Result]) -> str:
    """Peak resident memory above that of the import, in megabytes: cold / warm cache."""
    everyone = ["chainrule", *rivals_of(rows)]
    head = ["memory above import, MB (cold / warm)", *(TITLES[w] for w in everyone)]
    return table(
        head,
        [
            [
                row["workload"],
                *(
                    cold_and_warm(row["contestants"][w], "above_import_mb", "warm_above_import_mb")
                    for w in everyone
                ),
            ]
            for row in rows
        ],
    )


def imports_table(rows: list[Result]) -> str:
    """Seconds and megabytes of importing each contestant."""
    everyone = ["chainrule", *rivals_of(rows)]

    def cell(who: str) -> str:
        best = min((row["contestants"][who] for row in rows), key=lambda c: c["import_seconds"])
        return f"{best['import_seconds']:.2f} s, {best['import_mb']:.0f} MB"

    return table(["import after NumPy", *(TITLES[w] for w in everyone)],
                 [["time, memory", *map(cell, everyone)]])  # fmt: skip


def provenance(result: Result) -> str:
    """One sentence: date, machine, versions."""
    peak = f"FMA peak {result['peak_gflops']['one']:.0f} GFLOP/s a core"
    about = f" ({', '.join(result['machine']['features'])}; {peak})"
    return (
        f"{measured(result, about)} {result['rounds']} alternating rounds of "
        f"{number(result['seconds'])} s in one run, medians; best peer in bold."
    )


def _by_cores(result: Result, cores: str) -> list[Result]:
    return [row for row in result["rows"] if row["cores"] == cores]


def steps_short(result: Result) -> str:
    """The README's table: all cores."""
    rows = _by_cores(result, "all") or result["rows"]
    return f"{times_table(rows, result['peak_gflops'])}\n\n{provenance(result)}\n"


def steps_page(result: Result) -> str:
    """Everything: times on all cores and on one, first steps, memory, imports."""
    parts = [provenance(result)]
    for cores, title in (("all", "All cores"), ("one", "One core")):
        rows = _by_cores(result, cores)
        if rows:
            parts += [f"**{title}**", times_table(rows, result["peak_gflops"])]
            parts += [starts_table(rows), memory_table(rows), imports_table(rows)]
    return "\n\n".join(parts) + "\n"


def where(result: Result) -> str:
    """Date and machine in a line."""
    m = result["machine"]
    return f"{m['date']}, {m['cores']} cores of {m['cpu']}, Python {m['python']}."


def compile_table(result: Result) -> str:
    """Seconds to the first step by depth, cold / warm."""
    everyone = list(result["rows"][0]["contestants"])
    rows = [
        [str(row["layers"]), *(first_steps(row["contestants"][who]) for who in everyone)]
        for row in result["rows"]
    ]
    head = ["layers", *(f"{TITLES[who]}, s (cold / warm)" for who in everyone)]
    return f"{table(head, rows)}\n\n{where(result)}\n"


def sizes_table(result: Result) -> str:
    """Seconds of the first call by the program's length."""
    rows = [
        [row["program"], *(number(row["seconds"][str(size)]) for size in result["sizes"])]
        for row in result["rows"]
    ]
    head = ["first call, s", *(f"{size:,} operations" for size in result["sizes"])]
    return f"{table(head, rows)}\n\n{where(result)}\n"


def lengths_table(result: Result) -> str:
    """The seconds of traces, plans and code for new lengths."""
    rows = [
        [
            case,
            str(r["variants"]),
            number(r["plans_s"]),
            number(r["first_s"]),
            number(r["later_ms"]),
            f"{r['arenas_mb']:.0f}",
        ]
        for case, r in result["cases"].items()
    ]
    head = ["case", "plans", "traces, plans and code, s", "first step, s", "a later step, ms",
            "arenas, MB"]  # fmt: skip
    return f"{table(head, rows)}\n\n{where(result)}\n"


def import_table(result: Result) -> str:
    """Milliseconds of each import and the ratio to NumPy's."""
    base = result["imports"]["numpy"]
    rows = [
        [
            f"`import {module}`",
            *(f"{t[key] * 1e3:.0f}" for key in ("median_s", "min_s")),
            *(f"{t[key] / base[key]:.2f}" for key in ("median_s", "min_s")),
        ]
        for module, t in result["imports"].items()
    ]
    head = ["", "ms, median", "ms, least", "× NumPy, median", "× NumPy, least"]
    return f"{table(head, rows)}\n\n{where(result)}\n"


def eager_table(result: Result) -> str:
    """Microseconds a call of each library."""
    return _calls_table(result, "µs a call, 4×4 float32", 1)


def large_table(result: Result) -> str:
    """Milliseconds a call of each library."""
    return _calls_table(result, "ms a call", 1e-3)


def _calls_table(result: Result, title: str, unit: float) -> str:
    times: dict[str, dict[str, float]] = result["microseconds"]
    names = list(dict.fromkeys(op for ops in times.values() for op in ops))
    rows = [
        [op, *(number(unit * ops[op]) if op in ops else "–" for ops in times.values())]
        for op in names
    ]
    return f"{table([title, *(TITLES[who] for who in times)], rows)}\n\n{where(result)}\n"


def insert(page: Path, marker: str, text: str) -> None:
    """Replace the text between the page's `marker` comments; raise if they are missing."""
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    whole = page.read_text(encoding="utf-8")
    if not pattern.search(whole):
        raise SystemExit(f"{page} has no {begin} … {end}")
    page.write_text(
        pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", whole), encoding="utf-8"
    )


# file in benchmarks/results → (marker in docs/benchmarks.md, its table)
PAGES: dict[str, tuple[str, Callable[[Result], str]]] = {
    "steps.json": ("steps", steps_page),
    "compile_time.json": ("compile", compile_table),
    "graph_size.json": ("sizes", sizes_table),
    "lengths.json": ("lengths", lengths_table),
    "eager.json": ("eager", eager_table),
    "eager_large.json": ("large", large_table),
    "import_time.json": ("import", import_table),
    "programs.json": ("programs", programs_page),
}
# marker → its short table, for README.md and its twin
SHORT: dict[str, Callable[[Result, str], str]] = {
    "steps": lambda result, _: steps_short(result),
    "programs": programs_short,
}


def main() -> None:
    """Write every kept result into the docs, and the short tables into README.md and its twin."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    folder = parser.parse_args().results
    for name, (marker, show) in PAGES.items():
        if (folder / name).exists():
            result = json.loads((folder / name).read_text(encoding="utf-8"))
            insert(ROOT / "docs" / "benchmarks.md", marker, show(result))
            if marker in SHORT:
                for page in ("README.md", "README.zh.md"):
                    insert(ROOT / page, marker, SHORT[marker](result, page))
            print(f"{name}: written")


if __name__ == "__main__":
    main()
