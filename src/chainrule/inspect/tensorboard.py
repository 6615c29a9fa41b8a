"""`SummaryWriter`: curves, histograms and texts of a run for TensorBoard.

    >>> with SummaryWriter("runs/first") as writer:
    ...     writer.add_scalar("loss", loss, step)

tensorboardX writes the event files, from arrays made of tensors here. May import
`inspect.graph_def` and what lies below it.
Source: https://docs.pytorch.org/docs/stable/tensorboard.html
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from chainrule.base.errors import ArgumentError, KindError, MissingImportError
from chainrule.base.source import warn
from chainrule.inspect.tensorboard_media import Media


class SummaryWriter(Media):
    """A writer of event files in `log_dir`, by default `runs/<time>_<machine><comment>`."""

    def __init__(
        self, log_dir: str | os.PathLike[str] | None = None, comment: str = "",
        purge_step: int | None = None, max_queue: int = 10, flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:  # fmt: skip
        """Hide the steps of an earlier run from `purge_step` on."""
        self._writer = require_writer()(
            logdir=None if log_dir is None else os.fspath(log_dir),
            comment=comment,
            purge_step=purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )
        self.log_dir: str = self._writer.logdir

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None,
        walltime: float | None = None, new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """Add a point of the curve `tag`: a number, or a tensor of one element.

        `new_style` and `double_precision` change nothing: points are written as float32.
        """
        del new_style, double_precision
        self._writer.add_scalar(tag, _number(scalar_value), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Add points of several curves in one picture."""
        numbers = {tag: _number(value) for tag, value in tag_scalar_dict.items()}
        self._writer.add_scalars(main_tag, numbers, global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: str = "tensorflow",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """Add a histogram of a tensor; `bins` is one of NumPy's rules or "tensorflow".

        NaN and infinities are left out, and a warning counts them.
        """
        if values is None:
            raise KindError(
                f"add_histogram({tag!r}) has no values: None was given\n"
                "  a parameter's .grad is None before backward() and after zero_grad()"
            )
        array = _finite(tag, np.asarray(values, np.float64))
        if not array.size:
            return
        if bins == "tensorflow" and np.abs(array).max() > _LAST_BAR:
            bins = "auto"  # the ends of TensorFlow's bars
        self._writer.add_histogram(tag, array, global_step, bins, walltime, max_bins)

    def add_histogram_raw(
        self, tag: str, min: float, max: float, num: int, sum: float, sum_squares: float,
        bucket_limits: Sequence[float], bucket_counts: Sequence[float],
        global_step: int | None = None, walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Add a counted histogram: the upper end of each bar, and its count."""
        self._writer.add_histogram_raw(
            tag, min, max, num, sum, sum_squares, list(bucket_limits), list(bucket_counts),
            global_step, walltime,
        )  # fmt: skip

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Add a text, which TensorBoard shows as Markdown."""
        self._writer.add_text(tag, text_string, global_step, walltime)

    def add_hparams(
        self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
        run_name: str | None = None, global_step: int | None = None,
    ) -> None:  # fmt: skip
        """Add the settings and results of a run, for comparison with other runs.

        `hparam_domain_discrete`, the values that a setting may have, is not written.
        """
        del hparam_domain_discrete
        settings = {name: _setting(value) for name, value in hparam_dict.items()}
        metrics = {name: _number(value) for name, value in metric_dict.items()}
        self._writer.add_hparams(settings, metrics, run_name, global_step)

    def add_graph(
        self, model: Callable[..., Any], input_to_model: Any = None, verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:  # fmt: skip
        """Add the graph of `model(*input_to_model)`, layer by layer, for TensorBoard's graph tab.

        The model – a module or a function of tensors – runs on symbols; nothing changes.
        `input_to_model` is a tensor or a tuple of arguments. `verbose` prints the nodes;
        `use_strict_trace` changes nothing.
        """
        del use_strict_trace
        if input_to_model is None:
            raise ArgumentError(
                "add_graph needs input_to_model=, a tensor or a tuple of arguments of the model: "
                "the graph is what it computes from them"
            )
        from tensorboardX.proto.event_pb2 import Event

        from chainrule.inspect.graph_def import graph_def

        given = input_to_model if isinstance(input_to_model, (tuple, list)) else (input_to_model,)
        made, text = graph_def(model, given)
        if verbose:
            sys.stdout.write(text + "\n")
        self._writer.file_writer.add_event(Event(graph_def=made.SerializeToString()))

    def flush(self) -> None:
        """Write everything to disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush, and close the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def require_writer() -> Any:
    """tensorboardX's writer; raises with the way to install it if it is missing."""
    try:
        from tensorboardX import SummaryWriter as Writer
    except ImportError:
        raise MissingImportError(
            "SummaryWriter needs tensorboardX: pip install 'chainrule[tensorboard]'"
        ) from None
    return Writer


_LAST_BAR = 1e20  # the ends of TensorFlow's exponential bars


def _finite(tag: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The finite values, flat; a warning counts the others."""
    finite: np.ndarray[Any, Any] = array[np.isfinite(array)]
    if len(finite) < array.size:
        left = "is empty" if not len(finite) else "leaves them out"
        count = array.size - len(finite)
        warn(f"{count} of {array.size} values of {tag!r} are NaN or infinite; the histogram {left}")
    return finite


def _setting(value: Any) -> bool | float | str:
    """A setting for the table of runs: None and other objects as their text."""
    if isinstance(value, (bool, int, float, str)):
        return value
    one = getattr(value, "size", None) == 1 or getattr(value, "numel", lambda: 0)() == 1
    return _number(value) if one else str(value)


def _number(value: Any) -> float:
    """A number, or the one element of a tensor or array."""
    return float(value if isinstance(value, (bool, int, float)) else np.asarray(value).item())
