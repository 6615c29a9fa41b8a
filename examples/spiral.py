"""Two spirals, one multilayer perceptron, one compiled step: the smallest whole program."""

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim

rng = np.random.default_rng(0)
turn = rng.uniform(0.5, 3.0, 1000)
arm = rng.integers(0, 2, 1000)
angle = 2 * np.pi * turn / 1.5 + np.pi * arm
points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1).astype(np.float32)

cr.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
optimizer = optim.AdamW(model.parameters(), lr=1e-2)


@cr.compile
def step(x, y):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


for n in range(601):
    loss = step(points, arm)
    if n % 150 == 0:
        print(f"step {n:3d}  loss {loss.item():.3f}")

right = (model(cr.tensor(points)).argmax(-1).numpy() == arm).mean()
print(f"{right:.1%} of the points on the right arm")
assert right > 0.95
