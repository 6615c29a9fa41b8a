"""`chainrule help`: what whoever installed the package can read about an error."""

from __future__ import annotations

import re
import tomllib

import pytest

import chainrule as cr
from chainrule.cli import pages
from tests.structure.package import ROOT


@pytest.mark.parametrize("code", ["CR101", "cr403"])
def test_a_code(inside, code):
    done = inside("help", code)
    name, text = pages.sections()[code.upper()]
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{code.upper()} {name}\n\n{text}\n"
    assert "What to do." in done.out
    assert "](" not in done.out


def test_every_code_is_listed(inside):
    done = inside("help")
    assert re.findall(r"^CR\d{3}", done.out, re.MULTILINE) == list(pages.sections())
    assert all(20 < len(line) < 120 for line in done.out.splitlines())


def test_other_topics(inside):
    assert "torch.nn" in inside("help", "differences").out
    assert "--resume" in inside("help", "train").out
    done = inside("help", "CR1O1")
    assert (done.code, done.out) == (2, "")
    assert "chainrule help lists the codes" in done.err
    assert "did you mean gradcheck?" in inside("help", "gradchek").err


def test_errors_say_so():
    with pytest.raises(cr.errors.ShapeError) as caught:
        cr.ones(2) + cr.ones(3)
    assert caught.value.__notes__[-1] == "  CR101: chainrule help CR101 says more"
    with pytest.raises(AttributeError, match="chainrule help differences lists what does"):
        cr.no_such_name  # noqa: B018


@pytest.mark.skipif(not (ROOT / "src").is_dir(), reason="no checkout: the wheel has its copies")
def test_a_wheel_has_the_pages():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    copied = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert copied == {f"docs/{n}.md": f"chainrule/pages/{n}.md" for n in ("errors", "differences")}


def test_a_wheel_reads_its_copies(monkeypatch, tmp_path):
    (tmp_path / "errors.md").write_text("# Errors\n\n## CR101 ShapeError\n\nA [b](c.md) **d**.\n")
    monkeypatch.setattr(pages, "_FOLDERS", (tmp_path, tmp_path / "nowhere"))
    assert pages.sections() == {"CR101": ("ShapeError", "A b d.")}
