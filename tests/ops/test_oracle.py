"""Every op against PyTorch: values for all dtypes, gradients for floats, nasty samples included."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from tests.ops.calls import Call, calls, directions, generator, gradient, is_float

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
F = torch.nn.functional


def _slice(x, attrs):
    for axis, (start, step, n) in enumerate(
        zip(attrs["start"], attrs["step"], attrs["shape"], strict=True)
    ):
        x = x.index_select(axis, torch.arange(n) * step + start)
    return x


def _pad(x, attrs):
    return _overlay(torch.zeros(attrs["shape"], dtype=x.dtype), x, attrs)


def _overlay(base, new, attrs):
    at = [
        torch.arange(n) * step + start
        for start, step, n in zip(attrs["start"], attrs["step"], new.shape, strict=True)
    ]
    if not at:
        return new.clone()
    return base.index_put(torch.meshgrid(*at, indexing="ij"), new)


def _attention(q, k, v, mask=None, *, scale, causal):
    scores = q @ k.transpose(2, 3) * scale
    if mask is not None:
        scores = scores + mask
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[2:]).tril() == 0, -torch.inf)
    return F.scaled_dot_product_attention(
        q, k, v, scores - q @ k.transpose(2, 3) * scale, scale=scale
    ), scores.logsumexp(3)


def _scatter(x, index, attrs):
    rest = x.shape[index.ndim :]
    out = torch.zeros((attrs["rows"], *rest), dtype=x.dtype)
    return out.index_add(0, index.reshape(-1), x.reshape(index.numel(), *rest))


def _place(base, updates, index, how):
    rest = base.shape[1:]
    rows = updates.reshape(index.numel(), *rest)
    if how == "set":  # the last of a repeated index stays
        flat = index.reshape(-1).tolist()
        keep = [i for i, row in enumerate(flat) if row not in flat[i + 1 :]]
        return base.index_put((index.reshape(-1)[keep],), rows[keep])
    names = {"mul": "prod", "max": "amax", "min": "amin"}
    wide = index.reshape(-1, *(1,) * len(rest)).expand(-1, *rest)
    return base.scatter_reduce(0, wide, rows, names[how])


def _class_loss(x, index):
    rows = F.cross_entropy(x.reshape(-1, x.shape[-1]), index.reshape(-1), reduction="none")
    return rows.reshape(index.shape)


def _standardize(x, axis, eps):
    last = x.movedim(axis, -1)
    return F.layer_norm(last, last.shape[-1:], eps=eps).movedim(-1, axis)


def _windows(x, axes, size, step, dilation):
    for axis, k, s, d in zip(axes, size, step, dilation, strict=True):
        x = x.unfold(axis, (k - 1) * d + 1, s)[..., ::d]
    return x


def _overlap_add(x, axes, lengths, step, dilation):
    rank = x.ndim - len(axes)
    whole = dict(zip(axes, lengths, strict=True))
    out = torch.zeros([whole.get(i, n) for i, n in enumerate(x.shape[:rank])], dtype=x.dtype)
    size = x.shape[rank:]
    for tap in itertools.product(*map(range, size)):
        one = torch.zeros_like(out)
        windows = _windows(one, axes, size, step, dilation)
        windows[(..., *tap)] += x[(..., *tap)]
        out = out + one
    return out


def _convolution(kind: str):
    def call(attrs, one, other):
        attrs = dict(attrs)
        lengths, size = attrs.pop("lengths", None), attrs.pop("size", None)
        rank = one.ndim - 2
        if kind == "conv":
            return getattr(F, f"conv{rank}d")(one, other, **attrs)
        shape = (
            (one.shape[0], other.shape[1] * attrs["groups"], *lengths)
            if kind == "input"
            else (other.shape[1], one.shape[1] // attrs["groups"], *size)
        )
        first, second = (shape, other) if kind == "input" else (one, shape)
        third = one if kind == "input" else other
        return getattr(torch.nn.grad, f"conv{rank}d_{kind}")(first, second, third, **attrs)

    return call


def _order(x, attrs):
    return x.sort(dim=-1, descending=attrs["descending"], stable=True).indices


def _named(name: str):
    return lambda _, *ins: getattr(torch, name)(*ins)


def _special(name: str):
    return lambda _, x: getattr(torch.special, name)(x)


# PyTorch's trigamma is right to 1e-10 only: mpmath is the oracle of these, in test_special.py
LESS_EXACT = {"digamma", "polygamma"}
TORCH: dict[str, Any] = {
    **{
        name: _named(name)
        for name, op in TABLE.items()
        if "elementwise" in op.traits and hasattr(torch, name) and name not in LESS_EXACT
    },
    "matmul": _named("matmul"),
    **{
        name: _special(name)
        for name in ("erfcx", "i0", "i0e", "i1", "i1e", "ndtri")
    },
    "whole_power": lambda _, x, y: torch.pow(x, y),
    "gelu": lambda _, x: F.gelu(x),
    "silu": lambda _, x: F.silu(x),
    "softplus": lambda _, x: F.softplus(x, threshold=1e9),
    "logsigmoid": lambda _, x: F.logsigmoid(x),
    "cast": lambda attrs, x: x.to(getattr(torch, attrs["dtype"].name)),
    "cumsum": lambda attrs, x: x.cumsum(attrs["axis"]),
    "cumprod": lambda attrs, x: x.cumprod(attrs["axis"]),
    "cummax": lambda attrs, x: x.cummax(attrs["axis"]).values,
    "logcumsumexp": lambda attrs, x: x.logcumsumexp(attrs["axis"]),
    "argsort": lambda attrs, x: _order(x, attrs),
    "topk": lambda attrs, x: _order(x, attrs)[..., : attrs["k"]],
    "searchsorted": lambda attrs, rows, x: torch.searchsorted(
        rows.contiguous(), x.contiguous(), right=attrs["right"]
    ),
    "detach": lambda _, x: x.detach(),
    "full": lambda attrs: torch.full(
        attrs["shape"], attrs["value"], dtype=getattr(torch, attrs["dtype"].name)
    ),
    "reshape": lambda attrs, x: x.reshape(attrs["shape"]),
    "transpose": lambda attrs, x: x.permute(attrs["axes"]),
    "slice": lambda attrs, x: _slice(x, attrs),
    "pad": lambda attrs, x: _pad(x, attrs),
    "overlay": lambda attrs, x, new: _overlay(x, new, attrs),
    "concat": lambda attrs, *xs: torch.cat(xs, attrs["axis"]),
    "broadcast_to": lambda attrs, x: x.broadcast_to(attrs["shape"]),
    "sum": lambda attrs, x: x.sum(attrs["axes"]) if attrs["axes"] else x,
    "amax": lambda attrs, x: x.amax(attrs["axes"]) if attrs["axes"] else x,
    "amin": lambda attrs, x: x.amin(attrs["axes"]) if attrs["axes"] else x,
    "argmax": lambda attrs, x: x.argmax(attrs["axis"]),
    "gather": lambda _, x, i: x[i],
    "scatter_add": lambda attrs, x, i: _scatter(x, i, attrs),
    "index_add": lambda _, w, x, i: w + _scatter(x, i, {"rows": w.shape[0]}),
    "spread_rows": lambda _, x, i: x[i],
    "sparse_matmul": lambda _, a, b: a @ b,
    "scatter": lambda attrs, x, u, i: _place(x, u, i, attrs["how"]),
    "pick": lambda _, x, i: x.gather(-1, i[..., None])[..., 0],
    "cross_entropy": lambda _, x, i: _class_loss(x, i),
    "softmax": lambda attrs, x: x.softmax(attrs["axis"]),
    "log_softmax": lambda attrs, x: x.log_softmax(attrs["axis"]),
    "logsumexp": lambda attrs, x: x.logsumexp(attrs["axis"]),
    "standardize": lambda attrs, x: _standardize(x, **attrs),
    "attention": lambda attrs, *ins: _attention(*ins, **attrs),
    "windows": lambda attrs, x: _windows(x, **attrs),
    "overlap_add": lambda attrs, x: _overlap_add(x, **attrs),
    "conv": _convolution("conv"),
    "conv_input": _convolution("input"),
    "conv_weight": _convolution("weight"),
}  # fmt: skip


def _unmask(ins, attrs):
    """Rows that are -inf throughout become zeros."""
    axis = attrs.get("axis", -1)
    return [np.where((x == -np.inf).all(axis, keepdims=True), 0, x).astype(x.dtype) for x in ins]


# Where we differ on purpose (docs/conventions): what is done to the inputs so that both agree.
DEVIATIONS: dict[str, Any] = {
    # sign(NaN) is NaN, not 0: a NaN stays visible
    "sign": lambda ins, _: np.nan_to_num(ins),
    "abs": lambda ins, _: np.nan_to_num(ins),
    # a fully masked row gives zeros (log: -inf) and finite gradients, not NaN
    "softmax": _unmask,
    "log_softmax": _unmask,
    # a row's offset costs the gradient no digit; PyTorch's is exp(x - out)
    "logsumexp": lambda ins, attrs: [
        np.where(np.isfinite(x), np.clip(x, -9, 9), x) for x in _unmask(ins, attrs)
    ],
    "attention": lambda ins, _: [*ins[:3], *_unmask(ins[3:], {})],
    # float → int out of range gives the nearest end and NaN gives 0; PyTorch leaves it undefined
    "cast": lambda ins, attrs: [_in_range(ins[0], attrs["dtype"])],
    # infinite operands: finite gradients, not NaN; beyond the domain the gradient's sign is open
    "copysign": lambda ins, _: np.nan_to_num(ins, posinf=1, neginf=-1),
    "logaddexp": lambda ins, _: np.nan_to_num(ins, posinf=1, neginf=-1),
    "acosh": lambda ins, _: np.abs(ins),
    # the gradient at the origin is 0, not NaN
    "hypot": lambda ins, _: [np.where(np.hypot(*ins) == 0, 1, v).astype(v.dtype) for v in ins],
    # what follows an infinity or a NaN: fewer gradients are NaN
    "cumprod": lambda ins, _: np.nan_to_num(ins, posinf=1, neginf=-1),
    "logcumsumexp": lambda ins, _: np.nan_to_num(ins, posinf=1, neginf=-1),
    # ties: `torch.cummax` picks the last, which the function here does by index
    "cummax": lambda ins, attrs: [_untied(ins[0], attrs["axis"])],
    # a NaN in the row is the largest number; PyTorch's search loses its way
    "searchsorted": lambda ins, _: [np.nan_to_num(v, nan=np.inf) for v in ins],
    # the derivative at a NaN is NaN, and outside 0 … 1 as well; PyTorch has numbers there
    "i1": lambda ins, _: np.nan_to_num(ins),
    "i1e": lambda ins, _: np.nan_to_num(ins),
    "ndtri": lambda ins, _: [np.clip(np.nan_to_num(ins[0]), 0.01, 0.99)],
    # an integer divided by zero gives 0; PyTorch raises
    "floor_divide": lambda ins, _: _divisible(ins),
    "remainder": lambda ins, _: _divisible(ins),
    "fmod": lambda ins, _: _divisible(ins),
}


def _untied(x, axis):
    ramp = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return (
        x
        if x.dtype.kind != "f"
        else np.nan_to_num(x, posinf=5, neginf=-5) + (ramp * 1e-3).astype(x.dtype)
    )


def _in_range(x, dtype):
    if x.dtype.kind != "f" or dtype.kind != "int":
        return x
    info = np.iinfo(dtype.numpy)
    return np.where((x > info.min - 0.5) & (x < info.max), x, 0).astype(x.dtype)


def _divisible(ins):
    return (
        ins
        if ins[0].dtype.kind == "f"
        else [ins[0], np.where(ins[1] == 0, 1, ins[1]).astype(ins[1].dtype)]
    )


def compare(name: str, ours: Any, theirs: Any, what: object) -> None:
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert ours.dtype == theirs.dtype, what
    close = 50 * np.finfo(ours.dtype).eps if ours.dtype.kind == "f" else 0
    np.testing.assert_allclose(ours, theirs, rtol=close, atol=close, err_msg=f"{name}: {what}")


@pytest.mark.parametrize("name", sorted(TORCH))
@pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda d: d.name)
def test_values_and_gradients_agree(name, dtype):
    rng = generator(name)
    for c in calls(name, dtype):
        tame = DEVIATIONS.get(name, lambda ins, _: ins)
        values = list(tame(list(c.values), c.sample.attrs))
        leaves = [torch.from_numpy(np.array(v)).requires_grad_(v.dtype.kind == "f") for v in values]
        theirs = TORCH[name](c.sample.attrs, *leaves)
        theirs = theirs if isinstance(theirs, tuple) else (theirs,)
        for one, other in zip(evaluate(c.graph, values), theirs, strict=True):
            compare(name, one, other, c)
        if any(map(is_float, c.graph.inputs)) and any(map(is_float, c.graph.outputs)):
            _compare_gradients(rng, c, values, leaves, theirs)


def _compare_gradients(
    rng: np.random.Generator, c: Call, values: list[Any], leaves: list[Any], theirs: Any
) -> None:
    back = gradient(c.graph)
    if not back.moving or c.op.name == "floor_divide":  # PyTorch has no gradient, ours is zero
        return
    weights = directions(rng, [c.graph.outputs[i] for i in back.seeded])
    ours = evaluate(back.graph, (*values, *weights))
    wanted = torch.autograd.grad(
        [theirs[i] for i in back.seeded],
        [leaves[i] for i in back.moving],
        [torch.from_numpy(w) for w in weights],
        materialize_grads=True,
    )
    for one, other in zip(ours, wanted, strict=True):
        compare(f"gradient of {c.op.name}", one, other, c)


def test_every_op_with_a_counterpart_is_compared():
    ours_alone = {
        "iota", "unpick", "ravel_index", "random_bits", "bundle", "project", "call", "scan",
        "attention_grad", "require",
    }  # fmt: skip
    ours_alone |= LESS_EXACT
    # What LAPACK computes is compared by its public functions: tensor/functional/test_linalg.py
    ours_alone |= {name for name, op in TABLE.items() if "host" in op.traits}
    assert set(TABLE) - set(TORCH) == ours_alone
