"""Settings: defaults, TOML, overrides, and what is wrong with each bad one."""

import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ConfigError
from chainrule.tasks.catalogue import TASKS, find_task
from chainrule.tasks.language_model import LanguageSettings
from chainrule.train.config import conditions, configure, described, from_values, to_toml


def test_later_sources_win(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("layers = 2\nwidth = 32\nseed = 5\n", encoding="utf-8")
    config = configure(
        LanguageSettings, path, ["width=64", "learning-rate=1e-4"], seed=7, steps=None
    )
    assert (config.layers, config.width, config.seed) == (2, 64, 7)
    assert config.learning_rate == 1e-4
    assert config.steps == LanguageSettings().steps


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data=book.txt", ("book.txt",)),
        ("data='a b.txt'", ("a b.txt",)),
        ("data=['a', 'b']", ("a", "b")),
        ("data=", ()),
        (r"data=C:\new\text.txt", (r"C:\new\text.txt",)),
        ("data=a=b", ("a=b",)),
        ("eager=true", True),
        ("steps=1_000", 1000),
        ("dropout=0", 0.0),
        ("learning_rate = 3e-4", 3e-4),
        ("tokens=3", "3"),
    ],
)
def test_values(text, value):
    found = getattr(configure(LanguageSettings, None, [text]), text.partition("=")[0].strip())
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layerz=2", "unknown setting 'layerz'; did you mean 'layers'?"),
        ("learningrate=2", "did you mean 'learning_rate'?"),
        ("lr=2", "did you mean 'learning_rate'?"),
        ("zzz=2", "the settings are data, dev, start, model"),
        ("layers", "'layers' is not a setting; write it as key=value"),
        ("=3", "write it as key=value"),
        ("layers=two", "setting 'layers': expected `int`, got `str`"),
        ("layers=2.5", "setting 'layers': expected `int`, got `float`"),
        ("layers=", "setting 'layers'"),
        ("layers=0", "setting 'layers': expected `int` >= 1"),
        ("layers=true", "setting 'layers': expected `int`, got `bool`"),
        ("dropout=1", "setting 'dropout': expected `float` < 1"),
        ("learning_rate=-1", "setting 'learning_rate': expected `float` > 0"),
        ("learning_rate=inf", "setting 'learning_rate': expected a finite number"),
        ("learning_rate=nan", "setting 'learning_rate'"),
        ("eager=yes", "setting 'eager': expected `bool`, got `str`"),
        ("dev=test.txt", "dev files need data to learn from: give it with --data FILE"),
        ("data=3", "setting 'data': expected a file or a list of files, got 3"),
        ("width=30", "width=30 is not a multiple of heads=4"),
    ],
)
def test_bad_settings(text, message):
    with pytest.raises(ConfigError) as caught:
        configure(LanguageSettings, None, [text])
    assert message in str(caught.value)


def test_bad_files(tmp_path):
    path = tmp_path / "c.toml"
    for data, message in [
        (b"layers 2", "is not a TOML file"),
        (b"\xff\xfe", "is not a TOML file"),
        (b"[part]\nlayers = 2", "unknown setting 'part'"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
            configure(LanguageSettings, path, [])
    with pytest.raises(ConfigError, match="there is no configuration file"):
        configure(LanguageSettings, tmp_path / "nowhere.toml", [])
    with pytest.raises(ConfigError, match="cannot be read"):
        configure(LanguageSettings, tmp_path, [])


@given(
    st.builds(
        LanguageSettings,
        data=st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
        steps=st.integers(1, 10**9),
        learning_rate=st.floats(1e-30, 1e30, exclude_min=True),
        dropout=st.floats(0, 1, exclude_max=True),
        baseline=st.booleans(),
    )
)
def test_toml_round_trip(config):
    values = tomllib.loads(to_toml(config, "language"))
    assert values.pop("task") == "language"
    assert from_values(LanguageSettings, values) == config


def test_every_setting_is_described():
    found = described(LanguageSettings)
    assert [name for name, _, _ in found] == list(LanguageSettings.__struct_fields__)
    assert all(text for _, _, text in found)


def test_the_description_says_where_a_setting_is_read():
    found = {name: text for name, _, text in described(LanguageSettings)}
    assert found["kv_heads"].endswith("; only with model llama")
    assert found["pieces"].endswith("; only with tokens words, bpe")
    assert "only" not in found["width"]


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("classify", {"model": "bag", "filters": 9}, "model=bag does not read the setting 'filt"),
        ("classify", {"model": "lstm", "heads": 4}, "leave it out, or choose model=transformer"),
        ("tag", {"model": "window", "layers": 2}, "or choose model=bilstm or model=bilstm-crf"),
        ("translate", {"heads": 2}, "model=lstm does not read the setting 'heads'"),
        ("vectors", {"model": "glove", "negatives": 3}, "choose model=skipgram or model=cbow"),
        ("language", {"model": "gru", "heads": 2}, "choose model=gpt or model=llama"),
        ("language", {"pieces": 300}, "tokens=chars does not read the setting 'pieces'"),
        ("language", {"reach": 3}, "model=gpt does not read the setting 'reach'"),
    ],
)
def test_settings_that_the_model_does_not_read(task, given, message):
    with pytest.raises(ConfigError, match=message):
        find_task(task).configure(None, [], **given)


def test_a_file_with_every_setting_is_of_any_model(tmp_path):
    """That of a run is, also of one that began with the weights of another model."""
    task = find_task("classify")
    values = msgspec.structs.asdict(task.configure(None, [], model="transformer", heads=8))
    path = tmp_path / "config.toml"
    path.write_text(to_toml(task.settled(values, {"model": "bag"}, None), "classify"), "utf-8")
    assert task.configure(path, ["width=64"]).heads == 8


def test_settings_are_read_by_models_that_exist():
    for name in TASKS:
        task = find_task(name)
        for where in conditions(task.settings).values():
            assert set(where.get("model", ())) <= set(task.models)
            assert set(where) <= set(task.settings.__struct_fields__)
