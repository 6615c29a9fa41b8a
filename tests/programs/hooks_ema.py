"""Hooks that watch and change, an exponential moving average of weights, frozen parts."""

import argparse
import copy

import numpy as np
import torch
from seeding import arguments, report, seeded
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class EMA:
    def __init__(self, model, decay):
        self.decay = decay
        self.shadow = {n: p.data.clone() for n, p in model.named_parameters() if p.requires_grad}

    def update(self, model):
        for name, p in model.named_parameters():
            if p.requires_grad:
                self.shadow[name].mul_(self.decay).add_(p.data, alpha=1 - self.decay)

    def apply(self, model):
        self.backup = {n: p.data.clone() for n, p in model.named_parameters()}
        for name, p in model.named_parameters():
            if p.requires_grad:
                p.data.copy_(self.shadow[name])

    def restore(self, model):
        for name, p in model.named_parameters():
            p.data.copy_(self.backup[name])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=8)
    args = arguments(parser)
    model = nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 2))
    seeded(model, 0.4)
    for p in model[0].parameters():
        p.requires_grad_(False)
    seen = {"activations": [], "gradients": []}
    handles = [
        model[2].register_forward_hook(
            lambda module, ins, out: seen["activations"].append(out.detach().abs().mean().item())
        ),
        model[2].register_forward_pre_hook(lambda module, ins: (ins[0] * 1.5,)),
        model[4].register_full_backward_hook(
            lambda module, gin, gout: seen["gradients"].append(gout[0].norm().item())
        ),
        model[4].weight.register_hook(lambda g: g.clamp(-0.05, 0.05)),
    ]
    ema = EMA(model, 0.9)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8))
    frozen = copy.deepcopy(model)
    opt = torch.optim.Adagrad(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)
    rng = np.random.default_rng(3)
    losses = []
    for step in range(args.steps):
        if step == args.steps - 3:
            for handle in handles:
                handle.remove()
        x, y = (torch.from_numpy(rng.normal(size=(7, n)).astype(args.dtype)) for n in (5, 2))
        loss = nn.functional.smooth_l1_loss(model(x), y) + 0.1 * nn.KLDivLoss(
            reduction="batchmean"
        )(model(x).log_softmax(-1), frozen(x).softmax(-1).detach())
        opt.zero_grad()
        loss.backward()
        opt.step()
        ema.update(model)
        averaged.update_parameters(model)
        losses.append(loss.item())
    ema.apply(model)
    with torch.inference_mode():
        average = averaged(x).pow(2).mean().item()
        shadow = model(x).pow(2).mean().item()
    ema.restore(model)
    report(losses=losses, shadow=shadow, average=average, restored=model(x).sum().item(), **seen)


if __name__ == "__main__":
    main()
