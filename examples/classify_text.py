"""What kind of character has this name? Convolutions over its words tell, after Kim (2014)."""

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import optim
from chainrule.models.classifiers import ConvolutionClassifier
from chainrule.text import (
    Confusion,
    NaiveBayes,
    PaddedBatches,
    Vocabulary,
    split_by_hash,
    words_of,
)
from chainrule.text.unicode_names import unicode_names

names = unicode_names()  # "LATIN SMALL LETTER A" is labelled Ll, a lower-case letter
pairs = [(words_of(text), label) for text, label in zip(names.texts, names.labels, strict=True)]
learnt, held_out = split_by_hash(pairs, key=lambda pair: " ".join(pair[0]))
words = Vocabulary.of((word for text, _ in learnt for word in text), least=2)
labels = Vocabulary.of(names.labels, padding=None, unknown=None)
print(f"{len(learnt)} names to learn, {len(held_out)} held out, {len(labels)} categories")

cr.manual_seed(0)
model = ConvolutionClassifier(len(words), len(labels), width=64, filters=64, dropout=0.3)
optimizer = optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.99))


@cr.compile
def step(codes, gold):
    loss = F.cross_entropy(model(codes), gold)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def predict(texts):
    """The label of each text, a list of words."""
    model.eval()
    found = np.zeros(len(texts), np.int64)
    batches = PaddedBatches([[words.encode(text) for text in texts]], batch=256)
    for numbers, (codes, _) in batches.in_order():
        with cr.no_grad():
            found[numbers] = model(cr.tensor(codes)).argmax(1).numpy()
    model.train()
    return labels.decode(found)


codes = [words.encode(text) for text, _ in learnt]
batches = PaddedBatches([codes, labels.encode(label for _, label in learnt)], batch=64, seed=0)
for n in range(1, 401):
    texts, gold, _ = batches.draw()
    loss = step(texts, gold)
    if n % 100 == 0:
        print(f"step {n:3d}  loss {loss.item():.3f}")

texts, gold = zip(*held_out, strict=True)
counted = NaiveBayes(*zip(*learnt, strict=True))
baseline = Confusion.of(gold, [counted.label(text) for text in texts]).scores()["accuracy"]
judged = Confusion.of(gold, predict(texts))
accuracy = judged.scores()["accuracy"]
print(judged.text())
print(f"{accuracy:.1%} right; naive Bayes: {baseline:.1%}")
print(*predict([words_of("GREEK SMALL LETTER OF CHAINS"), words_of("CHAIN SYMBOL")]))
assert accuracy > 0.93
assert baseline < 0.91
