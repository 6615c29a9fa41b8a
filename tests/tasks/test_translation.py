"""The translation task, from files of pairs to predictions."""

import itertools
import sys

import numpy as np
import pytest

from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.tasks.catalogue import find_task
from chainrule.tasks.run import open_model, train_new, train_on
from chainrule.tasks.translation import Translation
from chainrule.text import translation_data
from chainrule.text.library_source import SourceFile
from chainrule.text.translation_data import bundled, read_corpus
from chainrule.train.events import Compared, Finished, Sampled, Stepped
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics

pytestmark = pytest.mark.trains

MODELS = [  # the slower one now and then
    pytest.param(m, marks=[pytest.mark.slow] * (m == "transformer")) for m in Translation.models
]
TINY = {
    "steps": 150, "batch": 16, "learning_rate": 2e-2, "width": 24, "heads": 2, "layers": 1,
    "beam": 2, "longest": 12, "evaluate_every": 75, "save_every": 7, "warmup": 10,
}  # fmt: skip
NOUNS = {"house": "domo", "dog": "hundo", "book": "libro", "tree": "arbo", "bird": "birdo"}
ADJECTIVES = {"red": "ruĝa", "old": "malnova", "big": "granda", "new": "nova"}
VERBS = {"saw": "vidis", "wants": "volas", "had": "havis"}


def sentences():
    """English and Esperanto; adjectives follow their nouns, and names stay."""
    who = [a + b for a, b in itertools.product(("An", "Bo", "Cid", "Da"), ("ke", "ra", "lo", "ni"))]
    words = itertools.product(VERBS, ADJECTIVES, NOUNS)
    for number, (verb, adjective, noun) in enumerate(words):
        for name in who[number % 7 :: 7]:
            yield (
                f"{name} {verb} a {adjective} {noun}.",
                (f"{name} {VERBS[verb]} {NOUNS[noun]} {ADJECTIVES[adjective]}."),
            )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "esperanto.tsv"
    path.write_text("".join(f"{one}\t{two}\n" for one, two in sentences()), encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path, file):
    """`start(model=…)` begins a tiny run."""

    def start(root="runs", **changes):
        task = Translation()
        config = task.settled(TINY | {"data": str(file)}, changes, None)
        return train_new(task, config, tmp_path / root, Interrupts())

    return start


@pytest.mark.parametrize("model", MODELS)
def test_every_model_translates_new_names_when_reopened(start, file, model):
    options = {} if model == "lstm" else {"learning_rate": 5e-3, "steps": 300}
    _, *events, finished = start(model=model, **options)
    assert isinstance(finished, Finished)
    result = finished.result
    assert result["held_out_exact"] > 0.9
    assert result["copy_exact"] == 0
    if "copy_chrf" in result:  # with sacreBLEU
        assert 0 < result["copy_chrf"] < result["held_out_chrf"]
    keys = [event.baseline.key for event in events if isinstance(event, Compared)]
    assert keys == ["copy", "nearest"]

    _, _, job = open_model(finished.folder, [str(file)])
    lines = ["Zoe saw a red tree.", "", "Anke saw a big dog."]
    assert list(job.predict(lines)) == ["Zoe vidis arbo ruĝa.", "", "Anke vidis hundo granda."]
    assert job.evaluate(lambda: False, whole=True)["exact"] > 0.9


def test_the_beams_of_wrong_translations_are_shown(start):
    samples = [event.text for event in start() if isinstance(event, Sampled)]
    source, right, best, second, *_ = samples[0].split("\n")
    assert right.startswith("    right  ")
    assert dict(sentences())[source] == right.removeprefix("    right  ")
    assert float(best.split()[0]) >= float(second.split()[0])


