"""How every public function is compared with PyTorch: cases as lines of a table, in float64.

A family's file lists `CASES = [unary("exp"), method("x.cumsum(1)", (3, 4)), …]` and parametrises
one test with them that calls `agree`; several results are compared one by one.
`test_functional_oracle.py` sees that no function is left out. `compiled_agrees` needs no PyTorch:
all cases as one compiled program, values and gradients, against eager evaluation.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import chainrule as cr
from chainrule import autograd

F = "nn.functional"
A, B = (3, 4), (4,)


def unary(name, *args, low=-2.0, high=2.0, **kwargs):
    label = f"{name}({', '.join(map(str, [*args, *kwargs.items()]))})"
    call = lambda lib, x: find(lib, name)(x, *args, **kwargs)  # noqa: E731
    return pytest.param(call, (A,), low, high, id=label)


def method(text, *shapes, low=-2.0, high=2.0):
    names = "xyz"[: len(shapes)]
    code = compile(text, text, "eval")
    call = lambda lib, *ins: eval(  # noqa: E731, S307
        code, {"lib": lib, "F": find(lib, F), "t": integer(lib)}, dict(zip(names, ins, strict=True))
    )
    return pytest.param(call, shapes, low, high, id=text)


def integer(lib):
    return lambda *values: lib.tensor(list(values))


def find(lib, path):
    if path.startswith(F):
        lib = importlib.import_module(f"{lib.__name__}.{F}")
        path = path[len(F) :].lstrip(".")
    for part in path.split(".") if path else ():
        lib = getattr(lib, part)
    return lib


def several(out):
    """The results of a call as a list."""
    return list(out) if isinstance(out, tuple) else [out]


def agree(call, shapes, low, high):
    """Result, dtype, shape and gradients of `call(library, *tensors)` in both libraries."""
    import torch

    rng = np.random.default_rng(len(shapes))
    values = [rng.uniform(low, high, s) for s in shapes]
    ours = [cr.tensor(v, requires_grad=True) for v in values]
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    pairs = list(zip(several(call(cr, *ours)), several(call(torch, *theirs)), strict=True))
    for got, wanted in pairs:
        assert got.shape == tuple(wanted.shape)
        assert got.dtype.name == str(wanted.dtype).split(".")[1]
        close(got, wanted)
        assert got.requires_grad == wanted.requires_grad
    pairs = [(g, w) for g, w in pairs if w.requires_grad]
    if not pairs:
        return
    seeds = [rng.normal(size=g.shape) for g, _ in pairs]
    mine = autograd.grad(
        [g for g, _ in pairs], ours, [cr.tensor(s) for s in seeds], allow_unused=True
    )
    other = torch.autograd.grad(
        [w for _, w in pairs], theirs, [torch.tensor(s) for s in seeds], allow_unused=True
    )
    for g, w, v in zip(mine, other, values, strict=True):
        zero = np.zeros_like(v)
        close(zero if g is None else g, zero if w is None else w)


def compiled_agrees(cases):
    """All `cases` as one compiled program give eager values and gradients, in float32."""
    rng = np.random.default_rng(0)
    drawn = [case.values for case in cases]
    values = [
        [rng.uniform(low, high, shape).astype("f") for shape in shapes]
        for _, shapes, low, high in drawn
    ]
    counts = np.cumsum([0, *map(len, values)])

    def program(*flat):
        out = []
        for (call, *_), start, stop in zip(drawn, counts[:-1], counts[1:], strict=True):
            leaves = [x.detach().requires_grad_() for x in flat[start:stop]]
            results = several(call(cr, *leaves))
            smooth = [r for r in results if r.requires_grad]
            total = sum((r * (r + 1.5)).sum() for r in smooth)
            grads = autograd.grad(total, leaves, allow_unused=True) if smooth else ()
            out.append((*[r.detach() for r in results], *[g for g in grads if g is not None]))
        return tuple(out)

    flat = [cr.tensor(v) for group in values for v in group]
    for case, made, wanted in zip(cases, cr.compile(program)(*flat), program(*flat), strict=True):
        for a, b in zip(map(np.asarray, made), map(np.asarray, wanted), strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), case.id
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5, err_msg=case.id)


def close(got, wanted):
    value = wanted if isinstance(wanted, np.ndarray) else wanted.numpy(force=True)
    np.testing.assert_allclose(np.asarray(got), value, rtol=1e-10, atol=1e-12)
