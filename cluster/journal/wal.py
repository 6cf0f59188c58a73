"""A look at SQLite's write-ahead log before it is trusted: a torn tail may be cut off, damage before it may not.

Rule of this file: it refuses only what no crash of ours can have left behind.

After a crash SQLite takes the log up to the last commit whose checksums are right, and drops the rest without a word
(https://www.sqlite.org/fileformat2.html#the_write_ahead_log). That is right for the tail of a group that was never
acknowledged. But a flipped bit in an older frame makes it drop acknowledged groups as well. The two can be told apart:
with `synchronous=FULL` a group's frames are written only after the group before was synced, so that behind a damaged
frame there may be the rest of one group, and never a commit followed by more.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

from router.domain.errors import JournalCorruptError

HEADER, FRAME_HEADER = 32, 24
MAGIC_LITTLE, MAGIC_BIG = 0x377F0682, 0x377F0683
"""Which order of bytes the checksums were made in."""

_MASK = 0xFFFFFFFF


def check_wal(path: Path) -> None:
    """Look through the log at `path`, which nobody may be writing meanwhile. None there, or an empty one, is fine.

    Raises:
        JournalCorruptError: the log's header is damaged, or a frame is behind which another group was written.
    """
    data = path.read_bytes() if path.exists() else b""
    if len(data) < HEADER or not any(data[:HEADER]):
        return
    magic, _, page, _, *salts = struct.unpack_from(">6I", data)
    is_big = magic == MAGIC_BIG
    sums = _checksum(data[: HEADER - 8], (0, 0), is_big=is_big)
    if magic not in (MAGIC_LITTLE, MAGIC_BIG) or sums != struct.unpack_from(">2I", data, HEADER - 8):
        raise JournalCorruptError(f"expected a log with its header, got a damaged one - at {path}")
    frames = range(HEADER, len(data) - FRAME_HEADER - page + 1, FRAME_HEADER + page)
    for number, at in enumerate(frames):
        content = data[at + FRAME_HEADER : at + FRAME_HEADER + page]
        sums = _checksum(content, _checksum(data[at : at + 8], sums, is_big=is_big), is_big=is_big)
        _, _, *found = struct.unpack_from(">6I", data, at)
        if found != [*salts, *sums]:
            if _is_commit_followed_by_more(data, frames[number:], salts):
                raise JournalCorruptError(
                    f"expected {len(frames)} frames as they were written, got a damaged frame {number} - at {path}"
                )
            return


def _is_commit_followed_by_more(data: bytes, frames: range, salts: list[int]) -> bool:
    """Say whether these frames, as far as they are of this log and of none before it, are of more than one group."""
    has_commit = False
    for _, size_after_commit, *found in _headers(data, frames):
        if found == salts:
            if has_commit:
                return True
            has_commit = size_after_commit != 0
    return False


def _headers(data: bytes, frames: range) -> Iterator[tuple[int, ...]]:
    return (struct.unpack_from(">4I", data, at) for at in frames)


def _checksum(data: bytes, before: tuple[int, int], *, is_big: bool) -> tuple[int, int]:
    """Return SQLite's checksum of some bytes, a multiple of eight, after what came before them."""
    words = array("I", data)
    if is_big != (sys.byteorder == "big"):
        words.byteswap()
    first, second = before
    numbers = iter(words)
    for word in numbers:
        first = (first + word + second) & _MASK
        second = (second + next(numbers) + first) & _MASK
    return first, second
