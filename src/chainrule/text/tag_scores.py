"""Judges of taggers: accuracy, span F1, and unknown words apart.

    >>> gold = [Tagged(("the", "dog"), ("DET", "NOUN"))]
    >>> tag_scores(gold, [["DET", "VERB"]], known={"the"})
    {'accuracy': 0.5, 'unknown_accuracy': 0.0}

May import `base` and the standard library.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from chainrule.text.spans import span_scores
from chainrule.text.tagged import Tagged

UNJUDGED = "_"  # in CoNLL-U, what is not given


def tag_scores(
    gold: Sequence[Tagged],
    predicted: Sequence[Sequence[str]],
    known: Container[str],
    *,
    spans: bool = False,
) -> dict[str, float]:
    """Scores from 0 to 1 of the tags `predicted` for the words of `gold`.

    `accuracy` is over all words whose tag is not `_`, `unknown_accuracy` over those of them that
    are not in `known`, the words of the training data, if there are any. With `spans`, `f1`,
    `precision` and `recall` are those of `text.spans`; `are_spans` tells it of the learnt tags.
    """
    scores: dict[str, float] = {}
    if spans:
        scores |= span_scores([sentence.tags for sentence in gold], predicted)
    right = {True: 0, False: 0}  # by whether the word is known
    words = {True: 0, False: 0}
    for sentence, given in zip(gold, predicted, strict=True):
        for word, tag, guess in zip(*sentence, given, strict=True):
            if tag != UNJUDGED:
                words[word in known] += 1
                right[word in known] += tag == guess
    scores["accuracy"] = sum(right.values()) / max(1, sum(words.values()))
    if words[False]:
        scores["unknown_accuracy"] = right[False] / words[False]
    return scores
