from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import arguments
from chainrule.base.errors import ArgumentError, KindError


def test_a_whole_number_is_one_of_any_kind():
    assert arguments.check_whole("size", np.int64(3), least=1) == 3


@pytest.mark.parametrize("value", [2.0, "2", None, [2]])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(KindError, match="size must be an integer"):
        arguments.check_whole("size", value)


def test_limits_are_said():
    with pytest.raises(ArgumentError, match="size must be at least 1, not 0"):
        arguments.check_whole("size", 0, least=1)
    with pytest.raises(ArgumentError, match=r"eps must be above 0, not 0\.0"):
        arguments.check_number("eps", 0.0, above=0.0)
    with pytest.raises(ArgumentError, match="lr must be at least 0, not nan"):
        arguments.check_number("lr", float("nan"), low=0.0)
    arguments.check_number("lr", 0, low=0.0)


@pytest.mark.parametrize("value", [1, 0.5, "yes", None])
def test_a_flag_is_a_bool(value):
    with pytest.raises(KindError, match="bias must be True or False"):
        arguments.check_flag("bias", value)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_probability_lies_between_0_and_1(value):
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        arguments.check_probability("p", value)


def test_a_choice_lists_what_there_is():
    with pytest.raises(ArgumentError, match="mode must be one of 'sum', 'mean', not 'max'"):
        arguments.check_choice("mode", "max", ("sum", "mean"))
