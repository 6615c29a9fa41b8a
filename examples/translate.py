"""Translation: numbers in words to digits, by an LSTM with attention, searched with beams.

"four thousand twenty seven" → "4027". A fifth of the numbers to 9,999 is learnt, the others are
new. The same with `chainrule train translate numbers.tsv`, where numbers.tsv has two columns.
"""

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.models.translators import BeamTranslation, LSTMTranslator
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.pairs import Pair
from chainrule.text.translation_codes import TranslationCodes

ONES = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
ONES += [
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(n):
    if n >= 1000:
        return f"{in_words(n // 1000)} thousand {in_words(n % 1000)}".strip()
    if n >= 100:
        return f"{ONES[n // 100]} hundred {in_words(n % 100)}".strip()
    return ONES[n] if n < 20 else f"{TENS[n // 10]} {ONES[n % 10]}".strip()


pairs = [Pair(in_words(n), str(n)) for n in np.random.default_rng(0).permutation(9999) + 1]
learnt, new = pairs[:2000], pairs[-500:]
codes = TranslationCodes.of(learnt, "spaces", "characters", copies=0)
sources = [codes.encode(pair.source)[0] for pair in learnt]
targets = [codes.encode_target(pair.target, []) for pair in learnt]
batches = PaddedBatches([sources, [t[:-1] for t in targets], [t[1:] for t in targets]], batch=50)

cr.manual_seed(0)
model = LSTMTranslator(vocabulary=len(codes.words.vocabulary), width=64)
optimizer = cr.optim.AdamW(model.parameters(), lr=1e-2)


@cr.compile
def step(source, inputs, outputs):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(source, inputs).flatten(0, 1), outputs.flatten(), ignore_index=0)
    loss.backward()
    optimizer.step()
    return loss


for number in range(1, 401):
    source, inputs, outputs, _ = batches.draw()
    loss = step(cr.tensor(source), cr.tensor(inputs), cr.tensor(outputs))
    if number % 100 == 0:
        print(f"step {number}  loss {loss.item():.3f} nats a digit")

search = BeamTranslation(model.eval(), start=codes.words.start, end=codes.words.end, longest=6)
found = search([codes.encode(pair.source)[0] for pair in new], beam=3)
right = [
    codes.decode(beams[0].codes, []) == pair.target for beams, pair in zip(found, new, strict=True)
]
for pair, beams in list(zip(new, found, strict=True))[:3]:
    print(pair.source, "→", ", ".join(codes.decode(beam.codes, []) for beam in beams))
print(f"right: {np.mean(right):.1%} of {len(new)} numbers that were not learnt")
assert np.mean(right) > 0.9
