"""Programs whose gradients call Python code: hooks, functions, gradients of gradients.

Each returns everything it saw, in order; `test_stages.py` compares the ways of evaluation.
Example: `PROGRAMS["penalty"]()`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chainrule as torch
from chainrule import nn
from chainrule.autograd import Function
from chainrule.nn import functional as F
from chainrule.utils.checkpoint import checkpoint
from tests.tensor.deferred.programs import STEPS, batch, mlp

PROGRAMS: dict[str, Callable[[], Any]] = {}


def program(run: Callable[[], Any]) -> Callable[[], Any]:
    """Register a program under its name."""
    PROGRAMS[run.__name__] = run
    return run


class Swish(Function):
    """x · σ(x), with the gradient by hand."""

    @staticmethod
    def forward(ctx, x):
        s = x.sigmoid()
        out = x * s
        ctx.save_for_backward(s, out)
        return out

    @staticmethod
    def backward(ctx, g):
        s, out = ctx.saved_tensors
        return g * (out + s * (1 - out))


class Scaled(Function):
    """(a · x, x.sum()); the gradient of `a` is None where `wanted(step)` says so."""

    log: list[Any]

    @staticmethod
    def forward(ctx, x, a, step):
        ctx.set_materialize_grads(False)
        ctx.step = step
        ctx.save_for_backward(x, a)
        return a * x, x.sum()

    @staticmethod
    def backward(ctx, g, total):
        x, a = ctx.saved_tensors
        Scaled.log.append((ctx.needs_input_grad, g is None, total is None))
        down = torch.zeros_like(x) if g is None else g * a
        if total is not None:
            down = down + total
        of_a = None if ctx.step % 3 == 0 or g is None else (g * x).sum()
        return down, of_a, None


@program
def functions():
    model = nn.Linear(8, 6)
    a = torch.tensor(0.7, requires_grad=True)
    optimizer = torch.optim.SGD([*model.parameters(), a], lr=0.05)
    seen: list[Any] = []
    Scaled.log = seen
    for i in range(STEPS):
        x, _ = batch(i)
        h, total = Scaled.apply(Swish.apply(model(x)), a, i)
        loss = Swish.apply(h).square().mean()
        if i % 4 == 2:
            loss = loss + 0.01 * total
        if i % 5 == 4:
            loss = 0.01 * total
        optimizer.zero_grad()
        loss.backward()
        seen.append((loss, model.weight.grad, a.grad))
        optimizer.step()
    return seen, model.state_dict(), a


@program
def changed_gradients():
    model, seen = mlp(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model[0].weight.register_hook(lambda g: g.clamp(-0.01, 0.01))
    model[0].bias.register_hook(lambda g: seen.append(("bias", g)))
    first = model[2].weight.register_hook(lambda g: g * 2)
    model[2].weight.register_hook(lambda g: seen.append(("after", g.norm().item())))
    model[2].weight.register_post_accumulate_grad_hook(lambda p: seen.append(("grad", p.grad)))
    for i in range(STEPS):
        x, y = batch(i)
        h = model[:2](x)
        h.retain_grad()
        h.register_hook(lambda g: g / (g.norm() + 1))
        if i % 3 == 0:
            h.register_hook(lambda g: seen.append(("h", g.sum())))
        out = model[2:](h)
        loss = F.cross_entropy(out, y) + h.square().mean()
        optimizer.zero_grad()
        loss.backward()
        seen.append((loss.item(), h.grad, [p.grad for p in model.parameters()]))
        optimizer.step()
        if i == 9:
            first.remove()
    return seen, model.state_dict()


@program
def module_hooks():
    model, seen = mlp(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model[0].register_forward_hook(lambda _, _ins, out: seen.append(out.abs().mean().item()))
    model[1].register_forward_pre_hook(lambda _, ins: (ins[0] * 1.5,))
    model[2].register_full_backward_hook(lambda _, gin, gout: seen.append((gin, gout)))
    model[2].register_full_backward_pre_hook(lambda _, gout: (gout[0] * 0.5,))
    model[4].register_full_backward_hook(lambda _, gin, _gout: (gin[0].clamp(-0.1, 0.1),))
    model[0].register_full_backward_hook(lambda _, gin, gout: seen.append((gin, gout[0].norm())))
    for i in range(STEPS):
        x, y = batch(i)
        if i % 4 == 3:
            x.requires_grad_()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        seen.append((x.grad, [p.grad for p in model.parameters()]))
        optimizer.step()
    return seen, model.state_dict()


@program
def penalty():
    critic = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.0, 0.9))
    seen = []
    for i in range(STEPS):
        x, _ = batch(i)
        mixed = x.clone().requires_grad_(True)
        scores = Swish.apply(critic(mixed))
        if i % 2:
            scores.register_hook(lambda g: g * 1.0)
        (gradient,) = torch.autograd.grad(
            scores, mixed, torch.ones_like(scores), create_graph=True, retain_graph=True
        )
        loss = (gradient.norm(2, dim=1) - 1).square().mean() + scores.mean()
        optimizer.zero_grad()
        loss.backward()
        seen.append((loss, gradient, mixed.grad, [p.grad for p in critic.parameters()]))
        optimizer.step()
    return seen, critic.state_dict()


@program
def third_derivatives():
    w, seen = torch.tensor([0.3, -0.8, 1.1], requires_grad=True), []
    for i in range(STEPS):
        x = torch.tensor([1.0 + 0.1 * i, 2.0, -1.0], requires_grad=True)
        y = ((w * x).sin() + x * x).sum()
        (one,) = torch.autograd.grad(y, x, create_graph=True)
        (two,) = torch.autograd.grad(one.square().sum(), x, create_graph=True)
        w.grad = None
        two.sum().backward(retain_graph=True)
        first = w.grad.clone()
        two.sum().backward()
        seen.append((y, one, two, x.grad, first, w.grad))
        with torch.no_grad():
            w -= 0.001 * w.grad
    return seen, w


class Block(nn.Module):
    """A Transformer block with dropout and a function of its own, checkpointed in parts."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.up, self.down, self.drop = nn.Linear(8, 16), nn.Linear(16, 8), nn.Dropout(0.2)

    def attend(self, x, scale):
        h = self.norm(x)
        return x + scale * self.attention(h, h, h, need_weights=False)[0]

    def feed(self, x):
        return self.drop(self.down(Swish.apply(self.up(x))))

    def forward(self, x, scale):
        x = checkpoint(self.attend, x, scale, use_reentrant=False)
        return x + checkpoint(self.feed, x, use_reentrant=False)


