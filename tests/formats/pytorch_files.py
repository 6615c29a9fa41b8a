"""Files as torch.save writes them, and as it never would, without PyTorch.

data = archive({"w": Stored(), "n": [1, 2]})
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np


class Stored:
    """A tensor as torch.save writes it: `rebuild(storage…, offset, size, stride, False, {})`."""

    def __init__(self, key="0", count=6, size=(2, 3), stride=(3, 1), offset=0, kind="FloatStorage"):
        self.key, self.count, self.kind = key, count, kind
        self.rest = (offset, size, stride, False, OrderedDict())


class Global:
    """A bare `module name`."""

    def __init__(self, text):
        self.module, _, self.name = text.rpartition(".")


class _Writer(pickle._Pickler):
    """A pickle with globals that are not imported."""

    def persistent_id(self, value):
        return value.key if isinstance(value, Id) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            super().save(value.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(value, Stored):
            self.save(as_call(value))
        else:
            super().save(value, save_persistent_id)


class Id:
    def __init__(self, *key):
        self.key = key


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = Global(function), arguments


def as_call(t):
    storage = Id("storage", Global(f"torch.{t.kind}"), t.key, "cpu", t.count)
    return Call("torch._utils._rebuild_tensor_v2", storage, *t.rest)


def pickled(value):
    file = io.BytesIO()
    _Writer(file, 2).dump(value)
    return file.getvalue()


SIX = np.arange(6, dtype=np.float32).tobytes()


def archive(value=None, records=(("data/0", SIX),), *, raw=None, folder="archive", method=0):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        made.writestr(f"{folder}/data.pkl", pickled(value) if raw is None else raw)
        for name, content in records:
            made.writestr(f"{folder}/{name}", content)
    return file.getvalue()
