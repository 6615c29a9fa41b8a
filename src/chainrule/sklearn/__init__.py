"""Estimators for scikit-learn, which the extra `sklearn` installs.

    >>> from chainrule.sklearn import TextClassifier
    >>> TextClassifier(random_state=0).fit(["good", "bad"], [1, 0]).predict(["bad"])
    array([0])

They have no part in `import chainrule`. May import everything but `cli`.
"""

from __future__ import annotations

from chainrule.sklearn.sequence_tagger import SequenceTagger
from chainrule.sklearn.text_classifier import TextClassifier
from chainrule.sklearn.word_vectors import WordVectors

__all__ = ["SequenceTagger", "TextClassifier", "WordVectors"]
