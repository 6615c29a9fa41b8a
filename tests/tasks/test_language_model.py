"""The main job: events, files, stopping, going on bit for bit, and refusing."""

import errno
import json
import os
import signal
import struct
import sys
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.base.errors import CheckpointError, ConfigError, DataError, NonFiniteError
from chainrule.formats import atomic
from chainrule.formats.safetensors import read_state
from chainrule.models.generation import Sampling
from chainrule.tasks.language_model import continue_text
from chainrule.tasks.run import open_model, train_on
from chainrule.text import texts
from chainrule.train.events import (
    Began,
    Compared,
    Evaluated,
    Examined,
    Finished,
    Judged,
    Sampled,
    Saved,
    Stepped,
    Stopped,
)
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics
from chainrule.train.runs import find_run


def steps_of(events, kind):
    return [event.step for event in events if isinstance(event, kind)]


def same_run(one, other):
    """Equal losses, parameters, optimiser, random state: only the clock may differ."""
    for name in ("model.safetensors", "state.safetensors"):
        left, right = read_state(one / name).arrays, read_state(other / name).arrays
        assert left.keys() == right.keys()
        for key in left:
            assert left[key].tobytes() == right[key].tobytes(), (name, key)
    assert read_metrics(one / "metrics.jsonl") == read_metrics(other / "metrics.jsonl")
    notes = [read_state(folder / "state.safetensors").metadata for folder in (one, other)]
    assert notes[0]["batches"] == notes[1]["batches"]


def test_what_happens_when(start):
    events = list(start())
    assert isinstance(events[0], Began)
    assert steps_of(events, Stepped) == list(range(1, 21))
    assert steps_of(events, Evaluated) == [4, 8, 12, 16, 20]
    assert steps_of(events, Examined) == [5, 10, 15, 20]
    assert steps_of(events, Sampled) == [0, 2, 10, 20]
    assert steps_of(events, Saved) == [6, 12, 18, 20]
    assert [e.baseline.key for e in events if isinstance(e, Compared)] == [
        "five_gram",
        "kneser_ney",
    ]
    assert isinstance(events[-1], Finished)


def test_what_is_left(start, tmp_path):
    *_, finished = start()
    folder = finished.folder
    assert sorted(entry.name for entry in folder.iterdir()) == [
        ".lock", "config.toml", "metrics.jsonl", "model.safetensors", "report.html", "result.json",
        "state.safetensors",
    ]  # fmt: skip
    assert find_run("last", tmp_path / "runs").resolve() == folder.resolve()
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result == finished.result
    assert result["steps"] == 20
    assert result["held_out_loss"] == read_metrics(folder / "metrics.jsonl")[-2]["held_out"]
    assert tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))["steps"] == 20
    assert "<svg" in (folder / "report.html").read_text(encoding="utf-8")


