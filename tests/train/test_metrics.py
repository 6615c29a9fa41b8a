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


def test_only_a_line_feed_ends_a_line(tmp_path):
    path = tmp_path / "m.jsonl"
    records = [{"step": i, "sample": f"a{c}b"} for i, c in enumerate("\u2028\u2029\x85\x0b\x1c\r")]
    with Metrics(path, keep=0) as metrics:
        for record in records:
            metrics.add(record)
    with Metrics(path, keep=len(records)) as metrics:
        assert metrics.records == records
    assert read_metrics(path) == records


@pytest.mark.parametrize("damage", [b"\0\0", b"[1]", b'{"loss": 1}', b'{"step": 1, "loss": "x"}',
                                    b"\xff", b"[" * 100_000])  # fmt: skip
def test_a_damaged_line_costs_no_other(tmp_path, damage):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step": 1}\n' + damage + b'\n{"step": 2}\n')
    with pytest.raises(CheckpointError, match=r"line 2 of .*m\.jsonl' is not a record"):
        read_metrics(path)
    before = path.read_bytes()
    with Metrics(path, keep=3) as metrics:
        metrics.add({"step": 3})
    assert [record["step"] for record in read_metrics(path)] == [1, 2, 3]
    assert (tmp_path / "m.jsonl.damaged").read_bytes() == before
    path.write_bytes(b"again\n")
    with Metrics(path, keep=1):
        pass
    assert (tmp_path / "m.jsonl.damaged").read_bytes() == before
    assert (tmp_path / "m.jsonl.damaged-2").read_bytes() == b"again\n"


def test_a_file_that_was_removed_is_written_again(tmp_path):
    path = tmp_path / "m.jsonl"
    with Metrics(path, keep=0) as metrics:
        metrics.add({"step": 1})
        path.unlink()
        metrics.add({"step": 2})
        metrics.flush()
        metrics.add({"step": 3})
    assert [record["step"] for record in read_metrics(path)] == [1, 2, 3]


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
