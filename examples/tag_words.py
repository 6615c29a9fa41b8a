"""What does each name do in a line of Python? A bidirectional LSTM over words and affixes tells."""

import chainrule as cr
from chainrule import optim
from chainrule.models.encoders import RecurrentEncoder
from chainrule.models.taggers import Tagger, WordEmbedding
from chainrule.text.frequent_tags import FrequentTags
from chainrule.text.library_source import library_source, split_files
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.python_roles import OTHER, tagged_lines
from chainrule.text.python_tokens import python_words
from chainrule.text.tag_scores import tag_scores
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_features import WordFeatures

# Sentences are logical lines, words are Python's tokens; tokens that are no names are not judged.
learnt, held_out = (
    [line for file in files[::every] for line in tagged_lines(file.text) if len(line.words) < 32]
    for files, every in zip(split_files(library_source()), (8, 4), strict=True)
)
features = WordFeatures.of(line.words for line in learnt)
tags = Vocabulary.of((tag for line in learnt for tag in line.tags), padding=None)
known = {word for line in learnt for word in line.words}
print(f"{len(learnt)} lines to learn, {len(held_out)} held out, {len(tags) - 2} roles of names")

cr.manual_seed(0)
embedding = WordEmbedding(len(features.words), len(features.affixes))
model = Tagger(embedding, RecurrentEncoder(embedding.width, 64), len(tags), dropout=0.2)
optimizer = optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.99))


@cr.compile
def step(codes, gold):
    loss = model.loss(codes, gold)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def predict(sentences):
    """The tags of each sentence, a list of words."""
    model.eval()
    found = [[] for _ in sentences]
    batches = PaddedBatches([[features.encode(words) for words in sentences]], batch=64)
    for numbers, (codes, _) in batches.in_order():
        with cr.no_grad():
            best = model.best(model(cr.tensor(codes)), codes)
        for number, path in zip(numbers, best, strict=True):
            found[number] = tags.decode(path)
    model.train()
    return found


columns = [
    [features.encode(line.words) for line in learnt],
    [tags.encode(li.tags) for li in learnt],
]
batches = PaddedBatches(columns, batch=32, seed=0)
for n in range(1, 241):
    codes, gold, _ = batches.draw()
    loss = step(codes, gold)
    if n % 60 == 0:
        print(f"step {n:3d}  loss {loss.item():.3f}")

words = [line.words for line in held_out]
counted = FrequentTags(learnt, left_out=[OTHER])
baseline = tag_scores(held_out, [counted.tag(line) for line in words], known)["accuracy"]
scores = tag_scores(held_out, predict(words), known)
print(f"{scores['accuracy']:.1%} of the names right, {scores['unknown_accuracy']:.1%} of new ones;")
print(f"the most frequent role of each name: {baseline:.1%}")
line = python_words("for flurb in plonk.grumble(size=quux): zork.wibble = flurb")
print(*(f"{w}/{t}" for w, t in zip(line, predict([line])[0], strict=True) if t != OTHER))
assert scores["accuracy"] > 0.9
assert baseline < 0.6
