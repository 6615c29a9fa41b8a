"""How good translations are: exactly right ones, and BLEU and chrF by `sacrebleu`.

    >>> scores = translation_scores(["go to bed now"], [["go to bed now", "to bed"]])
    >>> scores["exact"]
    1.0

BLEU and chrF need the extra `text`: pip install 'chainrule[text]'. They are `scores["bleu"]` and
`scores["chrf"]`. May import `base`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any


def has_sacrebleu() -> bool:
    """Whether BLEU and chrF can be computed here."""
    try:
        return find_spec("sacrebleu") is not None
    except ValueError:  # it was set to None in sys.modules
        return False


def translation_scores(
    found: Sequence[str], references: Sequence[Sequence[str]], *, tokenized: bool = False
) -> dict[str, float]:
    """`exact`, the share of translations equal to one of their references, and 0 … 1 scores.

    Those are `chrf` (chrF2, Popović 2015) and `bleu` (Papineni et al. 2002) of the whole corpus, as
    `sacrebleu` computes them: they are left out where it is not installed. `tokenized` texts are
    split at blanks; otherwise BLEU splits as WMT's `13a` does.
    """
    right = [text in truths for text, truths in zip(found, references, strict=True)]
    scores = {"exact": sum(right) / len(right)}
    if has_sacrebleu():
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF

        most = max(map(len, references))
        # One list for each number of a reference, None where a text has fewer.
        columns: Any = [
            [truths[at] if at < len(truths) else None for truths in references]
            for at in range(most)
        ]
        metrics = {"chrf": CHRF(), "bleu": BLEU(tokenize="none" if tokenized else "13a")}
        for name, metric in metrics.items():
            scores[name] = metric.corpus_score(list(found), columns).score / 100
    return scores
