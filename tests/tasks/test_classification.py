"""The classification task, from a file of labelled texts to predictions."""

import numpy as np
import pytest

from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.tasks.catalogue import find_task
from chainrule.tasks.classification import Classification
from chainrule.tasks.run import open_model, train_new, train_on
from chainrule.text.confusion import Confusion
from chainrule.train.events import Began, Compared, Finished, Sampled, Stepped
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics

pytestmark = pytest.mark.trains

TINY = {
    "steps": 80, "batch": 16, "learning_rate": 2e-2, "width": 16, "filters": 8, "heads": 2,
    "windows": [2, 3], "dropout": 0.1, "evaluate_every": 40, "save_every": 7, "eager": True,
}  # fmt: skip
FIGURES = {"bag": 0.959, "cnn": 0.965}  # mean accuracy of three seeds
SEEN = "film plot cast end song play book show".split()  # noqa: SIM905


def reviews(count=300):
    """What decides is the word behind `but`: words alone do not tell."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        one, other = rng.permutation(["good", "bad"])
        first, second = rng.choice(SEEN, 2)
        yield f"The {first} is {one} but {other} is the {second}", {"good": "+", "bad": "-"}[other]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "reviews.csv"
    rows = "".join(f"{label},{text}\n" for text, label in reviews())
    path.write_text("label,text\n" + rows, encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path, file):
    """`start(model=…)` begins a tiny run."""

    def start(root="runs", data=None, **changes):
        task = Classification()
        config = task.settled(TINY | {"data": str(data or file)}, changes, None)
        return train_new(task, config, tmp_path / root, Interrupts())

    return start


@pytest.mark.parametrize(
    "model",
    ["cnn", *(pytest.param(m, marks=pytest.mark.slow) for m in ("lstm", "transformer"))],
)
def test_models_that_see_order_beat_the_baselines_and_predict_when_reopened(start, file, model):
    began, *events, finished = start(model=model)
    assert isinstance(began, Began)
    assert isinstance(finished, Finished)
    result = finished.result
    assert result["held_out_accuracy"] > 0.95
    assert result["held_out_macro_f1"] > 0.95
    assert result["naive_bayes_accuracy"] < 0.8
    compared = [event.baseline for event in events if isinstance(event, Compared)]
    assert [each.key for each in compared] == ["majority", "naive_bayes"]
    assert compared[1].scores["accuracy"] == result["naive_bayes_accuracy"]

    _, _, job = open_model(finished.folder, [str(file)])
    lines = ["the plot is good but BAD is the song", "the song is bad but good is the end"]
    labels, shares = zip(*(found.split("\t") for found in job.predict(lines)), strict=True)
    assert labels == ("-", "+")
    assert all(0.5 < float(share) <= 1 for share in shares)
    assert job.evaluate(lambda: False, whole=True)["accuracy"] > 0.95
    assert job.evaluate(lambda: True, whole=True) is None


def test_a_bag_of_words_cannot_tell_what_only_order_tells(start):
    *_, finished = start(model="bag")
    assert finished.result["held_out_accuracy"] < 0.8


def test_any_line_is_predicted_and_each_has_one_line_of_its_own(start):
    *_, finished = start(steps=2)
    _, _, job = open_model(finished.folder)
    lines = ["", "  ", "unheard of", "the end " * 400, *["good"] * 100]
    alone = [next(job.predict([line])) for line in lines]
    together = list(job.predict(lines))
    assert [each.split("\t")[0] for each in together] == [each.split("\t")[0] for each in alone]
    assert together[0] == together[1]


def test_errors_are_shown_as_training_goes_on(start):
    samples = [event.text for event in start() if isinstance(event, Sampled)]
    wrong = [int(text.split(" of ")[0]) for text in samples]
    assert wrong[0] > 5
    assert wrong[-1] < 2
    first, *errors = samples[0].split("\n")
    assert " taken for " in first
    assert 0 < len(errors) <= 5
    for error in errors:
        text, right, predicted = error.split(" | ")
        assert text.startswith("The ")
        assert right != predicted.split()[0]


def test_a_run_that_was_stopped_goes_on_bit_for_bit(start):
    *_, whole = start(root="whole", steps=20)
    stopped = start(root="parts", steps=20)
    folder = next(stopped).folder
    next(event for event in stopped if isinstance(event, Stepped) and event.step == 11)
    stopped.close()
    *_, last = train_on(folder, None, Interrupts())
    assert isinstance(last, Finished)
    assert read_metrics(folder / "metrics.jsonl") == read_metrics(whole.folder / "metrics.jsonl")


def test_the_worst_mistakes_of_other_data(start, tmp_path):
    *_, finished = start()
    other = tmp_path / "other.tsv"
    rows = ["-\tthe end is good but bad is the end", "-\tthe end is bad but good is the end"]
    other.write_text("label\ttext\n" + "\n".join(rows), encoding="utf-8")
    _, _, job = open_model(finished.folder, [str(other)])
    (mistake,) = job.mistakes(5)
    assert mistake.where == f"{other}:3"
    assert (mistake.expected, mistake.predicted) == ("-", "+")
    assert mistake.loss > np.log(2)


def test_held_out_texts_of_a_file_of_their_own(start, tmp_path):
    dev = tmp_path / "dev.csv"
    dev.write_text("label,text\n+,the song is bad but good is the end\n?,why\n", encoding="utf-8")
    began, *_, finished = start(dev=str(dev))
    assert began.job.facts["texts"] == "300 to learn, 2 held out, 3 labels"
    first, _, second = began.job.source.partition("; held out: ")
    assert ("reviews.csv" in first, "dev.csv" in second) == (True, True)
    assert finished.result["held_out_accuracy"] == 0.5


def test_texts_that_differ_in_case_only_are_held_out_together(start, tmp_path):
    path = tmp_path / "twice.csv"
    twice = [(each, label) for text, label in reviews() for each in (text, text.upper() + " ")]
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in twice))
    began = next(run := start(data=path))
    run.close()
    learnt, held_out = began.job._learnt.texts, began.job._held_out.texts
    assert held_out
    assert not {text.lower().strip() for text in learnt} & {t.lower().strip() for t in held_out}


def test_labels_are_ordered_by_the_texts_to_learn_from(start, tmp_path):
    path, dev = tmp_path / "data.csv", tmp_path / "dev.csv"
    rows = ["b,it is bad", "b,so bad", "a,it is good"]
    path.write_text("label,text\n" + "\n".join(rows), encoding="utf-8")
    dev.write_text("label,text\n" + "a,good\n" * 9 + "c,odd\n" * 9, encoding="utf-8")
    began = next(run := start(data=path, dev=str(dev)))
    run.close()
    assert began.job._lexicon.labels.tokens == ("b", "a", "c")


def test_the_tables_of_an_evaluation_are_those_of_its_predictions(start, file):
    *_, finished = start(steps=5)
    _, _, job = open_model(finished.folder, [str(file)])
    texts, gold = zip(*reviews(), strict=True)
    predicted = [line.split("\t")[0] for line in job.predict(texts)]
    assert job.tables() == Confusion.of(gold, predicted).text()


def test_a_label_that_was_not_learnt_is_named(start, tmp_path):
    *_, finished = start(steps=1)
    other = tmp_path / "other.csv"
    other.write_text("label,text\n+,good\n0,so so\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"other\.csv:3: the label '0' was not learnt; .* \+, -"):
        open_model(finished.folder, [str(other)])


def test_columns_can_be_named(start, tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"{n},{text},{label},x" for n, (text, label) in enumerate(reviews(100))]
    path.write_text("n,said,mood,text\n" + "\n".join(rows), encoding="utf-8")
    began, *_ = start(data=path, text="said", label="mood")
    assert began.job.facts["data"].endswith("text is said, label is mood")
    assert ", 2 labels" in began.job.facts["texts"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("label,text\n+,good\n-,bad\n", "too few"),
        ("label,text\n" + "".join(f"+,text {n}\n" for n in range(50)), "two labels or more"),
        ("label,text\n+,\n", r"reviews\.csv:2"),
    ],
)
def test_data_that_cannot_be_learnt_is_refused_before_a_file_is_written(
    start, tmp_path, rows, message
):
    path = tmp_path / "reviews.csv"
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        next(start(data=path))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bundled": "errors", "data": "f.csv"}, "goes without a file"),
        ({"bundled": "reviews"}, "bundled"),
        ({"windows": [0, 3]}, "at least 1 word"),
        ({"windows": []}, "at least 1 word"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ConfigError, match=message):
        Classification().settled({}, settings, None)


def test_damaged_assets_are_named():
    task = Classification()
    config = task.settled(TINY, {}, None)
    for assets in ({}, {"words": "[]", "labels": "{}"}):
        with pytest.raises(CheckpointError, match="words and labels"):
            task.reopen(config, assets, [])


@pytest.mark.parametrize(
    ("bundled", "labels"), [("names", 20), pytest.param("errors", 3, marks=pytest.mark.slow)]
)
def test_bundled_data(tmp_path, bundled, labels):
    task = find_task("classify")
    config = task.settled(TINY | {"model": "bag", "steps": 1}, {"bundled": bundled}, None)
    *_, finished = train_new(task, config, tmp_path, Interrupts())
    result = finished.result
    assert result["labels"] >= labels
    assert result["texts"] > 1000
    assert 0.3 < result["majority_accuracy"] < result["naive_bayes_accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bag", "cnn"])
def test_the_figures_of_the_default_run(tmp_path, model):
    """The tolerance is for other versions of Unicode and other CPUs."""
    task = find_task("classify")
    config = task.settled({}, {"model": model}, None)
    *_, finished = train_new(task, config, tmp_path, Interrupts())
    assert finished.result["held_out_accuracy"] == pytest.approx(FIGURES[model], abs=0.01)
    assert finished.result["held_out_accuracy"] > finished.result["naive_bayes_accuracy"] + 0.04
