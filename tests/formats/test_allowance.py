"""Files that ask for more than they are worth are refused, in all formats, before it is spent."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save as write_safetensors

import chainrule as cr
from chainrule.base.errors import CheckpointError
from chainrule.formats.allowance import Allowance, shown

DEEP = b")" + b"\x85" * 300_000  # a tuple in a tuple in a tuple …
DOUBLED = b"K\1\x85" + b"2\x86" * 60  # a pair of one pair, of one pair, …: 2⁶⁰ parts
STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\x10tQ"
SAME_HASH = sys.hash_info.modulus


def pt(pickle, records=(("0", b"\0" * 64),)):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:
        made.writestr("a/data.pkl", b"\x80\x02" + pickle + b".")
        for name, content in records:
            made.writestr(f"a/data/{name}", content)
    return file.getvalue()


def rebuilt(size, stride, storage=STORAGE):
    """A tensor of that size and stride, each given as pickled numbers."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0(" + size + b"t(" + stride + b"t"
        b"\x89ccollections\nOrderedDict\n)RtR"
    )


def number(value):
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8b" + len(data).to_bytes(4, "little") + data


MILLIONS = b"J" + (1 << 24).to_bytes(4, "little")
COLLIDING = [number(i * SAME_HASH) for i in range(1, 200)]

