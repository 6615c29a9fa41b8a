"""Word vectors from a text: skip-gram with negative sampling, and what they know.

    python examples/word_vectors.py            the prose that Python itself carries
    python examples/word_vectors.py book.txt   a text of yours

Another model: `CBOW` with the batches of `WordsAround`, or `GloVe` with those of `CountedPairs`.
The same with evaluation, saving and a baseline: `chainrule train vectors`.
"""

import argparse
from collections import Counter

import numpy as np

import chainrule as cr
from chainrule import optim
from chainrule.models.word_vectors import SkipGram
from chainrule.text.corpus import read_text
from chainrule.text.library_prose import english_words, library_prose
from chainrule.text.nearest import WordSpace
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_windows import WordPairs

parser = argparse.ArgumentParser()
parser.add_argument("text", nargs="?")
parser.add_argument("--steps", type=int, default=400)
options = parser.parse_args()

if options.text:
    passages = [english_words(part) for part in read_text(options.text).split("\n\n")]
else:
    passages = library_prose()
counts = Counter(word for passage in passages for word in passage)
words = Vocabulary.of(counts, least=5, padding=None, unknown=None)
codes = [words.encode(w for w in passage if w in words) for passage in passages]

cr.manual_seed(0)
model = SkipGram(len(words), width=100)
optimizer = optim.SparseAdam(model.parameters(), lr=3e-3)
pairs = WordPairs(codes, words=len(words), window=10, negatives=10, batch=1024, seed=0)


@cr.compile
def step(word, near, far):
    loss = model(word, near, far)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


losses = []
for number in range(1, options.steps + 1):
    losses.append(step(*map(cr.tensor, pairs.draw())).item())
    if number % 500 == 0 or number == options.steps:
        print(f"step {number}: loss {np.mean(losses[-500:]):.3f}")

assert np.mean(losses[-100:]) < np.mean(losses[:100])
space = WordSpace(words.tokens, model.vectors().numpy())
for word in words.tokens[20:200:30]:
    print(f"{word:12}", *[near for near, _ in space.nearest(word, 6)])
