"""Tiny recordings of the wire formats, written as their real files are, and mutations of them.

Rule of this file: a test says its records as the format has them; bytes are made here.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed

MID = 1_703_545_200_000_000_000
LAST, SNAPSHOT, BAD_RECEIPT, MAYBE_BAD = 128, 32, 8, 4


def is_read_or_refused(path: Path, data: bytes) -> bool:
    """Read what was written; return whether it was read to its end, or refused with its name and what was expected."""
    path.write_bytes(data)
    try:
        for _ in open_feed(path).batches():
            pass
    except TapeError as exc:
        return "expected" in str(exc) and path.name in str(exc)
    return True


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw the bytes of a file with some changed, cut out, repeated or put in."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        end = min(start + draw(st.integers(0, 8)), len(data))
        filling = draw(st.one_of(st.binary(max_size=8), st.just(data[start:end] * 2)))
        data = data[:start] + filling + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


def mbo(action: str, side: str, px: str, qty: int, order_id: int, flags: int = LAST, **also: int) -> bytes:
    """Return a record; `at` and `received` are ns after `MID`, the second as the first when not said."""
    price = (1 << 63) - 1 if action == "R" else round(float(px) * 10**9)
    at, received = MID + also.get("at", 0), MID + also.get("received", also.get("at", 0))
    head = (14, also.get("rtype", 0xA0), 1, also.get("instrument", 7), at)
    body = (order_id, price, qty, flags, 0, action.encode(), side.encode(), received, 0, 0)
    return struct.pack("<BBHIQQqIBBccQiI", *head, *body)


def dbn_bytes(
    records: Sequence[bytes], symbols: Sequence[tuple[str, int]] = (("ESH4", 7),), schema: int = 0, version: int = 1
) -> bytes:
    """Return a file; schema 0 is market by order, 4 trades."""
    width = 22 if version == 1 else 71
    names = [name.encode().ljust(width, b"\0") for name, _ in symbols]
    days = struct.pack("<III", 1, 20_231_225, 20_231_226)
    numbers = [str(number).encode().ljust(width, b"\0") for _, number in symbols]
    count = struct.pack("<I", len(symbols))
    times = struct.pack("<QQQ", MID, MID, 0)
    fixed = struct.pack("<16sH", b"GLBX.MDP3", schema) + times
    if version == 1:
        fixed += struct.pack("<QBBB47x", (1 << 64) - 1, 1, 0, 0)
    else:
        fixed += struct.pack("<BBBH53x", 1, 0, 0, width)
    spans = [name + days + number for name, number in zip(names, numbers, strict=True)]
    header = fixed + bytes(4) + count + b"".join(names) + bytes(8) + count + b"".join(spans)
    header += bytes(-len(header) % 8 if version == 3 else 0)
    return struct.pack("<3sBI", b"DBN", version, len(header)) + header + b"".join(records)


def zst(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def deep(kind: str, flags: int, at: int, symbol: str, *values: int) -> bytes:
    """Return a message of DEEP with a symbol: size, price and, for trades, an id."""
    layout = {1: "<I", 2: "<Iq", 3: "<Iqq"}.get(len(values), "<")
    body = struct.pack("<cBq8s", kind.encode(), flags, MID + at, symbol.ljust(8).encode()) + struct.pack(
        layout, *values
    )
    return body + bytes({"H": 4, "P": 1}.get(kind, 0))


def segment(first: int, *messages: bytes, **also: int) -> bytes:
    """Return a payload of IEX-TP; `offset` and `sent` as said, else following from `first`."""
    body = b"".join(struct.pack("<H", len(message)) + message for message in messages)
    offset = also.get("offset", 100 * (first - 1))
    values = (1, also.get("protocol", 0x8004), 1, also.get("session", 5), len(body), len(messages))
    return struct.pack("<BxHIIHHqqq", *values, offset, first, MID + also.get("sent", 0)) + body


def udp(payload: bytes) -> bytes:
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0x4000, 1, 17, 0, bytes(4), bytes(4))
    return bytes(12) + b"\x08\x00" + ip + struct.pack(">HHHH", 1, 2, 8 + len(payload), 0) + payload


def pcap(packets: Sequence[bytes], link: int = 1, order: str = "<") -> bytes:
    head = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    return head + b"".join(struct.pack(f"{order}IIII", 0, 0, len(one), len(one)) + one for one in packets)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def capture(path: Path, messages: Sequence[Any], start: float = 1_600_000_000) -> Path:
    """Write messages a millisecond apart; a text is a whole line."""
    lines = [
        one if isinstance(one, str) else f"{start + k / 1000:.3f}: {json.dumps(one)}" for k, one in enumerate(messages)
    ]
    return write(path, "\n".join([*lines, "", ""]).encode())