PICKLES = {
    "a deep key": b"}" + DEEP + b"K\1s",
    "a deep key in a group": b"}(" + DEEP + b"K\1u",
    "a deep key of a whole dictionary": b"(" + DEEP + b"K\1d",
    "a deep element": b"cbuiltins\nset\n(](" + DEEP + b"etR",
    "a deep element of Python 2": b"c__builtin__\nset\n(](" + DEEP + b"etR",
    "a deep element of a set": b"\x8f(" + DEEP + b"\x90",
    "a deep element of a frozenset": b"(" + DEEP + b"\x91",
    "a deep key of an ordered dictionary": b"ccollections\nOrderedDict\n((" + DEEP + b"K\1\x86ttR",
    "a doubled key": b"}" + DOUBLED + b"K\1s",
    "a doubled key in a group": b"}(" + DOUBLED + b"K\1u",
    "a doubled element": b"\x8f(" + DOUBLED + b"\x90",
    "a doubled element of a frozenset": b"(" + DOUBLED + b"\x91",
    "frozensets in frozensets": b"(" * 3000 + b"K\1" + b"\x91" * 3000,
    "a deep persistent id": DEEP + b"Q",
    "a doubled persistent id": DOUBLED + b"Q",
    "a deep name of a storage": b"(X\7\0\0\0storagectorch\nFloatStorage\n" + DEEP + b"NK\1tQ",
    "a deep count of a storage": b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000N"
    + DEEP
    + b"tQ",
    "a deep size": b"ctorch\nSize\n" + DEEP + b"\x85R",
    "a doubled size": b"ctorch\nSize\n" + DOUBLED + b"\x85R",
    "a doubled device": b"ctorch\ndevice\n" + DOUBLED + b"\x85R",
    "a doubled size of a tensor": b"ctorch._utils\n_rebuild_tensor\n("
    + STORAGE
    + b"K\0"
    + DOUBLED
    + b"K\0\x85tR",
    "expanded tensors": b"](" + rebuilt(MILLIONS, b"K\0") * 40 + b"e",
    "an empty tensor of 2¹²⁰ places": rebuilt(b"K\0" + number(1 << 61) * 2, b"K\1" * 3),
    "colliding keys": b"}(" + b"".join(key + b"K\1" for key in COLLIDING) + b"u",
    "colliding keys one by one": b"}" + b"".join(key + b"K\1s" for key in COLLIDING),
    "colliding pairs": b"}(" + b"".join(b"K\1" + k + b"\x86K\1" for k in COLLIDING) + b"u",
    "colliding elements": b"\x8f(" + b"".join(COLLIDING) + b"\x90",
    "a long number as a key again and again": b"}"
    + number(1 << 4_000_000)
    + b"q\0K\1s"
    + b"h\0K\1s" * 40_000,
    "a long name": b"c" + b"x" * 1_000_000 + b"\ny\n",
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles(name):
    with pytest.raises(CheckpointError, match="was not loaded") as refused:
        cr.load(io.BytesIO(pt(PICKLES[name])))
    assert len(str(refused.value)) < 1000


def test_what_is_in_proportion_is_read():
    bigrams = {(i, j): i * j for i in range(100) for j in range(100)}
    deep = ()
    for _ in range(150):
        deep = (deep,)
    file = io.BytesIO()
    value = {"counts": bigrams, deep: 1, "long": {1 << 4000}, "sets": [{(1, 2)} for _ in range(99)]}
    cr.save(value, file)
    file.seek(0)
    assert cr.load(file) == value


def test_tied_tensors_of_a_file_share_memory_until_one_is_written():
    body = b"](" + rebuilt(b"K\x10", b"K\1") * 3 + b"e"
    a, b, c = cr.load(io.BytesIO(pt(body)))
    assert np.shares_memory(a.numpy(), b.numpy())
    a.fill_(1)
    cr.compile(lambda: b.add_(2))()
    assert (a.sum().item(), b.sum().item(), c.sum().item()) == (16, 32, 0)


def safetensors_file(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(shape, dtype="F32", end=4):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


FOUR = b"\0" * 4
ONE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]%s}%s}'
SAFETENSORS = {
    "100 axes": safetensors_file(entry([1] * 100), FOUR),
    "0 × 2⁶² × 2⁶²": safetensors_file(entry([0, 2**62, 2**62], end=0)),
    "a negative size": safetensors_file(entry([-1, -1]), FOUR),
    "a size beyond 2⁶⁴": safetensors_file(entry([2**64 + 1]), FOUR),
    "a product that overflows": safetensors_file(entry([2**33, 2**33]), FOUR),
    "an unknown dtype": safetensors_file(entry([1], "F4"), FOUR),
    "a narrow dtype of no whole bytes": safetensors_file(entry([1], "F6_E2M3"), FOUR),
    "a name twice": safetensors_file(ONE % (b"", ONE[1:-1] % (b"", b"")), FOUR),
    "a field twice": safetensors_file(ONE % (b',"dtype":"I32"', b""), FOUR),
    "a header that is deep": safetensors_file(ONE % (b',"x":' + b"[" * 9999 + b"]" * 9999, b"")),
    "a number of 9,999 digits": safetensors_file(ONE % (b',"x":' + b"9" * 9999, b""), FOUR),
    "metadata that is no text": safetensors_file(ONE % (b"", b',"__metadata__":{"a":[]}'), FOUR),
    "a header as long as 2⁶³": (2**63).to_bytes(8, "little") + b"{}",
    "a gap": safetensors_file(
        {"a": {"dtype": "U8", "shape": [1], "data_offsets": [3, 4]}}, FOUR
    ),
    "an end before the start": safetensors_file(
        {"a": {"dtype": "U8", "shape": [0], "data_offsets": [4, 0]}}, FOUR
    ),
    "bytes behind the last": safetensors_file(entry([1]), b"\0" * 5),
    "a list": safetensors_file(b"[]"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors(name):
    with pytest.raises(CheckpointError, match=r"^'BytesIO'"):
        cr.load(io.BytesIO(SAFETENSORS[name]))


def structured(value, tensors=(), array=None):
    array = np.ones((2, 3), np.float32) if array is None else array
    text = json.dumps({"version": 1, "tensors": list(tensors), "value": value})
    return write_safetensors({"a": array}, metadata={"structure": text})


STRUCTURES = {
    "a dtype of 2 GB": ["array", "a", "S2000000000"],
    "a dtype of objects": ["array", "a", "O"],
    "a dtype by another name": ["array", "a", "f4"],
    "another dtype": ["array", "a", "float64"],
    "100 references as another dtype": ["list", [["array", "a", "float64"]] * 100],
    "a list of dtypes": ["array", "a", [["x", "f8"]]],
    "a scalar that is memory": ["scalar", "V1", 10**11],
    "a scalar of bytes": ["scalar", "S", 10**11],
    "a date": ["scalar", "M8[s]", 1],
    "a scalar out of range": ["scalar", "int64", 10**30],
    "a scalar that is a list": ["scalar", "float64", [1] * 10],
    "a long double": ["scalar", "float64", "1" * 100_000],
    "colliding keys": ["dict", [[i * SAME_HASH, 1] for i in range(1, 200)]],
    "colliding elements": ["set", [["tuple", [1, i * SAME_HASH]] for i in range(1, 200)]],
    "a size of texts": ["size", ["a", "b"]],
    "a tensor of a huge number": ["tensor", 10**30],
    "a tensor of a text": ["tensor", "0"],
    "bytes of a list": ["bytes", [1]],
    "a device of a list": ["device", ["list", []]],
    "a device with a long name": ["device", "cpu:" + "9" * 5000],
    "a namespace of numbers": ["namespace", [[1, 2]]],
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(name):
    with pytest.raises(CheckpointError, match="was not loaded: its structure is damaged") as found:
        cr.load(io.BytesIO(structured(STRUCTURES[name])))
    assert len(str(found.value)) < 1000


@pytest.mark.parametrize(("depth", "fits"), [(150, True), (250, False), (3000, False)])
def test_depth_of_structures(depth, fits):
    value = 1
    for _ in range(depth):
        value = ["tuple", [value]]
    text = json.dumps  # json itself nests as deep as Python's limit allows
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        data = write_safetensors(
            {}, {"structure": text({"version": 1, "tensors": [], "value": value})}
        )
    finally:
        sys.setrecursionlimit(limit)
    if fits:
        cr.load(io.BytesIO(data))
    else:
        with pytest.raises(CheckpointError, match=r"nested|Recursion"):
            cr.load(io.BytesIO(data))


def test_references_to_one_array_are_one_array():
    array = np.ones(1 << 10)
    value = ["list", [["array", "a", "float64"]] * 2000 + [["tensor", 0], ["tensor", 1]]]
    tensors = [["a", "tensor", False], ["a", "parameter", True]]
    *arrays, x, w = cr.load(io.BytesIO(structured(value, tensors, array)))
    assert all(each is arrays[0] for each in arrays)
    assert w.requires_grad
    cr.compile(lambda: x.add_(1))()
    assert (x.sum().item(), w.sum().item(), arrays[0].sum()) == (2048, 1024, 1024)


def test_a_value_in_a_message_is_short():
    value = ()
    for _ in range(64):
        value = (value, value)
    assert len(shown(value)) < 200
    assert len(shown("x" * 10**6)) < 100


def test_the_allowance_grows_with_the_file():
    key = tuple(range(1000))
    Allowance(0).keys({}, [key])
    with pytest.raises(CheckpointError, match="too many steps to hash"):
        Allowance(0).keys([], [(key,) * 2000])
    Allowance(1 << 20).keys([], [(key,) * 2000])
    Allowance(0).memory(1 << 20)
    with pytest.raises(CheckpointError, match=re.escape("more than 16 times its size and 128 MB")):
        Allowance(100).memory((1 << 27) + 1601)
