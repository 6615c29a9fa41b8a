"""Recurrent layers and cells: from equal weights, values and gradients are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from tests.nn import recurrent_cases as cases

pytestmark = pytest.mark.oracle
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


def close(mine, their, tolerance):
    """Equal within `tolerance` of the norm."""
    a, b = np.asarray(mine.detach().numpy()), their.detach().numpy()
    assert a.shape == b.shape
    assert np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), 1e-3)


def compare(text, run, dtype="float64", compiled=False):
    """`run(lib, net, tensor)` → results, under both libraries: values and every gradient."""
    import torch

    theirs = cases.network(torch, text, dtype=dtype)
    ours = cases.network(cr, text, cases.weights_of(theirs), dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    found = []
    for lib, net in ((cr, ours), (torch, theirs)):
        leaves = []

        def tensor(value, lib=lib, leaves=leaves):
            made = lib.tensor(value).to(getattr(lib, dtype)).requires_grad_()
            leaves.append(made)
            return made

        call, inputs = run(lib, net, tensor)

        def step(*inputs, lib=lib, call=call):
            results = cases.flat(call(*inputs))
            cases.weighed(lib, tuple(results)).backward()
            return tuple(results)

        if compiled and lib is cr:
            step = cr.compile(step, keep_grads=True)
        results = step(*inputs)
        found.append([*results, *(t.grad for t in (*leaves, *net.parameters()))])
    for mine, their in zip(*found, strict=True):
        close(mine, their, TOLERANCE[dtype])


def sequence(text, lead, *, states):
    """A run over a sequence whose batch axes are `lead`."""

    def run(lib, net, tensor):  # noqa: ARG001 - the signature of compare
        rng = np.random.default_rng(1)
        shape = (cases.TIME, *lead, cases.WIDTH)
        x = rng.normal(size=shape)
        if lead and "batch_first" in text:
            x = x.swapaxes(0, 1)
        hx = cases.first_states(text, (cases.directions(text), *lead)) if states else []
        inputs = [tensor(v) for v in (x, *hx)]
        return lambda x, *hx: net(x, cases.given(hx)) if hx else net(x), inputs

    return run


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("text", cases.LAYERS)
def test_layers(text, compiled, dtype):
    compare(text, sequence(text, (cases.BATCH,), states=True), dtype, compiled)


@pytest.mark.parametrize("text", cases.LAYERS)
def test_layers_without_batch_or_states(text):
    compare(text, sequence(text, (), states=True))
    compare(text, sequence(text, (cases.BATCH,), states=False))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("text", cases.CELLS)
def test_cells(text, compiled):
    for lead in ((), (cases.BATCH,)):

        def run(lib, net, tensor, lead=lead):  # noqa: ARG001 - the signature of compare
            x = np.random.default_rng(1).normal(size=(*lead, cases.WIDTH))
            inputs = [tensor(v) for v in (x, *cases.first_states(text, lead))]
            return lambda x, *hx: net(x, cases.given(hx)), inputs

        compare(text, run, compiled=compiled)


@pytest.mark.parametrize("text", [t for t in cases.LAYERS if "batch_first" not in t])
@pytest.mark.parametrize("ordered", [False, True])
def test_packed(text, ordered):
    lengths = sorted(cases.LENGTHS, reverse=True) if ordered else cases.LENGTHS

    def run(lib, net, tensor):
        rnn = lib.nn.utils.rnn
        x = tensor(np.random.default_rng(1).normal(size=(cases.TIME, cases.BATCH, cases.WIDTH)))
        hx = cases.first_states(text, (cases.directions(text), cases.BATCH))

        def call(x, *hx):
            packed = rnn.pack_padded_sequence(x, lib.tensor(lengths), enforce_sorted=ordered)
            out, last = net(packed, cases.given(hx))
            padded, ends = rnn.pad_packed_sequence(out, padding_value=0.5, total_length=8)
            assert ends.tolist() == lengths
            return out, padded, last

        return call, [x, *(tensor(v) for v in hx)]

    compare(text, run)


def test_packing_functions():
    import torch

    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 3)) for n in (2, 5, 1, 4)]
    for lib, found in ((cr, mine := []), (torch, their := [])):
        rnn = lib.nn.utils.rnn
        listed = [lib.tensor(p) for p in parts]
        for options in ({}, {"batch_first": True, "padding_value": 2.0}, {"padding_side": "left"}):
            found.append(rnn.pad_sequence(listed, **options))
        packed = rnn.pack_sequence(listed, enforce_sorted=False)
        found.extend(packed)
        found.extend(rnn.unpack_sequence(packed))
        found.extend(rnn.pad_packed_sequence(packed, batch_first=True))
        padded = rnn.pad_sequence(listed)
        found.extend(rnn.unpad_sequence(padded, lib.tensor([2, 5, 1, 4])))
    for a, b in zip(mine, their, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b.numpy())


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("text", ["LSTM(4, 3, 2)", "GRU(4, 3, 2, bidirectional=True)"])
def test_ten_steps(text, dtype, compiled):
    import torch

    theirs = cases.network(torch, text, dtype=dtype)
    ours = cases.network(cr, text, cases.weights_of(theirs), dtype)
    data = np.random.default_rng(2).normal(size=(10, cases.TIME, cases.BATCH, cases.WIDTH))
    for lib, net in ((cr, ours), (torch, theirs)):
        opt = lib.optim.AdamW(net.parameters(), lr=0.01)

        def step(x, lib=lib, net=net, opt=opt):
            loss = cases.weighed(lib, net(x))
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        if compiled and lib is cr:
            step = cr.compile(step)
        for x in data:
            step(lib.tensor(x).to(getattr(lib, dtype)))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(p, q, {"float64": 1e-10, "float32": 1e-4}[dtype])


@pytest.mark.parametrize("text", [*cases.LAYERS, *cases.CELLS])
def test_texts(text):
    import torch

    assert repr(cases.network(cr, text)) == repr(cases.network(torch, text))
