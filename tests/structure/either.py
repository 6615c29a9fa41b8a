"""Small computations in either library, chainrule or PyTorch: `lib` is the module."""

from __future__ import annotations

import importlib


def gradient(lib, fn, *values):
    leaves = [lib.tensor(v, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def functional(lib):
    return importlib.import_module(f"{lib.__name__}.nn.functional")


def one_step(lib, optimizer, values, grads, **settings):
    """Parameter values after each update with the given gradients."""
    p = lib.nn.Parameter(lib.tensor(values))
    opt = getattr(lib.optim, optimizer)([p], **settings)
    seen = []
    for g in grads:
        opt.zero_grad()
        (p * lib.tensor(g)).sum().backward()
        opt.step()
        seen.append(p.detach().tolist())
    return seen
