from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.tensor.require import is_probability, require


def test_the_first_wrong_element_is_named_with_its_place():
    with pytest.raises(ArgumentError, match=r"p: between 0 and 1, not 2\.0 at \(1, 0\)"):
        require("p", cr.tensor([[0.5, 1.0], [2.0, -1.0]]), is_probability, "between 0 and 1")


def test_nan_is_no_probability():
    with pytest.raises(ArgumentError, match="not nan"):
        require("p", float("nan"), is_probability, "between 0 and 1")


def test_nothing_is_said_of_right_values():
    require("p", cr.tensor([0.0, 1.0]), is_probability, "between 0 and 1")
    require("p", cr.zeros(0), is_probability, "between 0 and 1")
    require("p", 1, is_probability, "between 0 and 1")
