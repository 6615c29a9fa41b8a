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
from chainrule.base.errors import ChainruleError

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
    """`t(1, 2)` and `t([[1], [2]])`."""
    return lambda *values: lib.tensor(
        values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    )


def find(lib, path):
    if path.startswith(F):
        lib = importlib.import_module(f"{lib.__name__}.{F}")
        path = path[len(F) :].lstrip(".")
    for part in path.split(".") if path else ():
        lib = getattr(lib, part)
    return lib


def several(out):
    """The results of a call as a list; what is in nested tuples and lists one by one."""
    return [v for o in out for v in several(o)] if isinstance(out, (tuple, list)) else [out]


def both_refuse(call, shapes, low, high):
    """PyTorch raises, and so does chainrule, with an error of its own."""
    import torch

    values = [np.random.default_rng(0).uniform(low, high, s) for s in shapes]
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)):
        call(torch, *[torch.tensor(v) for v in values])
    with pytest.raises(ChainruleError):
        call(cr, *[cr.tensor(v) for v in values])


def turned(call):
    """The same call of inputs whose axes were reversed: not contiguous in memory."""
    return lambda lib, *ins: call(lib, *[x.permute(tuple(reversed(range(x.ndim)))) for x in ins])


def agree(call, shapes, low, high):
    """Result, dtype, shape and gradients of `call(library, *tensors)` in both libraries."""
    import torch

    rng = np.random.default_rng(len(shapes))
    values = [rng.uniform(low, high, s) for s in shapes]
    ours = [cr.tensor(v, requires_grad=True) for v in values]
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    pairs = list(zip(several(call(cr, *ours)), several(call(torch, *theirs)), strict=True))
    for got, wanted in pairs:
        if not isinstance(wanted, torch.Tensor):
            assert got == wanted
            continue
        assert got.shape == tuple(wanted.shape)
        assert got.dtype.name == str(wanted.dtype).split(".")[1]
        close(got, wanted)
        assert got.requires_grad == wanted.requires_grad
    pairs = [(g, w) for g, w in pairs if getattr(w, "requires_grad", False)]
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
            results = [r for r in several(call(cr, *leaves)) if isinstance(r, cr.Tensor)]
            smooth = [r for r in results if r.requires_grad]
            total = sum((r * (r + 1.5)).sum() for r in smooth)
            grads = autograd.grad(total, leaves, allow_unused=True) if smooth else ()
            out.append((*[r.detach() for r in results], *[g for g in grads if g is not None]))
        return tuple(out)

    flat = [cr.tensor(v) for group in values for v in group]
    for case, made, wanted in zip(cases, cr.compile(program)(*flat), program(*flat), strict=True):
        for a, b in zip(map(np.asarray, made), map(np.asarray, wanted), strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), case.id
            near = 1e-5 * np.abs(b, where=np.isfinite(b), out=np.ones(b.shape)).max(initial=1)
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=near, err_msg=case.id)


def close(got, wanted):
    value = wanted if isinstance(wanted, np.ndarray) else wanted.numpy(force=True)
    np.testing.assert_allclose(np.asarray(got), value, rtol=1e-10, atol=1e-12)
