"""SummaryWriter: what stands in the event files."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.utils.tensorboard import SummaryWriter


def events(folder):
    """Every value in the event files below `folder`, by tag."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.rglob("*tfevents*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length  # length and record are each followed by a checksum
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
    return found


def test_a_run_is_written(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", cr.tensor(2.0, requires_grad=True) / (1 + step), step)
        writer.add_scalars("both", {"train": cr.tensor([1.5]), "test": np.float32(2.5)}, 1)
        writer.add_histogram("weights", cr.arange(10.0), 2)
        writer.add_text("note", "words", 0)
        writer.add_hparams({"lr": 0.1, "layers": 3}, {"accuracy": cr.tensor(0.75)}, "final")
        writer.flush()
    found = events(tmp_path)
    losses = [(step, value.simple_value) for step, value in found["loss"]]
    assert losses == [(i, pytest.approx(2 / (1 + i))) for i in range(3)]
    histogram = found["weights"][0][1].histo
    assert (histogram.num, histogram.sum, histogram.max) == (10, 45, 9)
    assert {value.simple_value for tag in found for _, value in found[tag]} >= {1.5, 2.5, 0.75}
    assert any("note" in tag for tag in found)
    assert writer.log_dir == str(tmp_path)
    with pytest.raises(ArgumentError, match="add_graph needs input_to_model="):
        writer.add_graph(cr.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="size 1"):
        writer.add_scalar("loss", cr.ones(2))


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'chainrule\[tensorboard\]'"):
        SummaryWriter()


def test_a_graph_is_printed_and_written(tmp_path, capsys):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    model = cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.ReLU(), cr.nn.Linear(4, 2))
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, cr.ones(5, 3), verbose=True)
    printed = capsys.readouterr().out
    assert "Sequential/1/relu = relu(" in printed
    assert "output/0 = Output(Sequential/2/" in printed
    (path,) = tmp_path.glob("*tfevents*")
    assert b"Sequential/0/weight" in path.read_bytes()
    for name, value in model.state_dict().items():
        assert np.array_equal(before[name], value.numpy())
