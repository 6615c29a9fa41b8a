"""Language models that carry a state: training, resuming, evaluating and writing."""

import numpy as np
import pytest

from chainrule.formats.safetensors import read_state
from chainrule.models.generation import Sampling
from chainrule.tasks.language_model import continue_text
from chainrule.tasks.run import open_held_out, open_run, train_on
from chainrule.train.events import Stepped
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics

pytestmark = pytest.mark.trains

MODELS = ["lstm", "gru", "rnn", "window"]


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_and_writes(start, model):
    *_, finished = start(model=model, steps=150, learning_rate=0.03, width=16)
    result = finished.result
    assert result["model"] == model
    assert result["held_out_loss"] < 1.5
    assert np.isclose(result["held_out_perplexity"], np.exp(result["held_out_loss"]))
    text = "".join(continue_text(finished.folder, "the ", 20, Sampling(0.0), 0))
    assert len(text) == 20
    assert set(text) <= set("the quick brown fox jumps over the lazy dog.\n")


@pytest.mark.parametrize(("model", "eager"), [("lstm", False), ("gru", True), ("rnn", True)])
def test_a_stopped_run_goes_on_bit_for_bit(start, model, eager):
    settings = {"model": model, "eager": eager, "steps": 12, "save_every": 5}
    *_, whole = start(root="whole", **settings)
    interrupts = Interrupts()
    for event in start(interrupts, root="parts", **settings):
        if isinstance(event, Stepped) and event.step == 7:
            interrupts.stop()
    folder = whole.folder.parent.parent / "parts" / "001"
    list(train_on(folder, None, Interrupts()))
    one, other = (read_state(f / "state.safetensors").arrays for f in (whole.folder, folder))
    assert "carried.state" in one
    assert one["carried.state"].any()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    logs = [read_metrics(f / "metrics.jsonl") for f in (whole.folder, folder)]
    assert logs[0] == logs[1]


def test_the_state_is_carried_into_the_next_batch(start):
    *_, finished = start(model="lstm", steps=3, save_every=0, dropout=0.0)
    session = open_run(finished.folder)
    job = session.job
    carried = np.array(job.carried["state"])
    assert carried.any()
    batch = job.batches.draw()
    session.steps.update(*batch)
    now = np.array(job.carried["state"])
    assert (now != carried).any()


@pytest.mark.parametrize("model", ["gpt", "lstm"])
def test_a_beam_finds_likelier_texts(start, model):
    *_, finished = start(model=model, steps=30)
    _, _, job = open_held_out(finished.folder, [])
    prompt = job.tokens.encode("the quick")

    def log_p(codes):
        read, text, total = job.reader(), [*prompt], 0.0
        for code in codes:
            p = Sampling().probabilities(read(text))
            total += np.log(p[code])
            text.append(code)
        return total

    found = [log_p(job.likeliest(prompt, 12, beam)) for beam in (1, 8)]
    greedy = list(job.continuation(prompt, 12, Sampling(0.0), np.random.default_rng(0)))
    assert job.likeliest(prompt, 12, 1) == greedy
    assert found[1] >= found[0] - 1e-6


def test_lines_are_predicted_with_one_state(start):
    """A line longer than the context: its state is carried, as where the model writes."""
    *_, finished = start(model="lstm", steps=60, learning_rate=0.03)
    _, _, job = open_held_out(finished.folder, [])
    line = "the quick brown fox jumps over the lazy dog."
    (found,) = job.predict([line])
    codes, read = job.tokens.encode(f"\n{line}\n").tolist(), job.reader()
    losses = [
        -np.log(Sampling().probabilities(read(codes[:at]))[codes[at]])
        for at in range(1, len(codes))
    ]
    assert float(found.partition("\t")[0]) == pytest.approx(np.mean(losses), abs=2e-4)


def test_writing_reads_each_code_once(start):
    *_, finished = start(model="gru", steps=20)
    _, _, job = open_held_out(finished.folder, [])
    read, text = job.reader(), [3, 1, 4, 1, 5]
    read(text[:2])
    in_parts = read(text)
    np.testing.assert_allclose(in_parts, job.reader()(text), rtol=1e-6)
    np.testing.assert_allclose(in_parts, job.logits(np.array([text]))[0, -1], rtol=1e-4, atol=1e-5)
