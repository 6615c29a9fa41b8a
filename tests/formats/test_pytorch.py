"""Files of torch.save: plain ones load, others are refused by name, damaged ones do no harm."""

from __future__ import annotations

import importlib
import io
import pickletools
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import CheckpointError
from tests.formats.pytorch_files import SIX, Call, Global, Id, Stored, archive


def load(data):
    return cr.load(io.BytesIO(data))


def test_tensors_share_storage_with_strides():
    value = {
        "w": Stored(),
        "t": Stored(size=(3, 2), stride=(1, 3)),
        "tail": Stored(size=(2,), stride=(2,), offset=3),
        "wide": Stored(size=(2, 3), stride=(0, 1)),
        "empty": Stored(size=(0, 3), stride=(3, 1)),
        "scalar": Stored(size=(), stride=(), offset=5),
        "p": Call("torch._utils._rebuild_parameter", Stored(), True, OrderedDict()),
        "plain": [1, 2.5, "x", None, True, (1, (2,)), {3}, b"ab", OrderedDict(a=1)],
        "size": Call("torch.Size", (1, 2)),
        "dtype": Global("torch.float32"),
        "devices": [Call("torch.device", "cpu"), Call("torch.device", "cuda", 0)],
    }
    got = load(archive(value))
    assert got["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert got["t"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert got["tail"].tolist() == [3, 5]
    assert got["wide"].tolist() == [[0, 1, 2]] * 2
    assert got["empty"].shape == (0, 3)
    assert got["scalar"].item() == 5
    assert type(got["p"]) is nn.Parameter
    assert got["plain"] == value["plain"]
    assert (got["size"], got["dtype"]) == ((1, 2), cr.float32)
    assert got["devices"] == [cr.device("cpu"), cr.device("cuda:0")]
    got["w"].fill_(0)
    assert got["t"].tolist()[0] == [0, 3]  # values of their own


def test_narrow_floats_are_widened_with_one_notice():
    bits = np.array([0x3FC0, 0xC000], np.uint16).tobytes()
    value = [
        Stored(count=2, size=(2,), stride=(1,), kind="BFloat16Storage"),
        Stored("1", count=2, size=(2,), stride=(1,), kind="HalfStorage"),
    ]
    half = np.array([1.5, -2.0], np.float16).tobytes()
    with pytest.warns(UserWarning, match="1 float16 and 1 bfloat16 tensors") as seen:
        got = load(archive(value, [("data/0", bits), ("data/1", half)]))
    assert len(seen) == 1
    assert [t.tolist() for t in got] == [[1.5, -2.0]] * 2
    big = archive(
        Stored(), [("data/0", np.arange(6, dtype=">f4").tobytes()), ("byteorder", b"big")]
    )
    assert load(big).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Call("os.system", "echo"), r"holds os\.system, which load does not create"),
        (Global("builtins.eval"), r"builtins\.eval"),
        (Call("builtins.getattr", 1, "x"), r"builtins\.getattr"),
        (Call("torch.storage._load_from_bytes", b""), r"torch\.storage\._load_from_bytes"),
        ({"args": Call("argparse.Namespace")}, r"argparse\.Namespace"),
        (Call("numpy._core.multiarray.scalar"), r"numpy\._core\.multiarray\.scalar"),
        (Stored(kind="ShortStorage"), r"torch\.ShortStorage"),
        (Global("torch.FloatStorage"), r"torch\.FloatStorage itself"),
        ([Global("collections.OrderedDict")], "OrderedDict itself"),
        ({"k": (Global("torch.Size"),)}, r"torch\.Size itself"),
        (Call("torch.FloatStorage", 3), "calls a type of storage"),
        (Id("storage", Global("torch.FloatStorage"), "0", "cpu", 6), "bare storage"),
        (Id("other"), "not a storage"),
        (Id("storage", "FloatStorage", "0", "cpu", 6), "no type"),
        (Id("storage", Global("torch.Size"), "0", "cpu", 6), "no type"),
        (Call("_codecs.encode", "x", "rot13"), "encodes"),
        (Call("torch._utils._rebuild_parameter", 1, True, None), "no tensor"),
        (Call("torch._utils._rebuild_tensor_v2", 1, 0, (), (), False, None), "no storage"),
        (Stored("7"), "no record of its storage '7'"),
        (Stored(count=7), "6 elements of float32, the pickle says 7"),
        (Stored(kind="DoubleStorage"), "3 elements of float64"),
        (
            [Stored(), Stored(kind="IntStorage")],
            "6 elements of float32, the pickle says 6 of int32",
        ),
        (Stored(size=(3, 3)), "goes beyond its storage of 6"),
        (Stored(offset=1), "goes beyond"),
        (Stored(offset=-1), "offset -1"),
        (Stored(stride=(-3, 1)), "stride"),
        (Stored(stride=(3,)), "stride"),
        (Stored(size=(2.0, 3)), "size"),
        (Stored(size=5, stride=1), "size 5"),
        (Stored(size=(1 << 40, 1 << 20), stride=(0, 0)), "more than 16 times its size"),
        (Stored(size=(1,) * 70, stride=(1,) * 70), "size"),
    ],
)
def test_what_is_refused(value, text):
    with pytest.raises(CheckpointError, match=f"was not loaded: .*{text}"):
        load(archive(value))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b".", b"\x80\x02", b"\x80\x02.", b"N", b"NN.", b"(N.", b"0.", b"t.", b"(a.", b"Na.",
        b"]N(s.", b"}(Nu.", b"}(]Nu.", b"h\x05.", b"NR.", b"]]R.", b"X\xff\xff\xff\x7fab.",
        b"cos\nsystem\n.", b"\x8c\x02os\x8c\x06system\x93.", b"NN\x93.", b"Nb.", b"}Nb.", b"N\x81.",
        b"\x82\x01.", b"i\nx\n.", b"(oX.", b"\x96\x05\x00\x00\x00\x00\x00\x00\x00hello.", b"P0\n.",
        b"\xff", b"K", b"I" + b"9" * 5000 + b"\n.", b"(" * 100_000, b"]q\x00h\x01.",
    ],
)  # fmt: skip
def test_damaged_pickles_are_refused(raw):
    with pytest.raises(CheckpointError, match="was not loaded"):
        load(archive(raw=raw))


