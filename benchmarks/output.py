"""What a benchmark gives out: progress on standard error, and its figures in a file.

    json_option(parser)
    result = keep(parser.parse_args().json, {"rows": rows})  # with the machine and the date

Standard library only.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine

Result = dict[str, Any]


def say(text: str) -> None:
    """Print progress on standard error, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def json_option(parser: argparse.ArgumentParser) -> None:
    """The option that names the file of figures."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures here")


def keep(file: Path | None, figures: Result) -> Result:
    """The figures with the machine they were measured on, written to the file if there is one."""
    result = {"machine": machine.describe(), **figures}
    if file is not None:
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result
