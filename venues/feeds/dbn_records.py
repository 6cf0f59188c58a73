"""The bytes of Databento Binary Encoding, versions 1 to 3: the header, and records of market by order as columns.

Rule of this file: bytes to fields, nothing of what they mean. Every length is checked before it is used, as the bytes
may be garbage; the tests compare with Databento's own decoder, which stops the whole process on some of that.

Source: Databento, "Databento Binary Encoding", and the crate `dbn` 0.2 to 0.54.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from router.domain.errors import TapeError, bad_value
from venues.feeds.blocks import refuse
from venues.feeds.message_rows import SYMBOLS_MAX

BLOCK_RECORDS = 1 << 14
"""Records read at once: less than a megabyte."""

HEADER_BYTES_MAX = 1 << 24
"""Longest header: symbols of a whole exchange, each of a day's mapping, take a tenth."""

MBO = np.dtype(
    [
        ("words", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),
        ("side", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)
"""One record of market by order, 56 bytes in every version."""

_BLOCK_BYTES = BLOCK_RECORDS * MBO.itemsize
# Arrow's errors on opening and unpacking.
_UNREADABLE = (OSError, ValueError)
_WORDS, _RTYPE, _SCHEMA = MBO.itemsize // 4, 0xA0, 0
_START = struct.Struct("<3sBI")  # magic, version, bytes of the header behind these
_OLD_SYMBOL_BYTES = 22


Records: TypeAlias = NDArray[np.void]
"""Records (n,) of the type `MBO`."""


class Header(NamedTuple):
    """What the feed needs of a header: `symbols` names each instrument's number."""

    dataset: str
    symbols: dict[int, str]


def read_dbn(path: Path) -> tuple[Header, Iterator[Records]]:
    """Return a file's header, and its records as arrays of `MBO` in the file's order; `.zst` is unpacked.

    Raises:
        TapeError: unreadable, no DBN, another version or schema; later, truncated or with another kind of record.
    """
    blocks = _blocks(path)
    start = _sound(next(blocks, b""), f"{path.name} header")
    place = f"{path.name} header"
    if len(start) < _START.size or start[:3] != b"DBN":
        raise TapeError(bad_value(place, "a header of DBN", start[:16]))
    _, version, length = _START.unpack_from(start)
    if version not in (1, 2, 3) or length > HEADER_BYTES_MAX:
        raise TapeError(bad_value(place, f"DBN 1 to 3 with up to {HEADER_BYTES_MAX} bytes", f"{version}, {length}"))
    while len(start) < _START.size + length and (block := _sound(next(blocks, b""), place)):
        start += block
    header = _header(_Fields(place, start[_START.size : _START.size + length]), version)
    return header, _records(path, chain([start[_START.size + length :]], blocks))


def _header(fields: _Fields, version: int) -> Header:
    dataset = fields.text(16)
    schema = fields.number(2)
    if schema != _SCHEMA:
        raise TapeError(bad_value(fields.place, "the schema mbo (0)", schema))
    # First and last time, limit and, at first, the number of records; types of symbols, and whether sending is stamped.
    fields.skip(35 if version == 1 else 27)
    width = _OLD_SYMBOL_BYTES if version == 1 else fields.number(2)
    fields.skip(47 if version == 1 else 53)
    # A definition of the schema, which no version has yet; then symbols asked for, found in part, not found.
    fields.skip(fields.number(4))
    for _ in range(3):
        fields.skip(fields.number(4) * width)
    symbols: dict[int, str] = {}
    for _ in range(fields.number(4)):
        name = fields.text(width)
        for _ in range(fields.number(4)):
            fields.skip(8)  # first and last day
            other = fields.text(width)
            # The number is on the side that was asked for, or on the other.
            number, symbol = (other, name) if other.isdigit() else (name, other)
            if number.isdigit():
                symbols[int(number)] = symbol
            if len(symbols) > SYMBOLS_MAX:
                raise TapeError(bad_value(fields.place, f"at most {SYMBOLS_MAX} symbols", "more"))
    return Header(dataset, symbols)


class _Fields:
    """A header's fields, read from the front."""

    def __init__(self, place: str, data: bytes) -> None:
        self.place = place
        self._data, self._start = data, 0

    def skip(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            TapeError: the header ends before.
        """
        part = self._data[self._start : self._start + size]
        if len(part) < size:
            raise TapeError(bad_value(self.place, f"a whole header, {size} bytes more", len(part)))
        self._start += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.skip(size), "little")

    def text(self, size: int) -> str:
        part = self.skip(size).rstrip(b"\0")
        if not part.isascii():
            raise TapeError(bad_value(self.place, "a text of ASCII", part))
        return part.decode("ascii")


def _records(path: Path, blocks: Iterable[bytes | Exception]) -> Iterator[Records]:
    record, rest = 0, b""
    for block in blocks:
        rest += _sound(block, f"{path.name} record {record + 1}")
        whole = len(rest) // MBO.itemsize
        part = np.frombuffer(rest, dtype=MBO, count=whole)
        strange = (part["words"] != _WORDS) | (part["rtype"] != _RTYPE)
        if strange.any():
            k = int(strange.argmax())
            got = f"{4 * int(part['words'][k])} bytes of type {int(part['rtype'][k]):#x}"
            raise refuse(path.name, record + k + 1, f"{MBO.itemsize} bytes of type {_RTYPE:#x}", got)
        if whole:
            yield part
        record += whole
        rest = rest[whole * MBO.itemsize :]
    if rest or not record:
        raise refuse(path.name, record + 1, f"a record of {MBO.itemsize} bytes", len(rest))


def _sound(block: bytes | Exception, place: str) -> bytes:
    """Return the bytes of a block.

    Raises:
        TapeError: it is what broke the file off, at `place`.
    """
    if isinstance(block, Exception):
        reason = str(block).partition("\n")[0][:200]
        raise TapeError(bad_value(place, "a whole, readable file", reason)) from block
    return block


def _blocks(path: Path) -> Iterator[bytes | Exception]:
    """Yield the unpacked bytes, and what broke them off as the last item."""
    read = 0
    try:
        with _unpacked(path) as file:
            while block := file.read(_BLOCK_BYTES):
                read += len(block)
                yield block
    except _UNREADABLE as exc:
        if rest := _rest(path, read):
            yield rest
        yield OSError(str(exc).replace(str(path), path.name))


def _rest(path: Path, read: int) -> bytes:
    """Return what can be unpacked behind the first `read` bytes: a read that breaks off gives nothing of its own."""
    rest = bytearray()
    with suppress(*_UNREADABLE), _unpacked(path) as file:
        for start in range(0, read, _BLOCK_BYTES):
            file.read(min(_BLOCK_BYTES, read - start))
        while piece := file.read(MBO.itemsize):
            rest += piece
    return bytes(rest)


def _unpacked(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None)
