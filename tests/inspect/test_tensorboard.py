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


def test_histograms_leave_out_what_is_not_finite(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    nan, inf = float("nan"), float("inf")
    with SummaryWriter(tmp_path) as writer:
        with pytest.warns(UserWarning, match="2 of 4 values of 'some' are NaN or infinite"):
            writer.add_histogram("some", cr.tensor([1.0, nan, inf, 3.0]), 1)
        with pytest.warns(UserWarning, match="3 of 3 values of 'none'.*is empty"):
            writer.add_histogram("none", cr.tensor([nan] * 3), 1)
        writer.add_histogram("huge", cr.tensor([1e30, -1e30]), 1)
        writer.add_histogram("whole", cr.arange(4), 1)
        with pytest.raises(TypeError, match=r"'grad'.*\n.*None before backward"):
            writer.add_histogram("grad", cr.nn.Linear(2, 2).weight.grad, 1)
    found = {tag: values[0][1].histo for tag, values in events(tmp_path).items()}
    assert "none" not in found
    assert (found["some"].num, found["some"].sum) == (2, 4)
    assert (found["huge"].num, found["whole"].sum) == (2, 6)
    assert found["huge"].max == pytest.approx(1e30)


def test_settings_may_be_anything(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    settings = {"lr": cr.tensor(0.5), "seed": None, "widths": (64, 32), "name": "first"}
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(settings, {"accuracy": 0.5}, {"name": ["first"]}, "run")
    (path,) = tmp_path.glob("run/*tfevents*")
    data = path.read_bytes()
    assert all(text in data for text in (b"None", b"(64, 32)", b"first"))


def test_pictures_points_and_curves_are_written(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    pytest.importorskip("PIL", reason="pictures need Pillow, which is not installed")
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("picture", cr.rand(3, 4, 5), 1)
        writer.add_image("weights", cr.rand(4, 5), 1, dataformats="HW")
        writer.add_images("pictures", cr.rand(2, 3, 4, 4), 1)
        writer.add_image_with_boxes("boxes", cr.rand(3, 9, 9), cr.tensor([[1, 1, 5, 5]]), 1)
        writer.add_pr_curve("pr", cr.tensor([0, 1, 1]), cr.tensor([0.1, 0.8, 0.9]), 1)
        writer.add_embedding(cr.eye(3), ["a", "b", "c"], cr.rand(3, 3, 2, 2), 7, "words")
        writer.add_mesh("points", cr.rand(1, 4, 3))
        writer.add_custom_scalars_multilinechart(["loss/train", "loss/test"])
        with pytest.raises(ArgumentError, match="metadata has 2 entries for 3 points"):
            writer.add_embedding(cr.eye(3), ["a", "b"])
        with pytest.raises(ArgumentError, match="3 tags, not 2"):
            writer.add_custom_scalars_marginchart(["a", "b"])
    found = events(tmp_path)
    assert {"picture", "weights", "pictures", "boxes", "pr"} <= set(found)
    picture = found["picture"][0][1].image
    assert (picture.height, picture.width, picture.colorspace) == (4, 5, 3)
    rows = (tmp_path / "00007" / "words" / "tensors.tsv").read_text().split("\n")
    assert rows[0].split("\t") == ["1.0", "0.0", "0.0"]
    assert "words" in (tmp_path / "projector_config.pbtxt").read_text()


def test_a_package_that_a_picture_needs_is_named(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with (
        SummaryWriter(tmp_path) as writer,
        pytest.raises(ImportError, match="add_figure needs matplotlib: pip install matplotlib"),
    ):
        writer.add_figure("figure", None)


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
