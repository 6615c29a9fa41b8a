"""Pairs of texts: parallel files, and tables."""

import pytest

from chainrule.base.errors import DataError
from chainrule.text.pairs import pairs_of, read_pairs
from chainrule.text.table import parse_table


def test_parallel_files(tmp_path):
    (tmp_path / "a.en").write_text("go\n\nrun\n")
    (tmp_path / "a.fr").write_text("va\n \ncours\n\n")
    pairs = read_pairs(tmp_path / "a.en", tmp_path / "a.fr")
    assert (pairs.sources, pairs.targets) == (["go", "run"], ["va", "cours"])
    assert pairs.places == [f"{tmp_path}/a.en:1", f"{tmp_path}/a.en:3"]
    assert pairs.said.endswith("a.fr: 3 lines each")
    assert len(pairs) == 2


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ("a\nb\n", "x\n", r"a\.en' has 2 lines and '.*a\.fr' 1; parallel"),
        ("a\nb\n", "x\n\ny\n", r"a\.en' has 2 lines and '.*a\.fr' 3"),
        ("a\n\nc\n", "x\ny\nz\n", r"a\.en:2:1: the source of this pair is empty"),
        ("a\nb\nc\n", "x\n\nz\n", r"a\.fr:2:1: the target of this pair is empty"),
    ],
)
def test_files_that_are_not_parallel(tmp_path, one, two, message):
    (tmp_path / "a.en").write_text(one)
    (tmp_path / "a.fr").write_text(two)
    with pytest.raises(DataError, match=message):
        read_pairs(tmp_path / "a.en", tmp_path / "a.fr")


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("a\tb\nc\td\n", "1", "2"),
        ("target\tsource\nb\ta\nd\tc\n", "source", "target"),
        ("Go\tVa\tfrom a book\na\tb\tc\n", "1", "2"),
        ("english\tid\ttranslation\na\t1\tb\n", "english", "translation"),
        ("id\ttgt\tfrench\n1\tb\ta\n", "id", "tgt"),
    ],
)
def test_columns_of_a_table(text, source, target):
    table = parse_table(text, "f.tsv")
    pairs = pairs_of(table)
    assert pairs.sources == list(table.column(source))
    assert pairs.targets == list(table.column(target))
    assert pairs.said.endswith(f"source is {source}, target is {target}")


def test_given_columns_of_a_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1, "de": "geh", "en": "go"}\n')
    pairs = read_pairs(path, source="en", target="de")
    assert (pairs.sources, pairs.targets) == (["go"], ["geh"])


def test_a_table_of_one_column_or_without_pairs():
    with pytest.raises(DataError, match="has one column; a source and its target need two"):
        pairs_of(parse_table("a\nb\n", "f.csv"))
    with pytest.raises(DataError, match="holds no pairs"):
        pairs_of(parse_table("a,b\n , \n", "f.csv", header=True))
