"""CoNLL-U: what is read, what is refused and where, and that writing gives the file back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.settings import settings
from chainrule.text.conllu import Sentence, parse_conllu, read_conllu, write_conllu

SPANISH = """\
# sent_id = 1
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\t_\tMood=Imp|Number=Plur\t0\troot\t0:root\t_
2\tnos\tnosotros\tPRON\t_\tCase=Acc\t1\tobj\t1:obj\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t5:case\t_
4\tel\tel\tDET\t_\tDefinite=Def\t5\tdet\t5:det\t_
5\tmar\tmar\tNOUN\t_\tNumber=Sing\t1\tobl\t1:obl\t_
5.1\tya\tya\tADV\t_\t_\t_\t_\t1:advmod\t_

"""


def row(number, head="0", **values):
    given = {"form": "w", "head": head, "deprel": "dep", **values}
    names = ("form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
    return "\t".join([str(number), *(given.get(name, "_") for name in names)])


def test_words_are_read_and_multiword_tokens_and_empty_nodes_kept():
    (sentence,) = parse_conllu(SPANISH)
    assert sentence.forms == ("Vamos", "nos", "a", "el", "mar")
    assert sentence.upos == ("VERB", "PRON", "ADP", "DET", "NOUN")
    assert sentence.heads == (0, 1, 5, 5, 1)
    assert sentence.deprels == ("root", "obj", "case", "det", "obl")
    assert sentence.features[0] == {"Mood": "Imp", "Number": "Plur"}
    assert sentence.features[2] == {}
    assert [(before, row[0]) for before, row in sentence.others] == [
        (0, "1-2"),
        (2, "3-4"),
        (5, "5.1"),
    ]
    assert write_conllu([sentence]) == SPANISH


def test_predictions_are_written_in_the_place_of_what_was_read():
    (sentence,) = parse_conllu(SPANISH)
    changed = sentence.replace(upos=["X"] * 5, head=[0, 1, 1, 1, 1])
    (again,) = parse_conllu(write_conllu([changed]))
    assert again.upos == ("X",) * 5
    assert again.heads == (0, 1, 1, 1, 1)
    assert again.forms == sentence.forms
    assert again.others == sentence.others
    with pytest.raises(ArgumentError, match="head has 2 values for 5 words"):
        sentence.replace(head=[0, 1])
    with pytest.raises(ArgumentError, match="no column 'tag'; its columns: id, form"):
        sentence.column("tag")


@st.composite
def trees(draw):
    """Heads of a tree: each word is attached to one that already leads to the root."""
    order = draw(st.permutations(range(1, draw(st.integers(1, 12)) + 1)))
    heads = {}
    for position, word in enumerate(order):
        heads[word] = draw(st.sampled_from([0, *order[:position]]))
    return [heads[word] for word in sorted(heads)]


@given(trees())
def test_every_tree_is_accepted(heads):
    text = "\n".join(row(number, str(head)) for number, head in enumerate(heads, 1))
    (sentence,) = parse_conllu(text)
    assert list(sentence.heads) == heads


@given(trees(), st.data())
def test_every_cycle_is_refused(heads, data):
    word = data.draw(st.integers(1, len(heads)))
    below = {word}  # a word that hangs on one below it closes a cycle
    while more := {w for w, head in enumerate(heads, 1) if head in below} - below:
        below |= more
    heads[word - 1] = data.draw(st.sampled_from(sorted(below)))
    text = "\n".join(row(number, str(head)) for number, head in enumerate(heads, 1))
    with pytest.raises(DataError, match="closes a cycle"):
        parse_conllu(text)


FAULTS = [
    ("1\tword\n", r"f:1:1: 2 of 10 columns, which are separated by tabs\n"),
    (
        row(1).replace("\t", "  ") + "\n",
        r"f:1:1: 1 of 10 columns.*separated by spaces",
    ),
    (row(1) + "\n" + row(3), r"f:2:1: ID is 3, but word 2 is next"),
    (row(1) + "\n\n\n# a\n" + row(2), r"f:5:1: ID is 2, but word 1 is next"),
    (row("1a"), r"f:1:1: ID is '1a'"),
    (row("3-2"), r"f:1:1: ID is '3-2'"),
    (row("1.1"), r"f:1:1: the sentence has no words"),
    (row(1, "2"), r"f:1:13: HEAD is '2'; the sentence's heads are 0 … 1"),
    (row(1, "x"), r"f:1:13: HEAD is 'x'"),
    (row(1, "٣"), r"f:1:13: HEAD is '٣'"),
    (row(1) + "\n" + row(2, "_"), r"f:2:13: HEAD is '_'"),
    (row(1, "1"), r"f:1:13: HEAD of 'w' is 1, which closes a cycle"),
    (row(1, form=""), r"f:1:3: FORM is empty; a value that is not given is written _"),
    (row(1, feats="Number"), r"f:1:11: FEATS holds 'Number'.*Name=Value"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_a_broken_file_is_refused_at_its_place(text, message):
    with pytest.raises(DataError, match=message):
        parse_conllu(text, "f")


def test_a_sentence_without_heads_may_be_tagged_but_not_parsed():
    (sentence,) = parse_conllu("# one\n" + row(1, "_"), "f")
    assert sentence.forms == ("w",)
    with pytest.raises(DataError, match=r"f:1:1: the sentence has no heads"):
        _ = sentence.heads


def test_a_sentence_can_be_made():
    made = Sentence((tuple(row(1).split("\t")),))
    assert write_conllu([made]) == row(1) + "\n\n"


def test_a_file_is_read_and_named(tmp_path):
    path = tmp_path / "es.conllu"
    path.write_bytes(SPANISH.replace("\n", "\r\n").encode())
    assert write_conllu(read_conllu(path)) == SPANISH
    path.write_text(row(2))
    with pytest.raises(DataError, match=r"es\.conllu:1:1: ID is 2"):
        read_conllu(path)


def test_english_ewt():
    folder = settings().data and settings().data / "ud_english_ewt"
    if not folder or not folder.is_dir():
        pytest.skip("CHAINRULE_DATA names no folder with ud_english_ewt")
    path = folder / "en_ewt-ud-dev.conllu"
    sentences = read_conllu(path)
    assert (len(sentences), sum(map(len, sentences))) == (2001, 25147)
    assert len({tag for sentence in sentences for tag in sentence.upos}) == 17
    assert all(0 in sentence.heads for sentence in sentences)
    assert write_conllu(sentences) == path.read_text(encoding="utf-8")
