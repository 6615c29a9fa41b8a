"""Small training programs that observe much: values, gradients, states, random numbers.

Each returns everything it saw; `test_laws.py` compares the ways of evaluation.
Example: `PROGRAMS["dropout"]()` returns losses, masks and states of the generator.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as torch
from chainrule import nn
from chainrule.nn import functional as F

PROGRAMS: dict[str, Callable[[], Any]] = {}
STEPS = 14


def program(run: Callable[[], Any]) -> Callable[[], Any]:
    """Register a program under its name."""
    PROGRAMS[run.__name__] = run
    return run


def mlp() -> nn.Sequential:
    """A network whose steps are worth a native call."""
    return nn.Sequential(
        nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4), nn.LayerNorm(4), nn.GELU(approximate="tanh")
    )


def batch(i: int, rows: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and classes of batch `i`."""
    random = np.random.default_rng(i)
    x = random.standard_normal((rows, 8)).astype(np.float32)
    return torch.tensor(x), torch.tensor(random.integers(0, 4, rows))


def fit(model: nn.Module, optimizer: torch.optim.Optimizer, i: int) -> torch.Tensor:
    """One step; returns the loss."""
    x, y = batch(i)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


@program
def dropout():
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    own, seen = torch.Generator().manual_seed(3), []
    for i in range(STEPS):
        x, y = batch(i)
        h = model(x)
        seen.append((torch.get_rng_state(), torch.rand(3), torch.randn(2, generator=own)))
        loss = F.cross_entropy(h, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append((loss.item(), torch.randperm(5), torch.randint(0, 9, (3,))))
        if i == 4:
            state = own.get_state()
        if i == 8:
            own.set_state(state)
    position = np.random.get_state()[2]  # noqa: NPY002 - the legacy state must stay
    return seen, torch.get_rng_state(), own.get_state(), position, model.state_dict()


@program
def hooks():
    model, log, handles = mlp(), [], []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first, act, last = model[0], model[1], model[2]

    def forward(_module, _inputs, out):
        log.append(out.sum().item())

    def backward(_module, _inputs, gradients):
        log.append(gradients[0].sum().item())

    def accumulated(p):
        log.append(p.grad.sum().item())

    for i in range(STEPS):
        x, y = batch(i)
        x.requires_grad_()
        if i in (3, 8):
            handles.append(first.weight.register_hook(lambda g: g * 2))
        if i == 5:
            handles.append(act.register_forward_hook(forward))
        if i == 6:
            handles.append(last.register_full_backward_hook(backward))
        if i == 7:
            handles.append(last.bias.register_post_accumulate_grad_hook(accumulated))
        if i == 10:
            for handle in handles:
                handle.remove()
        h = model(x)
        if i in (4, 9):
            h.retain_grad()
        loss = F.cross_entropy(h, y)
        optimizer.zero_grad()
        loss.backward()
        log += [x.grad, h.grad if i in (4, 9) else None]
        optimizer.step()
    return log, model.state_dict()


@program
def gradients():
    model, seen = mlp(), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    weight, bias = model[0].weight, model[0].bias
    for i in range(2 * STEPS):
        x, y = batch(i)
        if i % 2 == 0:
            optimizer.zero_grad(set_to_none=i % 4 == 0)
        F.cross_entropy(model(x), y).backward()
        if i % 3 == 0:
            F.cross_entropy(model(x * 2), y).backward()
        seen.append([p.grad.clone() for p in model.parameters()])
        if i == 9:
            bias.grad = None
        if i == 10:
            bias.grad = torch.ones(16)
        if i == 11:
            weight.grad.mul_(2)
        if i == 12:
            weight.grad *= 0.5
        if i >= 14:
            seen.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5))
        if i >= 20:
            nn.utils.clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()
    return seen, model.state_dict()


