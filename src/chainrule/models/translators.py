"""Translators: encoder and decoder with attention, one of LSTMs and one Transformer.

    >>> model = LSTMTranslator(vocabulary=500, width=128, layers=1)
    >>> model(source, target).shape       # codes: int64 [32, 24] and [32, 16]
    (32, 16, 500)

Both languages share a vocabulary, a table of embeddings and, after Press & Wolf (2017), the weights
of the last layer. Code `padding` fills the end of a row and is neither read nor learnt.

While training, `forward` reads the true target up to each position, all positions at once. To
translate, `begin(source, longest)` gives the *memory* of the source and the first *cache*, and
`step(codes, cache, memory)` reads one code a row: the same logits, one position after another.

    >>> translate = BeamTranslation(trained, start=2, end=3, longest=48)
    >>> translate([[5, 9, 6], [7, 8]], beam=4)[0][0].codes   # the best one of the first source
    [17, 4, 9]

May import `text`, `nn` and what lies below them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base import dtypes
from chainrule.base.errors import ConfigError
from chainrule.models.beam import Beam, beam_search
from chainrule.models.sinusoids import sinusoids
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional import comparison, creation, join, layout
from chainrule.tensor.modes import no_grad
from chainrule.text.padded_batches import bucket_of

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

Rows = tuple["Tensor", ...]  # tensors whose first axis is the rows of a batch


class Start(NamedTuple):
    """What `begin` makes of the sources: the memory, read at each step, and the first cache."""

    memory: Rows
    cache: Rows


class Translator(nn.Module):
    """The table of embeddings that both sides and the last layer share."""

    def __init__(self, vocabulary: int, width: int, dropout: float, padding: int) -> None:
        """Rows of the table start from N(0, 1/√width) and are read times √width."""
        super().__init__()
        self.padding = padding
        self.width = width
        self.table = nn.Embedding(vocabulary, width)
        self.bias = nn.Parameter(creation.zeros(vocabulary))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(width))

    def begin(self, source: Tensor, longest: int) -> Start:
        """int64 [rows, S] → the memory and the cache of at most `longest` steps."""
        raise NotImplementedError

    def step(self, codes: Tensor, cache: Rows, memory: Rows) -> tuple[Tensor, Rows]:
        """int64 [rows] → logits [rows, vocabulary] of the next code, and the cache after it."""
        raise NotImplementedError

    def _embed(self, codes: Tensor) -> Tensor:
        return self.table(codes) * math.sqrt(self.width)  # type: ignore[no-any-return]

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(x, self.table.weight, self.bias)


class LSTMTranslator(Translator):
    """Encoder: a bidirectional LSTM. Decoder: an LSTM, then attention to the encoder's states.

    aₜ = softmax(hₜ W mᵀ), h̃ₜ = tanh(W_c [aₜ m; hₜ]), logits = h̃ₜ Eᵀ + b, with the encoder's states
    m, the decoder's hₜ and the embeddings E. The decoder starts from the encoder's last states. As
    attention follows the recurrence, all positions are attended at once. Source: Luong, Pham &
    Manning, Effective Approaches to Attention-based Neural Machine Translation (2015), §3.1: global
    attention, `general` score, without input feeding.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 128,
        layers: int = 1,
        dropout: float = 0.0,
        padding: int = 0,
    ) -> None:
        """`width` is even: half of it for each direction of the encoder."""
        super().__init__(vocabulary, width, dropout, padding)
        if width % 2:
            raise ConfigError(f"width={width} is odd; each direction of the encoder takes half")
        between = dropout if layers > 1 else 0.0
        self.encoder = nn.LSTM(
            width, width // 2, layers, batch_first=True, dropout=between, bidirectional=True
        )
        self.decoder = nn.LSTM(width, width, layers, batch_first=True, dropout=between)
        self.score = nn.Linear(width, width, bias=False)
        self.mix = nn.Linear(2 * width, width, bias=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """int64 [rows, S] and [rows, T] → logits [rows, T, vocabulary] of what follows."""
        (states, readable), cache = self.begin(source, target.shape[1])
        h, _ = self.decoder(self.dropout(self._embed(target)), self._of_layers(cache))
        return self._attend(h, states, readable)

    def begin(self, source: Tensor, longest: int) -> Start:
        """The encoder's states and where they may be read; h and c of the decoder."""
        del longest
        readable = source != self.padding
        embedded = self.dropout(self._embed(source))
        states, last = self.encoder(embedded, lengths=readable.sum(1))
        layers, rows = self.decoder.num_layers, source.shape[0]
        cache = tuple(
            layout.reshape(s.view(layers, 2, rows, -1).permute(2, 0, 1, 3), (rows, layers, -1))
            for s in last
        )
        return Start((states, readable.unsqueeze(1)), cache)

    def step(self, codes: Tensor, cache: Rows, memory: Rows) -> tuple[Tensor, Rows]:
        """The decoder's next state for each row, and its logits."""
        h, last = self.decoder(self._embed(codes.unsqueeze(1)), self._of_layers(cache))
        return self._attend(h, *memory)[:, 0], tuple(s.transpose(0, 1) for s in last)

    def _of_layers(self, cache: Rows) -> Rows:
        return tuple(s.transpose(0, 1).contiguous() for s in cache)

    def _attend(self, h: Tensor, states: Tensor, readable: Tensor) -> Tensor:
        attended = F.scaled_dot_product_attention(
            self.score(h), states, states, attn_mask=readable, scale=1.0
        )
        mixed = self.mix(join.cat([attended, h], -1)).tanh()
        return self._logits(self.dropout(mixed))


class TransformerTranslator(Translator):
    """Encoder and decoder of Transformer layers, norms inside, with sines as positions.

    Source: Vaswani et al., Attention is all you need (2017), with the norms of Xiong et al., On
    layer normalization in the Transformer architecture (2020).
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 128,
        layers: int = 2,
        dropout: float = 0.0,
        padding: int = 0,
        heads: int = 4,
    ) -> None:
        """`width` is a multiple of `heads`."""
        super().__init__(vocabulary, width, dropout, padding)
        if width % heads:
            raise ConfigError(f"width={width} is not a multiple of heads={heads}")
        self.transformer = nn.Transformer(
            width, heads, layers, layers, 4 * width, dropout, F.gelu, batch_first=True,
            norm_first=True,
        )  # fmt: skip

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """int64 [rows, S] and [rows, T] → logits [rows, T, vocabulary] of what follows."""
        unread = source == self.padding
        x = self.transformer(
            self._placed(source), self._placed(target), tgt_mask=_future(target.shape[1]),
            src_key_padding_mask=unread, memory_key_padding_mask=unread, tgt_is_causal=True,
        )  # fmt: skip
        return self._logits(x)

    def begin(self, source: Tensor, longest: int) -> Start:
        """Keys and values of the sources for each layer; the position, keys and values so far."""
        unread = source == self.padding
        states = self.transformer.encoder(self._placed(source), src_key_padding_mask=unread)
        rows = source.shape[0]
        memory = [~unread.view(rows, 1, 1, -1)]
        cache = [creation.zeros(rows, dtype=dtypes.int64)]
        for layer in self.transformer.decoder.layers:
            memory += _project(layer.multihead_attn, states, 1, 3)
            heads = layer.self_attn
            shape = (rows, heads.num_heads, longest, heads.head_dim)
            cache += [creation.zeros(*shape), creation.zeros(*shape)]
        return Start(tuple(memory), tuple(cache))

    def step(self, codes: Tensor, cache: Rows, memory: Rows) -> tuple[Tensor, Rows]:
        """The layers at one position for each row; their keys and values join the cache."""
        at, readable = cache[0], memory[0]
        longest = cache[1].shape[2]
        x = (self._embed(codes) + sinusoids(longest, self.width)[at]).unsqueeze(1)
        positions = creation.arange(longest)
        here = (positions == at.unsqueeze(1)).view(len(at), 1, -1, 1)
        past = (positions <= at.unsqueeze(1)).view(len(at), 1, 1, -1)
        after = [at + 1]
        for i, layer in enumerate(self.transformer.decoder.layers, start=1):
            pair = slice(2 * i - 1, 2 * i + 1)
            normed = layer.norm1(x)
            seen = _project(layer.self_attn, normed, 1, 3)
            seen = [
                comparison.where(here, new, old) for new, old in zip(seen, cache[pair], strict=True)
            ]
            x = x + _attend(layer.self_attn, normed, seen, past)
            x = x + _attend(layer.multihead_attn, layer.norm2(x), memory[pair], readable)
            x = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
            after += seen
        return self._logits(self.transformer.decoder.norm(x))[:, 0], tuple(after)

    def _placed(self, codes: Tensor) -> Tensor:
        """Embeddings of codes plus those of their positions."""
        x = self._embed(codes) + sinusoids(codes.shape[1], self.width)
        return self.dropout(x)  # type: ignore[no-any-return]


def _future(time: int) -> Tensor:
    """[time, time], true where the column is after the row."""
    positions = creation.arange(time)
    return positions > positions.unsqueeze(1)


def _project(attention: nn.MultiheadAttention, x: Tensor, first: int, last: int) -> list[Tensor]:
    """Projections `first` … `last` - 1 of x [rows, time, width]: 0 queries, 1 keys, 2 values.

    Each is [rows, heads, time, width / heads].
    """
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    assert weight is not None
    assert bias is not None
    width = attention.embed_dim
    part = slice(first * width, last * width)
    projected = F.linear(x, weight[part], bias[part])
    heads = (last - first, attention.num_heads, attention.head_dim)
    return list(projected.view(*x.shape[:2], *heads).permute(2, 0, 3, 1, 4))


def _attend(
    attention: nn.MultiheadAttention, x: Tensor, known: Sequence[Tensor], readable: Tensor
) -> Tensor:
    """`attention` of x [rows, time, width] to keys and values that are known."""
    (queries,) = _project(attention, x, 0, 1)
    keys, values = known
    mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=readable)
    return attention.out_proj(mixed.transpose(1, 2).reshape(x.shape))  # type: ignore[no-any-return]


Function = Callable[..., Any]  # of tensors, or of arrays


def _run_on_arrays(function: Function) -> Function:
    """`function` of tensors as one of arrays, without gradients."""

    def run(*arrays: NDArray[Any]) -> Any:
        with no_grad():
            return tuple(np.asarray(part) for part in function(*map(tensor, arrays)))

    return run


class BeamTranslation:
    """The likeliest translations by a translator in evaluation mode; a beam of 1 is greedy.

    `run` makes a function of arrays of one of tensors; give one that compiles, such as
    `train.steps.inference`, to translate much. The functions see few shapes.
    """

    def __init__(
        self,
        model: Translator,
        *,
        start: int,
        end: int,
        longest: int,
        run: Callable[[Function], Function] = _run_on_arrays,
    ) -> None:
        """A translation begins with code `start`, and has at most `longest` codes with its end."""
        self._start, self._end, self._longest = start, end, longest
        self._padding = model.padding

        def begin(source: Tensor) -> Rows:
            memory, cache = model.begin(source, longest)
            self._parts = len(cache)
            return (*cache, *memory)

        def step(codes: Tensor, parents: Tensor, *parts: Tensor) -> Rows:
            cache = tuple(part[parents] for part in parts[: self._parts])
            logits, cache = model.step(codes, cache, parts[self._parts :])
            return (logits, *cache)

        self._parts = 0
        self._begin, self._step = run(begin), run(step)

    def __call__(self, sources: Sequence[ArrayLike], beam: int = 1) -> list[list[Beam]]:
        """The best translations of each source, a sequence of codes: at most `beam`, best first."""
        found: dict[int, list[Beam]] = {}
        for chosen, beams in self.in_batches(sources, beam):
            found.update(zip(chosen, beams, strict=True))
        return [found[number] for number in range(len(sources))]

    def in_batches(
        self, sources: Sequence[ArrayLike], beam: int = 1, batch: int = 64
    ) -> Iterator[tuple[list[int], list[list[Beam]]]]:
        """(numbers of sources, their translations) of one batch after another, short ones first.

        Batches are padded to few shapes, in length and in number.
        """
        codes = [np.asarray(source, dtype=np.int64) for source in sources]
        order = sorted(range(len(codes)), key=lambda number: len(codes[number]))
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            rows, time = bucket_of([len(chosen), max(len(codes[n]) for n in chosen)])
            padded = np.full((rows, time), self._padding)
            for row, number in zip(padded, chosen, strict=False):
                row[: len(codes[number])] = codes[number]
            yield chosen, self._translated(padded, beam)[: len(chosen)]

    def _translated(self, source: NDArray[np.int64], beam: int) -> list[list[Beam]]:
        parts = [np.repeat(part, beam, axis=0) for part in self._begin(source)]
        cache, memory = parts[: self._parts], parts[self._parts :]

        def step(codes: NDArray[np.int64], parents: NDArray[np.int64], cache: Any) -> Any:
            logits, *after = self._step(codes, parents, *cache, *memory)
            return logits, after

        return beam_search(
            step,
            cache,
            sequences=len(source),
            beam=beam,
            start=self._start,
            end=self._end,
            longest=self._longest,
        )
