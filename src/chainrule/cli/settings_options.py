"""Settings as options: `--layers 6` is understood as `--set layers=6`, `--lr` as learning_rate.

    >>> as_settings(["--layers", "6", "--lr=1e-3", "--no-baseline"], LanguageSettings, known=set())
    ['--set=layers=6', '--set=learning_rate=1e-3', '--set=baseline=false']

May import click and, at the first use, `train`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from chainrule.train.config import Settings

# Names that other programs give to settings of ours.
_ELSEWHERE = {
    "lr": "learning_rate", "max_lr": "learning_rate", "learning_rate_decay": "decay_to",
    "wd": "weight_decay", "batch_size": "batch", "bs": "batch", "b": "batch",
    "max_steps": "steps", "max_iters": "steps", "iters": "steps", "iterations": "steps",
    "num_epochs": "epochs", "epoch": "epochs", "max_epochs": "epochs",
    "val": "dev", "valid": "dev", "validation": "dev", "test": "dev", "eval_data": "dev",
    "eval_every": "evaluate_every", "eval_interval": "evaluate_every",
    "save_interval": "save_every", "warmup_steps": "warmup", "grad_clip": "clip",
    "max_grad_norm": "clip", "early_stopping": "patience", "random_seed": "seed",
    "num_threads": "threads", "hidden": "width", "hidden_size": "width", "d_model": "width",
    "n_embd": "width", "embedding_size": "width", "dim": "width", "n_layer": "layers",
    "n_layers": "layers", "num_layers": "layers", "n_head": "heads", "n_heads": "heads",
    "num_heads": "heads", "block_size": "context", "seq_len": "context", "max_len": "context",
    "start": "from", "init_from": "from", "finetune": "from", "checkpoint": "from",
    "arch": "model", "input": "data", "train": "data", "file": "data", "corpus": "data",
}  # fmt: skip


def as_settings(words: Sequence[str], kind: type[Settings], known: Collection[str]) -> list[str]:
    """The command line with options that name a setting as `--set=key=value`.

    `known` are the command's own options. An option that is neither raises `click.NoSuchOption`
    with the likely one.
    """
    out: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if word == "--":
            return [*out, word, *rest]
        if not name.startswith("--") or name in known:
            out.append(word)
            continue
        if key == "task":
            out.append(value or next(rest, ""))
            continue
        own = f"--{_ELSEWHERE.get(key, key)}"
        if own in known:
            out.append(own + equals + value)
            continue
        setting, off = _setting(key, kind)
        if setting is None:
            raise click.NoSuchOption(name, possibilities=_close(name, kind, known))
        if _is_switch(setting, kind):
            value = value if equals else "false" if off else "true"
        elif not equals:
            value = next(rest, "")
        out.append(f"--set={setting}={value}")
    return out


def setting_name(key: str, kind: type[Settings]) -> str:
    """The setting that people mean by `key`: lr is learning_rate; an unknown key stays."""
    name = key.replace("-", "_")
    return name if name in kind.__struct_fields__ else _ELSEWHERE.get(name, name)


def _setting(key: str, kind: type[Settings]) -> tuple[str | None, bool]:
    """The setting that an option names, and whether it is switched off: `--no-baseline`."""
    fields = kind.__struct_fields__
    positive = key.removeprefix("no_")
    if positive != key and positive in fields and _is_switch(positive, kind):
        return positive, True
    found = setting_name(key, kind)
    return (found if found in fields else None), False


def _is_switch(setting: str, kind: type[Settings]) -> bool:
    return isinstance(getattr(kind(), setting), bool)


def _close(name: str, kind: type[Settings], known: Collection[str]) -> list[str]:
    options = [f"--{field.replace('_', '-')}" for field in kind.__struct_fields__]
    return difflib.get_close_matches(name, [*known, *options], n=2)
