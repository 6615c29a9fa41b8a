"""Recurrent layers with inputs, first states and lengths, for every test of them.

`network(lib)` makes one of either library; `loss(lib, net, …)` weighs all that it returns.
"""

from __future__ import annotations

import numpy as np

from chainrule.graph.walk import topological

LAYERS = (
    "RNN(4, 3)",
    "RNN(4, 3, num_layers=2, nonlinearity='relu', bias=False, bidirectional=True)",
    "LSTM(4, 3)",
    "LSTM(4, 5, num_layers=2, batch_first=True)",
    "LSTM(4, 3, num_layers=2, bidirectional=True)",
    "LSTM(4, 5, bidirectional=True, proj_size=2, num_layers=2)",
    "GRU(4, 3)",
    "GRU(4, 3, num_layers=2, bias=False, batch_first=True, bidirectional=True)",
)
CELLS = (
    "RNNCell(4, 3)",
    "RNNCell(4, 3, bias=False, nonlinearity='relu')",
    "LSTMCell(4, 3)",
    "LSTMCell(4, 3, bias=False)",
    "GRUCell(4, 3)",
)
TIME, BATCH, WIDTH = 6, 5, 4
LENGTHS = [2, 6, 1, 3, 6]


def network(lib, text, weights=None, dtype="float64"):
    """The layer that `text` says, with PyTorch's dtype names."""
    net = eval(f"N.{text}", {"N": lib.nn}).to(getattr(lib, dtype))  # noqa: S307 - lists above
    if weights is not None:
        net.load_state_dict({k: lib.tensor(v) for k, v in weights.items()})
    return net


def weights_of(net):
    return {k: np.array(v.detach().numpy()) for k, v in net.state_dict().items()}


def flat(results):
    """Tensors of nested tuples, and the rows of packed sequences."""
    if hasattr(results, "data") and hasattr(results, "batch_sizes"):
        return [results.data]
    if isinstance(results, tuple):
        return [t for part in results for t in flat(part)]
    return [results]


def weighed(lib, results, seed=0):
    """One number that depends on every element of the results."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for result in flat(results):
        weight = lib.tensor(rng.normal(size=tuple(result.shape))).to(result.dtype)
        total = total + (result * weight).sum()
    return total


def first_states(text, lead):
    """Arrays for `hx` of a layer or cell, with the axes `lead` in front of the width."""
    rng = np.random.default_rng(5)
    hidden = int(text.split("(")[1].split(",")[1].strip(" )"))
    width = 2 if "proj_size=2" in text else hidden
    widths = [width, hidden] if text.startswith("LSTM") else [width]
    return [rng.normal(size=(*lead, w)) for w in widths]


def directions(text):
    """Layers times directions."""
    return (2 if "num_layers=2" in text else 1) * (2 if "bidirectional" in text else 1)


def given(states):
    """`hx`: a tensor, or a tuple of two."""
    return states[0] if len(states) == 1 else tuple(states)


def ops_of(out):
    """The computed nodes that a result needs, the last first."""
    order = topological([out._node])
    return [n.op.name for n in reversed(order) if n.inputs]
