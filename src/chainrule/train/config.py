"""The configuration of a training run: defaults, a TOML file, `key=value` overrides.

    >>> settings = configure(Settings, None, ["steps=100", "learning_rate=1e-3"])
    >>> settings.steps, settings.learning_rate, settings.seed
    (100, 0.001, 0)

A task has a subclass of `Settings` with its own. May import `base`, msgspec and the standard
library.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import msgspec.inspect
from msgspec import Meta

from chainrule.base.errors import ConfigError
from chainrule.base.reading import read_to_end

FILES = ("data", "dev")  # settings that hold paths; one path may be given without a list
STDIN = "-"  # in the place of a file


def whole(least: int, description: str) -> Meta:
    """A whole number of at least `least`, described for `--help`."""
    return Meta(ge=least, description=description)


def share(description: str) -> Meta:
    """A number from 0 to below 1, described for `--help`."""
    return Meta(ge=0, lt=1, description=description)


def only(**where: tuple[str, ...]) -> Meta:
    """Where a setting is read: `only(model=("lstm", "gru"))`; elsewhere nobody may give it."""
    return Meta(extra={"only": where})


# Types of settings whose defaults differ from task to task: `steps: StepCount = 600`.
StepCount = Annotated[int, whole(1, "training steps")]
BatchSize = Annotated[int, whole(1, "examples a step")]
LearningRate = Annotated[float, Meta(gt=0, description="highest, after warm-up")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every task has: equal settings give equal runs.

    A subclass for a task adds settings, each `name: Annotated[type, Meta(description=…)] =
    default`, and may give another default to those here.
    """

    data: Annotated[tuple[str, ...], Meta(description="files to learn from; default: bundled")] = ()
    dev: Annotated[tuple[str, ...], Meta(description="held-out files; default: part of data")] = ()
    start: Annotated[str, Meta(description="run whose weights it starts with (--from)")] = ""
    model: Annotated[str, Meta(description="kind of model; empty: the task's first")] = ""
    steps: StepCount = 1000
    epochs: Annotated[float, Meta(ge=0, description="passes over the data; 0: as steps say")] = 0.0
    seed: Annotated[int, whole(0, "of weights, batches, dropout and samples")] = 0
    batch: BatchSize = 32
    learning_rate: LearningRate = 1e-3
    warmup: Annotated[int, whole(0, "steps of linear rise; at most steps / 5")] = 100
    decay_to: Annotated[float, Meta(ge=0, le=1, description="share the cosine leaves")] = 0.05
    beta1: Annotated[float, share("AdamW's memory of gradients")] = 0.9
    beta2: Annotated[float, share("AdamW's memory of their squares")] = 0.99
    weight_decay: Annotated[float, Meta(ge=0, description="of matrices; biases go free")] = 0.01
    clip: Annotated[float, Meta(gt=0, description="largest global gradient norm")] = 1.0
    evaluate_every: Annotated[int, whole(0, "steps between validations; 0: at the end only")] = 250
    patience: Annotated[int, whole(0, "validations without a better one; 0: never stops")] = 0
    keep: Annotated[Literal["last", "best"], Meta(description="the weights to keep")] = "last"
    save_every: Annotated[int, whole(0, "steps between saves; 0: at the end only")] = 500
    health_every: Annotated[int, whole(0, "steps between looks inside; 0: never")] = 50
    baseline: Annotated[bool, Meta(description="compare with what counting achieves")] = True
    tensorboard: Annotated[bool, Meta(description="also write the run for TensorBoard")] = False
    eager: Annotated[bool, Meta(description="run operation by operation, uncompiled")] = False
    threads: Annotated[int, whole(0, "0: all cores")] = 0

    @property
    def reads_stdin(self) -> bool:
        """Whether standard input is among the data, which nothing reads again."""
        return STDIN in (*self.data, *self.dev)

    def check(self) -> None:
        """Raise `ConfigError` for settings that do not fit each other."""


S = TypeVar("S", bound=Settings)


def described(kind: type[Settings]) -> list[tuple[str, Any, str]]:
    """(name, default, meaning) of every setting."""
    properties = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    where = {
        name: [f"only with {key} {', '.join(values)}" for key, values in found.items()]
        for name, found in conditions(kind).items()
    }
    return [
        (name, field.default, "; ".join([properties[name]["description"], *where[name]]))
        for field in msgspec.structs.fields(kind)
        for name in [field.name]
    ]


