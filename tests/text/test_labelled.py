"""Labelled texts: which column is which, folders by label, several sources."""

import pytest

from chainrule.base.errors import DataError
from chainrule.base.settings import settings
from chainrule.text.labelled import labelled_of, read_labelled
from chainrule.text.table import parse_table


def table(text, name="f.csv"):
    return parse_table(text, name)


def test_usual_names_are_found_whatever_their_order_and_case():
    found = labelled_of(table("Id,Category,Review\n7, spam ,buy now\n8,ham,see you\n"))
    assert found.texts == ["buy now", "see you"]
    assert found.labels == ["spam", "ham"]
    assert found.places == ["f.csv:2", "f.csv:3"]
    assert found.said.endswith("; text is Review, label is Category")


def test_columns_without_names_are_guessed_and_the_guess_is_said():
    found = labelled_of(table("1,a long text\n2,another text\n1,a third one\n"))
    assert found.labels == ["1", "2", "1"]
    assert found.said.endswith("no header, 2 columns; text is 2, label is 1")


def test_given_columns_are_taken():
    rows = table("title,text,label,topic\nT1,one,a,x\nT2,two,b,y\n")
    found = labelled_of(rows, text="title", label="topic")
    assert (found.texts, found.labels) == (["T1", "T2"], ["x", "y"])
    assert labelled_of(rows, text="1", label="4").texts == ["T1", "T2"]
    assert labelled_of(rows, label="text").texts == ["T1", "T2"]  # not the label's own column
    with pytest.raises(DataError, match="no column 'body'"):
        labelled_of(rows, text="body")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,1\n ,0\n", r"f\.csv:3:1: no text: column text is empty"),
        ("text,label\na,1\nb,\n", r"f\.csv:3:1: no label: column label is empty"),
        ("a\nb\n", r"f\.csv has one column; a text and its label need two"),
        ("a,b\na,b\n", r"no column of labels: no column has two values"),
    ],
)
def test_what_is_missing_is_named_with_its_place(text, message):
    with pytest.raises(DataError, match=message):
        labelled_of(table(text))


def folders(root, **texts):
    for label, ones in texts.items():
        (root / label).mkdir(parents=True)
        for number, text in enumerate(ones):
            (root / label / f"{number}.txt").write_text(text)


def test_a_folder_has_a_folder_for_each_label(tmp_path):
    folders(tmp_path, pos=["good", "fine"], neg=["bad"])
    (tmp_path / "README").write_text("about")
    (tmp_path / ".git").mkdir()
    found = read_labelled(tmp_path)
    assert found.texts == ["bad", "good", "fine"]
    assert found.labels == ["neg", "pos", "pos"]
    assert found.places[0].endswith("0.txt")
    assert found.said == f"{tmp_path}: 3 files in 2 folders, the labels"


def test_folders_that_are_not_labels_say_which_to_give(tmp_path):
    with pytest.raises(DataError, match="has no folders"):
        read_labelled(tmp_path)
    folders(tmp_path / "train", pos=["good"])
    with pytest.raises(DataError, match=r"train' holds no text files.*give '.*train'"):
        read_labelled(tmp_path)


def test_several_sources_are_joined(tmp_path):
    folders(tmp_path / "folder", pos=["good"])
    (tmp_path / "a.csv").write_text("text,label\nbad,neg\n")
    found = read_labelled([tmp_path / "folder", tmp_path / "a.csv"])
    assert (found.texts, found.labels) == (["good", "bad"], ["pos", "neg"])
    assert found.said.count("\n") == 1
    assert len(found) == 2


def test_movie_reviews():
    path = settings().data and settings().data / "movie_review_polarity.tsv"
    if not path or not path.is_file():
        pytest.skip("CHAINRULE_DATA names no folder with movie_review_polarity.tsv")
    found = read_labelled(path)
    assert len(found) == 10662
    assert found.labels.count("1") == 5331
    assert found.said.endswith("header label, text; text is text, label is label")


def test_a_part_has_the_texts_with_its_numbers():
    whole = labelled_of(table("text,label\na,x\nb,y\nc,x\n"))
    part = whole.part([2, 0])
    assert (part.texts, part.labels) == (["c", "a"], ["x", "x"])
    assert part.places == ["f.csv:4", "f.csv:2"]
    assert part.said == whole.said
    assert len(whole.part([])) == 0
