"""Names and categories of characters."""

import sys
import unicodedata

from chainrule.text.unicode_names import unicode_names


def test_names_and_categories_are_those_of_unicodedata():
    found = unicode_names()
    assert len(found) > 30_000
    assert len(set(found.texts)) == len(found)
    assert unicodedata.unidata_version in found.said
    for name, label, place in list(zip(found.texts, found.labels, found.places, strict=True))[::97]:
        sign = unicodedata.lookup(name)
        assert unicodedata.category(sign) == label
        assert place == f"U+{ord(sign):04X}"


def test_names_that_repeat_the_code_point_are_left_out():
    names = set(unicode_names().texts)
    assert "EURO SIGN" in names
    assert "TANGUT COMPONENT-490" in names  # a number, but not that of the code point
    assert not any(name.startswith(("CJK UNIFIED", "HANGUL SYLLABLE ")) for name in names)
    assert len(names) < sys.maxunicode
