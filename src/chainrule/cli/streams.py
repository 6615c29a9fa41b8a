"""Standard streams that are closed, full, or lose their reader.

    with suppress_lost_output():
        click.echo("error: …", err=True)

A program may be started without any of them (`chainrule train >&-`), and the reader of a pipe may
exit at any moment (`| head -1`). May import the standard library only.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path


def open_missing() -> bool:
    """Replace closed streams by the null device; returns whether output can be written.

    Otherwise a file opened later would get the descriptor of standard output, and the printed text.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            mode = os.O_RDONLY if number == 0 else os.O_WRONLY
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    written = sys.stdout is not None
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - stays
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # the terminal may lack characters of a sample
    return written


def abandon_output() -> None:
    """Discard the buffered output: Python would report its failure again at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def tell(sentence: str) -> None:
    """Print a line on standard error, if it is open."""
    with contextlib.suppress(OSError, ValueError):
        print(sentence, file=sys.stderr, flush=True)
