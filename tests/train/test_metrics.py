"""The diary of a run."""

import errno
import os

import pytest

from chainrule.base.errors import CheckpointError
from chainrule.train.metrics import Metrics, read_metrics


def test_lines_come_back(tmp_path):
    path = tmp_path / "m.jsonl"
    records = [{"step": 1, "loss": 0.1 + 0.2}, {"step": 1, "sample": "zwei\nlinien ß"}]
    with Metrics(path, keep=0) as metrics:
        for record in records:
            metrics.add(record)
            assert read_metrics(path)[-1] == record  # at once, not at the end
    assert read_metrics(path) == records


def test_resuming_keeps_what_belongs_to_the_save(tmp_path):
    path = tmp_path / "m.jsonl"
    with Metrics(path, keep=0) as metrics:
        for step in range(5):
            metrics.add({"step": step})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 5, "lo')  # a crash in the middle of a line
    assert len(read_metrics(path)) == 5
    with Metrics(path, keep=3) as metrics:
        metrics.add({"step": "again"})
    assert [record["step"] for record in read_metrics(path)] == [0, 1, 2, "again"]


class Full:
    """A file that takes a few bytes more and then refuses."""

    def __init__(self, file):
        self.file = file
        self.room = 7

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self.file.write(data[: self.room])
        self.room -= taken
        return taken

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_full_disk_leaves_no_half_line(tmp_path):
    path = tmp_path / "m.jsonl"
    with Metrics(path, keep=0) as metrics:
        metrics.add({"step": 1})
        metrics._file = Full(metrics._file)
        with pytest.raises(CheckpointError, match="the disk is full"):
            metrics.add({"step": 2, "loss": 1.25})
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n'
