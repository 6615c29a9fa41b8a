"""Machine code on disk, one file per kernel, so that the second start compiles nothing.

A file is used only if it belongs to this user, nobody else may touch it, and it says that it holds
this very key with this very checksum. Whatever is wrong, the caller gets None and compiles. May
import base. Example:

    cache = ObjectCache(Path.home() / ".cache" / "chainrule")
    key = cache_key(ir_text, "znver4", "+avx512f", "llvmlite 0.50.0 LLVM 22.1.0")
    data = cache.get(key)
    if data is None:
        data = compile_it(ir_text)
        cache.put(key, data)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import threading
import time
from pathlib import Path

_MAGIC = b"chainrule object 1\n"  # the number is the format's version
_DIGEST = 32
_SUFFIX = ".object"
_LIMIT = 256 << 20
_ABANDONED = 3600.0  # seconds after which another process's unfinished file is litter
_OWNER_ONLY = 0o077  # permission bits that nobody but the owner may have
# Windows has no owner numbers and no such bits: its user folders are private by inheritance.
_OWNED = hasattr(os, "geteuid")


def cache_key(text: str, *environment: str) -> str:
    """sha256 of the IR text and of all that decides what it compiles to, as 64 hex digits."""
    digest = hashlib.sha256(_MAGIC)
    for part in (*environment, text):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


class ObjectCache:
    """Key → bytes, kept in `folder/objects`, least recently used dropped beyond `limit` bytes.

    Without a folder, or where it cannot be trusted or written, `get` finds nothing and `put` keeps
    nothing, silently. Threads and processes may share a folder: entries appear whole, by rename.
    """

    def __init__(self, folder: Path | None, limit: int = _LIMIT) -> None:
        self._folder = folder / "objects" if folder is not None else None
        self._limit = limit
        self._lock = threading.RLock()
        self._trusted: bool | None = None  # None: not looked at yet
        self._writable = True
        self._size: int | None = None  # bytes in the folder, counted before the first write

    @property
    def folder(self) -> Path | None:
        """The folder of entries, or None when nothing is kept."""
        if self._trusted is None:
            self._trusted = self._folder is not None and _make_private(self._folder)
        return self._folder if self._trusted else None

    def get(self, key: str) -> bytes | None:
        """The bytes stored under `key`, or None if there are none that can be trusted."""
        folder = self.folder
        if folder is None:
            return None
        path = folder / (key + _SUFFIX)
        payload = _unpack(key, _read_private(path))
        if payload is not None:
            with contextlib.suppress(OSError):
                os.utime(path)  # used last, dropped last
        return payload

    def put(self, key: str, payload: bytes) -> None:
        """Store `payload` under `key`, if the folder allows it."""
        folder = self.folder
        if folder is None or not self._writable:
            return
        raw = _pack(key, payload)
        with self._lock:
            try:
                if self._size is None:
                    self._size = _prune(folder, self._limit)
                _write_private(folder / (key + _SUFFIX), raw)
                self._size += len(raw)
                if self._size > self._limit:
                    self._size = _prune(folder, self._limit * 3 // 4)
            except OSError:  # read-only, full or gone: this process stops writing
                self._writable = False


def _pack(key: str, payload: bytes) -> bytes:
    """Magic, then the checksum of key and payload, then the payload."""
    return _MAGIC + hashlib.sha256(key.encode() + payload).digest() + payload


def _unpack(key: str, raw: bytes | None) -> bytes | None:
    if raw is None or not raw.startswith(_MAGIC):
        return None
    at = len(_MAGIC) + _DIGEST
    payload = raw[at:]
    right = hashlib.sha256(key.encode() + payload).digest()
    return payload if raw[len(_MAGIC) : at] == right else None


def _private(found: os.stat_result) -> bool:
    """Whether only this user could have put something there."""
    if not _OWNED:
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & _OWNER_ONLY


def _make_private(folder: Path) -> bool:
    """Create the folder for this user alone; False if it cannot be, or is not."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and _private(found)
    except OSError:
        return False


def _read_private(path: Path) -> bytes | None:
    """The file's bytes if it is a plain file of this user's, None otherwise."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    # A named pipe put in a file's place must not block us.
    flags |= getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, already opened
            found = os.fstat(descriptor)
            if not (stat.S_ISREG(found.st_mode) and _private(found)):
                return None
            return file.read()
    except OSError:
        return None


def _write_private(path: Path, raw: bytes) -> None:
    """Write beside `path`, then rename: readers see the old file, the new one, or none."""
    beside = path.with_name(f".{path.stem[:16]}-{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(beside, flags, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, already opened
            file.write(raw)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _prune(folder: Path, target: int) -> int:
    """Drop the least recently used entries beyond `target` bytes; returns the bytes that stay."""
    entries = []
    with os.scandir(folder) as scan:
        for entry in scan:
            with contextlib.suppress(OSError):  # another process may have dropped it meanwhile
                found = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_SUFFIX):
                    entries.append((found.st_mtime, found.st_size, entry.path))
                elif time.time() - found.st_mtime > _ABANDONED:
                    Path(entry.path).unlink()
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= target:
            break
        with contextlib.suppress(OSError):
            Path(path).unlink()
        total -= size
    return total