@program
def writes():
    model, seen, arrays = mlp(), [], []
    average = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    weight = model[0].weight
    shared, row, ring = weight.detach(), weight.data[1], torch.zeros(5, 4)
    for i in range(2 * STEPS):
        x, y = batch(i)
        optimizer.zero_grad()
        h = model(x)
        h[0] = 0
        h[:, 1] *= 2
        h.add_(0.1)
        F.cross_entropy(h, y).backward()
        optimizer.step()
        ring[i % 5] = h.detach()[1]
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                if i % 2:
                    slow.lerp_(fast, 0.1)
                else:
                    slow.mul_(0.9).add_(fast, alpha=0.1)
        if i == 9:
            row.mul_(0.5)
        if i == 11:
            shared[0, 3:5] = 0.25
        if i == 13:
            weight.data = weight.data * 1.1
        if i == 15:
            model[0].bias.data.copy_(torch.ones(16))
        arrays.append((weight.detach().numpy(), weight.detach().numpy().copy()))
        seen.append((ring.clone(), row.clone(), shared.sum(), h))
    for kept, then in arrays:
        np.testing.assert_array_equal(kept, then)
    return seen, average.state_dict(), model.state_dict()


@program
def copies():
    model, seen = mlp(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for i in range(STEPS):
        x, y = batch(i)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if i == 6:
            seen.append(copy.deepcopy(model).state_dict())
        loss.backward()
        if i == 8:
            other, its = copy.deepcopy((model, optimizer))
        optimizer.step()
        if i == 7:
            saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
            file = io.BytesIO()
            torch.save(model.state_dict(), file)
            file.seek(0)
            pickled = pickle.loads(pickle.dumps(model))  # noqa: S301 - its own
            seen += [pickled.state_dict(), torch.load(file)]
        if i == 10:
            model.load_state_dict(saved[0])
            optimizer.load_state_dict(saved[1])
    for i in range(5):
        fit(other, its, i)
    return seen, model.state_dict(), other.state_dict(), optimizer.state_dict()


@program
def groups():
    model, seen, other = mlp(), [], None
    optimizer = torch.optim.Adam(model[0].parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    for i in range(2 * STEPS):
        if i == 18:
            model[0].bias.requires_grad_(False)
        if i == 20:
            model[0].bias.requires_grad_(True)
        if i == 12:
            optimizer.param_groups[0]["betas"] = (0.5, 0.9)
        if i == 14:
            other = torch.optim.SGD(model.parameters(), lr=0.01)
        if i == 16:
            optimizer.param_groups[0]["weight_decay"] = 0.1
        if i == 22:
            optimizer.param_groups[0]["lr"] = 0.3
        seen.append((fit(model, optimizer, i).item(), schedule.get_last_lr()))
        schedule.step()
        if other is not None:
            other.step()
    return seen, model.state_dict(), optimizer.state_dict()


class Counting(torch.autograd.Function):
    """A square whose gradient depends on how often it was called."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.number, Counting.calls = Counting.calls, Counting.calls + 1
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * 2 * x * (1 + ctx.number)


@program
def functions():
    Counting.calls, seen = 0, []
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for i in range(STEPS):
        x, y = batch(i)
        optimizer.zero_grad()
        h = Counting.apply(model(x))
        loss = F.cross_entropy(h, y)
        loss.backward(retain_graph=True)
        loss.backward()
        try:
            loss.backward()
        except RuntimeError:
            seen.append("released")
        optimizer.step()
        seen.append(torch.func.vmap(lambda a: (a * a).sum())(h))
    return seen, Counting.calls, model.state_dict()


@program
def embeddings():
    embed, head = nn.Embedding(3000, 16), nn.Linear(16, 3000, bias=False)
    head.weight = embed.weight
    plain, out, seen = nn.Embedding(3000, 16), nn.Linear(16, 4), []
    optimizer = torch.optim.AdamW(embed.parameters(), lr=0.01)
    its = torch.optim.SGD([*plain.parameters(), *out.parameters()], lr=0.1)
    for i in range(STEPS):
        random = np.random.default_rng(i)
        tokens = torch.tensor(random.integers(0, 3000, (3, 5)))
        optimizer.zero_grad()
        logits = head(embed(tokens))
        F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
        its.zero_grad()
        F.cross_entropy(out(plain(tokens).mean(1)), torch.tensor([0, 1, 2])).backward()
        its.step()
        if i == 7:
            kept = plain.weight.grad
        if i in (9, 12):
            seen.append((plain.weight.grad.norm().item(), plain.weight.grad[:, 0].nonzero()))
    return seen, kept.sum(0), embed.weight.sum(1)[:50], plain.weight.sum(), embed.weight.grad.norm()


@program
def evaluations():
    model = nn.Sequential(
        nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)
    )
    optimizer, seen, kept, total = torch.optim.Adam(model.parameters()), [], [], 0.0
    for i in range(STEPS):
        model.train()
        total += fit(model, optimizer, i).detach()
        model.eval()
        with torch.no_grad():
            kept.append(model(batch(i, 5 + i % 3)[0]))
            seen += [kept[-1].argmax(1), model[1].running_mean.clone()]
        if i % 5 == 4:
            seen.append(float(total))
            total = 0.0
    return seen, [k.sum().item() for k in kept], model.state_dict()


@program
def looks():
    model, seen = mlp(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for i in range(STEPS):
        x, y = batch(i)
        optimizer.zero_grad()
        h = model[0](x)
        seen.append(h.sum().item())
        h = model[1](h)
        if h.mean() > 0:
            h = h * 2
        seen += [
            f"{h.mean():.2f}",
            len(repr(model[0].weight)) > 0,
            h.tolist()[0],
            np.tanh(h.detach()),
        ]
        loss = F.cross_entropy(model[2](h), y)
        if loss > 1.3:
            loss = loss * 1.1
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen, model.state_dict()


@program
def numbers():
    weight, seen = torch.ones(6, requires_grad=True), []
    special = [0.5, 0.25, 0.1, -0.0, 0.0, float("nan"), 1e30, True, 3, 0.5]
    for i in range(24):
        c: Any = special[i % 10] if i > 9 else 0.5
        x = torch.arange(6.0) - 3
        y = (x * c + c).tanh() * weight - c
        y = torch.where(y > c, y, torch.full((6,), float(c)))
        z = 1 / (x * 0 * c)
        whole = torch.arange(6) * (int(c) if abs(c) < 100 else 7)
        y.sum().backward()
        seen.append((y, z, torch.signbit(x * 0 * c), whole, weight.grad.clone()))
        if i % 2:
            weight.grad = None
    return seen


@program
def shapes():
    seen = []
    for i in range(4 * STEPS):
        n = i % 7
        x = torch.randn(n, 5, dtype=torch.float64, requires_grad=True)
        y = (x.t() @ x).tanh()
        z = (y + y.T * y)[::2, 1:].contiguous().sum()
        (z * z).backward()
        seen.append((z.item(), x.grad, x.detach().sum(0), (torch.tensor(3 + n) * n // 5).item()))
        seen.append(torch.empty(0, 3).sum(1) + torch.tensor(2.0))
    return seen


@program
def faults():
    embed, model, seen = nn.Embedding(10, 8), mlp(), []
    optimizer = torch.optim.Adam([*embed.parameters(), *model.parameters()], lr=0.01)
    for i in range(2 * STEPS):
        random = np.random.default_rng(i)
        tokens, classes = random.integers(0, 10, 8), random.integers(0, 4, 8)
        if i % 5 == 4:
            tokens[3] = 11
        if i % 7 == 6:
            classes[2] = 5
        try:
            h = embed(torch.tensor(tokens))
            loss = F.cross_entropy(model(h if i % 6 != 5 else h[:, :7]), torch.tensor(classes))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            seen.append(loss.item())
        except (IndexError, ValueError, RuntimeError) as error:
            seen.append((type(error).__name__, [p.grad is None for p in model.parameters()]))
        seen.append(embed.weight.detach().clone())
    return seen, model.state_dict(), optimizer.state_dict()


@program
def alternating():
    one, two, seen = mlp(), nn.Linear(8, 8), []
    first = torch.optim.Adam(one.parameters(), lr=0.01)
    second = torch.optim.RMSprop(two.parameters(), lr=0.01)
    compiled = torch.compile(lambda x: (x * 2).tanh() + x)
    for i in range(2 * STEPS):
        x, y = batch(i)
        z = two(x if i % 4 else compiled(x))
        first.zero_grad()
        loss = F.cross_entropy(one(z.detach()), y)
        loss.backward()
        first.step()
        if i % 3:
            second.zero_grad()
            other = F.cross_entropy(one(z), y) + z.square().mean()
            other.backward()
            second.step()
            seen.append(other.item())
        seen.append(loss.item())
    return seen, one.state_dict(), two.state_dict(), [p.grad for p in one.parameters()]


@program
def recurrent():
    lstm, head, carried, seen = nn.LSTM(6, 10), nn.Linear(10, 3), None, []
    parameters = [*lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for i in range(STEPS):
        x = np.random.default_rng(i).standard_normal((5, 4, 6)).astype(np.float32)
        out, carried = lstm(torch.tensor(x), carried)
        carried = tuple(c.detach() for c in carried)
        loss = head(out).square().mean() / 2
        loss.backward()
        if i % 2:
            nn.utils.clip_grad_norm_(parameters, 0.25)
            optimizer.step()
            optimizer.zero_grad()
        seen.append(loss.item())
    return seen, carried, lstm.state_dict()


@program
def closures():
    model, (x, y) = mlp(), batch(0)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(3)]


@program
def coins():
    """A decoder with a coin for each word: each step has a graph of its own."""
    random = np.random.default_rng(5)
    embedding, cell, out = nn.Embedding(12, 8), nn.LSTMCell(8, 8), nn.Linear(8, 12)
    weights = [*embedding.parameters(), *cell.parameters(), *out.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=0.01)
    seen = []
    for i in range(STEPS):
        target = torch.tensor(np.random.default_rng(i).integers(0, 12, (4, 9)))
        word, logits = target[:, 0], []
        h = c = torch.zeros(4, 8)
        before = out.weight.detach()
        for t in range(1, 9):
            h, c = cell(embedding(word), (h, c))
            logits.append(out(torch.tanh(h) * 1.5 + h))
            forced = random.random() < 0.5
            word = target[:, t] if forced else logits[-1].argmax(1).detach()
        loss = F.cross_entropy(torch.stack(logits, 1).reshape(-1, 12), target[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(weights, 0.5)
        optimizer.step()
        seen.append([loss.item(), norm, before, out.weight.detach(), cell.weight_hh.grad, h])
    return seen, [w.detach() for w in weights]


@program
def lengths():
    """A loop of another length and other branches at every step: no tape is like another."""
    random = np.random.default_rng(7)
    cell, norm, out = nn.GRUCell(4, 8), nn.LayerNorm(8), nn.Linear(8, 3)
    weights = [*cell.parameters(), *norm.parameters(), *out.parameters()]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    seen = []
    for i in range(2 * STEPS):
        h, losses = torch.zeros(5, 8), []
        words = torch.tensor(random.standard_normal((30, 5, 4)).astype(np.float32))
        for t in range(4 + (7 * i) % 19):
            h = cell(words[t], h)
            h = norm(h) if random.random() < 0.5 else h * torch.sigmoid(h)
            top, at = out(h).max(dim=1)
            losses.append(top.mean() + F.cross_entropy(out(h), at))
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=i % 5 == 0)
        if i % 5 == 0:
            (gradient,) = torch.autograd.grad(loss, out.bias)
            seen.append(gradient)
        optimizer.step()
        seen.append([loss.item(), h.detach(), norm.weight.grad])
    return seen, [w.detach() for w in weights]
