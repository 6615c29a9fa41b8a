"""Sentences to tag, and lines that show errors."""

from chainrule.text.tagged import Tagged
from chainrule.text.tagged_lines import errors_in, in_context, marked, sentences_in


def found(*lines):
    return list(sentences_in(lines, str.split))


def test_a_line_without_tabs_is_a_sentence():
    assert found("a b", "", "  ", "# c") == [("a", "b"), ("#", "c")]


def test_rows_end_at_an_empty_line():
    rows = ["a\tX", "b c\tY", "", "d\tX\n"]
    assert found(*rows) == [("a", "b c"), ("d",)]
    assert found("a\tX", "b c") == [("a",), ("b", "c")]


def test_words_of_conllu():
    def row(number, form):
        return "\t".join([number, form, *"_" * 8])

    lines = ["# newdoc", "# text = don't", row("1-2", "don't"), row("1", "do"), row("2", "n't")]
    assert found(*lines, row("2.1", "go"), "", row("1", "Go")) == [("do", "n't"), ("Go",)]


def test_a_sentence_is_there_when_its_last_line_is():
    lines = iter(["a\tX", "", "b\tX", "c"])
    sentences = sentences_in(lines, str.split)
    assert next(sentences) == ("a",)
    assert next(lines) == "b\tX"


def test_errors_are_marked():
    sentence = Tagged(("a", "b", ",", "c"), ("X", "Y", "_", "Z"))
    predicted = ["Y", "Y", "Z", "X"]
    assert errors_in(sentence, predicted) == [0, 3]
    assert marked(sentence, predicted) == "a[X|Y] b , c[Z|X]"
    assert marked(sentence, ["X", "Y", "Z", "Z"]) == "a b , c"


def test_an_error_is_shown_with_its_neighbours():
    sentence = Tagged(tuple("abcdefg"), tuple("XXXXXXX"))
    predicted = list("YYYYYYY")
    assert in_context(sentence, predicted, 0, around=2) == "a[X|Y] b c …"
    assert in_context(sentence, predicted, 3, around=2) == "… b c d[X|Y] e f …"
    assert in_context(sentence, predicted, 3, around=3) == "a b c d[X|Y] e f g"
    assert in_context(sentence, predicted, 6, around=1) == "… f g[X|Y]"
