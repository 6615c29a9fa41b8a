"""Tables of texts: formats, separators, headers, and faults at their places."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import DataError
from chainrule.text.table import parse_table, read_table

VALUE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
GRID = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(VALUE, min_size=n, max_size=n), min_size=1, max_size=6)
)


@given(GRID, st.sampled_from(",;|"))
def test_a_written_csv_is_read(rows, separator):
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    table = parse_table(out.getvalue(), "a.csv", header=False)
    assert [list(row) for row in table.rows] == rows
    assert table.lines == tuple(range(1, len(rows) + 1))


@given(GRID)
def test_a_tsv_is_split_at_tabs_alone(rows):
    rows = [["x" + rows[0][0], *rows[0][1:]], *rows[1:]]
    text = "\n".join("\t".join(row) for row in rows)
    kept = [row for row in rows if "".join(row).strip()]
    assert [list(row) for row in parse_table(text, "a.tsv", header=False).rows] == kept


@given(st.lists(st.fixed_dictionaries({"a": VALUE, "b": VALUE}), min_size=1, max_size=6))
def test_jsonl_is_read(rows):
    text = "\n".join(map(json.dumps, rows))
    table = parse_table(text, "a.jsonl")
    assert set(table.columns) == {"a", "b"}
    assert [dict(zip(table.columns, row, strict=True)) for row in table.rows] == rows


def test_json_values_are_written_as_text_and_may_be_missing():
    text = '{"n": 1, "x": 0.5}\n\n{"n": true, "y": null, "x": "é"}\n'
    table = parse_table(text)
    assert table.columns == ("n", "x", "y")
    assert table.rows == (("1", "0.5", ""), ("true", "é", ""))
    assert table.lines == (1, 3)
    assert table.said == "text: JSONL, 2 rows, keys n, x, y"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a", "x\ty\nz\tw\n", "TSV, 2 rows, no header, 2 columns"),
        ("a", 'text,label\n"a, b",1\n', "CSV separated by commas, 1 row, header text, label"),
        ("a.csv", "Text;Label\na,b;1\n", "CSV separated by semicolons, 1 row, header Text, Label"),
        ("a.csv", "a\tb\nc\td\n", "CSV separated by tabs, 2 rows, no header, 2 columns"),
        ("a.txt", "a|b\nc|d\n", "CSV separated by bars, 2 rows, no header, 2 columns"),
        ("a.csv", ",review\n0,fine\n1,bad\n", "header , review"),
        ("a.csv", "one\ntwo\n", "CSV separated by commas, 2 rows, no header, 1 column"),
    ],
)
def test_what_was_found_is_said(name, text, said):
    assert said in parse_table(text, name).said


def test_a_header_of_unusual_names_is_found_by_what_is_below():
    rows = "\n".join(f"{number % 2},words of row {number}" for number in range(30))
    assert parse_table("Bewertung,Satz\n" + rows).columns == ("Bewertung", "Satz")
    assert parse_table(rows).columns == ("1", "2")
    assert parse_table(rows, header=True).columns == ("0", "words of row 0")
    words = "\n".join(f"{'ja' if number % 2 else 'nein'},row {number}" for number in range(30))
    assert parse_table("Urteil,Satz\n" + words).columns == ("Urteil", "Satz")
    assert parse_table(words).columns == ("1", "2")


def test_a_text_may_span_lines_and_the_next_row_knows_its_line():
    table = parse_table('text,label\n"one\ntwo ""2""",a\nthree,b\n', "a.csv")
    assert table.column("text") == ('one\ntwo "2"', "three")
    assert table.lines == (2, 4)


def test_a_long_text_is_read():
    assert len(parse_table(f"text,label\n{'x' * 200_000},a\n").rows[0][0]) == 200_000


def test_columns_are_found_by_name_number_and_kind():
    table = parse_table("Sentence,Label\na,1\n", "f.csv")
    assert table.column("Label") == table.column("2") == ("1",)
    assert table.named(["text", "sentence"]) == "Sentence"
    assert table.named(["text"]) is None
    for column in ("label", "3", "0"):
        with pytest.raises(
            DataError, match=rf"f\.csv has no column '{column}'; .* Sentence, Label"
        ):
            table.column(column)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("f.csv", "a,b\nc\n", r"f\.csv:2:1: 1 value, but the first row has 2"),
        ("f.csv", "a,b\nc,d,e\n", r"f\.csv:2:1: 3 values.*stands in quotes"),
        ("f.csv", 'a,b\n\nc,"d\ne\n', r"f\.csv:3:1: a quote in this row is not closed"),
        ("f.csv", 'a,b\n"c"d,e\n', r"f\.csv:2:1: ',' expected after '\"'"),
        ("f.csv", "text,text\na,b\n", r"f\.csv:1:1: two columns have the same name: text, text"),
        ("f.csv", "text,label\n", r"f\.csv has a header and no rows"),
        ("f.tsv", "a\tb\nc d\n", r"f\.tsv:2:1: 1 value, but the first row has 2"),
        ("f.jsonl", '{"a": 1}\n{"a" 1}\n', r"f\.jsonl:2:6: broken JSON: Expecting ':'"),
        ("f.jsonl", "[1]\n", r"f\.jsonl:1:1: a JSON array; write one object on each line"),
        ("f.jsonl", "1\n", r"f\.jsonl:1:1: not a JSON object"),
        ("f.jsonl", '{"a": [1]}\n', r"f\.jsonl:1:1: 'a' is not a string, a number"),
        ("f.jsonl", "{}\n", r"f\.jsonl holds objects without keys"),
    ],
)
def test_a_broken_table_is_refused_at_its_place(name, text, message):
    limit = csv.field_size_limit()
    with pytest.raises(DataError, match=message):
        parse_table(text, name)
    assert csv.field_size_limit() == limit


def test_a_file_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\nhello,1\r\n")
    assert read_table(path).rows == (("hello", "1"),)
