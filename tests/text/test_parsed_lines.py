"""Sentences to parse."""

import pytest

from chainrule.base.errors import DataError
from chainrule.text.conllu import write_conllu
from chainrule.text.parsed_lines import unparsed_in

ROWS = ["# sent_id = 1", "1-2\tdu\t" + "_\t" * 7 + "_"]
ROWS += [f"{at}\t{word}\t" + "_\t" * 7 + "_" for at, word in enumerate("de le".split(), 1)]  # noqa: SIM905


def test_lines_of_words():
    first, second = unparsed_in(["Birds sing\n", "\n", "Stop"], str.split)
    assert first.forms == ("Birds", "sing")
    assert write_conllu([second]) == "# text = Stop\n1\tStop\t" + "_\t" * 7 + "_\n\n"


def test_conllu_is_kept():
    lines = [*ROWS, "", *ROWS]
    sentences = list(unparsed_in(lines, str.split))
    assert [sentence.forms for sentence in sentences] == [("de", "le")] * 2
    assert write_conllu(sentences) == 2 * ("\n".join(ROWS) + "\n\n")


def test_a_fault_has_the_number_of_its_line():
    with pytest.raises(DataError, match=r"input:7:.*9 of 10"):
        list(unparsed_in([*ROWS, "", ROWS[0], ROWS[1][:-2]], str.split))
