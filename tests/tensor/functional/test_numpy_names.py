"""`axis` for `dim` and `keepdims` for `keepdim`, as PyTorch takes them beside its own names."""

from __future__ import annotations

import pytest

import chainrule as cr

X = cr.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "name", ["sum", "mean", "amax", "prod", "all", "logsumexp", "std", "argmax"]
)
def test_reductions_take_numpys_names(name):
    function, method = getattr(cr, name), getattr(X, name)
    wanted = function(X, dim=1, keepdim=True)
    assert cr.equal(function(X, axis=1, keepdims=True), wanted)
    assert cr.equal(method(axis=1, keepdims=True), wanted)


@pytest.mark.parametrize(
    "called",
    [
        X.softmax,
        X.cumsum,
        X.unsqueeze,
        lambda **on: cr.cat([X, X], **on),
        lambda **on: cr.stack([X, X], **on),
        lambda **on: X.sort(descending=True, **on).values,
        lambda **on: X.unbind(**on)[2],
        lambda **on: X.sum(out=cr.empty(0), **on),
        lambda **on: X.mean(out=cr.empty(0), **on),
    ],
)
def test_so_do_functions_along_an_axis(called):
    assert cr.equal(called(axis=1), called(dim=1))


@pytest.mark.parametrize("name", ["sum", "mean", "softmax"])
def test_other_names_and_both_names_are_refused(name):
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'axes'"):
        getattr(X, name)(axes=1)
    with pytest.raises(TypeError, match="axis"):
        getattr(X, name)(dim=1, axis=1)