def test_a_run_that_was_stopped_goes_on_bit_for_bit(start):
    options = {"steps": 20, "dropout": 0.1, "eager": True}
    *_, whole = start(root="whole", **options)
    stopped = start(root="parts", **options)
    folder = next(stopped).folder
    next(event for event in stopped if isinstance(event, Stepped) and event.step == 11)
    stopped.close()
    *_, last = train_on(folder, None, Interrupts())
    assert isinstance(last, Finished)
    assert read_metrics(folder / "metrics.jsonl") == read_metrics(whole.folder / "metrics.jsonl")


def test_subwords_are_trained_and_saved(start):
    pytest.importorskip("tokenizers")
    kinds = {"source_tokens": "subwords", "target_tokens": "subwords"}
    *_, finished = start(**kinds, vocabulary=400, longest=24, copies=0, steps=400)
    assert finished.result["held_out_exact"] > 0.8
    _, _, job = open_model(finished.folder)
    assert list(job.predict(["Anke saw a big dog."])) == ["Anke vidis hundo granda."]


def test_rare_tokens_are_left_out_as_asked(start):
    sizes = {}
    for rarest in (0, 1, 10**6):
        began = next(run := start(rarest=rarest, root=f"runs{rarest}"))
        run.close()
        sizes[rarest] = len(began.job._codes.words.vocabulary)
    assert sizes[0] == sizes[1] > sizes[10**6]  # of few pairs, each token is known


