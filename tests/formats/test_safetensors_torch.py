"""`safetensors.torch` of programs that run as PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import CheckpointError
from chainrule.formats.safetensors_torch import (
    load,
    load_file,
    load_model,
    save,
    save_file,
    save_model,
)

TENSORS = {"a": cr.arange(6.0).reshape(2, 3).t(), "b": cr.tensor([1, 2]), "c": cr.tensor(True)}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(4, 3)
        self.out = nn.Linear(3, 4, bias=False)
        self.out.weight = self.embed.weight


def same(found, wanted=TENSORS):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype is value.dtype
        assert np.array_equal(found[name], value)


def test_files_and_bytes_come_back(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors", {"format": "pt"})
    same(load_file(tmp_path / "a.safetensors", device="cpu"))
    same(load(save(TENSORS)))
    stored = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    assert np.array_equal(stored["a"], TENSORS["a"])


def test_a_tied_tensor_is_stored_once(tmp_path):
    model, other, path = Tied(), Tied(), tmp_path / "m.safetensors"
    save_model(model, path)
    assert list(load_file(path)) == ["embed.weight"]
    assert load_model(other, path) == (set(), [])
    assert other.out.weight is other.embed.weight
    assert np.array_equal(other.out.weight.detach(), model.embed.weight.detach())


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(nn.Linear(2, 2), path)
    with pytest.raises(CheckpointError, match=r"missing embed.weight, out.weight; unexpected bias"):
        load_model(Tied(), path)
    missing, unexpected = load_model(Tied(), path, strict=False)
    assert missing == {"embed.weight", "out.weight"}
    assert sorted(unexpected) == ["bias", "weight"]
    with pytest.raises(CheckpointError, match="no file"):
        load_file(tmp_path / "none")


@pytest.mark.oracle
def test_the_library_reads_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as library_load
    from safetensors.torch import load_model as library_model

    save_file(TENSORS, tmp_path / "a.safetensors")
    for name, value in library_load(tmp_path / "a.safetensors").items():
        assert np.array_equal(value.numpy(), TENSORS[name])
    save_model(Tied(), tmp_path / "m.safetensors")
    theirs = torch.nn.Module()
    theirs.embed, theirs.out = torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False)
    theirs.out.weight = theirs.embed.weight
    assert library_model(theirs, tmp_path / "m.safetensors") == (set(), [])
