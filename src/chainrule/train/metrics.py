"""The diary of a run: one JSON object a line, in `metrics.jsonl`.

    >>> with Metrics(path, keep=0) as metrics:
    ...     metrics.add({"step": 1, "loss": 4.2})

May import `base`, `train.runs` and the standard library.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from chainrule.formats.atomic import write_whole
from chainrule.train.runs import saving

if TYPE_CHECKING:
    from pathlib import Path


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a last one that a crash cut short is left out."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


class Metrics:
    """The records of a run, in memory and on disk; resuming forgets what came after the save."""

    def __init__(self, path: Path, keep: int) -> None:
        """Keep the first `keep` records of an earlier part of the run."""
        self.records = read_metrics(path)[:keep]
        self._path = path
        with saving(path):
            write_whole(path, "".join(map(_line, self.records)).encode())
            self._file = path.open("ab", buffering=0)
        self._end = self._file.tell()

    def add(self, record: dict[str, Any]) -> None:
        """Append a line; when the disk refuses, take back what it took of it."""
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
        """Use as a context: leaving it closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
