"""autograd.Function with double backward, a penalty on gradients, checkpointing, gradcheck."""

import argparse

import numpy as np
import torch
from seeding import arguments, report, seeded
from torch import nn
from torch.autograd import Function, grad, gradcheck
from torch.utils.checkpoint import checkpoint


class Swish(Function):
    @staticmethod
    def forward(ctx, i):
        result = i * i.sigmoid()
        ctx.save_for_backward(i)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (i,) = ctx.saved_tensors
        s = i.sigmoid()
        return grad_output * (s * (1 + i * (1 - s)))


class Reverse(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 1)

    def body(self, x):
        return Swish.apply(self.first(x))

    def forward(self, x):
        return self.second(checkpoint(self.body, x, use_reentrant=False))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=5)
    args = arguments(parser)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(6, 4)), requires_grad=True)
    checked = gradcheck(Swish.apply, (x,), eps=1e-6, atol=1e-4)
    (first,) = grad(Swish.apply(x).sum(), x, create_graph=True)
    (second,) = grad(first.pow(2).sum(), x)
    reversed_ = grad(Reverse.apply(x, 0.5).sum(), x)[0]
    through = grad((StraightThrough.apply(3 * x) ** 2).sum(), x)[0]
    critic = seeded(Critic(), 0.5)
    opt = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.0, 0.9))
    losses = []
    for _ in range(args.steps):
        real = torch.tensor(rng.normal(size=(5, 4)), dtype=torch.get_default_dtype())
        fake = real.new_tensor(rng.normal(2.0, 1.0, size=(5, 4)))
        mixed = (0.3 * real + 0.7 * fake).requires_grad_(True)
        gradients = torch.autograd.grad(
            outputs=critic(mixed), inputs=mixed, grad_outputs=torch.ones(5, 1),
            create_graph=True, retain_graph=True,
        )[0]  # fmt: skip
        penalty = ((gradients.norm(2, dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses += [loss.item(), penalty.item()]
    report(
        checked=bool(checked), second=second.tolist(), reversed=reversed_.tolist(),
        through=through.tolist(), losses=losses,
    )  # fmt: skip


if __name__ == "__main__":
    main()
