"""Recorded text as blocks of whole lines: plain, gzip or a member of a zip, never more than a block in memory.

Rule of this file: a file that cannot be read to its end is a `TapeError` that names the file and how many records it
gave; what was read before is handed out first.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from io import BufferedReader
from pathlib import Path
from typing import cast

from router.domain.errors import TapeError, bad_value

BLOCK_BYTES = 1 << 20
"""Read at once: some tens of thousands of lines."""

LINE_BYTES_MAX = 1 << 20
"""Longest line: a thousand levels of two sides take less than a tenth; more is not text of ours."""

BYTES_MAX = 1 << 36
"""Largest unpacked file: what unpacks to more is made to fill a disk, not recorded."""

_UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    struct.error,
    # An encrypted member, an unknown compression, a name that is no text, an extra field cut short.
    RuntimeError,
    ValueError,
    IndexError,
    KeyError,
)


def refuse(place: str, record: int, expected: str, got: object) -> TapeError:
    """Return the error that names file and record (1 is the first).

    >>> str(refuse("quotes.csv", 3, "a number", "abc"))
    "expected a number, got 'abc' - at quotes.csv record 3"
    """
    return TapeError(bad_value(f"{place} record {record}", expected, got))


def members(path: Path) -> tuple[str, ...]:
    """Return the names of a zip's members.

    Raises:
        TapeError: absent, unreadable or not a zip.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist())
    except _UNREADABLE as exc:
        raise TapeError(bad_value(path.name, "a zip file", _reason(exc))) from exc


def only_member(path: Path) -> str:
    """Return the name of a zip's one member.

    Raises:
        TapeError: not a zip, or with another number of members than one.
    """
    names = members(path)
    if len(names) != 1:
        raise TapeError(bad_value(path.name, "a zip of one file", f"{len(names)} files"))
    return names[0]


def place_of(path: Path, member: str | None = None) -> str:
    """Return how a file, or a zip's member, is named in errors."""
    return path.name if member is None else f"{path.name}:{member}"


def line_blocks(path: Path, member: str | None = None, *, header_lines: int = 0) -> Iterator[bytes]:
    """Yield the file's lines in blocks of about `BLOCK_BYTES`, each ending with a line feed.

    `member` names a zip's member; else a name that ends in `.gz` is unpacked. Numbers of records leave out the first
    `header_lines`.

    Raises:
        TapeError: absent, unreadable, truncated, not what its name says, empty, above `BYTES_MAX`, or with a line
            above `LINE_BYTES_MAX`; names the first record that is not whole.
    """
    place, tail, records, read = place_of(path, member), b"", -header_lines, 0
    for block in _bytes(path, member):
        if isinstance(block, Exception):
            raise refuse(place, max(records + 1, 1), "a whole, readable file", _reason(block)) from block
        read += len(block)
        if read > BYTES_MAX:
            raise refuse(place, max(records + 1, 1), f"at most {BYTES_MAX} bytes unpacked", "more")
        lines, found, rest = block.rpartition(b"\n")
        if not found:
            tail += block
        else:
            whole = tail + lines + found
            tail = rest
            records += whole.count(b"\n")
            yield whole
        if len(tail) > LINE_BYTES_MAX:
            raise refuse(place, max(records + 1, 1), f"a line of at most {LINE_BYTES_MAX} bytes", "a longer one")
    if tail:
        yield tail + b"\n"
    elif not read:
        raise TapeError(bad_value(place, "at least one record", 0))


def _bytes(path: Path, member: str | None) -> Iterator[bytes | Exception]:
    """Yield the unpacked bytes, and what broke them off as the last item."""
    block = bytearray()
    try:
        with closing(_open(path, member)) as file:
            # One unpacking at a time: a longer read that breaks off would lose what it had unpacked before.
            while piece := file.read1(BLOCK_BYTES - len(block)):
                block += piece
                if len(block) == BLOCK_BYTES:
                    yield bytes(block)
                    block.clear()
    except _UNREADABLE as exc:
        if block:
            yield bytes(block)
        yield exc
        return
    if block:
        yield bytes(block)


def _open(path: Path, member: str | None) -> zipfile.ZipExtFile | gzip.GzipFile | BufferedReader:
    if member is not None:
        with zipfile.ZipFile(path) as archive:
            # The member keeps the archive's file open by itself.
            return cast(zipfile.ZipExtFile, archive.open(member))
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    return path.open("rb")


def _reason(exc: BaseException) -> str:
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return text or type(exc).__name__
