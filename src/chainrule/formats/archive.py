"""The zip archives of `torch.save`: their records, each checked before use.

    >>> records = read_archive(data)
    >>> sorted(records)[:3]
    ['byteorder', 'data.pkl', 'data/0']

Records are uncompressed, do not overlap, and have the checksums of the directory; their common
folder is removed from the names. Any other archive raises `CheckpointError`. Source:
https://docs.pytorch.org/docs/stable/notes/serialization.html. May import `base`.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from chainrule.base.errors import CheckpointError

_HEADER = struct.Struct("<4s22xHH")  # signature, …, lengths of name and extra field
_ENCRYPTED = 1


def read_archive(data: bytes) -> dict[str, memoryview]:
    """The records by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            directory = archive.start_dir
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise CheckpointError(f"its zip archive is damaged or cut off: {error}") from None
    names = [entry.filename for entry in listed]
    if len(set(names)) < len(names):
        raise CheckpointError("its zip archive has two records with one name")
    prefix = _prefix(names)
    records: dict[str, memoryview] = {}
    end = 0
    for entry in sorted(listed, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise CheckpointError(
                f"its zip record {entry.filename!r} overlaps the record before it"
            )
        content, end = _content(data, entry, directory)
        records[entry.filename.removeprefix(prefix)] = content
    return records


def _prefix(names: list[str]) -> str:
    """The folder of the archive, which has its one `data.pkl`."""
    found = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(found) != 1:
        what = "a TorchScript program" if any("/code/" in n for n in names) else "another archive"
        raise CheckpointError(f"its zip archive has no data.pkl: it is {what}")
    prefix = found[0].removesuffix("data.pkl")
    if any(not name.startswith(prefix) for name in names):
        raise CheckpointError(f"its zip archive has records outside the folder {prefix!r}")
    if f"{prefix}constants.pkl" in names:
        raise CheckpointError("it is a TorchScript program: save the module's state_dict()")
    return prefix


def _content(data: bytes, entry: zipfile.ZipInfo, limit: int) -> tuple[memoryview, int]:
    """The bytes of a record, and its end."""
    name = entry.filename
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
        raise CheckpointError(f"its zip record {name!r} is compressed or encrypted")
    start = entry.header_offset
    header = data[start : start + _HEADER.size]
    if len(header) < _HEADER.size:
        raise CheckpointError(f"its zip record {name!r} is cut off")
    signature, name_length, extra_length = _HEADER.unpack(header)
    begin = start + _HEADER.size + name_length + extra_length
    end = begin + entry.file_size
    if signature != b"PK\x03\x04" or end > limit or entry.file_size != entry.compress_size:
        raise CheckpointError(f"its zip record {name!r} is not where the directory says")
    content = memoryview(data)[begin:end]
    if zlib.crc32(content) != entry.CRC:
        raise CheckpointError(f"its zip record {name!r} is damaged: the checksum differs")
    return content, end
