"""What SummaryWriter and the flight recorder write, as the real TensorBoard server reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.inspect import FlightRecorder, gradient_through_time
from chainrule.utils.tensorboard import SummaryWriter

pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
pytest.importorskip("tensorboard", reason="TensorBoard itself is for development, not installed")

PATIENCE = 60.0


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.out = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 12))

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0])


def fly(folder):
    """A short training under a recorder, written to `folder`."""
    cr.manual_seed(0)
    model = Tagger()
    opt = optim.SGD(model.parameters(), lr=1e-7)
    recorder = FlightRecorder(model, opt, every=4)
    x = cr.tensor(np.random.default_rng(0).integers(0, 12, (4, 6)))
    for _ in range(24):
        loss = F.cross_entropy(model(x).flatten(0, 1), x.flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        recorder.record(loss)
    with SummaryWriter(folder / "first") as writer:
        recorder.write(writer)
        writer.add_graph(model, x)
        gradient_through_time(lambda x: model(x).square().mean(), x).write(writer, 24)
        writer.add_text("note", "*some* words")
    return recorder, model


class Server:
    """TensorBoard on a free port."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--host", "127.0.0.1", "--reload_interval", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines, self.address = [], None
        self.started = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"TensorBoard \S+ at (http://\S+)", line)
            if found:
                self.address = found[1].rstrip("/")
                self.started.set()
        self.started.set()

    def get(self, path, **query):
        """JSON from the server."""
        url = f"{self.address}/data/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310
            return answer.read().decode()

    def wait_for(self, path, ready):
        """Ask until the answer is as wanted: the server reads the files in its own time."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                found = json.loads(self.get(path))
            except urllib.error.URLError:
                found = {}
            if ready(found):
                return found
            assert time.monotonic() < until, (path, found, self.lines[-5:])
            time.sleep(0.2)


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    recorder, model = fly(folder)
    server = Server(folder)
    try:
        assert server.started.wait(PATIENCE), server.lines
        assert server.address is not None, server.lines
        yield server, recorder, model
    finally:
        server.process.kill()
        server.process.wait()


def test_scalars(flight):
    server, recorder, _ = flight
    tags = server.wait_for("plugin/scalars/tags", lambda t: "loss/training" in t.get("first", {}))
    names = set(tags["first"])
    assert {
        "loss/training", "gradient_norm/all", "gradient_norm/lstm", "update_to_weight/out.2",
        "learning_rate", "dead_units/out.1_relu", "saturated_values/lstm_l0_forget_gate",
        "memory_in_tokens/lstm_l0_c", "decay_through_time/lstm_l0_h",
    } <= names  # fmt: skip
    points = json.loads(server.get("plugin/scalars/scalars", run="first", tag="gradient_norm/all"))
    looks = recorder.history.looks
    assert [(step, value) for _, step, value in points] == [
        (look.step, pytest.approx(look.norm, rel=1e-6)) for look in looks
    ]


def test_histograms(flight):
    server, recorder, model = flight
    tags = server.wait_for(
        "plugin/histograms/tags", lambda t: "gradients/out.0.weight" in t.get("first", {})
    )
    assert "weights/lstm.weight_hh_l0" in tags["first"]
    shown = server.get("plugin/histograms/histograms", run="first", tag="weights/out.0.weight")
    _, step, bars = json.loads(shown)[-1]
    assert step == recorder.history.looks[-1].step
    assert sum(count for _, _, count in bars) == pytest.approx(model.out[0].weight.numel())
    assert bars[0][0] < 0 < bars[-1][1]


def test_texts(flight):
    server, *_ = flight
    tags = server.wait_for("plugin/text/tags", lambda t: len(t.get("first", ())) > 1)
    (verdicts,) = (tag for tag in tags["first"] if tag.startswith("verdicts"))
    (shown,) = json.loads(server.get("plugin/text/text", run="first", tag=verdicts))
    assert "<strong>learning rate too small</strong>" in shown["text"]


def test_graph(flight):
    server, *_ = flight
    server.wait_for("plugin/graphs/info", lambda t: "first" in t)
    text = server.get("plugin/graphs/graph", run="first", conceptual="false")
    names = set(re.findall(r'name: "([^"]+)"', text))
    assert {"Tagger/embed/weight", "Tagger/lstm/scan", "Tagger/out/1/relu", "input/0"} <= names
    assert any(name.startswith("Tagger/lstm/scan_body/") for name in names)
    inputs = {name.partition(":")[0] for name in re.findall(r'input: "([^"]+)"', text)}
    assert inputs <= names
