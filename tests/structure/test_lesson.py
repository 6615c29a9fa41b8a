"""The lesson: its notebook has the page's cells, and the lecture's numbers are what they print.

That the cells run is seen when the page is built and by `python docs/notebook.py --check`.
"""

from __future__ import annotations

import json
import re

from tests.structure.package import ROOT

PAGE = (ROOT / "docs" / "lesson.md").read_text(encoding="utf-8")
CELLS = json.loads((ROOT / "examples" / "lesson.ipynb").read_text(encoding="utf-8"))["cells"]
_CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def text(lines: list[str] | str) -> str:
    return "".join(lines)


def printed() -> str:
    outs = [out for cell in CELLS if cell["cell_type"] == "code" for out in cell["outputs"]]
    return "".join(text(out["text"]) for out in outs if out["output_type"] == "stream")


def test_the_notebook_has_the_cells_of_the_page():
    code = [text(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
    assert code == _CELL.findall(PAGE)


def test_the_notebook_says_what_the_page_says():
    prose = "".join(text(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    said = _CELL.sub("", PAGE.split("---\n", 2)[2])
    plain = [re.sub(r"\]\([^)]*\)|\s", "", part) for part in (prose, said)]
    assert plain[0] == plain[1]


def test_links_of_the_notebook_lead_somewhere():
    prose = "".join(text(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", prose) if not t.startswith("http")]
    assert targets
    assert not [t for t in targets if not (ROOT / "examples" / t).exists()]


def test_the_lecture_numbers():
    said = printed()
    for part in (
        "2 5 0\n",
        "z  [1.  1.7]",
        "dz [0.1376 0.1045]",
        "dW [0.1376 0.2753] [0.1045 0.209 ]",
    ):
        assert part in said


def test_code_fits_beside_the_navigation():
    lines = [line for cell in _CELL.findall(PAGE) for line in cell.splitlines()]
    assert not [line for line in lines if len(line) > 80]
