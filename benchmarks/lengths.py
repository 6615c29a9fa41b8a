"""The cost of variable lengths in plans and code: sentences, and text token by token.

    python -m benchmarks.lengths

Each line is a fresh process with an empty cache of machine code: an epoch of sentences of 60
different lengths through a compiled training step (a two-way LSTM tagger, and Transformer taggers
of one and two layers), and 200 tokens generated with a preallocated cache of keys and values,
whose position is a tensor. The table has the seconds of all traces, plans and code, those of the
first step, and the median of the later steps, each of a new length.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.output import json_option, keep

WORDS, TAGS, WIDTH, BATCH, LENGTHS = 5000, 17, 64, 16, range(3, 63)
LETTERS, TOKENS, CONTEXT = 65, 200, 256


def taggers() -> dict[str, Any]:
    """The models, by name."""
    import chainrule as cr
    from chainrule import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(WORDS, WIDTH)
            self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True, bidirectional=True)
            self.out = nn.Linear(2 * WIDTH, TAGS)

        def forward(self, words: Any) -> Any:
            return self.out(self.lstm(self.embed(words))[0])

    class Attending(nn.Module):
        def __init__(self, layers: int) -> None:
            super().__init__()
            self.embed, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(128, WIDTH)
            self.blocks = nn.ModuleList(
                [
                    nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, 0.0, batch_first=True)
                    for _ in range(layers)
                ]
            )
            self.out = nn.Linear(WIDTH, TAGS)

        def forward(self, words: Any) -> Any:
            x = self.embed(words) + self.positions(cr.arange(words.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.out(x)

    return {
        "LSTM tagger": Recurrent,
        "Transformer tagger, 1 layer": lambda: Attending(1),
        "Transformer tagger, 2 layers": lambda: Attending(2),
    }


def epoch(name: str) -> dict[str, float]:
    """One batch of each length through a compiled step."""
    import chainrule as cr
    import chainrule.nn.functional as F
    from chainrule import nn, optim

    cr.manual_seed(0)
    model = taggers()[name]()
    opt = optim.AdamW(model.parameters(), lr=1e-3)

    @cr.compile
    def step(words: Any, tags: Any) -> Any:
        loss = F.cross_entropy(model(words).flatten(0, 1), tags.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        return loss

    rng, seconds = np.random.default_rng(0), []
    for length in LENGTHS:
        words, tags = (rng.integers(0, n, (BATCH, length)) for n in (WORDS, TAGS))
        start = time.perf_counter()
        step(words, tags)
        seconds.append(time.perf_counter() - start)
    return result(step.explain_cache(), seconds)


def generation() -> dict[str, float]:
    """Tokens one by one through a Transformer with a cache of keys and values."""
    import chainrule as cr
    import chainrule.nn.functional as F
    from chainrule import nn

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            for part in ("keys", "values"):
                self.register_buffer(part, cr.zeros(1, heads, CONTEXT, width // heads))

        def forward(self, x: Any, at: Any, seen: Any) -> Any:
            parts = self.qkv(self.norm1(x)).chunk(3, -1)
            shape = (*x.shape[:2], self.heads, -1)
            q, self.keys[:, :, at], self.values[:, :, at] = (
                p.reshape(shape).transpose(1, 2) for p in parts
            )
            y = F.scaled_dot_product_attention(q, self.keys, self.values, attn_mask=seen)
            x = x + self.mix(y.transpose(1, 2).flatten(2))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Letters(nn.Module):
        def __init__(self, width: int = 128, heads: int = 4, layers: int = 4) -> None:
            super().__init__()
            self.embed, self.positions = nn.Embedding(LETTERS, width), nn.Embedding(CONTEXT, width)
            self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
            self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, LETTERS)

        def forward(self, letter: Any, at: Any) -> Any:
            x = self.embed(letter) + self.positions(at)
            seen = cr.arange(CONTEXT)[None, :] <= at[:, None]
            for block in self.blocks:
                x = block(x, at, seen)
            return self.out(self.norm(x))[:, -1].argmax(-1, keepdim=True)

    cr.manual_seed(0)
    step, seconds = cr.compile(Letters().eval()), []
    letter: Any = np.zeros((1, 1), np.int64)
    with cr.no_grad():
        for at in range(TOKENS):
            start = time.perf_counter()
            letter = step(letter, np.array([at]))
            seconds.append(time.perf_counter() - start)
    return result(step.explain_cache(), seconds)


def result(entries: Any, seconds: list[float]) -> dict[str, float]:
    """The seconds and bytes of the traces and steps."""
    return {
        "variants": len(entries),
        "plans_s": sum(entry.seconds for entry in entries),
        "total_s": sum(seconds),
        "first_s": seconds[0],
        "later_ms": statistics.median(seconds[1:]) * 1e3,
        "arenas_mb": sum(entry.arena_bytes for entry in entries) / 2**20,
    }


NAMES = ("LSTM tagger", "Transformer tagger, 1 layer", "Transformer tagger, 2 layers")
CASES = (*NAMES, "200 tokens, 4-layer Transformer")


def main() -> None:
    """Measure every case in a process of its own and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lengths")
    parser.add_argument("--case", choices=CASES, help="measure this one here, as JSON")
    json_option(parser)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(epoch(options.case) if options.case in NAMES else generation()))
        return
    cases = {}
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="bench-") as cache:
            command = [sys.executable, "-m", "benchmarks.lengths", "--case", case]
            env = {**os.environ, "CHAINRULE_CACHE_DIR": cache}
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        cases[case] = json.loads(done.stdout)
    print(report.lengths_table(keep(options.json, {"cases": cases})))


if __name__ == "__main__":
    main()
