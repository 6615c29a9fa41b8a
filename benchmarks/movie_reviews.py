"""Movie-review polarity in ten folds: convolutions with random vectors, beside bags of words.

    python -m benchmarks.movie_reviews $CHAINRULE_DATA/movie_review_polarity.tsv
    python -m benchmarks.movie_reviews FILE --models bag --seeds 1 --folds 2       # a part of it

10,662 sentences of Pang & Lee (2005), half of them positive. Each fold, chosen by a hash of the
sentence, is held out once, and the number of steps is the same for all. Published: 76.1 % for the
convolutions (Kim 2014, table 2, CNN-rand).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from benchmarks.output import Result, json_option, keep, say
from chainrule import nn, optim
from chainrule.models.classifiers import BagClassifier, ConvolutionClassifier
from chainrule.text.labelled import read_labelled
from chainrule.text.naive_bayes import NaiveBayes
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.splits import FOLDS, split_by_hash
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.words import words_of
from chainrule.train.warmup_cosine import WarmupCosine

WARMUP, DECAY_TO = 50, 0.05
LEAST = 2  # occurrences of a word in the training folds; rarer ones are unknown

Pair = tuple[list[str], str]  # words and label


@dataclass(frozen=True)
class Recipe:
    """A model of (words, labels), and how it is trained."""

    build: Callable[[int, int], nn.Module]
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float


RECIPES = {
    "cnn": Recipe(
        lambda words, labels: ConvolutionClassifier(words, labels, 128, 100, (3, 4, 5), 0.5),
        batch=50,
        steps=700,
        learning_rate=1e-3,
        weight_decay=0.01,
    ),
    "bag": Recipe(
        lambda words, labels: BagClassifier(words, labels, 128, 0.2),
        batch=64,
        steps=600,
        learning_rate=4e-3,
        weight_decay=0.01,
    ),
}
COUNTED = "naive Bayes"


def train(recipe: Recipe, codes: Sequence[np.ndarray], labels: np.ndarray, seed: int) -> nn.Module:
    """A model that learnt the codes of sentences and their labels."""
    cr.manual_seed(seed)
    model = recipe.build(1 + max(int(each.max()) for each in codes), 1 + int(labels.max()))
    optimizer = optim.AdamW(
        model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    rate = WarmupCosine(recipe.learning_rate, WARMUP, recipe.steps, DECAY_TO)

    @cr.compile
    def step(texts: cr.Tensor, gold: cr.Tensor) -> cr.Tensor:
        loss = F.cross_entropy(model(texts), gold)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = PaddedBatches([codes, labels], recipe.batch, seed=seed)
    for n in range(1, recipe.steps + 1):
        optimizer.param_groups[0]["lr"] = rate(n)
        texts, gold, _ = batches.draw()
        step(texts, gold)
    return model.eval()


def right(recipe: Recipe, learnt: Sequence[Pair], held_out: Sequence[Pair], seed: int) -> int:
    """How many held-out sentences a trained model gets right."""
    words = Vocabulary.of((word for text, _ in learnt for word in text), least=LEAST)
    labels = Vocabulary.of((label for _, label in learnt), padding=None, unknown=None)

    def arrays(pairs: Sequence[Pair]) -> tuple[list[np.ndarray], np.ndarray]:
        return [words.encode(text) for text, _ in pairs], labels.encode(gold for _, gold in pairs)

    model = train(recipe, *arrays(learnt), seed)
    logits = cr.compile(model)
    found = 0
    with cr.no_grad():
        for _, (texts, gold, _) in PaddedBatches(arrays(held_out), recipe.batch).in_order():
            found += int((np.asarray(logits(texts)).argmax(1) == gold).sum())
    return found


def counted(learnt: Sequence[Pair], held_out: Sequence[Pair]) -> int:
    """How many held-out sentences naive Bayes gets right."""
    model = NaiveBayes([text for text, _ in learnt], [label for _, label in learnt])
    return sum(model.label(text) == label for text, label in held_out)


def measure(pairs: Sequence[Pair], models: Sequence[str], seeds: int, folds: int) -> Result:
    """Accuracies by model and seed over the first `folds` of ten folds, and seconds."""
    rows: Result = {}
    for model in [COUNTED, *models]:
        started, accuracies = time.perf_counter(), []
        for seed in range(1 if model == COUNTED else seeds):
            hits = total = 0
            for fold in range(folds):
                parts = split_by_hash(pairs, lambda pair: " ".join(pair[0]), FOLDS, fold)
                hits += counted(*parts) if model == COUNTED else right(RECIPES[model], *parts, seed)
                total += len(parts[1])
                say(f"{model}, seed {seed}, fold {fold}: {hits / total:.2%} so far")
            accuracies.append(hits / total)
        seconds = round(time.perf_counter() - started, 1)
        rows[model] = {"accuracies": accuracies, "folds": folds, "seconds": seconds}
    return rows


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, help="labelled sentences: CSV, TSV or JSONL")
    parser.add_argument("--models", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=FOLDS, help="fewer than ten: a part only")
    json_option(parser)
    options = parser.parse_args()
    data = read_labelled(options.file)
    pairs = [
        (words_of(text.lower()), label) for text, label in zip(data.texts, data.labels, strict=True)
    ]
    rows = measure(pairs, options.models, options.seeds, options.folds)
    keep(options.json, {"rows": rows})
    print(f"{'model':12}  accuracy  seeds                 seconds")
    for model, row in rows.items():
        each = " ".join(f"{accuracy:.2%}" for accuracy in row["accuracies"])
        print(f"{model:12}  {np.mean(row['accuracies']):8.2%}  {each:20}  {row['seconds']:7.1f}")


if __name__ == "__main__":
    main()