def test_it_learns(start):
    events = list(start(steps=60, learning_rate=0.02))
    losses = [event.loss for event in events if isinstance(event, Stepped)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.5


def test_llama_learns_and_writes(start):
    changes = {"model": "llama", "kv_heads": 1, "width": 16, "heads": 2, "learning_rate": 0.03}
    *_, finished = start(steps=150, **changes)
    assert finished.result["model"] == "llama"
    assert finished.result["held_out_loss"] < 1.5
    text = "".join(continue_text(finished.folder, "the ", 20, Sampling(0.0), 0))
    assert len(text) == 20
    for wrong, message in (
        ({"heads": 16}, "pairs of numbers"), ({"kv_heads": 3}, "heads=2 is not a multiple of"),
        ({"width": 17}, "width=17 is not a multiple of heads=2"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            start(**changes | wrong)


def test_too_few_subwords_are_called_by_the_name_of_the_setting(start):
    with pytest.raises(ConfigError, match="pieces=255 is too small for --tokens bpe"):
        start(tokens="bpe", pieces=255)


def test_the_seed_decides(start):
    def losses(**changes):
        return [e.loss for e in start(**changes) if isinstance(e, Stepped)]

    assert losses(seed=1) == losses(seed=1) != losses(seed=2)


def test_looking_changes_nothing(start):
    *_, watched = start()
    *_, blind = start(evaluate_every=0, save_every=0, health_every=0, sample_length=0)
    paths = [event.folder / "model.safetensors" for event in (watched, blind)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


class StopAfter(Interrupts):
    """As if a signal came when this event had been seen."""

    def __init__(self, kind, step):
        super().__init__()
        self.when = (kind, step)

    def watch(self, events):
        for event in events:
            yield event
            if (type(event), event.step if hasattr(event, "step") else None) == self.when:
                self.signal = signal.SIGTERM


@pytest.mark.parametrize(
    ("kind", "step"),
    [(Began, 0), (Sampled, 0), (Stepped, 1), (Stepped, 4), (Evaluated, 4), (Stepped, 10),
     (Examined, 10), (Sampled, 10), (Saved, 12), (Stepped, 19)],
)  # fmt: skip
def test_a_stopped_run_goes_on_bit_for_bit(start, kind, step):
    *_, whole = start(root="whole")
    interrupts = StopAfter(kind, step)
    events = list(interrupts.watch(start(interrupts, root="parts")))
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.signal == signal.SIGTERM
    assert stopped.step == step
    rest = list(train_on(stopped.folder, None, Interrupts()))
    assert steps_of(rest, Stepped) == list(range(step + 1, 21))
    assert rest[-1].folder == stopped.folder
    same_run(whole.folder, stopped.folder)


def test_a_compiled_run_goes_on_bit_for_bit_with_any_number_of_threads(start):
    *_, whole = start(root="whole", eager=False, threads=1)
    interrupts = StopAfter(Stepped, 11)
    *_, stopped = interrupts.watch(start(interrupts, root="parts", eager=False, threads=2))
    list(train_on(stopped.folder, None, Interrupts()))
    same_run(whole.folder, stopped.folder)


def test_compiled_and_eager_learn_the_same(start):
    def losses(**changes):
        events = start(dropout=0.0, **changes)
        return [e.loss for e in events if isinstance(e, Stepped | Evaluated)]

    assert losses(eager=False) == pytest.approx(losses(eager=True), rel=1e-4)


def test_a_run_that_died_goes_on_from_its_last_save(start):
    *_, whole = start(root="whole")
    events = start(root="parts")
    for event in events:
        if isinstance(event, Stepped) and event.step == 15:
            break
    folder = next((whole.folder.parent.parent / "parts").glob("0*"))
    del events  # no farewell: nothing is saved after step 12
    rest = list(train_on(folder, None, Interrupts()))
    assert steps_of(rest, Stepped)[0] == 13
    same_run(whole.folder, folder)


def test_what_was_due_when_the_signal_came_is_done_later(start):
    *_, whole = start(root="whole")
    interrupts = StopAfter(Stepped, 8)
    stopped = list(interrupts.watch(start(interrupts, root="parts")))
    assert steps_of(stopped, Evaluated) == [4]
    rest = list(train_on(stopped[-1].folder, None, Interrupts()))
    assert steps_of(rest, Evaluated) == [8, 12, 16, 20]
    same_run(whole.folder, stopped[-1].folder)


def test_a_finished_run_can_be_prolonged(start):
    *_, finished = start()
    with pytest.raises(ConfigError, match="has done all its 20 steps"):
        list(train_on(finished.folder, None, Interrupts()))
    with pytest.raises(ConfigError, match="has done 20 steps already, not only 12"):
        list(train_on(finished.folder, 12, Interrupts()))
    rest = list(train_on(finished.folder, 24, Interrupts()))
    assert steps_of(rest, Stepped) == [21, 22, 23, 24]
    assert rest[-1].result["steps"] == 24
    config = (finished.folder / "config.toml").read_text(encoding="utf-8")
    assert tomllib.loads(config)["steps"] == 24


def test_another_text_is_not_the_same_run(start, book):
    for event in start():
        if isinstance(event, Saved):
            break
    book.write_text(book.read_text(encoding="utf-8").replace("fox", "cat"), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"the data of .* has changed"):
        list(train_on(event.folder, None, Interrupts()))


@pytest.mark.parametrize("eager", [False, True])
def test_a_divergence_is_explained_and_changes_nothing(start, eager):
    events = start(learning_rate=1e30, clip=1e30, warmup=1, save_every=1, eager=eager)
    saved = next(event for event in events if isinstance(event, Saved))
    before = (saved.folder / "state.safetensors").read_bytes()
    with pytest.raises(NonFiniteError, match="diverged; lower learning_rate") as caught:
        list(events)
    report = caught.value.report
    assert (report.kind, report.phase) == ("overflow", "forward")
    assert report.layer
    assert (saved.folder / "state.safetensors").read_bytes() == before
    arrays = read_state(saved.folder / "model.safetensors").arrays
    assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize("model", ["gpt", "lstm"])
def test_a_text_larger_than_memory_is_learnt_as_one_in_memory(
    start, book, tmp_path, monkeypatch, model
):
    list(start(root="memory", data=[str(book), str(book)], model=model))
    monkeypatch.setattr(texts, "LARGE", 0)
    list(start(root="files", data=[str(book), str(book)], model=model))
    same_run(tmp_path / "memory" / "001", tmp_path / "files" / "001")
    results = [
        json.loads((tmp_path / root / "001" / "result.json").read_text())
        for root in ("memory", "files")
    ]
    figures = [(found["held_out_loss"], found["five_gram_loss"]) for found in results]
    assert figures[0] == figures[1]


def test_bad_text_leaves_nothing(start, book, tmp_path):
    book.write_text("short", encoding="utf-8")
    with pytest.raises(DataError, match="too short: 5 characters"):
        list(start())
    assert not (tmp_path / "runs").exists()


def refusing(code, allowed):
    """`os.replace` of a disk that takes `allowed` more files."""
    real = os.replace
    left = [allowed]

    def replace(*args):
        if not left[0]:
            raise OSError(code, os.strerror(code))
        left[0] -= 1
        real(*args)

    return replace


def test_a_full_disk_at_the_start_leaves_nothing(start, tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.os, "replace", refusing(errno.ENOSPC, 0))
    with pytest.raises(CheckpointError, match="the disk is full"):
        list(start())
    assert not list((tmp_path / "runs").iterdir())


def test_too_little_room_is_seen_before_training(start, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=9))
    with pytest.raises(CheckpointError, match=r"the disk of .* is full"):
        list(start())
    assert not list((tmp_path / "runs").iterdir())


def test_a_disk_that_fills_up_keeps_the_last_save(start, tmp_path, monkeypatch):
    *_, whole = start(root="whole")
    with monkeypatch.context() as patch:
        # config, mark, diary, then state + model + report of step 6, and the state of step 12
        patch.setattr(atomic.os, "replace", refusing(errno.ENOSPC, 7))
        with pytest.raises(CheckpointError, match=r"model.safetensors.*: the disk is full"):
            list(start(root="parts"))
    folder = find_run("last", tmp_path / "parts").resolve()
    assert [path.name for path in folder.glob(".*")] == [".lock"]
    list(train_on(folder, None, Interrupts()))
    same_run(whole.folder, folder)


def test_generating(start):
    *_, finished = start()

    def write(**changes):
        options = {"length": 30, "sampling": Sampling(0.8), "seed": 1} | changes
        return "".join(continue_text(finished.folder, "the ", **options))

    assert len(write()) == 30
    assert write() == write() != write(seed=2)
    assert write(sampling=Sampling(0.0), seed=1) == write(sampling=Sampling(0.0), seed=2)
    with pytest.raises(DataError, match="has no 'Ω'"):
        continue_text(finished.folder, "Ω", 5, Sampling(), 0)


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_tokens_of_other_kinds(start, kind):
    if kind == "bpe":
        pytest.importorskip("tokenizers", reason="tokenizers is an extra, and not installed")
    events = list(start(tokens=kind, pieces=290, context=4, steps=80, learning_rate=0.03, width=16))
    samples = "".join(event.text for event in events if isinstance(event, Sampled))
    assert not set(samples) & {chr(code) for code in range(32) if chr(code) not in "\n\t"}
    result = events[-1].result
    assert result["vocabulary"] <= 290
    assert result["held_out_loss_per_character"] < result["held_out_loss"] / 2
    assert "five_gram_loss" in result
    text = "".join(continue_text(events[-1].folder, "the quick", 9, Sampling(0.0), 0))
    assert text.startswith(" brown fox jumps over the lazy dog")
    stopped = continue_text(events[-1].folder, "the", 9, Sampling(0.0), 0, stop=["fox"])
    assert "".join(stopped) == " quick brown "


def test_words_of_the_held_out_text_are_not_learnt(start, book):
    """A loss a character is over the characters of the source, however words are decoded."""
    text = "the quick brown fox.\n" * 90 + "the   inconceivable fox.\n" * 8
    book.write_text(text, encoding="utf-8")
    *_, finished = start(tokens="words", context=4, steps=2)
    _, _, job = open_model(finished.folder, [str(book)])
    assert "quick" in job.tokens.vocabulary
    assert "inconceivable" not in job.tokens.vocabulary
    scores = job.evaluate(lambda: False, whole=True)
    predicted = len(text) - len("the")
    total = scores["loss"] * (len(job.tokens.encode(text)) - 1)
    assert scores["loss_per_character"] == pytest.approx(total / predicted)
    assert job.mistakes(1)[0].where.startswith("token ")


def test_settings_that_the_vocabulary_of_an_earlier_run_decides_are_refused(start):
    *_, first = start(steps=1, tokens="words", pieces=9, context=4)
    kept = {"start": str(first.folder), "steps": 1, "tokens": "words", "context": 4}
    with pytest.raises(ConfigError, match=r"pieces=8 has no effect with --from.*pieces=9"):
        list(start(**kept, pieces=8))
    *_, last = start(**kept, pieces=9)
    assert isinstance(last, Finished)


@pytest.mark.parametrize("model", ["gpt", "lstm"])
def test_evaluation_and_mistakes_are_of_the_same_losses(start, book, model):
    *_, finished = start(model=model)
    _, _, job = open_model(finished.folder, [str(book)])
    losses = [mistake.loss for mistake in job.mistakes(10**6)]
    length = len(book.read_text(encoding="utf-8"))
    assert len(losses) == length - 1
    mean = job.evaluate(lambda: False, whole=True)["loss"]
    assert mean == pytest.approx(np.mean(losses), rel=1e-6)
    assert job.evaluate(lambda: True, whole=True) is None


def test_a_text_too_short_to_evaluate(start, tmp_path):
    *_, finished = start(steps=1)
    short = tmp_path / "short.txt"
    short.write_text("t", encoding="utf-8")
    with pytest.raises(DataError, match=r"short\.txt' is too short to evaluate: 1 character,"):
        open_model(finished.folder, [str(short)])


def test_weights_of_another_model_are_refused(start):
    *_, small = start(width=8)
    *_, large = start(width=16)
    (small.folder / "model.safetensors").write_bytes(
        (large.folder / "model.safetensors").read_bytes()
    )
    with pytest.raises(CheckpointError, match="does not fit the model"):
        continue_text(small.folder, "the", 5, Sampling(), 0)


def test_the_baseline_can_be_left_out(start):
    *events, finished = start(baseline=False)
    assert not [event for event in events if isinstance(event, Compared)]
    assert "five_gram_loss" not in finished.result


def test_verdicts_are_given_once_and_stay_in_the_result(start):
    events = list(start(learning_rate=1e-9, health_every=2, clip=1e-3))
    judged = [event.verdict.kind for event in events if isinstance(event, Judged)]
    assert judged == ["learning rate too small"]
    assert events[-1].result["verdicts"] == judged
    assert [v.kind for v in events[-1].verdicts] == judged
    page = (events[-1].folder / "report.html").read_text(encoding="utf-8")
    assert "learning rate too small" in page
    assert "Attention entropy" in page


def test_nobody_looks(start):
    *_, finished = start(health_every=0)
    assert finished.verdicts is None
    assert finished.result["verdicts"] is None


def test_tensorboard_is_written_and_goes_on(start, tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is an extra, and not installed")
    interrupts = Interrupts()
    for event in start(interrupts, tensorboard=True):
        if isinstance(event, Stepped) and event.step == 10:
            interrupts.signal = signal.SIGINT
    folder = find_run("last", tmp_path / "runs")
    list(train_on(folder, None, Interrupts()))
    found = scalars(folder / "tensorboard")
    assert sorted(found["loss/training"]) == list(range(1, 21))
    assert sorted(found["loss/held_out"]) == [4, 8, 12, 16, 20]
    assert sorted(found["gradient_norm/blocks.0.widen"]) == [5, 10, 15, 20]
    losses = {r["step"]: r["loss"] for r in read_metrics(folder / "metrics.jsonl") if "loss" in r}
    assert found["loss/training"] == pytest.approx(losses)


def scalars(folder):
    """{tag: {step: value}} of all event files."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in folder.glob("*tfevents*"):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_that_is_missing_is_said_before_anything_is_left(start, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'chainrule\[tensorboard\]'"):
        list(start(tensorboard=True))
    assert not (tmp_path / "runs").exists()
