"""The state of a run on disk, from which it continues bit for bit.

    >>> save(session, folder)
    >>> restore(session, folder)    # a session begun with the same configuration and data

`model.safetensors` holds the parameters and the job's assets, such as vocabularies.
`state.safetensors` holds everything needed to continue, parameters included, in one file that is
never half old and half new. May import `formats`, `chainrule.tensor` through `chainrule`, and
NumPy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from chainrule.base.errors import CheckpointError
from chainrule.formats.allowance import shown
from chainrule.formats.atomic import write_whole
from chainrule.formats.safetensors import read_state, write_state
from chainrule.optim import Optimizer
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional.random import get_rng_state, set_rng_state
from chainrule.tensor.modes import no_grad
from chainrule.train.config import Settings, to_toml
from chainrule.train.runs import CONFIG, MODEL, STATE, saving
from chainrule.train.session import Progress, Session

_MODEL = "model."
_OPTIMIZER = "optimizer."
_CARRIED = "carried."  # tensors that the loss changes, such as the state of a recurrent model
_RANDOM = "random"


def save(session: Session, folder: Path, before: Callable[[], None] = lambda: None) -> None:
    """Write both files atomically; `CheckpointError` leaves the earlier ones.

    A removed folder is created again. `before` is called first: it writes the log, whose length
    is part of the state.
    """
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CONFIG).is_file():
        write_config(session.config, session.task, folder)
    before()
    keeps_best = session.config.keep == "best" and _holds_best(session, folder)
    parameters = session.job.model.state_dict()
    state = {_MODEL + name: value for name, value in parameters.items()}
    state |= _optimizer_arrays(session.optimizer)
    state |= {_CARRIED + name: value for name, value in session.job.carried.items()}
    state[_RANDOM] = get_rng_state()
    notes = {
        "progress": json.dumps(asdict(session.progress)),
        "batches": json.dumps(session.job.batches.state()),
        "fingerprint": session.job.fingerprint,
    }
    with saving(folder / STATE):
        write_state(folder / STATE, state, notes)
    if not keeps_best:
        save_model(session, folder)


def save_model(session: Session, folder: Path) -> None:
    """Write `model.safetensors` atomically: the present parameters, and the job's assets."""
    with saving(folder / MODEL):
        folder.mkdir(parents=True, exist_ok=True)
        write_state(folder / MODEL, session.job.model.state_dict(), dict(session.job.assets()))


def _holds_best(session: Session, folder: Path) -> bool:
    """Whether the model file holds the best parameters so far; forgets them if it is gone."""
    if not (folder / MODEL).is_file():
        session.progress.best_step, session.progress.best = -1, {}
    return session.progress.best_step >= 0


def write_config(config: Settings, task: str, folder: Path) -> None:
    """Write the configuration atomically."""
    with saving(folder / CONFIG):
        write_whole(folder / CONFIG, to_toml(config, task).encode())


def restore(session: Session, folder: Path) -> None:
    """Continue `session` from a saved state; other data raises `CheckpointError`."""
    path, job = folder / STATE, session.job
    state = read_state(path)
    if state.metadata.get("fingerprint", job.fingerprint) != job.fingerprint:
        raise CheckpointError(
            f"the data of {str(folder)!r} has changed since: a run is resumed with the same data"
        )
    load_parameters(job.model, _below(state.arrays, _MODEL), path)
    try:
        session.progress = progress_of(state.metadata)
        batches = state.metadata.get("batches") or state.metadata["windows"]  # of older runs
        job.batches.restore(json.loads(batches))
        _load_optimizer(session.optimizer, _below(state.arrays, _OPTIMIZER))
        with no_grad():
            for name, array in _below(state.arrays, _CARRIED).items():
                job.carried[name].copy_(tensor(array))
        set_rng_state(tensor(state.arrays[_RANDOM]))
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(
            f"{str(path)!r} is damaged: {type(error).__name__}: {shown(str(error))}"
        ) from None


def progress_of(notes: Mapping[str, str]) -> Progress:
    """The progress in the metadata of a state; Python's JSON has NaN and infinite scores."""
    return msgspec.convert(json.loads(notes["progress"]), Progress)


def load_parameters(model: Any, arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """`model.load_state_dict`; arrays that do not fit raise `CheckpointError` naming `path`."""
    try:
        model.load_state_dict({name: tensor(array) for name, array in arrays.items()})
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} does not fit the model: {error}") from None


def _optimizer_arrays(optimizer: Optimizer) -> dict[str, Any]:
    """`optimizer.<index>.<name>` → each tensor of the optimizer's state."""
    return {
        f"{_OPTIMIZER}{index}.{name}": value
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    }


def _load_optimizer(optimizer: Optimizer, arrays: dict[str, NDArray[Any]]) -> None:
    """Load the optimizer's state; the settings in `param_groups` stay as configured."""
    state: dict[int, dict[str, Any]] = {}
    for key, array in arrays.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor(array)
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _below(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
