"""docs/mistakes.md shows what its programs print, to the letter.

`python docs/mistakes.py` writes it. A message has at most eight lines.
"""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.structure.package import ROOT, run_program

_spec = importlib.util.spec_from_file_location("mistakes", ROOT / "docs" / "mistakes.py")
page = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page)
MISTAKES = page.mistakes(page.PAGE.read_text(encoding="utf-8"))
TITLES = [mistake.title for mistake in MISTAKES]
# Also run by an interpreter of their own: a layer, a compiled step, a warning
AS_SCRIPTS = (0, 1, TITLES.index("A loss of (N, 1) and (N)"))
_START = re.compile(r"^(train\.py:\d+: \w+: |[\w.]+(Error|Exception): |error: )", re.MULTILINE)
MOST_LINES = 8


def message(shown: str) -> list[str]:
    """The lines from the message on."""
    start = _START.search(shown)
    assert start is not None, shown
    return shown[start.start() :].rstrip().splitlines()


@pytest.mark.usefixtures("other_models_hidden")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.title)
def test_it_prints_what_the_page_shows(mistake):
    assert page.prints(mistake) == mistake.shown, "run python docs/mistakes.py"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.title)
def test_the_message_is_short(mistake):
    lines = message(mistake.shown)
    assert len(lines) <= MOST_LINES
    assert all(len(line) <= 160 for line in lines), lines


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.title)
def test_only_the_program_is_shown(mistake):
    assert set(re.findall(r'File "(.*?)"', mistake.shown)) <= {page.FILE}


@pytest.mark.parametrize("number", AS_SCRIPTS)
def test_a_script_prints_the_same(number, tmp_path):
    (tmp_path / page.FILE).write_text(MISTAKES[number].program, encoding="utf-8")
    done = run_program(page.FILE, cwd=tmp_path)
    shown = page.without_carets(done.stderr).replace(f"{tmp_path}/", "")
    assert shown == MISTAKES[number].shown


def test_every_frame_is_shown_on_request(tmp_path):
    (tmp_path / page.FILE).write_text(MISTAKES[0].program, encoding="utf-8")
    done = run_program(page.FILE, cwd=tmp_path, CHAINRULE_TRACEBACK="full")
    assert message(done.stderr) == message(MISTAKES[0].shown)
    assert re.search(r'File ".*chainrule.nn.linear.py"', done.stderr)


def test_the_readme_shows_the_first():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page.shown_in(readme, MISTAKES[0]) == readme, "run python docs/mistakes.py"


def test_there_are_enough():
    assert len(MISTAKES) >= 40
    assert len({*TITLES}) == len(TITLES)
