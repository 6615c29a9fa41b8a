"""`chainrule run`: a script's arguments, exit code, traceback and interruption are its own."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.structure.package import run_python

SCRIPT = """
import sys
import torch
import torch.nn as nn, torch.nn.functional as F
from torch.nn import functional as F2

def main():
    print(torch.__version__, __name__, *sys.argv)
    assert F is F2 and torch.nn is nn
    if "exit" in sys.argv:
        sys.exit(7)
    if "shapes" in sys.argv:
        nn.Linear(3, 2)(torch.ones(1, 4))
    if "missing" in sys.argv:
        torch.rellu(torch.ones(1))

main()
"""
PENDING = "import torch, time\nprint('ready', flush=True)\n"


@pytest.fixture
def script(tmp_path):
    (tmp_path / "prog.py").write_text(SCRIPT)
    return "prog.py"


def test_the_script_gets_its_arguments(chainrule, script):
    done = chainrule("run", script, "--help", "-m", "x")
    assert done.code == 0, done.err
    version, *rest = done.out.split()
    assert version.startswith("2.")
    assert "+chainrule" in version
    assert rest == ["__main__", script, "--help", "-m", "x"]


def test_a_module_runs_too(chainrule, script):
    done = chainrule("run", "-m", "prog", "a")
    assert done.code == 0, done.err
    name, path, *rest = done.out.split()[1:]
    assert (name, Path(path).name, rest) == ("__main__", script, ["a"])


def test_as_torch_is_the_same_command(script, tmp_path):
    out = run_python("-m", "chainrule.as_torch", script, "a", cwd=tmp_path)
    assert out.split()[1:] == ["__main__", script, "a"]


def test_exit_codes_are_the_scripts(chainrule, script):
    assert chainrule("run", script, "exit").code == 7


def test_a_traceback_ends_in_the_script(chainrule, script):
    done = chainrule("run", script, "shapes")
    assert done.code == 1
    lines = done.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    files = [line.split('"')[1] for line in lines if line.startswith("  File ")]
    assert files == [script, script]
    assert "nn.Linear(3, 2)(torch.ones(1, 4))" in done.err
    (said,) = [line for line in lines if "Error: " in line]
    assert said.startswith("chainrule.errors.ShapeError: ")
    assert "  in layer Linear" in lines
    whole = chainrule("run", script, "shapes", env={"CHAINRULE_TRACEBACK": "1"})
    assert "nn/linear.py" in whole.err.replace("\\", "/")


def test_what_is_missing_is_named_with_its_line(chainrule, script):
    done = chainrule("run", script, "missing")
    assert done.code == 1
    assert done.err.splitlines()[-2] == (
        "chainrule.errors.MissingError: torch.rellu does not exist here (prog.py:15); did you "
        "mean relu?; chainrule help differences lists what does"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "error: there is no script nowhere.py\n"),
        (["-m", "nowhere.at_all"], "error: there is no module nowhere.at_all\n"),
        ([], "Missing argument 'SCRIPT'"),
    ],
)
def test_nothing_to_run(inside, arguments, message):
    done = inside("run", *arguments)
    assert done.code == 2
    assert message in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="a console sends Ctrl-C differently there")
@pytest.mark.parametrize("waits", ["time.sleep(60)", "exec('time.sleep(60)')"])
def test_ctrl_c_ends_the_script(chainrule, tmp_path, waits):
    (tmp_path / "pending.py").write_text(PENDING + waits)
    with chainrule.start("run", "pending.py") as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "interrupted"


PROFILED = """
import sys, time
import torch

layer = torch.nn.Linear(3, 2)
step = torch.compile(layer) if "compiled" in sys.argv else layer
for _ in range(3):
    step(torch.ones(4, 3)).sum().backward()
print("done", flush=True)
if "fail" in sys.argv:
    raise ValueError("of the script")
if "wait" in sys.argv:
    time.sleep(60)
sys.exit(7)
"""


@pytest.fixture
def profiled(tmp_path):
    (tmp_path / "prof.py").write_text(PROFILED)
    return "prof.py"


@pytest.mark.parametrize("kind", ["plain", "compiled"])
def test_a_profile_leaves_output_and_exit_code(chainrule, profiled, tmp_path, kind):
    done = chainrule("run", "--profile", "--trace", "t.json", profiled, kind)
    assert (done.code, done.out) == (7, "done\n")
    assert "prof.py:8  step(torch.ones(4, 3)).sum().backward()" in done.err
    assert "Linear" in done.err
    assert "return callback" not in done.err  # a line of the command line's library
    assert "Profile of prof.py" in (tmp_path / "prof.profile.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]


def test_a_profile_of_a_script_that_fails(chainrule, profiled, tmp_path):
    done = chainrule("run", "--flame", "f.html", profiled, "fail")
    assert done.code == 1
    assert done.err.rstrip().endswith("ValueError: of the script")
    assert (tmp_path / "f.html").is_file()


def test_a_profile_that_cannot_be_written_is_refused_at_once(inside, script, tmp_path):
    done = inside("run", "--flame", "no/where.html", script)
    assert (done.code, done.out) == (2, "")
    assert "cannot be written to no/where.html: there is no folder no" in done.err
    done = inside("run", "--trace", str(tmp_path), script)
    assert "that is a folder" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="a console sends Ctrl-C differently there")
def test_ctrl_c_still_writes_the_profile(chainrule, profiled, tmp_path):
    with chainrule.start("run", "--profile", profiled, "wait") as process:
        assert process.stdout.readline() == "done\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.rstrip().endswith("interrupted")
    assert "wrote prof.profile.html" in err
    assert (tmp_path / "prof.profile.html").is_file()
