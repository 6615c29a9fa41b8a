"""The programs of the benchmark: their scripts, arguments, and the period of what they do.

`PROGRAMS["lstm_lm"].command()` → the script and the arguments of a run without an end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE, TESTS = "benchmarks/programs", "tests/programs"
GROUPS = {
    "steps": "the workloads of the compiled steps, written plainly",
    "tests": "the programs of tests/programs",
    "others": "tiny steps, loops in Python, changing graphs",
}


@dataclass(frozen=True)
class Program:
    """One script with its arguments. `period`: steps after which all of its work has come round."""

    name: str
    group: str
    summary: str
    period: int = 1
    arguments: tuple[str, ...] = ("--steps", "1000000")
    script: str = ""  # default: that of the same name
    compiles: bool = True  # has `--compile`
    draws: bool = False  # dropout: losses agree on average only

    def command(self) -> tuple[str, ...]:
        """The script's path and its arguments."""
        folder = TESTS if self.group == "tests" else HERE
        return str(ROOT / folder / f"{self.script or self.name}.py"), *self.arguments


def _steps() -> Iterable[Program]:
    """The workloads of `benchmarks.steps`, as users write them."""
    for name, period, summary in (
        ("window", 200, "window tagger, DataLoader, SGD, schedule, evaluation"),
        ("sgns", 1, "word2vec, 2 × 30k×100, sparse gradients, SGD, schedule"),
        ("mlp", 32, "300-256-256-10, DataLoader, AdamW, clipping, schedule, evaluation"),
        ("textcnn", 40, "text CNN with dropout, DataLoader, AdamW, evaluation"),
        ("lstm_lm", 10, "LSTM of 10k words, carried state, clipping, schedule, evaluation"),
        ("char_gru", 20, "GRU of characters, AdamW, clipping, 100 characters written"),
        ("seq2seq", 10, "biLSTM → LSTM with attention, a coin decides on teacher forcing"),
        ("gpt_nano", 50, "GPT 4×128, explicit attention, Dataset, Trainer, 50 characters written"),
    ):
        yield Program(name, "steps", summary, period, draws=name == "textcnn")


def _tests() -> Iterable[Program]:
    """The programs of tests/programs, in float32."""
    epochs, steps = ("--epochs", "100000"), ("--steps", "1000000")
    for name, period, arguments, compiles, summary in (
        ("gpt", 1, steps, True, "GPT 2×16, decay groups, warm-up and cosine, clipping"),
        ("makemore", 3, ("--type", "gru", *epochs), True, "GRU cells written out, DataLoader"),
        ("lstm_lm", 4, epochs, True, "LSTM 2×12 of words, update by hand, evaluation"),
        ("transformer", 8, (*epochs, "--step-size", "1000"), True, "nn.Transformer layers, SGD"),
        ("text_cnn", 1, epochs, True, "convolutions of several widths, Adam"),
        ("word2vec", 11, epochs, False, "skip-gram, negatives drawn by NumPy, SGD"),
        ("seq2seq", 1, epochs, False, "packed biGRU → GRU cell with attention, two Adams"),
        ("classifier", 4, epochs, False, "BatchNorm, DataLoader, test and checkpoint an epoch"),
        ("functions", 1, steps, False, "autograd.Function, gradient penalty, checkpointing"),
        ("hooks_ema", 1, steps, False, "hooks, moving averages of weights, Adagrad"),
    ):
        yield Program(
            f"tests/{name}", "tests", summary, period, (*arguments, "--dtype", "float32"),
            script=name, compiles=compiles,
        )  # fmt: skip


def _others() -> Iterable[Program]:
    """Tiny steps, Python loops, lengths that vary, graphs that differ from step to step."""
    for name, period, summary in (
        ("tiny", 16, "2-16-16-1 on 32 points, SGD"),
        ("tagger", 8, "biLSTM 2×4, one sentence at a time, each of its own length"),
        ("packed", 40, "packed biLSTM 2×64, all lengths, DataLoader, clipping, evaluation"),
        ("attention_decoder", 50, "LSTMCell with attention stepped in Python, evaluation"),
        ("nanogpt", 50, "GPT 4×128, memmap, decay groups, cosine, clipping, evaluation"),
    ):
        yield Program(name, "others", summary, period)
    yield Program(
        "seq2seq_coins", "others", "seq2seq with a coin for each word: new graphs every step", 10,
        ("--steps", "1000000", "--coin", "word"), script="seq2seq",
    )  # fmt: skip


PROGRAMS = {p.name: p for p in (*_steps(), *_tests(), *_others())}
