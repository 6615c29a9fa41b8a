"""Text for training: readers, words and codes, batches, splits, baselines and scores that count.

    >>> from chainrule.text import Vocabulary, words_of
    >>> Vocabulary.of(words_of("to be, or not to be")).tokens[2:4]
    ('be', 'to')

Names are imported when they are first used. What one task needs is in a module of its own, such as
`chainrule.text.python_roles`. Imports `base`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.base.missing import missing_name

if TYPE_CHECKING:
    from chainrule.text.batches import Lanes as Lanes
    from chainrule.text.batches import RandomWindows as RandomWindows
    from chainrule.text.batches import consecutive_batches as consecutive_batches
    from chainrule.text.batches import lane_batches as lane_batches
    from chainrule.text.characters import Characters as Characters
    from chainrule.text.confusion import Confusion as Confusion
    from chainrule.text.conllu import Sentence as Sentence
    from chainrule.text.conllu import parse_conllu as parse_conllu
    from chainrule.text.conllu import read_conllu as read_conllu
    from chainrule.text.conllu import write_conllu as write_conllu
    from chainrule.text.cooccurrence import cooccurrences as cooccurrences
    from chainrule.text.cooccurrence import ppmi_vectors as ppmi_vectors
    from chainrule.text.corpus import read_text as read_text
    from chainrule.text.corpus import text_files as text_files
    from chainrule.text.corpus import text_parts as text_parts
    from chainrule.text.counted_pairs import CountedPairs as CountedPairs
    from chainrule.text.documentation import documentation_text as documentation_text
    from chainrule.text.frequent_heads import FrequentHeads as FrequentHeads
    from chainrule.text.frequent_tags import FrequentTags as FrequentTags
    from chainrule.text.labelled import Labelled as Labelled
    from chainrule.text.labelled import read_labelled as read_labelled
    from chainrule.text.library_prose import english_words as english_words
    from chainrule.text.naive_bayes import NaiveBayes as NaiveBayes
    from chainrule.text.nearest import WordSpace as WordSpace
    from chainrule.text.nearest import plural_pairs as plural_pairs
    from chainrule.text.ngram import CharacterNGram as CharacterNGram
    from chainrule.text.ngram import KneserNey as KneserNey
    from chainrule.text.padded_batches import PaddedBatches as PaddedBatches
    from chainrule.text.padded_batches import bucket_of as bucket_of
    from chainrule.text.pairs import Pairs as Pairs
    from chainrule.text.pairs import read_pairs as read_pairs
    from chainrule.text.parsed import Parsed as Parsed
    from chainrule.text.parsed import read_parsed as read_parsed
    from chainrule.text.spans import span_scores as span_scores
    from chainrule.text.spans import spans_of as spans_of
    from chainrule.text.splits import fold_of as fold_of
    from chainrule.text.splits import split_by_hash as split_by_hash
    from chainrule.text.stored_codes import StoredCodes as StoredCodes
    from chainrule.text.subwords import Subwords as Subwords
    from chainrule.text.table import Table as Table
    from chainrule.text.table import parse_table as parse_table
    from chainrule.text.table import read_table as read_table
    from chainrule.text.tagged import Tagged as Tagged
    from chainrule.text.tagged import parse_tagged as parse_tagged
    from chainrule.text.tagged import read_tagged as read_tagged
    from chainrule.text.texts import Texts as Texts
    from chainrule.text.vocabulary import Vocabulary as Vocabulary
    from chainrule.text.word_features import WordFeatures as WordFeatures
    from chainrule.text.word_windows import WordPairs as WordPairs
    from chainrule.text.word_windows import WordsAround as WordsAround
    from chainrule.text.words import Words as Words
    from chainrule.text.words import word_spans as word_spans
    from chainrule.text.words import words_of as words_of

_HOMES = {
    "batches": ("Lanes", "RandomWindows", "consecutive_batches", "lane_batches"),
    "characters": ("Characters",),
    "confusion": ("Confusion",),
    "conllu": ("Sentence", "parse_conllu", "read_conllu", "write_conllu"),
    "cooccurrence": ("cooccurrences", "ppmi_vectors"),
    "corpus": ("read_text", "text_files", "text_parts"),
    "counted_pairs": ("CountedPairs",),
    "documentation": ("documentation_text",),
    "frequent_heads": ("FrequentHeads",),
    "frequent_tags": ("FrequentTags",),
    "labelled": ("Labelled", "read_labelled"),
    "library_prose": ("english_words",),
    "naive_bayes": ("NaiveBayes",),
    "nearest": ("WordSpace", "plural_pairs"),
    "ngram": ("CharacterNGram", "KneserNey"),
    "padded_batches": ("PaddedBatches", "bucket_of"),
    "pairs": ("Pairs", "read_pairs"),
    "parsed": ("Parsed", "read_parsed"),
    "spans": ("span_scores", "spans_of"),
    "splits": ("fold_of", "split_by_hash"),
    "stored_codes": ("StoredCodes",),
    "subwords": ("Subwords",),
    "table": ("Table", "parse_table", "read_table"),
    "tagged": ("Tagged", "parse_tagged", "read_tagged"),
    "texts": ("Texts",),
    "vocabulary": ("Vocabulary",),
    "word_features": ("WordFeatures",),
    "word_windows": ("WordPairs", "WordsAround"),
    "words": ("Words", "word_spans", "words_of"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a checker knows which names there are

    def __getattr__(name: str) -> Any:
        """A name of one of the modules."""
        if name not in _HOME_OF:
            return missing_name(__name__, name)
        return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """The names here, and those that would be imported."""
    return sorted({*globals(), *_HOME_OF})
