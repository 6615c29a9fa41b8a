"""Codes of a held-out text, and the characters that they stand for."""

from chainrule.text.held_out_text import HeldOutText
from chainrule.text.tokens import tokens_of


def test_unknown_words_and_blanks_count_with_their_characters():
    words = tokens_of("words", ["to be"], 2)
    held_out = HeldOutText.of(["to   contemplate\n", " be"], words)
    assert words.decode(held_out.codes) == "to <unk> <unk> be"
    assert len(held_out) == 4
    assert held_out.characters(0, 3) == len("   contemplate\n be")
    assert held_out.characters(1, 2) == 1


def test_a_text_of_no_part_is_empty():
    letters = tokens_of("chars", ["ab"], 2)
    assert len(HeldOutText.of([], letters)) == 0
    assert HeldOutText.of(["ab", "", "a"], letters).ends.tolist() == [1, 2, 3]
