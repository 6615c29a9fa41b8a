"""A training job, as the loop sees it: data, model, loss, scores and samples.

A job of your own is a subclass of `Job` with a model, batches, a loss and an evaluation;
docs/adding_a_task.md has a whole one. May import `nn`, `optim` and what lies below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.base.errors import ConfigError
from chainrule.optim import Optimizer
from chainrule.tensor.tensor import Tensor
from chainrule.train.config import Settings

Batch = tuple[NDArray[Any], ...]
Scores = Mapping[str, float]  # by name, the loss among them: {"loss": 0.08, "accuracy": 0.981}


class Batches(Protocol):
    """An endless stream of batches that can be continued exactly."""

    def __len__(self) -> int:
        """How many batches are an epoch, one pass over the data."""

    def draw(self) -> Batch:
        """The next batch: NumPy arrays, the arguments of `Job.loss`."""

    def state(self) -> dict[str, Any]:
        """The place in the stream, in JSON's types."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the stream from a `state()`."""


@dataclass(frozen=True)
class Baseline:
    """What a simple method scores on the same held-out data; without scores there is a `reason`.

    `key` names it in files ("naive_bayes"), `name` for people ("naive Bayes").
    """

    key: str
    name: str
    scores: Scores
    reason: str = ""


@dataclass(frozen=True)
class Mistake:
    """An example of the held-out data that the model gets wrong."""

    where: str  # "reviews.tsv:12", or the number of the example
    text: str
    expected: str
    predicted: str
    loss: float  # the larger, the worse


class Job(ABC):
    """One training in memory. `Task.begin` makes it; the loop asks it for everything.

    Set the attributes without a value here in `__init__`.
    """

    model: nn.Module
    source: str  # where the data is from: "names.txt", "the documentation topics of Python 3.11"
    facts: Mapping[str, str]  # lines to show: {"examples": "28,912 to learn, 3,210 held out", …}
    fingerprint: str  # of the data: a run is resumed with the same
    batches: Batches
    unit: str = "nats an example"  # of the loss
    counted: str = "tokens"  # what `size` counts
    judged_by: str = "loss"  # the score that says which model is better …
    more_is_better: bool = False  # … and in which direction
    sampled: str = "samples"  # a heading for `samples`
    carried: Mapping[str, Tensor] = MappingProxyType({})  # what `loss` changes besides, in place
    figures: Mapping[str, Any] = MappingProxyType({})  # of the data, for result.json

    @abstractmethod
    def loss(self, *batch: Tensor) -> Tensor:
        """The mean loss of a batch, in nats.

        The loop compiles it together with backward, clipping and update, once for each shape of a
        batch: let lengths be multiples of 8 or 16, say, so that shapes are few.
        """

    @abstractmethod
    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """The scores on held-out data, "loss" among them; None if `stop()` became true.

        Without `whole` a part of the data will do: training waits. `train.steps.inference` makes
        the function to call, compiled and without gradients.
        """

    @abstractmethod
    def assets(self) -> Mapping[str, str]:
        """What the model needs besides its weights, such as vocabularies and labels.

        It is saved with the weights, and given to `Task.reopen`.
        """

    def size(self, batch: Batch) -> int:
        """How many tokens (`counted`) are in a batch, for the pace."""
        return int(batch[0].size)

    def few(self, batch: Batch) -> Batch:
        """A small part of a batch, for `chainrule gradcheck` and pictures of the graph."""
        return tuple(array[:2] for array in batch)

    def optimizer(self, config: Settings) -> Optimizer:
        """AdamW with weight decay for matrices only, not for biases and norms."""
        parameters = list(self.model.parameters())
        groups: list[dict[str, Any]] = [
            {
                "params": [p for p in parameters if p.dim() > 1],
                "weight_decay": config.weight_decay,
            },
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        return optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2))

    def baselines(self) -> Iterator[Baseline]:
        """What simple methods score on the same held-out data; computed after the first step.

        The strongest comes last: it is the one in charts and beside the progress.
        """
        return iter(())

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """Text that shows what the model can do by now: samples, or errors and what is right.

        Random choices come from `generator`, so that samples change nothing in the training. ""
        shows nothing; None if `stop()` became true.
        """
        del generator, stop
        return ""

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """One line of output for each line of input, without line ends (`chainrule predict`)."""
        del lines
        raise ConfigError(f"a model of {type(self).__name__} does not predict lines")

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """The worst mistakes on held-out data, the worst first (`chainrule evaluate`)."""
        del most
        return ()

    def tables(self) -> str:
        """More about the scores on held-out data, such as a confusion matrix, as lines of text."""
        return ""


class LossModule(nn.Module):
    """A job's loss as a module: the arrays of a batch, as tensors → the mean loss."""

    def __init__(self, job: Job) -> None:
        """The module shares the job's model."""
        super().__init__()
        self.model = job.model
        self._loss = job.loss

    def forward(self, *batch: Tensor) -> Tensor:
        """The mean loss of a batch."""
        return self._loss(*batch)
