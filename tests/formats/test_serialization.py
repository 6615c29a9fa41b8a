"""`save` and `load`: what goes in comes out, and nothing that is damaged or hostile does."""

from __future__ import annotations

import io
import json
import math
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
from safetensors.numpy import load as read_safetensors
from safetensors.numpy import save as write_safetensors

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, CheckpointError, DeviceError

VALUES = {
    "none": None,
    "numbers": [True, False, 0, -3, 2**70, 0.1, -0.0, math.inf, -math.inf],
    "texts": {"a": "β\n", "": "\ud800", "b": b"\x00\xff"},
    "keys": {1: "one", (2, "x"): "pair", None: "none", 2.5: [], False: {}},
    "tuples": ((), (1,), [(1, 2), [3]]),
    "sets": {frozenset({1, 2}), frozenset()},
    "ordered": OrderedDict(b=1, a=OrderedDict()),
    "arguments": Namespace(lr=0.1, layers=[1, 2]),
    "size": cr.ones(2, 3).shape,
    "dtype": [cr.float32, cr.bfloat16, cr.int64, cr.bool],
    "device": cr.device("cpu"),
    "numpy scalars": [np.float64(1.5), np.int32(7), np.float32(0.1), np.bool_(True)],
    "deep": [[[[[[{"x": [()]}]]]]]],
}


def through(value, **settings):
    file = io.BytesIO()
    cr.save(value, file)
    file.seek(0)
    return cr.load(file, **settings)


def same(a, b):
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return (
            type(a) is type(b) and list(a) == list(b) and same(list(a.values()), list(b.values()))
        )
    return type(a) is type(b) and a == b and str(a) == str(b)


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(name):
    assert same(through(VALUES[name]), VALUES[name])
    assert math.isnan(through(math.nan))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_tensors_come_back(dtype, shape):
    values = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    back = through([cr.tensor(values), values])
    assert (back[0].dtype, back[0].shape) == (getattr(cr, dtype), shape)
    assert np.array_equal(back[0].numpy(), values)
    assert (back[1].dtype, back[1].tolist()) == (values.dtype, values.tolist())
    assert through(np.ones(2, np.float16)).dtype == np.float16


def test_layout_identity_and_parameters_come_back():
    w = nn.Parameter(cr.arange(6.0).reshape(2, 3))
    x = cr.ones(2, requires_grad=True)
    back = through({"w": w, "t": w.t(), "again": w, "x": x, "view": w.detach()[:, 1], "y": x * 2})
    assert type(back["w"]) is nn.Parameter
    assert back["w"].requires_grad
    assert back["w"] is back["again"]
    assert back["t"].tolist() == w.t().tolist()
    assert back["view"].tolist() == [1.0, 4.0]
    assert back["x"].requires_grad
    assert back["x"].is_leaf
    assert back["y"].is_leaf
    assert not through(nn.Parameter(cr.ones(1), requires_grad=False)).requires_grad
    back["w"].data.fill_(7)  # a value of its own
    assert w.tolist()[0][0] == 0.0


def trained():
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    opt = optim.AdamW(model.parameters(), lr=0.01)
    return model, opt


def learn(model, opt, steps):
    for _ in range(steps):
        opt.zero_grad()
        model(cr.ones(5, 3)).square().sum().backward()
        opt.step()


@pytest.mark.at_once
def test_a_training_run_continues(tmp_path):
    model, opt = trained()
    learn(model, opt, 3)
    path = tmp_path / "run.pt"
    cr.save({"model": model.state_dict(), "opt": opt.state_dict(), "epoch": 3}, path)
    learn(model, opt, 2)
    other, again = trained()
    saved = cr.load(str(path), map_location="cpu", weights_only=True)
    other.load_state_dict(saved["model"])
    again.load_state_dict(saved["opt"])
    assert saved["epoch"] == 3
    learn(other, again, 2)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert p.tolist() == q.tolist()


def test_a_state_is_plain_safetensors(tmp_path):
    model, _ = trained()
    path = tmp_path / "model.safetensors"
    cr.save(model.state_dict(), path)
    arrays = read_safetensors(path.read_bytes())
    assert arrays.keys() == model.state_dict().keys()
    path.write_bytes(write_safetensors(arrays))  # by another program
    model.load_state_dict(cr.load(path))


