"""Dropout: how much is dropped, that channels go together, and that nothing is in evaluation."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError

SHAPES = {
    nn.Dropout: (200, 30), nn.Dropout1d: (200, 30, 2), nn.Dropout2d: (200, 30, 2, 2),
    nn.Dropout3d: (200, 30, 1, 2, 2), nn.AlphaDropout: (200, 30),
    nn.FeatureAlphaDropout: (200, 30, 4),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_a_share_of_channels_is_dropped_and_moments_stay(kind, compiled):
    cr.manual_seed(0)
    net = kind(0.3)
    x = cr.tensor(np.random.default_rng(0).normal(size=SHAPES[kind]).astype(np.float32))
    y = (cr.compile(net, fullgraph=True) if compiled else net)(x).numpy()
    changed = kind in {nn.AlphaDropout, nn.FeatureAlphaDropout}
    if changed:
        values, counts = np.unique(y, return_counts=True)
        dropped = y == values[counts.argmax()]
        assert y.mean() == pytest.approx(0, abs=0.03)
        assert y.var() == pytest.approx(1, abs=0.05)
    else:
        dropped = y == 0
        np.testing.assert_allclose(y[~dropped], x.numpy()[~dropped] / 0.7, rtol=1e-6)
    assert dropped.mean() == pytest.approx(0.3, abs=0.03)
    flat = dropped.reshape(200, 30, -1)
    assert (flat.all(-1) == flat.any(-1)).all()
    net.eval()
    assert net(x) is x


def test_options_and_mistakes():
    x = cr.ones(4, 5, 6)
    assert F.dropout1d(x, 1.0).numpy().sum() == 0
    y = cr.ones(5, 6)
    assert F.dropout1d(y, 0.5, inplace=True) is y
    assert set(np.unique(y.numpy())) <= {0.0, 2.0}
    assert repr(nn.Dropout2d(0.2)) == "Dropout2d(p=0.2, inplace=False)"
    with pytest.raises(ShapeError, match="3 or 4 axes"):
        F.dropout2d(cr.ones(2, 3))
    with pytest.raises(ArgumentError, match="probability"):
        F.alpha_dropout(x, 1.5)
    with pytest.raises(ArgumentError, match="probability"):
        nn.AlphaDropout(-1)


@pytest.mark.oracle
def test_alpha_dropout_takes_pytorchs_values():
    import torch

    x, found = np.linspace(-1, 1, 4000), []
    for lib in (torch, cr):
        lib.manual_seed(1)
        y = np.asarray(lib.nn.functional.alpha_dropout(lib.tensor(x), 0.4, training=True))
        values, counts = np.unique(y, return_counts=True)
        dropped = values[counts.argmax()]
        kept = y != dropped
        found.append([dropped, *np.polyfit(x[kept], y[kept], 1)])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_locked_dropout_drops_the_same_features_at_all_times(batch_first, compiled):
    cr.manual_seed(0)
    net = nn.LockedDropout(0.3, batch_first)
    call = cr.compile(net, fullgraph=True) if compiled else net
    x = cr.ones(7, 40, 50) if not batch_first else cr.ones(40, 7, 50)
    first, second = (call(x).numpy() for _ in range(2))
    at = np.moveaxis(first, 1, 0) if batch_first else first
    assert (at == at[0]).all()
    assert (at == 0).mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(at[at != 0], 1 / 0.7, rtol=1e-6)
    assert (first != second).any()
    net.eval()
    assert net(x) is x


def test_locked_dropout_gives_the_gradient_of_what_it_kept():
    net, x = nn.LockedDropout(0.5), cr.ones(3, 2, 4, requires_grad=True)
    y = net(x)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    assert nn.LockedDropout(1.0)(x).tolist() == cr.zeros(3, 2, 4).tolist()
    assert repr(net) == "LockedDropout(p=0.5, batch_first=False)"
    with pytest.raises(ShapeError, match=r"\(T, B, …\)"):
        net(cr.ones(3, 4))
    with pytest.raises(ArgumentError, match="probability between 0 and 1"):
        nn.LockedDropout(1.5)
