"""One program, two frameworks: `python same_as_pytorch.py chainrule` (or `torch`).

A bag of embeddings learns which of two words came first. Nothing but the import differs; with equal
weights the losses agree, here they start from each framework's own random numbers.
"""

import importlib
import sys

import numpy as np

name = sys.argv[1] if len(sys.argv) > 1 else "chainrule"
torch = importlib.import_module(name)
nn, optim = (importlib.import_module(f"{name}.{part}") for part in ("nn", "optim"))
F = importlib.import_module(f"{name}.nn.functional")


class First(nn.Module):
    def __init__(self, vocabulary, width=16):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(2, width)
        self.hidden = nn.Linear(2 * width, 32)
        self.out = nn.Linear(32, 2)

    def forward(self, pairs):
        x = self.words(pairs) + self.places.weight
        return self.out(F.gelu(self.hidden(x.flatten(1))))


rng = np.random.default_rng(0)
pairs = rng.integers(0, 20, (256, 2))
labels = (pairs[:, 0] < pairs[:, 1]).astype(np.int64)
words, classes = torch.tensor(pairs), torch.tensor(labels)

torch.manual_seed(0)
model = First(20)
optimizer = optim.AdamW(model.parameters(), lr=1e-2)
for n in range(61):
    loss = F.cross_entropy(model(words), classes)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if n % 20 == 0:
        print(f"step {n:2d}  loss {loss.item():.3f}")
assert loss.item() < 0.2
