"""The tables of `benchmarks.programs`: every figure next to PyTorch's, with their ratio.

`compared(rows, "ms a step", "mean_ms")` is one table; the pages put several together.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.markdown import TITLES, first_steps, geometric_mean, measured, number, table
from benchmarks.output import Result
from benchmarks.program_list import GROUPS

_REFERENCE = "torch-eager"


def ratio(row: Result, who: str, figure: str) -> float:
    """PyTorch's figure over that of `who`: above 1 is better than PyTorch."""
    everyone = row["contestants"]
    return float(everyone[_REFERENCE][figure] / everyone[who][figure])


def ratios(rows: list[Result], who: str, figure: str) -> list[float]:
    """The ratios of all programs that `who` has run."""
    return [ratio(row, who, figure) for row in rows if who in row["contestants"]]


def marked(value: float) -> str:
    """A ratio; below 1 it is marked."""
    return f"{value:.2f}" if value >= 1 else f"⚠ {value:.2f}"


def compared(
    rows: list[Result], title: str, figure: str, cell: Callable[[Result], str] | None = None
) -> str:
    """One figure of every program and contestant, with ratios to PyTorch and their means."""
    show = cell or (lambda contestant: number(contestant[figure]))
    present = {who for row in rows for who in row["contestants"]}
    others = [who for who in TITLES if who in present - {_REFERENCE}]
    head = [title, TITLES[_REFERENCE]]
    for who in others:
        head += [TITLES[who], "× PyTorch"]
    lines = [head]
    for row in rows:
        everyone = row["contestants"]
        cells = [f"{row['program']}: {row['summary']}", show(everyone[_REFERENCE])]
        for who in others:
            found = everyone.get(who)
            cells += [show(found), marked(ratio(row, who, figure))] if found else ["–", "–"]
        lines.append(cells)
    return table(head, [*lines[1:], *_means(rows, others, figure)])


def _means(rows: list[Result], others: list[str], figure: str) -> list[list[str]]:
    """The lines of geometric means: each group's, and that of all programs."""
    groups: dict[str, list[Result]] = {}
    for row in rows:
        groups.setdefault(GROUPS[row["group"]], []).append(row)
    lines = []
    for label, kept in {**groups, f"all {len(rows)} programs": rows}.items():
        cells = [f"geometric mean, {label}", ""]
        for who in others:
            found = ratios(kept, who, figure)
            cells += ["", f"**{marked(geometric_mean(found))}**" if found else "–"]
        lines.append(cells)
    return lines


def provenance(result: Result) -> str:
    """Date, machine, versions, and how often each figure was taken."""
    return (
        f"{measured(result)} Medians of {result['rounds']} alternating slices of about "
        f"{number(result['seconds'])} s and of {result['starts']} starts in one run; ⚠ marks what "
        "PyTorch does better."
    )


def programs_page(result: Result) -> str:
    """Every program: steady state, first hundred steps, memory."""
    rows = result["rows"]
    first = compared(rows, "first 100 steps, s (cold / warm)", "first_cold_s", first_steps)
    parts = [
        provenance(result),
        compared(rows, "ms a step", "mean_ms"),
        first,
        compared(rows, "peak memory, MB", "peak_mb"),
    ]
    return "\n\n".join(parts) + "\n"


LEADS = {
    "README.md": "Scripts as users write them, unmodified, under PyTorch and under `chainrule run` "
    "([all of them](docs/benchmarks.md#unmodified-programs)):",
    "README.zh.md": "用户平常写的脚本，不加改动，分别由 PyTorch 和 `chainrule run` 运行"
    "（[全部程序](docs/benchmarks.md#unmodified-programs)）：",
}
EXTREMES = {
    "README.md": "Slowest of all {count} is {slowest}: {steady} × PyTorch. The first 100 steps, "
    "with imports and compilation, are {mean} × as fast as PyTorch's in the geometric mean, and "
    "{least} × at least.",
    "README.zh.md": "全部 {count} 个程序中相对最慢的是 {slowest}：PyTorch 的 {steady} 倍。"
    "前 100 步（含导入和编译）的速度是 PyTorch 的 {mean} 倍（几何平均），最低 {least} 倍。",
}


def programs_short(result: Result, page: str) -> str:
    """The README's table: the workloads of the steps' table, and the means of all programs."""
    rows = result["rows"]
    plain = [row for row in rows if row["group"] == "steps"] or rows
    head, every = (compared(r, "ms a step", "mean_ms").splitlines() for r in (plain, rows))
    steady, slowest = min((ratio(row, "chainrule", "mean_ms"), row["program"]) for row in rows)
    found = ratios(rows, "chainrule", "first_cold_s")
    extremes = EXTREMES[page].format(
        count=len(rows), slowest=slowest, steady=f"{steady:.2f}",
        mean=f"{geometric_mean(found):.2f}", least=f"{min(found):.2f}",
    )  # fmt: skip
    kept = "\n".join([*head[: len(plain) + 2], *every[len(rows) + 2 :]])
    return "\n\n".join([LEADS[page], kept, extremes, provenance(result)]) + "\n"
