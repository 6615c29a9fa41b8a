"""Hostile files: each reader reads what it is given, or refuses it with one error of ours.

Valid files of every format are changed at random – also inside, with lengths and checksums made
right again, since most readers look no further where those are wrong. Nothing else may come out
of a reader, nor may it crash, hang or take memory out of proportion.
"""

from __future__ import annotations

import functools
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save as safetensors_bytes

import chainrule as cr
from tests.campaign.mutation import mutated, shrunk
from tests.formats.pytorch_files import Call, Global, Stored, archive

_BATCH = 200  # files that one process reads
_WHOLE = 0.2  # share of the files that are changed from outside, checksums and all
_SHRINKING = 20  # seconds that are spent on making the findings of a trial smaller
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Kind:
    """A format: valid files, what is inside of one, and a file around that again."""

    suffix: str
    samples: Callable[[], list[bytes]]
    inside: Callable[[bytes], bytes] = bytes
    around: Callable[[bytes, bytes], bytes] = lambda inner, _: inner


def _pt() -> list[bytes]:
    rich = {
        "w": Stored(), "t": Stored(size=(3, 2), stride=(1, 3)), "wide": Stored(stride=(0, 1)),
        "p": Call("torch._utils._rebuild_parameter", Stored(), True, {}),
        "plain": [1, 2.5, "x", None, True, (1, (2,)), {3}, b"ab", 1 << 70], (1, "k"): {2: {}},
        "size": Call("torch.Size", (1, 2)), "dtype": Global("torch.float32"),
        "ordered": Call("collections.OrderedDict", [("a", 1)]),
        "device": Call("torch.device", "cuda", 0),
    }  # fmt: skip
    return [archive(rich), archive({"state": {0: {"step": Stored()}}, "n": [1, 2]})]


def _pickle_of(data: bytes) -> bytes:
    return zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")


def _zip_of(inner: bytes, _: bytes) -> bytes:
    return archive(raw=inner)


def _safetensors() -> list[bytes]:
    arrays = {"a.weight": np.ones((2, 3), "f"), "n": np.arange(4), "e": np.zeros((0, 2)),
              "h": np.ones(2, np.float16), "b": np.ones((), bool)}  # fmt: skip
    return [safetensors_bytes(arrays), safetensors_bytes({"x": np.ones(1)}, {"made_by": "y"})]


def _header_of(data: bytes) -> bytes:
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


def _file_of(inner: bytes, data: bytes) -> bytes:
    body = data[8 + int.from_bytes(data[:8], "little") :]
    return len(inner).to_bytes(8, "little") + inner + body


def _saved() -> list[bytes]:
    w = cr.nn.Parameter(cr.ones(2, 3))
    value = {"w": w, "t": w.t(), "n": [1, 2.5, None, "x"], (1, 2): {3}, "a": np.ones(3),
             "s": np.float32(2), "b": b"ab", "d": cr.float32, "size": w.shape,
             "f": frozenset({(1, 2)}), "device": cr.device("cpu")}  # fmt: skip
    files = []
    for each in (value, [value, value], {"state": {0: {"step": cr.zeros(())}}}):
        file = io.BytesIO()
        cr.save(each, file)
        files.append(file.getvalue())
    return files


def _structure_of(data: bytes) -> bytes:
    return str(json.loads(_header_of(data))["__metadata__"]["structure"]).encode()


def _saved_of(inner: bytes, data: bytes) -> bytes:
    header = json.loads(_header_of(data))
    header["__metadata__"]["structure"] = inner.decode("utf-8", "replace")
    return _file_of(json.dumps(header).encode(), data)


def _of_run(name: str) -> Callable[[], list[bytes]]:
    def read() -> list[bytes]:
        from tests.campaign.reading import run_folder

        return [(run_folder() / name).read_bytes()]

    return read


def _metrics() -> list[bytes]:
    records = [{"step": 1, "loss": 4.2}, {"step": 1, "sample": "a\u2028\x85b"}, {"step": 2}]
    return ["".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records).encode()]


def _text() -> list[bytes]:
    text = "the quick brown fox – βeta \u2028 \U0001f600\r\n" * 5
    return [text.encode(code) for code in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252")
            if code != "cp1252" or "β" not in text]  # fmt: skip


KINDS = (
    Kind("pt", _pt, _pickle_of, _zip_of),
    Kind("safetensors", _safetensors, _header_of, _file_of),
    Kind("saved", _saved, _structure_of, _saved_of),
    Kind("state", _of_run("state.safetensors"), _header_of, _file_of),
    Kind("model", _of_run("model.safetensors"), _header_of, _file_of),
    Kind("toml", _of_run("config.toml")),
    Kind("jsonl", _metrics),
    Kind("text", _text),
)


@functools.cache
def _samples(kind: Kind) -> list[bytes]:
    return kind.samples()


def hostile(kind: Kind, rng: random.Random) -> bytes:
    """A file of the kind after random changes."""
    samples = _samples(kind)
    data = rng.choice(samples)
    if rng.random() < _WHOLE:
        return mutated(data, rng, samples)
    inner = [kind.inside(each) for each in samples]
    return kind.around(mutated(kind.inside(data), rng, inner), data)


def read_all(files: list[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """(name, outcome) of each file that did not go well; a process that ends takes the rest along.

    `files` are (suffix, content).
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        for number, (suffix, data) in enumerate(files):
            (folder / f"{number:05d}.{suffix}").write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-m", "tests.campaign.reading", str(folder)],
            capture_output=True, text=True, errors="replace", cwd=_ROOT, check=False,
            env={**os.environ, "CAMPAIGN_SCRATCH": scratch},
        )  # fmt: skip
    lines = done.stdout.splitlines()
    outcomes = list(zip(lines[::2], lines[1::2], strict=False))
    broken = [(name, how) for name, how in outcomes if how not in {"read", "refused"}]
    if done.returncode:
        name = lines[-1] if len(lines) % 2 else "before the first file"
        how = (done.stderr.strip().splitlines() or ["nothing said"])[:3]
        broken.append((name, f"the process ended with {done.returncode}: {' | '.join(how)}"))
    return broken


class HostileFiles:
    """See the module's docstring."""

    name = "files"
    about = "every reader reads a changed file or refuses it with one error of ours"

    def run(self, rng: random.Random, deadline: float) -> str | None:
        """Change and read as many files as one process does."""
        chosen = [rng.choice(KINDS) for _ in range(_BATCH)]
        files = [(kind.suffix, hostile(kind, rng)) for kind in chosen]
        reports = {}
        for name, how in read_all(files):
            number, _, suffix = name.partition(".")
            data = files[int(number)][1] if number.isdecimal() else b""
            reports.setdefault((suffix, _sign(how)), (suffix, data, how))
        end = min(deadline, time.monotonic() + _SHRINKING)
        return "\n".join(_report(*each, end) for each in reports.values()) or None


def _sign(how: str) -> str:
    """What makes two findings one: the class of the error and where it was raised."""
    lines = how.split("|")
    return " ".join(
        [lines[-1].partition(":")[0], *[x for x in lines if x.startswith("  File")][-1:]]
    )


def _report(suffix: str, data: bytes, how: str, deadline: float) -> str:
    def first(candidates: list[bytes]) -> int | None:
        tried = read_all([(suffix, each) for each in candidates])
        found = [int(name[:5]) for name, said in tried if _sign(said) == _sign(how)]
        return min(found, default=None)

    least = shrunk(data, first, deadline) if data else data
    said = how.replace("|", "\n  ")
    return f"a .{suffix} file of {len(least)} bytes: {least[:2000]!r}\n  {said}"
