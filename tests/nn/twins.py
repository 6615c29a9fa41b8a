"""A module of ours and PyTorch's of the same text, from equal weights, compared call by call."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr


def close(got: Any, wanted: Any, tolerance: float, what: str = "") -> None:
    """Equal shapes, and differences small against the largest wanted value."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape, what
    scale = max(np.abs(wanted).max(), 1e-3) if wanted.size else 1.0
    np.testing.assert_allclose(got / scale, wanted / scale, rtol=0, atol=tolerance, err_msg=what)


class Twins:
    """`N.Linear(3, 4)` under both libraries; `check(x)` compares outputs and all gradients."""

    def __init__(
        self, text: str, *, compiled: bool = False, dtype: str = "float64", call: str = ""
    ) -> None:
        """`call` says how `m` is called with `x`, a list of inputs, if not simply with all."""
        import torch

        self.torch = torch
        self.theirs = eval(text, {"N": torch.nn}).to(getattr(torch, dtype))  # noqa: S307
        self.ours = eval(text, {"N": cr.nn}).to(getattr(cr, dtype))  # noqa: S307
        self.ours.load_state_dict(self.theirs.state_dict())
        self.dtype = dtype
        self.way = compile(call or "m(*x, **options)", "<call>", "eval")
        self.call = cr.compile(self._step, keep_grads=True) if compiled else self._step

    def train(self, mode: bool = True) -> None:
        """Switch both."""
        self.ours.train(mode)
        self.theirs.train(mode)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both state dictionaries."""
        return dict(self.ours.state_dict()), dict(self.theirs.state_dict())

    def _out(self, module: Any, inputs: Any, options: Any) -> Any:
        return eval(self.way, {"m": module, "x": inputs, "options": options, **options})  # noqa: S307

    def _step(self, inputs: Any, options: Any, seeds: Any) -> Any:
        out = self._out(self.ours, inputs, options)
        results = [t for t in (out if isinstance(out, tuple) else (out,)) if t is not None]
        total = sum((r * s).sum() for r, s in zip(results, seeds, strict=True))
        if total.requires_grad:
            total.backward()
        return results

    def check(self, *arrays: Any, tolerance: float = 1e-10, **options: Any) -> None:
        """Values, gradients of float inputs and of parameters, buffers."""
        torch, rng = self.torch, np.random.default_rng(0)
        floats = [np.asarray(a).dtype.kind == "f" for a in arrays]
        arrays = tuple(
            np.asarray(a, self.dtype) if f else a for a, f in zip(arrays, floats, strict=True)
        )
        options = {
            k: v.astype(self.dtype) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
            for k, v in options.items()
        }
        mine, yours = (
            [lib.tensor(a, requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
            for lib in (cr, torch)
        )
        for module in (self.ours, self.theirs):
            module.zero_grad()
        with_tensors = [
            {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
            for lib in (cr, torch)
        ]
        out = self._out(self.theirs, yours, with_tensors[1])
        wanted = [t for t in (out if isinstance(out, tuple) else (out,)) if t is not None]
        seeds = [rng.normal(size=tuple(w.shape)).astype(self.dtype) for w in wanted]
        total = sum((w * torch.tensor(s)).sum() for w, s in zip(wanted, seeds, strict=True))
        if total.requires_grad:
            total.backward()
        got = self.call(mine, with_tensors[0], [cr.tensor(s) for s in seeds])
        for g, w in zip(got, wanted, strict=True):
            close(g.detach(), w.detach(), tolerance, "value")
        own, other = dict(self.ours.named_parameters()), dict(self.theirs.named_parameters())
        assert list(own) == list(other)
        pairs = [*((f"input {i}", a, b) for i, (a, b) in enumerate(zip(mine, yours, strict=True)))]
        pairs += [(name, own[name], other[name]) for name in own]
        for name, a, b in pairs:
            if b.grad is None:
                assert a.grad is None or not np.asarray(a.grad).any(), name
            else:
                close(a.grad, b.grad, tolerance, f"gradient of {name}")
        ours, theirs = self.state()
        for name in theirs:
            close(ours[name], theirs[name], tolerance, name)
