"""Snapshots on disk: what an actor's engine had come to at a place of its journal, so that coming back takes no longer
the longer a session lasts.

Rule of this file: a snapshot is a cache and never the truth. Any doubt about one (its bytes, the code that wrote it,
the session, the journal it stands beside, who may write to its folder) and it is not read: the reason is logged, and
the one before it or the whole journal is gone through instead.

A file is MAGIC, the header's length (four bytes), the header (MessagePack), the payload, and the SHA-256 of all of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from cluster.live.build import build_text
from router.domain.errors import JournalError
from router.orders.journal import GENESIS, Journal, digest_of

MAGIC = b"ANABSNP1"
SUFFIX = ".snapshot"
FOLDER = "snapshots"
"""Beside the journals."""

KEPT = 2
"""Snapshots kept of an actor: when the last one is damaged, the one before it still shortens the way back."""

LIBRARIES = ("numpy", "numba", "msgspec", "river", "scikit-learn")
"""Those whose objects are in states: another version may mean something else by the same bytes."""

_LENGTH = struct.Struct("!I")
_log = logging.getLogger("anabranch.snapshots")

Probe = Callable[[str], None]
State = TypeVar("State")


class Header(msgspec.Struct, frozen=True):
    """Whose state it is and where it stands: all records before `offset`, the last of which has the digest `head`."""

    name: str
    identity: bytes
    offset: int
    head: bytes


class Snapshot(NamedTuple):
    """One that holds together."""

    header: Header
    payload: bytes


class Snapshots:
    """The snapshots of one actor, in a folder beside its journal. `setup` is what its engine is made from."""

    def __init__(self, state: Path, name: str, setup: bytes) -> None:
        self.name = name
        self._folder = state / FOLDER
        self._identity = hashlib.sha256(f"{what_runs()}\n".encode() + setup).digest()

    def header(self, offset: int, head: bytes) -> Header:
        """Return the header of a snapshot taken now."""
        return Header(self.name, self._identity, offset, head)

    def write(self, header: Header, payload: bytes, probe: Probe | None = None) -> None:
        """Write a snapshot: whole, or not at all. Then others go, until `KEPT` are left with it.

        Raises:
            OSError: the disk.
        """
        step = probe or (lambda _: None)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self._folder / f"{self.name}.{os.getpid()}.part"
        with suppress(FileNotFoundError):
            made.unlink()
        front = msgspec.msgpack.encode(header)
        parts = (MAGIC, _LENGTH.pack(len(front)), front, payload)
        digest = hashlib.sha256()
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for part in parts:
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
            file.flush()
            step("written")
            os.fsync(file.fileno())
        step("synced")
        kept = self._path(header.offset)
        made.replace(kept)
        step("renamed")
        # Also where stale ones stand further on: a journal may have lost its end, and then they are of no use.
        for old in [path for path in self._paths() if path != kept][KEPT - 1 :]:
            old.unlink(missing_ok=True)

    def clear_parts(self) -> None:
        """Drop what a writer that was killed left half done."""
        for part in self._folder.glob(f"{self.name}.*.part"):
            part.unlink(missing_ok=True)

    def newest(self) -> Iterator[Snapshot]:
        """Yield the snapshots that hold together and are of this code and session, the newest first."""
        for path in self._paths():
            try:
                yield self._read(path)
            except (OSError, JournalError) as exc:
                self.dropped(str(exc))

    def forget(self, header: Header) -> None:
        """Let go of a snapshot that will not be of use again."""
        # Where the folder cannot be written to, it is dropped again the next time.
        with suppress(OSError):
            self._path(header.offset).unlink(missing_ok=True)

    def dropped(self, reason: str) -> None:
        """Say why a snapshot is not used."""
        _log.warning("dropped a snapshot of %s: %s", self.name, reason, extra={"fields": {"actor": self.name}})

    def _read(self, path: Path) -> Snapshot:
        _check_owner(path.parent)
        _check_owner(path)
        data = path.read_bytes()
        start = len(MAGIC) + _LENGTH.size
        if len(data) < start + hashlib.sha256().digest_size or not data.startswith(MAGIC):
            raise JournalError(f"expected a snapshot, got {len(data)} other bytes - at {path}")
        body, digest = memoryview(data)[:-32], data[-32:]
        if hashlib.sha256(body).digest() != digest:
            raise JournalError(f"expected a snapshot as it was written, got other bytes - at {path}")
        end = start + _LENGTH.unpack(data[len(MAGIC) : start])[0]
        header = msgspec.msgpack.decode(body[start:end], type=Header)
        if (header.name, header.identity) != (self.name, self._identity):
            raise JournalError(f"expected a snapshot of this build and session, got another's - at {path}")
        return Snapshot(header, bytes(body[end:]))

    def _path(self, offset: int) -> Path:
        return self._folder / f"{self.name}.{offset:015d}{SUFFIX}"

    def _paths(self) -> list[Path]:
        """Return the files of this actor, the newest first."""
        return sorted(self._folder.glob(f"{self.name}.{'[0-9]' * 15}{SUFFIX}"), reverse=True)


class Turns:
    """Who is copied when, where several threads of one process have actors: each copy holds up all of them, so that
    theirs are spread over the time between two of one. Times are seconds of any steady clock.

    >>> turns = Turns()
    >>> for _ in range(3):
    ...     turns.join()
    >>> turns.take(100.0, 20.0)
    >>> turns.is_free(104.9), turns.is_free(105.0)
    (False, True)
    """

    def __init__(self) -> None:
        self._actors = 0
        self._next = 0.0

    def join(self) -> None:
        """Take one more in."""
        self._actors += 1

    def is_free(self, now: float) -> bool:
        """Whether an actor may be copied now."""
        return now >= self._next

    def take(self, now: float, every_s: float) -> None:
        """Note that one is copied now. All have had their turn before `every_s` are over, and one more could."""
        self._next = now + every_s / (self._actors + 1)


class Part(NamedTuple):
    """What a copy of the process writes besides what it was made for: one actor's state, where its journal is now."""

    snapshots: Snapshots
    header: Header
    freeze: Callable[[], bytes]


