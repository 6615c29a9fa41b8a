"""The functions on lists of tensors."""

from __future__ import annotations

import pytest

import chainrule as cr


def lists():
    return [cr.ones(2), cr.full((3,), 2.0)]


def test_each_tensor_has_its_entry_or_the_common_one():
    several = lists()
    assert cr._foreach_mul_(several, 0.5) is None
    cr._foreach_add_(several, [cr.ones(2), cr.full((3,), 3.0)], alpha=2)
    assert [t.tolist() for t in several] == [[2.5] * 2, [7.0] * 3]
    raised = cr._foreach_add(several, (1.0, 2.0))
    assert isinstance(raised, tuple)
    assert [t.tolist() for t in raised] == [[3.5] * 2, [9.0] * 3]
    assert [t.item() for t in cr._foreach_norm([cr.tensor([3.0, 4.0])])] == [5.0]


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "args"),
    [("lerp", (lists(), 0.25)), ("addcdiv", (lists(), lists(), 2.0)), ("sqrt", ()), ("neg", ()),
     ("clamp_max", (1.5,)), ("pow", (2.0,))],
)  # fmt: skip
def test_values_are_pytorchs(name, args):
    import torch

    def theirs(value):
        return [torch.tensor(t.tolist()) for t in value] if isinstance(value, list) else value

    function = "_foreach_" + name
    found = getattr(cr, function)(lists(), *args)
    wanted = getattr(torch, function)(theirs(lists()), *map(theirs, args))
    for mine, other in zip(found, wanted, strict=True):
        assert mine.tolist() == pytest.approx(other.tolist())


def test_wrong_lists_are_refused():
    with pytest.raises(ValueError, match="_foreach_add: 2 tensors with a list of 3"):
        cr._foreach_add(lists(), [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="_foreach_pow takes a list of tensors, not float"):
        cr._foreach_pow(2.0, lists())
    with pytest.raises(AttributeError, match="_foreach_nothing"):
        cr._foreach_nothing(lists())
