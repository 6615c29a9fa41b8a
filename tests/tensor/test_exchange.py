"""DLPack: shared and read-only for who understands it, a copy for who does not."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import DeviceError, SharingError
from chainrule.utils import dlpack

DTYPES = [cr.float32, cr.float64, cr.int64, cr.int32, cr.uint8, cr.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
def test_numpy_shares_and_may_not_write(dtype):
    t = cr.tensor([[0, 1, 2], [3, 0, 1]]).to(dtype)
    array = np.from_dlpack(t)
    assert np.shares_memory(array, t.numpy())
    assert array.tolist() == t.tolist()
    assert not array.flags.writeable
    assert np.from_dlpack(t.t()).tolist() == t.t().tolist()


def test_a_copy_is_the_consumers_own():
    t = cr.tensor([1.0, 2.0])
    array = np.from_dlpack(t, copy=True)
    assert not np.shares_memory(array, t.numpy())


def test_a_consumer_of_the_first_protocol_gets_a_copy():
    class First:
        """NumPy without the arguments of protocol 1."""

        def __init__(self, made):
            self.made = made

        def __dlpack__(self, **options):
            return self.made.__dlpack__()

        def __dlpack_device__(self):
            return self.made.__dlpack_device__()

    t = cr.tensor([1.0, 2.0])
    assert not np.shares_memory(np.from_dlpack(First(t)), t.numpy())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stream": 1}, "stream"),
        ({"dl_device": (2, 0)}, "CPU"),
        ({"copy": False}, "read-only"),
    ],
)
def test_what_is_refused(options, text):
    with pytest.raises(SharingError, match=text):
        cr.ones(2).__dlpack__(**options)


def test_a_tensor_that_requires_grad_is_not_shared():
    with pytest.raises(BufferError, match=r"x\.detach\(\)"):
        np.from_dlpack(cr.ones(2, requires_grad=True))


def test_what_is_taken_is_copied():
    array = np.arange(6.0).reshape(2, 3).T
    for t in (cr.from_dlpack(array), dlpack.from_dlpack(array, device="cpu", copy=True)):
        assert t.tolist() == array.tolist()
        assert t.dtype is cr.float64
        assert not np.shares_memory(t.numpy(), array)
    assert cr.from_dlpack(cr.to_dlpack(cr.tensor([1, 2]))).tolist() == [1, 2]
    assert cr.from_dlpack(cr.ones(2)).tolist() == [1.0, 1.0]
    with pytest.raises(SharingError, match="values"):
        cr.from_dlpack(array, copy=False)
    with pytest.raises(DeviceError):
        cr.from_dlpack(array, device="cuda")


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
def test_pytorch_and_back(dtype):
    import torch

    t = cr.tensor([[0, 1, 2], [3, 0, 1]]).to(dtype)
    theirs = torch.from_dlpack(t)
    assert theirs.tolist() == t.tolist()
    again = cr.from_dlpack(theirs)
    assert again.dtype is t.dtype
    assert again.tolist() == t.tolist()
    assert dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(theirs)).tolist() == t.tolist()
    assert torch.utils.dlpack.from_dlpack(dlpack.to_dlpack(t)).tolist() == t.tolist()
