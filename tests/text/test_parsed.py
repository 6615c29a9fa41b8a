"""Dependency trees, their judge and their baseline."""

import itertools

import pytest

from chainrule.base.errors import DataError
from chainrule.text.frequent_heads import FrequentHeads
from chainrule.text.parse_scores import parse_scores
from chainrule.text.parsed import (
    Parsed,
    is_projective,
    marked_tree,
    read_parsed,
    wrong_heads,
)

BIRDS = Parsed(("Birds", "sing", "."), (2, 0, 2), ("nsubj", "root", "punct"))
ROW = "{0}\t{1}\t_\t_\t_\t_\t{2}\t{3}\t_\t_\n"


def written(tree):
    rows = zip(tree.words, tree.heads, tree.relations, strict=True)
    return "".join(ROW.format(at, *row) for at, row in enumerate(rows, 1)) + "\n"


def test_trees_of_a_file(tmp_path):
    path = tmp_path / "birds.conllu"
    crossed = Parsed(("a", "b", "c", "d"), (3, 4, 0, 3), ("x", "x", "root", "x"))
    path.write_text(written(BIRDS) + written(crossed), encoding="utf-8")
    trees, said = read_parsed(path)
    assert trees == [BIRDS, crossed]
    assert said == f"{path}: CoNLL-U, 2 sentences, 1 of them not projective"


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        (("\tnsubj", "\t_"), ":1.*no relations"),
        (("\t2\tnsubj", "\t9\tnsubj"), ":1:.*HEAD is '9'"),
        (("\t2\tnsubj", "\t1\tnsubj"), ":1:.*cycle"),
        (("\t2\tnsubj\t_\t_", "\t2\tnsubj"), ":1.*8 of 10 columns"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, replaced, reason):
    path = tmp_path / "birds.conllu"
    path.write_text(written(BIRDS).replace(*replaced), encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        read_parsed(path)


def crosses(heads):
    """By definition: an arc begins inside another and ends outside."""
    arcs = [sorted(arc) for arc in enumerate(heads, 1)]
    return any(a < c < b < d for (a, b), (c, d) in itertools.permutations(arcs, 2))


def test_projective_is_what_does_not_cross():
    for heads in itertools.product(range(5), repeat=4):
        if all(head != at for at, head in enumerate(heads, 1)):
            assert is_projective(heads) != crosses(heads), heads


def test_scores():
    own = Parsed(BIRDS.words, (2, 0, 1), ("obj", "root", "punct"))
    assert parse_scores([BIRDS, BIRDS], [own, BIRDS]) == {
        "uas": 5 / 6, "las": 4 / 6, "uas_words": 1, "las_words": 3 / 4, "exact": 1 / 2,
    }  # fmt: skip
    passive = BIRDS._replace(relations=("nsubj:pass", "root", "punct:x"))
    scores = parse_scores([passive], [BIRDS])
    assert scores["las"] == 1 / 3  # subtypes count
    assert scores["las_words"] == 1 / 2


def test_errors_are_marked():
    own = Parsed(BIRDS.words, (0, 1, 2), ("root", "obj", "punct"))
    assert wrong_heads(BIRDS, own) == [0, 1]
    assert marked_tree(BIRDS, own) == "Birds[sing nsubj|ROOT root] sing[ROOT root|Birds obj] ."
    assert marked_tree(BIRDS, BIRDS) == "Birds sing ."


def test_the_most_frequent_arc_within_the_sentence():
    trees = [
        Parsed(("a", "b"), (2, 0), ("x", "root")),
        Parsed(("a", "b", "c"), (3, 3, 0), ("x", "y", "root")),
        Parsed(("a", "b", "d"), (3, 3, 0), ("x", "y", "root")),
    ]
    model = FrequentHeads(trees)
    assert model.parse("abc") == Parsed(("a", "b", "c"), (3, 3, 0), ("x", "y", "root"))
    assert model.parse("ab").heads == (2, 0)  # what leads out of the sentence is left out
    assert model.parse(["new"]) == Parsed(("new",), (0,), ("root",))  # as words seen once are
    assert model.parse("aa").heads == (2, 0)
