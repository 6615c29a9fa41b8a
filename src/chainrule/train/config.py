"""The configuration of a training run: defaults, a TOML file, `key=value` overrides.

    >>> config = configure(None, ["layers=2", "learning_rate=1e-3"])
    >>> config.layers, config.learning_rate, config.heads
    (2, 0.001, 4)

May import `base`, msgspec and the standard library.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chainrule.base.errors import ConfigError
from chainrule.base.reading import read_to_end


def _whole(least: int, description: str) -> Meta:
    return Meta(ge=least, description=description)


def _share(description: str) -> Meta:
    return Meta(ge=0, lt=1, description=description)


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a run: equal configurations give equal runs."""

    data: Annotated[str, Meta(description="UTF-8 text file; empty: Python's documentation")] = ""
    steps: Annotated[int, _whole(1, "training steps")] = 1800
    seed: Annotated[int, _whole(0, "of weights, batches, dropout and samples")] = 0
    layers: Annotated[int, _whole(1, "Transformer blocks")] = 4
    heads: Annotated[int, _whole(1, "attention heads a block; divides width")] = 4
    width: Annotated[int, _whole(1, "numbers that stand for one character")] = 128
    context: Annotated[int, _whole(1, "characters the model looks back on")] = 64
    batch: Annotated[int, _whole(1, "windows of text a step")] = 12
    dropout: Annotated[float, _share("share of values dropped in training")] = 0.0
    learning_rate: Annotated[float, Meta(gt=0, description="highest, after warm-up")] = 2e-3
    warmup: Annotated[int, _whole(0, "steps of linear rise; at most steps / 5")] = 100
    decay_to: Annotated[float, Meta(ge=0, le=1, description="share the cosine leaves")] = 0.05
    beta1: Annotated[float, _share("AdamW's memory of gradients")] = 0.9
    beta2: Annotated[float, _share("AdamW's memory of their squares")] = 0.99
    weight_decay: Annotated[float, Meta(ge=0, description="of matrices; biases go free")] = 0.1
    clip: Annotated[float, Meta(gt=0, description="largest global gradient norm")] = 1.0
    evaluate_every: Annotated[int, _whole(0, "steps between validations; 0: at the end only")] = 250
    save_every: Annotated[int, _whole(0, "steps between saves; 0: at the end only")] = 500
    health_every: Annotated[int, _whole(0, "steps between looks inside; 0: never")] = 50
    sample_length: Annotated[int, _whole(0, "characters of each sample; 0: none")] = 200
    baseline: Annotated[bool, Meta(description="compare with a 5-gram model")] = True
    tensorboard: Annotated[bool, Meta(description="also write the run for TensorBoard")] = False
    eager: Annotated[bool, Meta(description="run operation by operation, uncompiled")] = False
    threads: Annotated[int, _whole(0, "0: all cores")] = 0


def settings() -> list[tuple[str, Any, str]]:
    """(name, default, meaning) of every setting, in the order of `Config`."""
    described = msgspec.json.schema(Config)["$defs"]["Config"]["properties"]
    return [
        (field.name, field.default, described[field.name]["description"])
        for field in msgspec.structs.fields(Config)
    ]


def configure(path: Path | None, overrides: Iterable[str], **given: Any) -> Config:
    """The defaults, overridden by the TOML file, each `key=value`, and `given` values but None.

    Unknown keys and values of the wrong type or range raise `ConfigError` with the way out.
    """
    changes = dict(_assignment(text) for text in overrides)
    changes |= {key: value for key, value in given.items() if value is not None}
    values = {} if path is None else _read_toml(path)
    try:
        return from_values(values | changes)
    except ConfigError as error:
        if changes or path is None:
            raise
        raise ConfigError(f"{str(path)!r}: {error}") from None


def from_values(values: Mapping[str, Any]) -> Config:
    """The checked configuration of `values` and defaults."""
    known = Config.__struct_fields__
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown setting {key!r}{_suggestion(key, known)}")
    try:
        config = msgspec.convert(dict(values), Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_readable(error)) from None
    for key, value in msgspec.structs.asdict(config).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"setting {key!r}: expected a finite number, got {value}")
    if config.width % config.heads:
        raise ConfigError(
            f"width={config.width} is not a multiple of heads={config.heads}; "
            "each head takes an equal share of the width"
        )
    return config


def to_toml(config: Config) -> str:
    """The configuration as a TOML document, which `configure` reads back.

    JSON's numbers, booleans and strings are TOML's, but for the DEL character.
    """
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        for key, value in msgspec.structs.asdict(config).items()
    ]
    return "\n".join(lines) + "\n"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_to_end(path).decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {str(path)!r}") from None
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, or not TOML
        raise ConfigError(f"{str(path)!r} is not a TOML file: {error}") from None


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
