from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import IndexBoundsError
from chainrule.ops.gather import gather, pick, scatter_add, unpick

TABLE = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("op", "values", "attrs", "limit"),
    [
        (gather, (TABLE,), {}, 3),
        (pick, (TABLE[:2],), {}, 2),
        (scatter_add, (TABLE[:2],), {"rows": 5}, 4),
        (unpick, (TABLE[0, :2],), {"classes": 3}, 2),
    ],
    ids=lambda v: getattr(v, "name", None),
)
@pytest.mark.parametrize("bad", [-1, 99])
def test_an_index_out_of_bounds_is_named_with_its_place(op, values, attrs, limit, bad):
    message = rf"{op.name}.*index {bad} at position \(1,\) is outside 0 to {limit}"
    with pytest.raises(IndexBoundsError, match=message):
        op.numpy([*values, np.array([0, bad])], attrs)


@given(st.lists(st.integers(0, 4), max_size=30), st.sampled_from([np.float64, np.int64, np.uint8]))
def test_scatter_add_sums_what_shares_a_row(places, dtype):
    index = np.array(places, np.int64)
    updates = np.arange(2 * len(places)).reshape(-1, 2).astype(dtype)
    want = np.zeros((5, 2), dtype)
    np.add.at(want, index, updates)
    got = scatter_add.numpy([updates, index], {"rows": 5})
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, want)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_unpick_and_pick_undo_each_other(places):
    index = np.array(places, np.int64)
    x = np.arange(1.0, len(places) + 1)
    wide = unpick.numpy([x, index], {"classes": 5})
    assert np.count_nonzero(wide) == len(places)
    np.testing.assert_array_equal(pick.numpy([wide, index], {}), x)
