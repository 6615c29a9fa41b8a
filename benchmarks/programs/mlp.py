"""A classifier of 300 features: DataLoader, AdamW, clipping, cosine schedule, evaluation."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


class Net(nn.Module):
    def __init__(self, inputs=300, hidden=256, classes=10):
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, classes)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def features(n, rng):
    centres = rng.normal(size=(10, 300))
    labels = rng.integers(0, 10, n)
    x = 0.2 * centres[labels] + rng.normal(size=(n, 300))
    return TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(labels))


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    loss, correct = 0.0, 0
    for data, target in loader:
        output = model(data)
        loss += F.cross_entropy(output, target, reduction="sum").item()
        correct += output.argmax(dim=1).eq(target).sum().item()
    model.train()
    return loss / len(loader.dataset), correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=640)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    data = features(128 * 40, np.random.default_rng(2))
    train_loader = DataLoader(Subset(data, range(128 * 32)), batch_size=128)
    test_loader = DataLoader(Subset(data, range(128 * 32, 128 * 40)), batch_size=256)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.steps)
    run = torch.compile(model) if args.compile else model

    step = 0
    while step < args.steps:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(run(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            step += 1
            if step % 16 == 0:
                print(f"step {step}: loss {loss.item():.4f}")
            if step == args.steps:
                break
        found, accuracy = evaluate(model, test_loader)
        print(f"test loss {found:.4f}, accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()
