"""A recurrent language model in training: its state is carried from window to window.

The text is read in lanes, and the state at the end of a lane's window is the one at the beginning
of its next, without a gradient through it (truncated backpropagation through time). The held-out
text is read in the same way, and what the model writes continues one state.
May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.models.beam import Step
from chainrule.models.recurrent_language import RecurrentLanguageModel
from chainrule.tasks.language_job import WINDOWS, LanguageJob, Read, judged
from chainrule.tensor.functional.creation import zeros
from chainrule.tensor.tensor import Tensor
from chainrule.text.batches import Codes, Lanes, lane_batches
from chainrule.train.job import Batch, Batches
from chainrule.train.steps import inference

_SHORT = 8  # codes of each lane in a small part of a batch


class RecurrentJob(LanguageJob):
    """An LSTM, GRU or simple recurrent network, and a text in lanes."""

    model: RecurrentLanguageModel

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross entropy of the next character; in training, the state goes on from the last."""
        inputs, targets, goes_on = batch
        if not self.model.training:
            return super().loss(inputs, targets)
        state = self.carried["state"]
        logits, last = self.model(inputs, state * goes_on.view(1, 1, -1, 1))
        state.copy_(last.detach())
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def few(self, batch: Batch) -> Batch:
        """The beginning of each lane's window."""
        inputs, targets, goes_on = batch
        return inputs[:, :_SHORT], targets[:, :_SHORT], goes_on

    def reader(self) -> Callable[[Sequence[int]], NDArray[Any]]:
        """A function from the codes so far to the logits of the next; each code is read once."""
        state, logits, done = np.asarray(self._fresh(1)), np.zeros(0), 0

        def read(text: Sequence[int]) -> NDArray[Any]:
            nonlocal state, logits, done
            for code in text[done:]:
                found, state = self._further(np.array([[code]], np.int64), state)
                logits = found[0, -1]
            done = len(text)
            return logits

        return read

    def _beam(self, before: NDArray[np.int64], beam: int) -> tuple[Step, Any]:
        state = np.asarray(self._fresh(1))
        for code in before:
            _, state = self._further(np.array([[code]], np.int64), state)

        def step(codes: NDArray[np.int64], parents: NDArray[np.int64], state: Any) -> Any:
            logits, state = self._further(codes[:, None], state[:, :, parents])
            return logits[:, -1], state

        return step, np.repeat(state, beam, axis=2)

    def _built(self, vocabulary: int) -> nn.Module:
        config = self._config
        model = RecurrentLanguageModel(
            config.model, vocabulary, config.width, config.layers, config.dropout
        )
        self.carried = {"state": self._fresh(config.batch, model)}
        self._further = inference(model, model, eager=config.eager)
        self._judge_further = inference(model, self._judged_and_state, eager=config.eager)
        return model

    def _shape(self) -> str:
        return f"{self._config.layers} layers of width {self._config.width}"

    def _windows(self, codes: Codes) -> Batches:
        config = self._config
        return Lanes(codes, config.context, config.batch, config.seed)

    def _logits_at(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(inputs)[0]
        return logits

    def _judged_and_state(
        self, inputs: Tensor, targets: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        logits, last = self.model(inputs, state)
        return *judged(logits, targets), last

    def _read(self, codes: NDArray[np.int64], rows: int = WINDOWS) -> Iterator[Read]:
        """The text in as many lanes, each from end to end with one state."""
        numbers, state = np.arange(len(codes)), np.asarray(self._fresh(rows))
        for before, places, counts in lane_batches(numbers, self._config.context, rows):
            losses, likeliest, state = self._judge_further(codes[before], codes[places], state)
            yield Read(places[counts], losses[counts], likeliest[counts])

    def _fresh(self, batch: int, model: RecurrentLanguageModel | None = None) -> Tensor:
        """The state at the beginning of a text."""
        of = model or self.model
        return zeros(of.parts, of.layers, batch, of.width)
