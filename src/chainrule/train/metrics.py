"""The log of a run: one JSON object a line, in `metrics.jsonl`.

    >>> with Metrics(path, keep=0) as metrics:
    ...     metrics.add({"step": 1, "loss": 4.2})

May import `base`, `train.job`, `train.runs` and the standard library.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import msgspec

from chainrule.base.errors import CheckpointError
from chainrule.formats.atomic import write_whole
from chainrule.train.job import Baseline, Scores
from chainrule.train.runs import reading, saving

_SCORE = "held_out"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of all whole lines, without a last one that a crash cut short.

    Lines end with line feeds only: a sample may contain U+2028. A whole line that is no record
    raises `CheckpointError` with its number.
    """
    lines = _lines(path)
    if None in lines:
        raise CheckpointError(f"line {lines.index(None) + 1} of {str(path)!r} is not a record")
    return [line for line in lines if line is not None]


def _lines(path: Path) -> list[dict[str, Any] | None]:
    """The record of each whole line, None for a damaged one."""
    if not path.is_file():
        return []
    with reading(path):
        *lines, _cut_short = path.read_bytes().split(b"\n")
    return [_parsed(line) for line in lines]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_record(found) else None


def _is_record(found: dict[str, Any]) -> bool:
    """Whether the entries that are read again have the right types."""
    numbers = [
        v for name, v in found.items() if name in {"loss", "norm"} or name.startswith(_SCORE)
    ]
    return (
        "step" in found
        and all(isinstance(number, int | float) for number in numbers)
        and ("baseline" not in found or baseline_of(found) is not None)
    )


def held_out_record(scores: Scores) -> dict[str, float]:
    """The entries of held-out scores: "held_out" is the loss, "held_out_accuracy" the accuracy."""
    return {_SCORE if k == "loss" else f"{_SCORE}_{k}": value for k, value in scores.items()}


def baseline_record(baseline: Baseline) -> dict[str, Any]:
    """The entry of a baseline."""
    return {"baseline": asdict(baseline)}


def baseline_of(record: Mapping[str, Any]) -> Baseline | None:
    """The baseline of a record, None if it has none."""
    try:
        return msgspec.convert(record["baseline"], Baseline)
    except (KeyError, msgspec.ValidationError):
        return None


class Metrics:
    """The records of a run in memory and on disk; resuming drops those after the save."""

    def __init__(self, path: Path, keep: int) -> None:
        """Keep the first `keep` records of an earlier part of the run.

        A file with damaged records is kept beside the new one as `….damaged`, a second one as
        `….damaged-2`.
        """
        earlier = _lines(path)[:keep]
        self.records = [record for record in earlier if record is not None]
        self._path = path
        with saving(path):
            if len(self.records) < len(earlier):
                path.replace(_free_name(path))
            self._begin()

    def _begin(self) -> None:
        """Write all records, and open the file to append more."""
        write_whole(self._path, "".join(map(_line, self.records)).encode())
        self._file = self._path.open("ab", buffering=0)
        self._end = self._file.tell()

    def flush(self) -> None:
        """Sync the records to the disk, also if the file was removed meanwhile."""
        with saving(self._path):
            if self._path.is_file() and os.path.samestat(
                self._path.stat(), os.fstat(self._file.fileno())
            ):
                os.fsync(self._file.fileno())
            else:
                self._file.close()
                self._begin()

    def add(self, record: dict[str, Any]) -> None:
        """Append a line; if the disk refuses, remove the written part."""
        self.records.append(record)
        data = _line(record).encode()
        with saving(self._path):
            try:
                written = 0
                while written < len(data):
                    written += self._file.write(data[written:])
            except OSError:
                self._file.truncate(self._end)
                raise
        self._end += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _free_name(path: Path) -> Path:
    """A free name for a damaged file."""
    first = path.with_name(f"{path.name}.damaged")
    later = (path.with_name(f"{first.name}-{n}") for n in itertools.count(2))
    return next(each for each in itertools.chain([first], later) if not each.exists())


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
