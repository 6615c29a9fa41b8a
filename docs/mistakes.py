"""Writes what each program of docs/mistakes.md prints below it: `python docs/mistakes.py`.

The README shows the first of them.

A `py` block is run as train.py, a `console` block as its command; the `text` block behind it, or
the rest of the console block, is what the user sees. Caret lines are left out: they differ between
versions of Python. `tests/structure/test_mistakes.py` compares.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import re
import shlex
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

PAGE = Path(__file__).with_name("mistakes.md")
README = Path(__file__).parents[1] / "README.md"
FILE = "train.py"
_SECTION = re.compile(r"^### ", re.MULTILINE)
_PROGRAM = re.compile(r"```py\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"```console\n\$ ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CARETS = re.compile(r"^ *[~^]+ *\n", re.MULTILINE)


class Mistake(NamedTuple):
    """A section of the page: a program or a command, and what it prints."""

    title: str
    program: str
    command: str
    shown: str


def mistakes(text: str) -> list[Mistake]:
    """The sections of the page."""
    found = []
    for section in _SECTION.split(text)[1:]:
        title = section.partition("\n")[0]
        if match := _PROGRAM.search(section):
            found.append(Mistake(title, match[1], "", match[2]))
        elif match := _COMMAND.search(section):
            found.append(Mistake(title, "", match[1], match[2]))
        else:
            raise ValueError(f"{title}: no program and no command")
    return found


def prints(mistake: Mistake) -> str:
    """What the user sees."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out):
        if mistake.command:
            _run_command(mistake.command)
        else:
            _run_program(mistake.program)
    return without_carets(out.getvalue())


def without_carets(text: str) -> str:
    """The text without lines that only point at something."""
    return _CARETS.sub("", text)


def _run_program(program: str) -> None:
    linecache.cache[FILE] = (len(program), None, program.splitlines(keepends=True), FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _warn
            exec(compile(program, FILE, "exec"), {"__name__": "__main__"})  # noqa: S102 - the page
    except Exception as error:  # noqa: BLE001 - as an interpreter does
        error.__traceback__ = error.__traceback__.tb_next  # without this function
        _hook()(type(error), error, error.__traceback__)
    finally:
        del linecache.cache[FILE]


def _warn(*given: Any) -> None:
    sys.stderr.write(warnings.formatwarning(*given[:4]))


def _hook() -> object:
    """The hook that the package sets, in front of one that prints as Python does."""
    from chainrule.base.frames import install

    def show(kind: object, error: BaseException, trace: object) -> None:
        del kind, trace
        traceback.print_exception(error)

    with mock.patch.object(sys, "excepthook", show):
        install()
        return sys.excepthook


def _run_command(command: str) -> None:
    from chainrule.cli import main

    with contextlib.suppress(SystemExit):
        main(shlex.split(command)[1:])


def written(text: str) -> str:
    """The page with what its programs print now."""
    for mistake in mistakes(text):
        source = mistake.program + "```\n\n```text\n" if mistake.program else mistake.command + "\n"
        text = text.replace(f"{source}{mistake.shown}```", f"{source}{prints(mistake)}```", 1)
    return text


def shown_in(readme: str, first: Mistake) -> str:
    """The README with what the first program of the page prints."""
    before, command, rest = readme.partition(f"$ python {FILE}\n")
    return before + command + first.shown + rest[rest.index("```") :]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    first = mistakes(PAGE.read_text(encoding="utf-8"))[0]
    README.write_text(shown_in(README.read_text(encoding="utf-8"), first), encoding="utf-8")