def test_names_that_collide_are_kept_apart():
    value = {
        "a.b": cr.ones(1),
        "a": {"b": cr.zeros(1)},
        "__metadata__": cr.ones(2),
        "\ud800": cr.ones(3),
    }
    back = through(value)
    assert [t.tolist() for t in (back["a.b"], back["a"]["b"], back["__metadata__"])] == [
        [1.0], [0.0], [1.0, 1.0]
    ]  # fmt: skip
    assert back["\ud800"].shape == (3,)


def test_narrow_floats_are_widened_with_one_notice(tmp_path):
    path = tmp_path / "half.safetensors"
    data = write_safetensors({"h": np.array([1.5, -2.0], np.float16)})
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="1 float16 tensors were read as float32") as seen:
        state = cr.load(path)
    assert len(seen) == 1
    assert (state["h"].dtype, state["h"].tolist()) == (cr.float32, [1.5, -2.0])
    path.write_bytes(data.replace(b'"F16"', b'"BF16"').replace(b" ", b"", 1))
    with pytest.warns(UserWarning, match="1 bfloat16"):
        state = cr.load(path)
    bits = np.array([1.5, -2.0], np.float16).view(np.uint16).astype(np.uint32) << 16
    assert state["h"].tolist() == bits.view(np.float32).tolist()


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "run.pt"
    cr.save([1], path)
    with pytest.raises(ArgumentError, match=r"the entry \['x'\]\[1\].*not object"):
        cr.save({"x": [1, object()]}, path)
    assert cr.load(path) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_what_cannot_be_saved():
    ring = [1]
    ring.append(ring)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value, text in (
        (nn.Linear(1, 1), r"not Linear; save its state_dict\(\)"),
        (ring, "contains itself"),
        (deep, "too deeply"),
        (np.array(["a"]), "not ndarray"),
        ({1, len}, "builtin_function"),
    ):
        with pytest.raises(ArgumentError, match=text):
            cr.save(value, io.BytesIO())
    with pytest.raises(ArgumentError, match="path or a binary file, not int"):
        cr.save(1, 2)


def test_where_it_is_loaded_to():
    assert through(1, map_location={"cuda:0": "cpu"}) == 1
    assert through(1, map_location=lambda storage, _: storage) == 1
    assert through(1, map_location=cr.device("cpu")) == 1
    with pytest.raises(DeviceError, match="cuda"):
        through(1, map_location="cuda")


FORMS = [
    "", "[]", "7", "{}", '{"version":2}', '{"version":1,"tensors":[]}',
    '{"version":1,"tensors":[],"value":["tensor",0]}',
    '{"version":1,"tensors":[["w","odd",false]],"value":1}',
    '{"version":1,"tensors":[["missing","tensor",false]],"value":1}',
    '{"version":1,"tensors":[],"value":["eval","1"]}',
    '{"version":1,"tensors":[],"value":[[],1]}',
    '{"version":1,"tensors":[],"value":["set",[["list",[]]]]}',
    '{"version":1,"tensors":[],"value":["dtype","float128"]}',
    '{"version":1,"tensors":[],"value":["device","cudo"]}',
    '{"version":1,"tensors":[],"value":["scalar","os.system","ls"]}',
    '{"version":1,"tensors":[],"value":["bytes","?"]}',
    '{"version":1,"tensors":[],"value":' + '["list",[' * 5000 + "]]" * 5000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_a_wrong_structure_is_refused(form):
    data = write_safetensors({"w": np.ones(1)}, {"structure": form})
    with pytest.raises(CheckpointError, match="was not loaded: its structure is damaged"):
        cr.load(io.BytesIO(data))


def test_damaged_files_are_refused():
    file = io.BytesIO()
    cr.save({"w": cr.ones(3), "n": 1}, file)
    data = file.getvalue()
    for cut in (1, 7, 8, 40, len(data) - 1):
        with pytest.raises(CheckpointError):
            cr.load(io.BytesIO(data[:cut]))
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header["v"] = header["w"]  # two tensors in one place
    text = json.dumps(header).encode()
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        cr.load(io.BytesIO(len(text).to_bytes(8, "little") + text + data[-12:]))
    with pytest.raises(CheckpointError, match="seek"):
        cr.load(file)
    with pytest.raises(CheckpointError, match="bare pickle"):
        cr.load(io.BytesIO(b"\x80\x02."))
    with pytest.raises(ArgumentError, match="binary"):
        cr.load(io.StringIO("x"))
    with pytest.raises(ArgumentError, match="not int"):
        cr.load(3)
    with pytest.raises(FileNotFoundError):
        cr.load("no/such/file.pt")
