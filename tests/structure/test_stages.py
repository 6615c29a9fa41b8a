"""One list of stages: .ci/run has it; nox, the workflow and CONTRIBUTING.md use its names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.structure.package import ROOT, package

RUN = ROOT / ".ci" / "run"
TEXT = RUN.read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(RUN), *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


def stages() -> list[str]:
    return run("--list").stdout.split()


def stages_called_in(text: str) -> set[str]:
    """The names after `.ci/run` on its lines, without options and variables of a matrix."""
    calls = re.findall(r"\.ci/run((?: [a-z][a-z-]*)+)", text)
    return {name for call in calls for name in call.split()}


@needs_bash
def test_every_stage_is_defined_once_and_listed():
    defined = re.findall(r"^stage_(\w+)\(\)", TEXT, re.MULTILINE)
    assert sorted(name.replace("_", "-") for name in defined) == sorted(stages())


@needs_bash
def test_an_unknown_stage_is_refused_before_anything_runs():
    done = run("types", "speling")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no stage 'speling'; there are: job readme-tests" in done.stderr


@needs_bash
def test_the_workflow_runs_every_stage_and_no_other():
    matrix = re.search(r"stages:\n((?: +- [a-z -]+\n)+)", WORKFLOW)
    assert matrix is not None
    called = {*matrix[1].replace("- ", " ").split(), *stages_called_in(WORKFLOW)}
    assert called == {*stages()} - {"environment"}  # setup-python makes the runner's


@needs_bash
def test_nox_has_a_session_for_every_stage():
    nox = pytest.importorskip("nox", reason="nox is in the `dev` extra")
    del nox
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "-f", str(ROOT / "noxfile.py")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sessions = set(re.findall(r"^[*-] ([a-z-]+?)(?:-3\.\d+)? ->", done.stdout, re.MULTILINE))
    assert sessions == {*stages()} - {"environment"}


@needs_bash
def test_contributing_names_stages_that_exist():
    called = stages_called_in(CONTRIBUTING)
    assert {"lint", "types", "structure"} <= called <= {*stages()}


def test_the_workflow_has_every_supported_python_and_system():
    (pythons,) = re.findall(r"^ +python: \[(.*)\]$", WORKFLOW, re.MULTILINE)
    listed = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if ":: 3." in c]
    assert re.findall(r'"([\d.]+)"', pythons) == listed
    (systems,) = re.findall(r"^ +os: \[(.*)\]$", WORKFLOW, re.MULTILINE)
    kinds = {name.strip().rsplit("-", 1)[0] for name in systems.replace("-arm", "arm").split(",")}
    assert {"ubuntu", "macos", "windows"} <= kinds
    assert "ubuntu-24.04-arm" in systems


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", ".github/workflows/*.yml"),
        ("github-issue-forms", ".github/ISSUE_TEMPLATE/[0-9]*.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_what_github_reads_follows_its_schema(schema, pattern):
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is in the `dev` extra")
    files = [str(path) for path in ROOT.glob(pattern)]
    assert files
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_contributing_names_files_that_exist():
    named = re.findall(r"\b(?:tests|docs|examples|src)/[\w./-]*\w\b", CONTRIBUTING)
    named = [path for path in named if "NAME" not in path and "NNNN" not in path]
    assert len(named) > 30
    inside = "src/chainrule"  # wherever the package is installed
    places = [package() / p[len(inside) + 1 :] if p.startswith(inside) else ROOT / p for p in named]
    assert [str(place) for place in places if not place.exists()] == []


def test_links_of_the_pages_at_the_root_lead_somewhere():
    for page in ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md"):
        targets = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
        local = [target for target in targets if not target.startswith("https:")]
        assert [path for path in local if not (ROOT / path).exists()] == [], page