def test_nesting_and_cycles_do_no_harm():
    deep = b"]" * 50_000 + b"a" * 49_999 + b"."
    value = load(archive(raw=deep))
    for _ in range(49_999):
        (value,) = value
    assert value == []
    ring = load(archive(raw=b"]q\x00h\x00a."))
    assert ring[0] is ring


def entry(data, name):
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        return made.getinfo(f"archive/{name}")


def changed(data, at, new):
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_archives_are_refused():
    data = archive({"w": Stored()})
    at = entry(data, "data/0").header_offset
    directory = data.rindex(b"PK\x01\x02")  # of data/0
    cases = {
        "checksum": changed(data, data.index(SIX), b"\xff"),
        "overlaps": changed(data, directory + 42, struct.pack("<I", 1)),
        "is not where": changed(data, at, b"XX"),
        "cut off": data[:-30],
        "two records": archive(1, [("data/0", SIX), ("data/0", SIX)]),
        "compressed": archive({"w": Stored()}, method=zipfile.ZIP_DEFLATED),
        "another archive": archive(1, folder="a/b"),
        "TorchScript": archive(1, [("constants.pkl", b"N.")]),
        "byte order": archive(1, [("byteorder", b"middle")]),
        "not whole elements": archive(Stored(), [("data/0", SIX[:-1])]),
    }
    for text, broken in cases.items():
        with pytest.raises(CheckpointError, match=text):
            load(broken)
    huge = changed(data, directory + 20, struct.pack("<II", 1 << 30, 1 << 30))
    with pytest.raises(CheckpointError, match="is not where the directory"):
        load(huge)
    for cut in range(4, len(data), 37):
        with pytest.raises(CheckpointError):
            load(data[:cut])


def test_no_bit_that_flips_breaks_the_interpreter():
    data = archive({"w": Stored(), "n": [1, 2]})
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 300):
        broken = changed(data, int(at), bytes([data[at] ^ (1 << int(rng.integers(8)))]))
        try:
            load(broken)
        except CheckpointError:
            continue


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_state_that_does_not_fit_leaves_the_model():
    model = nn.Linear(3, 2)
    before = model.weight.tolist()
    state = load(archive(OrderedDict(weight=Stored(), bias=Stored(size=(3,), stride=(1,)))))
    with pytest.raises(CheckpointError, match="bias"):
        model.load_state_dict(state)
    assert model.weight.tolist() == before
    state["bias"] = state["bias"][:2]
    model.load_state_dict(state)
    assert model.weight.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.oracle
def test_a_checkpoint_of_pytorch(tmp_path):
    torch = importlib.import_module("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    opt = torch.optim.AdamW(theirs.parameters(), lr=0.02)
    theirs(torch.ones(5, 3)).sum().backward()
    opt.step()
    path = tmp_path / "run.pt"
    w = torch.arange(6.0).view(2, 3)
    extra = {"t": w.t(), "half": w.half(), "bf": w.bfloat16(), "expanded": w[:1].expand(4, 3),
             "p": torch.nn.Parameter(w), "i": w.int(), "b": w > 2, "u": w.byte(), "d": w.double(),
             "e": torch.empty(0, 2), "s": torch.tensor(3), "size": w.shape,
             "by": b"ab", "dtype": torch.int64, "set": {1, 2}}  # fmt: skip
    torch.save({"model": theirs.state_dict(), "opt": opt.state_dict(), "extra": extra}, path)
    with pytest.warns(UserWarning, match="1 float16 and 1 bfloat16"):
        got = cr.load(path)
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    ours.load_state_dict(got["model"])
    mine = cr.optim.AdamW(ours.parameters())
    mine.load_state_dict(got["opt"])
    assert mine.param_groups[0]["lr"] == 0.02
    for lib, model, o in ((torch, theirs, opt), (cr, ours, mine)):
        o.zero_grad()
        model(lib.ones(5, 3)).sum().backward()
        o.step()
    for p, q in zip(theirs.parameters(), ours.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.numpy(force=True), rtol=1e-6, atol=1e-7)
    for name, value in extra.items():
        if isinstance(value, torch.Tensor):
            assert got["extra"][name].tolist() == value.tolist(), name
    assert type(got["extra"]["p"]) is nn.Parameter
    assert (got["extra"]["size"], got["extra"]["dtype"]) == ((2, 3), cr.int64)
    assert (got["extra"]["by"], got["extra"]["set"]) == (b"ab", {1, 2})
    torch.save(theirs, path)
    with pytest.raises(CheckpointError, match=r"holds torch\.nn\.modules\.container\.Sequential"):
        cr.load(path)
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match="bare pickle"):
        cr.load(path)


def test_the_instructions_are_pythons_names():
    from chainrule.formats import pickled as machine

    names = {o.name for o in pickletools.opcodes}
    known = {
        *machine._NOTES,
        *machine._PUSHES,
        *machine._CONSTANTS,
        *machine._NEW,
        *machine._SHORT_TUPLES,
    }
    assert {*known, *machine._PUTS, *machine._GETS, *machine._ACTIONS} <= names
