"""A training script: arguments, DataLoader, schedule, validation, checkpoint saved and resumed."""

import argparse
import os
import random
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from seeding import report, seeded
from torch import nn, optim
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR
from torch.utils.data import DataLoader, Subset, TensorDataset


class Net(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, classes),
        )

    def forward(self, x):
        return self.layers(torch.flatten(x, 1))


def train(args, model, device, loader, optimizer, epoch):
    model.train()
    seen = []
    for _batch_idx, (data, target) in enumerate(loader):
        data, target = data.to(device, non_blocking=True), target.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        seen.append(loss.item())
        if args.dry_run:
            break
    return seen


@torch.no_grad()
def test(model, device, loader):
    model.eval()
    loss, correct = 0.0, 0
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        output = F.log_softmax(model(data), dim=1)
        loss += F.nll_loss(output, target, reduction="sum").item()
        pred = output.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
    return loss / len(loader.dataset), correct


def main():
    parser = argparse.ArgumentParser(description="a small classifier")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N")
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    parser.add_argument("--lr", type=float, default=0.02, metavar="LR")
    parser.add_argument("--no-cuda", action="store_true", default=False)
    parser.add_argument("--dry-run", action="store_true", default=False)
    parser.add_argument("--optimizer", default="AdamW")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--dtype", default="float64")
    args = parser.parse_args()
    use_cuda = not args.no_cuda and torch.cuda.is_available()
    random.seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002 - as scripts do
    torch.manual_seed(args.seed)
    torch.cuda.manual_seed_all(args.seed)
    torch.backends.cudnn.deterministic = True
    device = torch.device("cuda" if use_cuda else "cpu")
    dtype = getattr(torch, args.dtype)
    kwargs = {"num_workers": 0, "pin_memory": True} if use_cuda else {}

    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2, 4)).astype(args.dtype)
    y = (x.sum((1, 2)) > 0).astype(np.int64) + (x[:, 0, 0] > 1)
    whole = TensorDataset(torch.from_numpy(x), torch.from_numpy(y).long())
    train_set, test_set = Subset(whole, range(64)), Subset(whole, range(64, 80))
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=False, **kwargs)
    test_loader = DataLoader(test_set, batch_size=7, **kwargs)

    model = seeded(Net(8, 12, 3).to(device, dtype), 0.3)
    optimizer = getattr(optim, args.optimizer)(model.parameters(), lr=args.lr)
    scheduler = CosineAnnealingLR(optimizer, T_max=args.epochs)
    found, started = [], time.time()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        for epoch in range(1, args.epochs + 1):
            found += train(args, model, device, train_loader, optimizer, epoch)
            scheduler.step()
            loss, correct = test(model, device, test_loader)
            found += [loss, correct, scheduler.get_last_lr()[0]]
            torch.save(
                {
                    "epoch": epoch,
                    "model_state_dict": model.state_dict(),
                    "optimizer_state_dict": optimizer.state_dict(),
                    "loss": loss,
                },
                path,
            )
        checkpoint = torch.load(path, map_location=device, weights_only=True)
    again = Net(8, 12, 3).to(device, dtype)
    again.load_state_dict(checkpoint["model_state_dict"])
    resumed = getattr(optim, args.optimizer)(again.parameters(), lr=args.lr)
    resumed.load_state_dict(checkpoint["optimizer_state_dict"])
    LambdaLR(resumed, lambda epoch: 0.95**epoch)
    found += train(args, again, device, train_loader, resumed, checkpoint["epoch"] + 1)
    found += [checkpoint["loss"], sum(p.numel() for p in again.parameters() if p.requires_grad)]
    assert time.time() >= started
    report(losses=found)


if __name__ == "__main__":
    main()
