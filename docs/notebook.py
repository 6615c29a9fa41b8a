"""Write examples/lesson.ipynb, the lesson of docs/lesson.md as an executed notebook.

    python docs/notebook.py             # after the page has changed
    python docs/notebook.py --check     # run it, and compare what it prints with the file

Needs the `docs` extra. The page is the source: jupytext reads it, nbclient runs it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
PAGE, NOTEBOOK = HERE / "lesson.md", HERE.parent / "examples" / "lesson.ipynb"
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def executed() -> Any:
    """The page as a notebook, with what its cells give."""
    notebook = jupytext.read(PAGE)
    notebook.metadata = {
        "kernelspec": dict(notebook.metadata["kernelspec"]),
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(r"](../docs/\1)", cell.source)
    NotebookClient(notebook, timeout=120, record_timing=False, coalesce_streams=True).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
            for out in cell.outputs:
                if len(out.get("data", {})) > 1:
                    out.data.pop("text/plain", None)  # a picture's plain text is its address
    return notebook


def compared(new: Any, old: Any) -> list[str]:
    """Where the file is not what the page gives now: cells, and what they print.

    Pictures, derivations and verdicts are left out: they are worded better from time to time.
    """
    sources = [[cell.source for cell in notebook.cells] for notebook in (new, old)]
    if sources[0] != sources[1]:
        return ["the cells are not those of the page"]
    found = []
    for a, b in zip(new.cells, old.cells, strict=True):
        if a.cell_type == "code" and _printed(a) != _printed(b):
            found.append(f"In [{a.execution_count}] prints\n{_printed(a)}not\n{_printed(b)}")
    return found


def _printed(cell: Any) -> str:
    if "cr.explain(" in cell.source or "cr.inspect." in cell.source:
        return ""
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(prog="python docs/notebook.py")
    parser.add_argument("--check", action="store_true", help="compare with the file instead")
    notebook = executed()
    if parser.parse_args().check:
        faults = compared(notebook, nbformat.read(NOTEBOOK, as_version=4))
        if faults:
            raise SystemExit("\n".join([f"{NOTEBOOK} is old: python docs/notebook.py", *faults]))
        cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        print(f"{NOTEBOOK.name}: {cells} code cells run, and print what the file says")
    else:
        nbformat.write(notebook, NOTEBOOK)
        print(f"{NOTEBOOK}: {NOTEBOOK.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
