"""Weights, texts and reports that do not depend on the library a program runs under."""

from __future__ import annotations

import json
import zlib

import numpy as np
import torch

TEXT = (
    "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. "
    "how vexingly quick daft zebras jump! sphinx of black quartz, judge my vow. "
) * 3


def seeded(model, scale=0.1):
    """Fill every parameter from a stream that its name seeds."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            p.copy_(torch.from_numpy(rng.normal(0.0, scale, tuple(p.shape))).to(p.dtype))
    return model


def characters(text=TEXT):
    """(vocabulary, codes as an int64 tensor)."""
    vocabulary = sorted(set(text))
    return vocabulary, torch.tensor([vocabulary.index(c) for c in text], dtype=torch.long)


def arguments(parser):
    """The command line, with the dtype of the weights, which becomes the default."""
    parser.add_argument("--dtype", default="float64")
    args = parser.parse_args()
    torch.set_default_dtype(getattr(torch, args.dtype))
    return args


def report(**values):
    """Print what the program found, as one line of JSON."""
    print(json.dumps(values))