def conditions(kind: type[Settings]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By setting, the values of others with which it is read (`only`)."""
    found = msgspec.inspect.type_info(kind)
    assert isinstance(found, msgspec.inspect.StructType)
    return {
        field.name: (getattr(field.type, "extra", None) or {}).get("only", {})
        for field in found.fields
    }


def require_read(config: Settings, given: Iterable[str]) -> None:
    """Raise `ConfigError` for a `given` setting that nothing reads beside the others."""
    where = conditions(type(config))
    for name in given:
        for key, values in where[name].items():
            if (value := getattr(config, key)) not in values:
                raise ConfigError(
                    f"{key}={value} does not read the setting {name!r}: leave it out, or choose "
                    + " or ".join(f"{key}={one}" for one in values)
                )


def configure(kind: type[S], path: Path | None, overrides: Iterable[str], **given: Any) -> S:
    """The defaults, overridden by the TOML file, each `key=value`, and `given` values but None.

    Unknown keys and values of the wrong type or range raise `ConfigError` with the way out.
    """
    return checked(kind, read_toml(path), changes(overrides, given), path)


def changes(overrides: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of each `key=value`, then the `given` ones but None."""
    found = dict(_assignment(text) for text in overrides)
    return found | {key: value for key, value in given.items() if value is not None}


def checked(
    kind: type[S], values: Mapping[str, Any], changed: Mapping[str, Any], path: Path | None
) -> S:
    """The settings of `values`, which were read from `path`, and `changed` ones."""
    try:
        return from_values(kind, {**values, **changed})
    except ConfigError as error:
        if changed or path is None:
            raise
        raise ConfigError(f"{str(path)!r}: {error}") from None


def from_values(kind: type[S], values: Mapping[str, Any]) -> S:
    """The checked settings of `values` and defaults."""
    known = kind.__struct_fields__
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown setting {key!r}{_suggestion(key, known)}")
    try:
        config = msgspec.convert(_texts(kind, values) | _files(values), kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_readable(error)) from None
    for key, value in msgspec.structs.asdict(config).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"setting {key!r}: expected a finite number, got {value}")
    if config.patience and not config.evaluate_every:
        raise ConfigError("patience counts validations, and evaluate_every=0 makes none on the way")
    if config.dev and not config.data:
        raise ConfigError("dev files need data to learn from: give it with --data FILE")
    config.check()
    return config


def _texts(kind: type[S], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, with the digits of a whole number where a text is expected: a column, say."""
    found = msgspec.inspect.type_info(kind)
    assert isinstance(found, msgspec.inspect.StructType)
    texts = set()
    for field in found.fields:
        of = field.type
        while isinstance(of, msgspec.inspect.Metadata):
            of = of.type
        if isinstance(of, msgspec.inspect.StrType):
            texts.add(field.name)
    return {k: str(v) if k in texts and type(v) is int else v for k, v in values.items()}


def to_toml(config: Settings, task: str) -> str:
    """The name of the task and its settings as a TOML document, which `read_toml` reads back.

    JSON's numbers, booleans, strings and lists are TOML's, but for the DEL character.
    """
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        for key, value in {"task": task, **msgspec.structs.asdict(config)}.items()
    ]
    return "\n".join(lines) + "\n"


def read_toml(path: Path | None) -> dict[str, Any]:
    """The values of a configuration file; none without a path."""
    if path is None:
        return {}
    try:
        return tomllib.loads(read_to_end(path).decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {str(path)!r}") from None
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, or not TOML
        raise ConfigError(f"{str(path)!r} is not a TOML file: {error}") from None


def _files(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """The settings that hold paths, as lists of paths; an empty path is none."""
    found = {}
    for key in FILES:
        value = values.get(key, ())
        paths = [value] if isinstance(value, str) else value
        if not (isinstance(paths, list | tuple) and all(isinstance(p, str) for p in paths)):
            raise ConfigError(f"setting {key!r}: expected a file or a list of files, got {value!r}")
        if key in values:
            found[key] = [path for path in paths if path]
    return found


def _assignment(text: str) -> tuple[str, Any]:
    """Key and value of `key=value`; a value that is no TOML is a string."""
    key, equals, value = text.partition("=")
    key, value = key.strip().replace("-", "_"), value.strip()
    if not equals or not key:
        raise ConfigError(f"{text!r} is not a setting; write it as key=value")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key, value


def _suggestion(key: str, known: Iterable[str]) -> str:
    """The likely name: a similar one, or the one that it abbreviates (lr, wd)."""
    short = {"".join(word[0] for word in name.split("_")): name for name in known if "_" in name}
    close = [short[key]] if key in short else difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; the settings are {', '.join(known)}"


def _readable(error: msgspec.ValidationError) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.layers`", with the key first."""
    message, _, key = str(error).rpartition(" - at `$.")
    return f"setting {key.rstrip('`')!r}: {message[:1].lower()}{message[1:]}"
