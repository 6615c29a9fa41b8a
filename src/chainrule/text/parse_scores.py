"""Judges of parsers: the share of words with the right head, and with the right relation to it.

    >>> gold = [Parsed(("Birds", "sing", "."), (2, 0, 2), ("nsubj", "root", "punct"))]
    >>> parse_scores(gold, [Parsed(gold[0].words, (2, 0, 1), ("obj", "root", "punct"))])
    {'uas': 0.6666666666666666, 'las': 0.3333333333333333, 'uas_words': 1.0, 'las_words': 0.5,
     'exact': 0.0}

UAS counts right heads, LAS those whose relation is right, too, subtype included (`nsubj:pass`).
Both are over all words, punctuation among them, as in the CoNLL shared task of 2018 (which drops
subtypes); `_words` leaves out words whose right relation is `punct`. May import `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.text.parsed import Parsed

PUNCTUATION = "punct"  # a relation of Universal Dependencies


def parse_scores(gold: Sequence[Parsed], predicted: Sequence[Parsed]) -> dict[str, float]:
    """Scores from 0 to 1 of the trees `predicted` for the sentences of `gold`.

    `uas`, `las`, `uas_words`, `las_words`, and `exact`, the share of sentences whose heads and
    relations are all right.
    """
    words, heads, arcs = [0, 0], [0, 0], [0, 0]  # all; those that are not punctuation
    exact = 0
    for tree, own in zip(gold, predicted, strict=True):
        exact += (tree.heads, tree.relations) == (own.heads, own.relations)
        for head, relation, its_head, its_relation in zip(
            tree.heads, tree.relations, own.heads, own.relations, strict=True
        ):
            for kind in range(1 + (relation.partition(":")[0] != PUNCTUATION)):
                words[kind] += 1
                heads[kind] += head == its_head
                arcs[kind] += head == its_head and relation == its_relation
    scores = {}
    for kind, suffix in enumerate(["", "_words"]):
        scores["uas" + suffix] = heads[kind] / max(1, words[kind])
        scores["las" + suffix] = arcs[kind] / max(1, words[kind])
    return scores | {"exact": exact / max(1, len(gold))}