@program
def checkpointed():
    model, scale = nn.ModuleList([Block(), Block()]), torch.tensor(0.9, requires_grad=True)
    optimizer = torch.optim.SGD([*model.parameters(), scale], lr=0.1)
    seen = []
    for i in range(STEPS):
        x = torch.stack([batch(i)[0], batch(i + 50)[0]])
        for block in model:
            x = block(x, scale)
        loss = x.square().mean()
        if i % 3 == 1:
            seen.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        seen.append((loss, scale.grad, model[0].up.weight.grad, torch.get_rng_state()))
        optimizer.step()
    return seen, model.state_dict()


@program
def written_between():
    """Each operation has the gradient at the value that it has read."""
    seen = []
    for i in range(8):
        w = torch.tensor([2.0, 3.0], requires_grad=True)
        first = (w * w * w).sum()
        if i % 3:
            with torch.no_grad():
                w.mul_(2)
        (first + (w * w).sum()).backward()
        x = torch.tensor([0.5, 1.5], requires_grad=True)
        h = x.exp()
        y = h * h
        h.data.add_(1)
        (y + h.sin()).sum().backward()
        seen.append((w.grad, w, x.grad))
    return seen


@program
def several_results():
    seen = []
    for i in range(8):
        w = torch.arange(6.0).requires_grad_()
        a, b, c = (w * 2).split(2)
        b.register_hook(lambda g: g * 3)
        a.register_hook(lambda g: seen.append(g.sum()))
        top, _ = a.max(0)
        torch.autograd.backward([top + b.sum() * c.prod(), b], [None, torch.ones(2) * i])
        both = torch.autograd.grad([(w * w).sum(), (w**3).sum()], [w])
        seen.append((w.grad, both))
    return seen


@program
def hooks_of_second_gradients():
    seen = []
    for i in range(8):
        w = torch.tensor([0.2, 0.3], requires_grad=True)
        h = w * w
        h.register_hook(lambda g, w=w: seen.append(g.requires_grad) or g * w)
        (g,) = torch.autograd.grad(h.exp().mean(), w, create_graph=True)
        g.register_hook(lambda g: g * 0.5)
        (g * g).sum().backward(inputs=[w, h] if i % 2 else None)
        seen.append((g, w.grad))
    return seen
