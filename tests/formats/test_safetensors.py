"""State dictionaries on disk."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from chainrule.base.errors import CheckpointError
from chainrule.formats import atomic
from chainrule.formats.safetensors import read_state, write_state

DTYPES = st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)


@given(st.dictionaries(st.text("abc.", min_size=1), ARRAYS, max_size=4))
def test_round_trip(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("state") / "a.safetensors"
    write_state(path, arrays, {"note": "żółć"})
    state = read_state(path)
    assert state.metadata == {"note": "żółć"}
    assert state.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert state.arrays[name].dtype == array.dtype
        assert state.arrays[name].shape == array.shape
        assert state.arrays[name].tobytes() == array.tobytes()


def test_arrays_that_are_not_contiguous(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    arrays = {
        "t": whole.T,
        "step": whole[::2, ::3],
        "back": whole[::-1],
        "f": np.asfortranarray(whole),
    }
    write_state(tmp_path / "a.safetensors", arrays)
    for read in (
        read_state(tmp_path / "a.safetensors").arrays,
        load_file(tmp_path / "a.safetensors"),
    ):
        for name, array in arrays.items():
            assert np.array_equal(read[name], array), name


def test_a_full_disk_keeps_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    write_state(path, {"x": np.zeros(3)})

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_state(path, {"x": np.ones(3)})
    assert not read_state(path).arrays["x"].any()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_missing_and_damaged_files(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match="there is no file"):
        read_state(path)
    write_state(path, {"x": np.zeros(100)})
    whole = path.read_bytes()
    for damaged in (b"", b"\xff" * 64, whole[:40], whole[:-1], whole + b"more"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="not a whole safetensors file"):
            read_state(path)
