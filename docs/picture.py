"""Takes the picture of the training screen that README.md and the docs show.

    python docs/picture.py                      # docs/_static/train.svg, from a whole run
    python docs/picture.py --steps 200          # a shorter run

Runs the real `chainrule train` in a terminal of its own (a pseudo-terminal whose screen `pyte`
keeps), then prints that screen through rich into an SVG. Needs the `docs` extra and a POSIX system.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, ROWS = 100, 44
_ANSI_NAMES = {"brown": "yellow", "default": None}


def run_in_terminal(command: list[str], folder: str) -> pyte.Screen:
    """The screen as the command leaves it."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, close_fds=True
    )
    os.close(theirs)
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end has closed
            break
        if not data:
            break
        stream.feed(data)
    os.close(ours)
    if child.wait():
        raise SystemExit(f"{' '.join(command)} failed:\n" + "\n".join(screen.display))
    return screen


def colour(name: str) -> str | None:
    """Rich's name of a pyte colour."""
    if name in _ANSI_NAMES:
        return _ANSI_NAMES[name]
    if name.startswith("bright"):
        return f"bright_{_ANSI_NAMES.get(name[6:], name[6:])}"
    return f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else name


def styled(char: Char) -> Style:
    """The character's colours and weight."""
    return Style(
        color=colour(char.fg), bgcolor=colour(char.bg), bold=char.bold, italic=char.italics
    )


def as_text(screen: pyte.Screen) -> Text:
    """The screen as rich text, without empty lines at its ends."""
    lines = []
    for row in range(screen.lines):
        line = Text()
        for column in range(screen.columns):
            char = screen.buffer[row][column]
            line.append(char.data, styled(char))
        line.rstrip()
        lines.append(line)
    while lines and not lines[0].plain:
        lines.pop(0)
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def main() -> None:
    """Run, take the picture, write it."""
    parser = argparse.ArgumentParser(prog="python docs/picture.py")
    parser.add_argument("--steps", type=int, help="a shorter run than the default")
    parser.add_argument(
        "--to", type=Path, default=Path(__file__).parent / "_static" / "train.svg", metavar="FILE"
    )
    options = parser.parse_args()
    program = [sys.executable, "-m", "chainrule", "train"]
    if options.steps:
        program += ["--steps", str(options.steps)]
    with tempfile.TemporaryDirectory() as folder:
        screen = run_in_terminal(program, folder)
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    console.print(as_text(screen), soft_wrap=True)
    svg = console.export_svg(title="chainrule train")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no network for a picture
    options.to.write_text(svg + "\n", encoding="utf-8")
    print(f"{options.to}: {len(svg) // 1024} KB")


if __name__ == "__main__":
    main()
