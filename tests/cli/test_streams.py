"""Standard streams that are closed or lose their reader, a bad environment: one sentence each."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.structure.package import run_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")

COMMANDS = ["show --stage all", "explain 'x*x' --at x=2", "env", "--help", "generate"]


def shell(command, tmp_path):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m chainrule {command}"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_output(tmp_path, command):
    done = shell(f"{command} >&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: standard output is closed: there is nowhere to write\n"


@pytest.mark.parametrize("command", COMMANDS[:3])
def test_a_reader_that_reads_little(tmp_path, command):
    done = shell(f"{command} | head -c 1", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = shell(f"{command} >/dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: the system refused: No space left on device\n"


@pytest.mark.parametrize("command", ["explain 'x*x' --at x=2", "check 'x*x' --at x=2"])
def test_other_streams_may_be_closed(tmp_path, command):
    plain = shell(command, tmp_path)
    for closed in ("<&-", "2>&-", "<&- 2>&-"):
        done = shell(f"{command} {closed}", tmp_path)
        assert (done.returncode, done.stdout) == (0, plain.stdout)
    assert shell("generate >&- 2>&-", tmp_path).returncode == 2
    assert shell("generate 2>&-", tmp_path).returncode == 1


BAD = ["CHAINRULE_THREADS=0", "CHAINRULE_THREADS=" + "9" * 5000, "CHAINRULE_CHECK=maybe",
       "CHAINRULE_CACHE_DIR=~nobody_here/x", "CHAINRULE_DATA=~nobody_here/x",
       "CHAINRULE_TRACEBACK=huh", "CHAINRULE_NO_COMPILE=2", "CHAINRULE_RETRACE=x",
       "CHAINRULE_PLAN_MB=-1"]  # fmt: skip


@pytest.mark.parametrize("setting", BAD, ids=lambda text: text[:30])
def test_a_bad_environment(inside, monkeypatch, tmp_path, setting):
    from chainrule.base import settings

    name, _, value = setting.partition("=")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(settings, "_current", None)
    for command in ("env", "train", "show", "--help"):
        done = inside(command)
        assert done.code == 2
        assert done.err.startswith(f"error: {name}=")
        assert (done.err.count("\n"), len(done.err) < 200) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_bad_environment_of_a_program(tmp_path):
    code = "import chainrule as cr; cr.compile(lambda x: x + 1)(cr.ones(2))"
    done = run_program("-c", code, cwd=tmp_path, CHAINRULE_THREADS="x")
    assert done.returncode == 2
    assert done.stderr.startswith("error: CHAINRULE_THREADS='x': use an integer")
    assert done.stderr.count("\n") == 1
    done = run_program("-m", "chainrule", "env", cwd=tmp_path, CHAINRULE_TRACEBACK="x",
                       PYTHONWARNINGS="ignore", TERM=os.environ.get("TERM", ""))  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
