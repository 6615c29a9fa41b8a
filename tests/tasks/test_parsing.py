"""The parsing task, from CoNLL-U to predictions."""

import numpy as np
import pytest

from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.tasks.catalogue import find_task
from chainrule.tasks.parsing import Parsing
from chainrule.tasks.run import open_model, train_new, train_on
from chainrule.text.conllu import parse_conllu
from chainrule.text.parsed import Parsed, parsed_sentences
from chainrule.train.events import Compared, Finished, Sampled, Stepped
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics

pytestmark = pytest.mark.trains

MODELS = [  # the slower one now and then
    pytest.param(m, marks=[pytest.mark.slow] * (m == "arc-standard")) for m in Parsing.models
]
TINY = {
    "steps": 60, "batch": 160, "learning_rate": 2e-2, "width": 16, "word_width": 8,
    "affix_width": 4, "arc_width": 12, "relation_width": 8, "dropout": 0.1, "evaluate_every": 30,
    "save_every": 7, "eager": True,
}  # fmt: skip
NOUNS = "dog cat bird fish tree house stone river cloud light".split()  # noqa: SIM905


def phrases(count=150):
    """Subject, verb, object, with an adjective before either or none: it decides the distances."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        words, heads, relations = [], [], []
        verb = 0
        for relation in ("nsubj", "obj"):
            if rng.random() < 0.5:
                words.append("old")
                relations.append("amod")
                heads.append(len(words) + 1)
            words.append(str(rng.choice(NOUNS)))
            relations.append(relation)
            heads.append(len(words) + 1 if relation == "nsubj" else verb)
            if relation == "nsubj":
                verb = len(words) + 1
                words.append("sees")
                relations.append("root")
                heads.append(0)
        words.append(".")
        relations.append("punct")
        heads.append(verb)
        yield Parsed(tuple(words), tuple(heads), tuple(relations))


def written(trees):
    row = "{}\t{}\t_\t_\t_\t_\t{}\t{}\t_\t_\n"
    return "\n".join(
        "".join(row.format(at, *one) for at, one in enumerate(zip(*tree, strict=True), 1))
        for tree in trees
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "phrases.conllu"
    path.write_text(written(phrases()), encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path, file):
    """`start(layers=…)` begins a tiny run."""

    def start(root="runs", **changes):
        task = Parsing()
        config = task.settled(TINY | {"data": str(file)}, changes, None)
        return train_new(task, config, tmp_path / root, Interrupts())

    return start


@pytest.mark.parametrize("model", MODELS)
def test_it_beats_the_baseline_and_predicts_when_reopened(start, file, model):
    *events, finished = start(model=model)
    assert isinstance(finished, Finished)
    result = finished.result
    assert result["held_out_las"] > 0.9 > result["frequent_head_uas"] > 0.4
    (baseline,) = [event.baseline for event in events if isinstance(event, Compared)]
    assert baseline.scores["las"] == result["frequent_head_las"]
    samples = [event.text for event in events if isinstance(event, Sampled)]
    assert samples[0].split("\n")[0].endswith("sentences have errors")
    assert "|" in samples[0]

    _, _, job = open_model(finished.folder, [str(file)])
    tree = Parsed(("old", "dog", "sees", "cat", "."), (2, 3, 0, 3, 3), ())
    tree = tree._replace(relations=("amod", "nsubj", "root", "obj", "punct"))
    assert job.parse([tree.words, []]) == [tree, Parsed((), (), ())]
    (text,) = job.predict(["old dog sees cat."])
    assert text.startswith("# text = old dog sees cat.\n1\told\t")
    assert parsed_sentences(parse_conllu(text)) == [tree]
    rows = text.split("\n")
    assert list(job.predict(rows)) == [text]
    assert job.evaluate(lambda: False, whole=True)["uas"] > 0.9
    assert job.evaluate(lambda: True, whole=True) is None
    assert job.samples(np.random.default_rng(0), lambda: True) is None


def test_a_run_that_was_stopped_goes_on_bit_for_bit(start):
    *_, whole = start(root="whole", steps=20)
    stopped = start(root="parts", steps=20)
    folder = next(stopped).folder
    next(event for event in stopped if isinstance(event, Stepped) and event.step == 11)
    stopped.close()
    *_, last = train_on(folder, None, Interrupts())
    assert isinstance(last, Finished)
    assert read_metrics(folder / "metrics.jsonl") == read_metrics(whole.folder / "metrics.jsonl")


@pytest.mark.parametrize("model", MODELS)
def test_the_worst_mistakes_of_other_data(start, tmp_path, model):
    *_, finished = start(model=model, steps=30)
    other = tmp_path / "other.conllu"
    trees = [Parsed(("dog", "sees", "cat", "."), (3, 1, 0, 3), ("nsubj", "new", "root", "punct"))]
    other.write_text(written(trees), encoding="utf-8")
    _, _, job = open_model(finished.folder, [str(other)])
    mistakes = {mistake.where: mistake for mistake in job.mistakes(10)}
    root = mistakes["sentence 1, word 3"]
    assert (root.expected, root.predicted) == ("ROOT root", "sees obj")
    assert root.text == "dog sees cat[ROOT root|sees obj] ."
    assert len(mistakes) == 4
    first, second = job.mistakes(2)
    assert first.loss >= second.loss > 0
    scores = job.evaluate(lambda: False, whole=True)
    assert scores["uas"] == 0
    assert np.isfinite(scores["loss"])


def test_held_out_files_replace_the_split(start, tmp_path):
    dev = tmp_path / "dev.conllu"
    dev.write_text(written(list(phrases(2))), encoding="utf-8")
    began = next(run := start(dev=str(dev)))
    run.close()
    assert began.job.facts["sentences"].startswith("150 to learn, 2 held out")
    assert "dev.conllu" in began.job.source


def test_what_cannot_be_learnt_is_refused_before_a_folder_is_made(start, tmp_path):
    one = tmp_path / "one.conllu"
    one.write_text("1\ta\t_\t_\t_\t_\t0\troot\t_\t_\n", encoding="utf-8")
    with pytest.raises(DataError, match="too few"):
        list(start(data=str(one)))
    with pytest.raises(ConfigError, match="is odd"):
        list(start(width=9))
    with pytest.raises(ConfigError, match="GB"):
        list(start(width=10**6))
    assert not list((tmp_path / "runs").glob("*"))


def test_a_damaged_model_file(start):
    *_, finished = start(steps=1)
    task, config, job = open_model(finished.folder)
    for name in job.assets():
        damaged = {**job.assets(), name: "?"}
        if name == "sentences":
            del damaged[name]
        with pytest.raises(CheckpointError, match="vocabularies"):
            task.reopen(config, damaged, [])


def test_it_is_a_task_of_the_command_line():
    assert isinstance(find_task("parse"), Parsing)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "least"), [("biaffine", 0.96), ("arc-standard", 0.98)])
def test_the_default_data_beat_their_baseline(tmp_path, model, least):
    task = Parsing()
    config = task.settled({}, {"model": model}, None)
    *_, finished = train_new(task, config, tmp_path / "runs", Interrupts())
    assert finished.result["held_out_uas"] > least
    assert 0.5 < finished.result["frequent_head_uas"] < 0.7
    _, _, job = open_model(finished.folder)
    (text,) = job.predict(["x = f(y)  # comment"])
    (tree,) = parsed_sentences(parse_conllu(text))
    assert tree.words == ("x", "=", "f", "(", "y", ")")
    assert tree.heads == (2, 0, 4, 2, 4, 4)
