"""Packed sequences: padded until the rows are read, a tuple for everybody else."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.graph.node import Type
from chainrule.graph.walk import topological
from chainrule.nn.utils import rnn
from tests.nn import recurrent_cases as cases

X = np.random.default_rng(1).normal(size=(cases.TIME, cases.BATCH, cases.WIDTH))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("total", [None, cases.TIME + 2])
def test_packing_and_padding_come_back(batch_first, total):
    x = cr.tensor(X.swapaxes(0, 1) if batch_first else X, requires_grad=True)
    packed = rnn.pack_padded_sequence(x, cases.LENGTHS, batch_first, enforce_sorted=False)
    back, lengths = rnn.pad_packed_sequence(packed, batch_first, -1.0, total)
    assert cases.ops_of(back) == ["where", "gather", "reshape", "gather", "reshape"]
    wanted = np.full((total or max(cases.LENGTHS), *X.shape[1:]), -1.0)
    for i, n in enumerate(cases.LENGTHS):
        wanted[:n, i] = X[:n, i]
    np.testing.assert_array_equal(
        back.detach().numpy(), wanted.swapaxes(0, 1) if batch_first else wanted
    )
    assert lengths.tolist() == list(cases.LENGTHS)
    back.sum().backward()
    ends = np.arange(cases.TIME)[:, None] < np.array(cases.LENGTHS)
    np.testing.assert_array_equal(
        x.grad.numpy()[..., 0], (ends.T if batch_first else ends).astype(float)
    )


def pack(x, **kwargs):
    return rnn.pack_padded_sequence(x, cases.LENGTHS, enforce_sorted=False, **kwargs)


def test_rows_that_nobody_reads_are_never_made():
    net = nn.GRU(4, 3).double()
    rows = sum(cases.LENGTHS)

    def shapes(read):
        packed = pack(cr.tensor(X))
        out, _ = net(packed)
        if read:
            assert out.data.shape == (rows, 3)
        padded, _ = rnn.pad_packed_sequence(out)
        return {n.shape[0] for n in topological([padded._node]) if isinstance(n.type, Type)}

    assert rows not in shapes(read=False)
    assert rows in shapes(read=True)


def test_rows_that_were_read_are_what_the_sequence_is():
    x = cr.tensor(X, requires_grad=True)
    packed = pack(x)
    seen = []
    packed.data.register_hook(seen.append)
    packed.data.retain_grad()
    out, _ = nn.GRU(4, 3).double()(packed)
    out.data.sum().backward()
    assert len(seen) == 1
    assert packed.data.grad.tolist() == seen[0].tolist()
    assert packed.data.grad.shape == (sum(cases.LENGTHS), 4)
    with cr.no_grad():
        assert pack(x).data.requires_grad is False
    later = pack(x)
    with cr.no_grad():
        assert later.data.requires_grad
    before = later.data.detach().clone()
    with cr.no_grad():
        x.zero_()
    assert later.data.tolist() == before.tolist()


@pytest.mark.at_once
def test_what_lies_behind_an_end_does_not_matter():
    net = nn.LSTM(4, 3, bidirectional=True).double()
    found = []
    for filling in (0.0, np.nan):
        ends = np.arange(cases.TIME)[:, None, None] < np.array(cases.LENGTHS)[:, None]
        x = cr.tensor(np.where(ends, X, filling), requires_grad=True)
        net.zero_grad()
        net(pack(x))[0].data.sum().backward()
        found.append([t.grad.numpy().copy() for t in (x, *net.parameters())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_packed_sequence_is_a_tuple_of_its_fields():
    for again in (tuple, list, copy.copy, lambda p: rnn.PackedSequence(*p)):
        packed = pack(cr.tensor(X))
        data, sizes, order, back = again(packed)
        assert data.shape == (sum(cases.LENGTHS), 4)
        assert sizes.sum().item() == len(data) == len(pack(cr.tensor(X))[0])
        assert order[back].tolist() == list(range(cases.BATCH))
    assert isinstance(packed, tuple)
    assert len(packed) == 4
    assert packed[-2] is packed.sorted_indices
    assert repr(packed).startswith("PackedSequence(data=tensor(")
    assert packed._replace(data=data * 2.0).data.tolist() == (packed.data * 2.0).tolist()


def test_packed_tokens_stay_tokens():
    packed = rnn.pack_sequence([cr.tensor([1, 2, 3]), cr.tensor([4])])
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1)
    assert padded.tolist() == [[1, 2, 3], [4, -1, -1]]
    assert padded.dtype is cr.int64
    assert lengths.tolist() == [3, 1]


def test_packed_sequences_have_pytorchs_face():
    packed = rnn.pack_sequence([cr.ones(2), cr.ones(1)])
    data, sizes, order, back = packed
    assert data.tolist() == [1, 1, 1]
    assert sizes.tolist() == [2, 1]
    assert order is back is None
    assert packed.double().data.dtype is cr.float64
    assert packed.to(cr.float64).float().cpu().data.dtype is cr.float32
    with pytest.raises(ArgumentError, match="total_length=1"):
        rnn.pad_packed_sequence(packed, total_length=1)
    with pytest.raises(ArgumentError, match="leave lengths= out"):
        nn.GRU(1, 2)(packed, lengths=[1])
    net = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    net.flatten_parameters()
    assert [len(ps) for ps in net.all_weights] == [4, 4, 4, 4]
