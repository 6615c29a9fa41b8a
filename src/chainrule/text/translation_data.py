"""The pairs of a translation: where they are from, which are held out, and their codes.

    >>> corpus = read_corpus(paths)          # ["train.en", "train.de"]
    >>> corpus.source, corpus.tokens
    ('train.en and train.de: 20,000 lines each', ('words', 'words'))

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import ConfigError, DataError
from chainrule.text.corpus import read_text
from chainrule.text.fingerprint import fingerprint
from chainrule.text.library_source import library_source, python_version, split_files
from chainrule.text.pairs import Pair, Pairs, pairs_of, read_pairs
from chainrule.text.pronunciations import (
    are_phonemes,
    is_pronouncing_dictionary,
    parse_pronunciations,
)
from chainrule.text.python_trees import code_tokens, statement_pairs
from chainrule.text.splits import split_by_hash
from chainrule.text.table import parse_table
from chainrule.text.translation_codes import TranslationCodes

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Held:
    """A held-out source: its right translations, its codes and rare words, and its place."""

    source: str
    targets: tuple[str, ...]
    codes: Codes
    rare: list[str]
    outputs: tuple[Codes, ...]  # of the targets, with their ends
    place: str = ""


@dataclass(frozen=True)
class Learnt:
    """Pairs to learn from as codes, each once; `said` tells how many they were."""

    sources: list[Codes]
    inputs: list[Codes]  # from `<s>` on
    outputs: list[Codes]  # up to `</s>`
    said: str


@dataclass(frozen=True)
class Corpus:
    """Pairs to learn from and held-out pairs, with their places and their kinds of tokens."""

    learnt: list[Pair]
    held: list[tuple[Pair, str]]
    source: str
    tokens: tuple[str, str]

    @property
    def fingerprint(self) -> str:
        """A hash of all pairs."""
        return fingerprint(self.learnt, (pair for pair, _ in self.held))

    def learnt_codes(self, codes: TranslationCodes, longest: int) -> Learnt:
        """The pairs to learn from; those that differ in rare words only are one.

        So what is frequent is not learnt again and again, and what is rare is learnt.
        """
        distinct: dict[tuple[bytes, bytes], tuple[Codes, Codes]] = {}
        long = 0
        for pair in self.learnt:
            source, rare = codes.encode(pair.source)
            target = codes.encode_target(pair.target, rare)
            if max(len(source), len(target) - 1) > longest:
                long += 1
                continue
            distinct.setdefault((source.tobytes(), target.tobytes()), (source, target))
        if self.learnt and not distinct:
            raise DataError(
                f"{self.source}: every pair has more than {longest} tokens; "
                "give --set longest=<larger>"
            )
        said = f"{len(self.learnt):,} to learn"
        if len(distinct) + long < len(self.learnt):
            said += f", {len(distinct):,} of which differ in more than rare words"
        if long:
            said += f", {long:,} left out with more than {longest} tokens"
        sources = [source for source, _ in distinct.values()]
        targets = [target for _, target in distinct.values()]
        return Learnt(sources, [t[:-1] for t in targets], [t[1:] for t in targets], said)

    def held_out(self, codes: TranslationCodes) -> list[Held]:
        """The held-out sources, each once with all its translations."""
        targets: dict[str, dict[str, None]] = {}  # sets in order
        places: dict[str, str] = {}
        for pair, place in self.held:
            targets.setdefault(pair.source, {})[pair.target] = None
            places.setdefault(pair.source, place)
        held = []
        for source, right in targets.items():
            encoded, rare = codes.encode(source)
            outputs = tuple(codes.encode_target(target, rare)[1:] for target in right)
            held.append(Held(source, tuple(right), encoded, rare, outputs, places[source]))
        return held


def bundled() -> Corpus:
    """Statements of the standard library, and their trees in prefix form; held out by file.

    A statement that is also in a file to learn from is not held out.
    """
    files, held_files = split_files(library_source())
    learnt = statement_pairs(files)
    known = {tuple(code_tokens(pair.source)) for pair in learnt}
    held = [
        (pair, file.path)
        for file in held_files
        for pair in statement_pairs([file])
        if tuple(code_tokens(pair.source)) not in known
    ]
    source = f"statements of the standard library of {python_version()}, and their syntax trees"
    return Corpus(learnt, held, source, ("code", "spaces"))


def read_corpus(
    paths: Sequence[str], dev: Sequence[str] = (), *, stress: bool = False, learn: bool = True
) -> Corpus:
    """The pairs of two parallel files, of a table, or of a pronouncing dictionary.

    Held out are those of `dev`, or else a tenth of the sources, chosen by a hash of each; without
    `learn`, all are.
    """
    pairs = _read(paths, stress=stress)
    placed = _placed(pairs)
    if dev:
        learnt, held = placed, _placed(_read(dev, stress=stress))
    elif learn:
        learnt, held = split_by_hash(placed, lambda one: one[0].source)
    else:
        learnt, held = [], placed
    if not held or (learn and not learnt):
        raise DataError(
            f"{pairs.said}: too few to hold a tenth of them out; give more, or --dev FILE"
        )
    tokens = ("characters", "spaces") if are_phonemes(pairs.targets) else ("words", "words")
    return Corpus([pair for pair, _ in learnt], held, pairs.said, tokens)


def _read(paths: Sequence[str], *, stress: bool) -> Pairs:
    if len(paths) > 2:
        raise ConfigError(
            f"the task 'translate' reads two parallel files, or one file of pairs, not {len(paths)}"
        )
    return read_pairs(*paths) if len(paths) == 2 else _pairs_of_file(paths[0], stress=stress)


def _placed(pairs: Pairs) -> list[tuple[Pair, str]]:
    return list(zip(map(Pair, pairs.sources, pairs.targets), pairs.places, strict=True))


def _pairs_of_file(path: str, *, stress: bool) -> Pairs:
    text = read_text(path)
    if is_pronouncing_dictionary(text):
        return parse_pronunciations(text, path, stress=stress)
    return pairs_of(parse_table(text, path))
