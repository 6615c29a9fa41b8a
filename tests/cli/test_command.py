"""`chainrule` itself: help, version, environment, errors."""

import re

import pytest

from chainrule.base.errors import ConfigError, DataError
from chainrule.cli import command


def test_version(chainrule):
    done = chainrule("--version")
    assert done.code == 0
    name, version = done.out.split()
    assert name == "chainrule"
    assert version[0].isdigit()


def test_help_teaches(inside):
    assert "chainrule train --data FILE" in inside("--help").out
    assert not re.search(r"[\w,]\.\.\.$", inside("--help").out, re.MULTILINE)  # a summary cut off
    page = inside("train", "--help").out
    assert "chainrule train --resume last" in page
    assert "learning_rate=0.002" in page
    assert "--top-k 10" in inside("generate", "-h").out


def test_environment(inside):
    done = inside("env")
    assert done.code == 0
    assert {"chainrule", "python", "numpy", "llvmlite", "cpu", "cache"} <= {
        line.split()[0] for line in done.out.splitlines()
    }


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("no such key"), 2, "error: no such key\n"),
        (DataError("no text"), 1, "error: no text\n"),
        (MemoryError(), 1, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_exit_codes(monkeypatch, capsys, error, code, text):
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(command.group, "main", fail)
    with pytest.raises(SystemExit) as ended:
        command.main([])
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(text)


def test_the_traceback_can_be_asked_for(chainrule):
    done = chainrule("train", "--data", "nowhere", env={"CHAINRULE_TRACEBACK": "1"})
    assert "Traceback" in done.err
    assert "there is no file" in done.err


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("eval", "did you mean chainrule evaluate?"),
        ("finetune", "did you mean chainrule train --from?"),
        ("trian", "did you mean chainrule train?"),
        ("xyz", "chainrule --help lists them"),
    ],
)
def test_an_unknown_command_is_answered_with_the_likely_one(inside, word, hint):
    done = inside(word, "last")
    assert done.code == 2
    assert hint in " ".join(done.err.split())