class Company:
    """Actors of one thread, which stand still together: one copy of the process takes all of them.

    Each of them says what of it is worth writing now, or None.
    """

    def __init__(self) -> None:
        self._members: list[Callable[[], Part | None]] = []

    def join(self, part: Callable[[], Part | None]) -> None:
        """Take one more actor in."""
        self._members.append(part)

    def parts(self) -> tuple[Part, ...]:
        """Return what there is to write of all of them."""
        return tuple(part for member in self._members if (part := member()) is not None)


class Rhythm(NamedTuple):
    """When a snapshot is worth its cost: so long after the last one, and so many records. A copy of the process makes
    it, or, where `is_forked` is False, the process itself before it goes on."""

    every_s: float = 20.0
    records_min: int = 200
    is_forked: bool = hasattr(os, "fork")
    turns: Turns | None = None
    """Of the threads of one process; None: an actor has its process for itself."""
    company: Company | None = None
    """The shells of a market that lives on one thread with them: they are taken whenever it is."""


STEADY = Rhythm()
"""What comes after a snapshot has to be gone through: here some seconds of a market, in less than one."""


class Opening(NamedTuple):
    """How an actor's journal is opened, verified from an offset on, and its snapshots; None: it takes none."""

    journal: Callable[[int], Journal]
    snapshots: Snapshots | None = None
    rhythm: Rhythm = STEADY


def come_back(opening: Opening, thaw: Callable[[Snapshot, Journal], State]) -> tuple[Journal, State | None, int]:
    """Return the journal, the state in the newest snapshot that stands beside it, and the offset to go on from.

    Without one they are the journal, verified whole, None and 0.

    Raises:
        JournalError: the journal itself cannot be opened.
    """
    snapshots = opening.snapshots
    if snapshots is not None:
        snapshots.clear_parts()
        for snapshot in snapshots.newest():
            offset = snapshot.header.offset
            journal = opening.journal(offset)
            try:
                if head_at(journal, offset) != snapshot.header.head:
                    # A journal only grows: what it does not hold there now it never will.
                    snapshots.forget(snapshot.header)
                    raise JournalError(f"expected a snapshot of this journal, got another's - at offset {offset}")
                state = thaw(snapshot, journal)
            except JournalError as exc:
                journal.close()
                snapshots.dropped(str(exc))
                continue
            behind = journal.health().size - offset
            fields = {"actor": snapshots.name, "offset": offset, "behind": behind, "bytes": len(snapshot.payload)}
            _log.info("back from a snapshot", extra={"fields": fields})
            return journal, state, offset
    return opening.journal(0), None, 0


def head_at(journal: Journal, offset: int) -> bytes:
    """Return the digest of the record before an offset, which vouches for all before it; empty: there is none."""
    if offset == 0:
        return GENESIS
    before = next(iter(journal.read_durable(offset - 1, 1)), None)
    return b"" if before is None else digest_of(before)


@cache
def what_runs() -> str:
    """Return everything besides records and set-up that a state follows from: our source, Python, the libraries."""
    found = [build_text(), f"{platform.python_implementation()} {platform.python_version()}"]
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def _check_owner(path: Path) -> None:
    """Refuse what somebody else could have written: a pickle that is read runs what it says."""
    found = path.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise JournalError(f"expected what only we can write, got mode {found.st_mode & 0o777:o} - at {path}")
