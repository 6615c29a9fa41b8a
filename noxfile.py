"""Sessions with the names of `.ci/run`'s stages, each in an environment of its own.

`nox --list` names them, `nox -s lint types` runs two, `nox -s tests-3.14` the tests on Python 3.14.
What a stage does stands in `.ci/run` only.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import nox

ROOT = Path(__file__).parent
RUN = ROOT / ".ci" / "run"
PYTHONS = nox.project.python_versions(nox.project.load_toml(ROOT / "pyproject.toml"))
ITSELF = "environment"  # what nox does for each session
BARE = {"job", "readme-tests"}  # README's commands make their own

nox.options.sessions = ["lint", "types", "structure"]


def _add(stage: str) -> None:
    """The session of one stage."""

    def run(session: nox.Session) -> None:
        if stage not in BARE:
            session.install("-e", ".[dev]")
        session.run("bash", str(RUN), stage, external=True)

    run.__doc__ = f"`.ci/run {stage}`"
    nox.session(run, name=stage, python=PYTHONS if stage == "tests" else None)


for _stage in subprocess.check_output(["bash", str(RUN), "--list"], text=True).split():
    if _stage != ITSELF:
        _add(_stage)