def test_a_run_without_sacrebleu_says_so(start, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    *_, finished = start(steps=1)
    assert "held_out_chrf" not in finished.result
    _, _, job = open_model(finished.folder, [str(file)])
    assert job.judged_by == "exact"
    assert "chainrule[text]" in job.facts["scores"]


def test_two_parallel_files_are_the_same_pairs(file, tmp_path):
    one, two = tmp_path / "a.en", tmp_path / "a.eo"
    pairs = list(sentences())
    one.write_text("".join(f"{source}\n" for source, _ in pairs), encoding="utf-8")
    two.write_text("".join(f"{target}\n" for _, target in pairs), encoding="utf-8")
    corpus, table = read_corpus([str(one), str(two)]), read_corpus([str(file)])
    assert corpus.learnt == table.learnt
    assert corpus.fingerprint == table.fingerprint
    assert corpus.held[0][1].startswith(f"{one}:")


def test_dev_files_are_held_out_and_all_of_the_data_is_learnt(file, tmp_path):
    dev = tmp_path / "dev.tsv"
    dev.write_text("Go!\tIru!\n", encoding="utf-8")
    corpus = read_corpus([str(file)], [str(dev)])
    assert len(corpus.learnt) == len(list(sentences()))
    assert corpus.held == [(("Go!", "Iru!"), f"{dev}:1")]


def test_a_pronouncing_dictionary_is_learnt_from_characters(start, tmp_path):
    path = tmp_path / "small.dict"
    letters = {"a": "AA1", "b": "B", "d": "D", "i": "IY0", "k": "K", "t": "T"}
    words = ["".join(word) for word in itertools.product("bdkt", "ai", "bdkt", "ai")]
    entries = [f"{word} {' '.join(letters[c] for c in word)}\n" for word in words]
    path.write_text(";;; A test\n" + "".join(entries) + "kati(2) K AA1 T\n", encoding="utf-8")
    *_, finished = start(data=str(path))
    assert finished.result["held_out_exact"] > 0.9
    _, _, job = open_model(finished.folder, [str(path)])
    assert list(job.predict(["bada"])) == ["B AA D AA"]
    (kati,) = [one for one in job._held if one.source == "kati"]
    assert kati.targets == ("K AA T IY", "K AA T")  # either is right


def test_the_worst_mistakes_of_other_data(start, tmp_path):
    *_, finished = start()
    other = tmp_path / "other.tsv"
    rows = ["Anke saw a red house.\tAnke vidis domo ruĝa.", "Anke saw a dog.\t¿Que?"]
    other.write_text("\n".join(rows), encoding="utf-8")
    _, _, job = open_model(finished.folder, [str(other)])
    (mistake,) = job.mistakes(5)
    assert (mistake.where, mistake.expected) == (f"{other}:2", "¿Que?")
    assert mistake.loss > 5
    assert mistake.predicted.startswith("Anke vidis")


def test_held_out_texts_of_any_length_are_judged(start, tmp_path):
    dev = tmp_path / "dev.tsv"
    long = "An saw a red house. " * 120  # 720 tokens
    dev.write_text(f"{long}\t{long}\nGo!\tIru!\n", encoding="utf-8")
    *_, finished = start(model="transformer", steps=1, dev=str(dev), eager=True)
    assert np.isfinite(finished.result["held_out"])
    _, _, job = open_model(finished.folder)
    assert len(list(job.predict([long]))) == 1


def test_an_evaluation_may_be_stopped(start, file):
    *_, finished = start(steps=1)
    _, _, job = open_model(finished.folder, [str(file)])
    assert job.evaluate(lambda: True, whole=True) is None
    assert job.samples(np.random.default_rng(0), lambda: True) is None


def test_what_cannot_be_learnt_is_refused_before_a_folder_is_made(start, file, tmp_path):
    one = tmp_path / "one.tsv"
    one.write_text("a\tX\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"one\.tsv.*too few to hold a tenth of them out"):
        list(start(data=str(one)))
    with pytest.raises(DataError, match="every pair has more than 4 tokens"):
        list(start(longest=4))
    with pytest.raises(ConfigError, match="dev files need data"):
        list(start(data=[], dev=str(file)))
    with pytest.raises(ConfigError, match="two parallel files"):
        list(start(data=[str(file)] * 3))
    with pytest.raises(
        ConfigError, match="expected one of words, spaces, characters, code, subwords"
    ):
        list(start(source_tokens="letters"))
    with pytest.raises(ConfigError, match="vocabulary=255 is too small for subwords"):
        list(start(source_tokens="subwords", vocabulary=255))
    with pytest.raises(ConfigError, match="GB"):
        list(start(width=10**6))
    assert not list((tmp_path / "runs").glob("*"))


def test_a_damaged_model_file(start):
    *_, finished = start(steps=1)
    task, config, job = open_model(finished.folder)
    for assets in ({}, {"codes": job.assets()["codes"][:-9]}):
        with pytest.raises(CheckpointError, match="does not hold the model's vocabulary"):
            task.reopen(config, assets, [])


def test_statements_are_held_out_by_file_and_never_learnt(monkeypatch):
    files = [SourceFile(f"m{n}.py", f"x = {n}\ny  =  {n % 2}\n") for n in range(40)]
    monkeypatch.setattr(translation_data, "library_source", lambda: files)
    corpus = bundled()
    assert {pair.source for pair, _ in corpus.held} == {
        f"x = {n}" for n in range(40) if f"m{n}.py" in {place for _, place in corpus.held}
    }
    assert not {pair for pair, _ in corpus.held} & set(corpus.learnt)
    assert corpus.tokens == ("code", "spaces")


def test_it_is_a_task_of_the_command_line():
    assert isinstance(find_task("translate"), Translation)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_default_run(tmp_path, seed):
    """On Python 3.11.7, seeds 0, 1 and 2 translate 96.96, 96.58 and 97.25 % exactly."""
    task = Translation()
    config = task.settled({}, {"seed": seed}, None)
    *_, finished = train_new(task, config, tmp_path / "runs", Interrupts())
    result = finished.result
    assert result["copy_exact"] == 0
    assert result["nearest_exact"] == pytest.approx(0.829, abs=0.02)
    assert result["nearest_exact_new"] < 0.02
    assert result["held_out_exact"] == pytest.approx(0.969, abs=0.008)
    assert result["held_out_exact_new"] == pytest.approx(0.83, abs=0.04)
    _, _, job = open_model(finished.folder)
    assert list(job.predict(["an_unseen_name = 12345"])) == ["Assign/2 an_unseen_name 12345"]
