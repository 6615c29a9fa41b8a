"""The facts about this installation and machine that a bug report needs.

    >>> dict(describe_environment())["python"]
    '3...(CPython)'

May import everything below `cli`.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.base.settings import settings
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.runtime.native import unavailable
from chainrule.compiler.runtime.workers import get_num_threads

_PACKAGES = (
    "numpy", "llvmlite", "safetensors", "msgspec", "click", "rich", "threadpoolctl", "regex",
)  # fmt: skip
_TELLING = (  # features that select the generated code
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512bf16",
    "avx512vnni", "amx-tile", "amx-bf16", "neon", "sve", "sve2", "i8mm", "bf16",
)  # fmt: skip


def version() -> str:
    """The version of the package this module belongs to."""
    return str(sys.modules[__name__.partition(".")[0]].__version__)


def describe_environment() -> list[tuple[str, str]]:
    """(name, value) pairs in a fixed order, without the user's name or file contents."""
    return [
        ("chainrule", version()),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        *((name, _installed(name)) for name in _PACKAGES),
        ("system", platform.platform()),
        ("cpu", _cpu_name()),
        ("code", _target()),
        ("threads", f"{get_num_threads()} of {os.cpu_count()} cores"),
        ("numpy's BLAS", _blas()),
        ("cache", _cache()),
    ]


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _target() -> str:
    """The target of machine code, or the reason why there is none."""
    reason = unavailable()
    if reason:
        return f"none: {reason}"
    try:
        target = host_target()
    except CompileError as error:
        return f"none: {error}"
    there = set(target.features.split(","))
    telling = " ".join(name for name in _TELLING if f"+{name}" in there)
    return f"{target.cpu}, {target.lanes} float32 lanes: {telling}"


def _blas() -> str:
    build: dict[str, Any] = dict(np.show_config(mode="dicts"))
    blas = build.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _cache() -> str:
    folder = settings().cache_dir
    if folder is None:
        return "off"
    sizes = list(_sizes(folder))
    return f"{folder}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield path.stat().st_size
        except OSError:  # another process removes files
            continue
