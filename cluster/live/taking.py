"""When snapshots are taken, and how the desk goes on meanwhile: a forked copy of the process writes them.

Rule of this file: what a snapshot costs is measured, and the next one waits until it has cost no more than `SHARE_MAX`
of the time. The copy touches nothing but its own memory and the file: it closes whatever else was open before it
begins, and ends without a word of anything that the process would do at its end. One that hangs is killed: what it was
to write is a cache.

Between two moments of its own an engine stands still; the copy sees it as it stood when it was forked. Where the place
in the journal is not known yet (what was decided is still on its way to the disk) the copy waits for it. Engines that
share a thread stand still together, and one copy takes all of them: what holds up a process is the copying.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from cluster.live.freezing import Constants, frozen
from cluster.live.snapshots import STEADY, Header, Part, Rhythm, Snapshots
from router.domain.errors import JournalError

SHARE_MAX = 0.01
"""The share of a core that taking snapshots may cost an actor."""

HANGS_S = 60.0
"""After so long a copy is not coming back."""

NICE = 10

_log = logging.getLogger("anabranch.snapshots")


class SnapshotTaker:
    """Takes an actor's snapshots. One thread calls it, between two moments of the engine; one that cannot be taken is
    told in the log, and nothing else fails for it.

    `given` and `constants` are as in `cluster.live.freezing`; up to `offset` the journal needs no snapshot.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        rhythm: Rhythm = STEADY,
        given: Mapping[str, object] | None = None,
        constants: Constants | None = None,
        offset: int = 0,
        clock: Callable[[], float] = time.monotonic,
        fork: Callable[[], int] | None = None,
    ) -> None:
        self._snapshots, self._rhythm, self._clock, self._fork = snapshots, rhythm, clock, fork
        self._given, self._constants = given or {}, constants or {}
        self._due_at = clock() + rhythm.every_s
        if rhythm.turns is not None:
            rhythm.turns.join()
        self._offset = offset
        self._copy: _Copy | None = None
        self._parts: tuple[Part, ...] = ()
        self.taken = 0
        """How many were written."""
        self.pause_s = 0.0
        """How long the engine stood still for the last one."""

    def is_due(self, offset: int) -> bool:
        """Whether a snapshot of the state at an offset is worth its cost now."""
        now, turns = self._clock(), self._rhythm.turns
        if offset - self._offset < self._rhythm.records_min or now < self._due_at:
            return False
        if turns is not None and not turns.is_free(now):
            return False
        return self._copy is None or self._is_over(self._copy)

    def take(self, state: object, offset: int, head: bytes) -> None:
        """Take a snapshot of a state that is what the journal before `offset` came to."""
        self.begin(state)
        self.place(offset, head)

    def begin(self, state: object) -> None:
        """Take a snapshot of a state whose place in the journal is told by `place`, or never; and of its company."""
        began, self._copy = self._clock(), None
        if self._rhythm.turns is not None:
            self._rhythm.turns.take(began, self._rhythm.every_s)

        def freeze() -> bytes:
            return frozen(state, self._given, self._constants)

        # Counted again when the copy has ended; until then nobody knows what it cost.
        self._due_at = began + self._rhythm.every_s
        try:
            self._parts = () if self._rhythm.company is None else self._rhythm.company.parts()
            if self._rhythm.is_forked:
                self._copy = _fork(self._fork or os.fork, freeze, self._snapshots, self._parts, began)
            else:
                self._copy = _Copy(0, None, freeze(), began)
                _write_parts(self._parts)
        except (OSError, JournalError) as exc:
            # What there is no process or file to spare for, the engine can do without.
            _failed(self._snapshots.name, f"{type(exc).__name__}: {exc}")
            self._count(self._clock() - began)
        self.pause_s = self._clock() - began

    def place(self, offset: int, head: bytes) -> None:
        """Say where the state that was begun with stands."""
        copy = self._copy
        if copy is None:
            return
        self._offset = offset
        header = self._snapshots.header(offset, head)
        if copy.line is not None:
            with suppress(OSError):
                copy.line.sendall(msgspec.msgpack.encode(header))
                copy.line.shutdown(socket.SHUT_WR)
            return
        self._copy = None
        try:
            self._snapshots.write(header, copy.payload)
            self.taken += 1
        except OSError as exc:
            _failed(self._snapshots.name, str(exc))
        self._count(self._clock() - copy.began)

    def close(self) -> None:
        """Give up what is under way."""
        if self._copy is not None and self._copy.line is not None:
            with suppress(ProcessLookupError):
                os.kill(self._copy.pid, signal.SIGKILL)
            self._copy.line.close()
            with suppress(ChildProcessError):
                os.waitpid(self._copy.pid, 0)
        self._copy = None

    def wait(self, timeout_s: float = HANGS_S) -> None:
        """Return when nothing is under way any more."""
        copy = self._copy
        # The line is closed by its end, a moment before that.
        if copy is not None and copy.line is not None and select.select([copy.line], [], [], timeout_s)[0]:
            self._is_over(copy, 0)

    def _is_over(self, copy: _Copy, options: int = os.WNOHANG) -> bool:
        """Whether the copy has ended; what it said last and what it cost are noted then."""
        assert copy.line is not None, "what is not forked is over when it returns"
        try:
            pid, status, used = os.wait4(copy.pid, options)
        except ChildProcessError:
            # Somebody else has waited for it.
            pid, status, used = copy.pid, 1, None
        if pid == 0:
            most = HANGS_S * (1 + len(self._parts))
            if self._clock() - copy.began > most:
                _failed(self._snapshots.name, f"it took over {most:.0f} s")
                self.close()
            return self._copy is None
        self._copy = None
        copy.line.setblocking(False)
        with suppress(OSError):
            said = copy.line.recv(4_096)
            if said:
                _failed(self._snapshots.name, said.decode(errors="replace"))
        copy.line.close()
        self.taken += status == 0
        self._count(self.pause_s + (used.ru_utime + used.ru_stime if used else self._rhythm.every_s))
        return True

    def _count(self, cost_s: float) -> None:
        self._due_at = self._clock() + max(self._rhythm.every_s, cost_s / (SHARE_MAX * (1 + len(self._parts))))


class _Copy:
    """A snapshot under way: in a process of its own at the other end of `line`, or as bytes."""

    def __init__(self, pid: int, line: socket.socket | None, payload: bytes, began: float) -> None:
        self.pid, self.line, self.payload, self.began = pid, line, payload, began


def _fork(
    fork: Callable[[], int], freeze: Callable[[], bytes], snapshots: Snapshots, parts: Sequence[Part], began: float
) -> _Copy:
    """Return a copy of this process that freezes, waits for its header, writes, and ends.

    Raises:
        OSError: there is no process or file left for it.
    """
    ours, theirs = socket.socketpair()
    try:
        with warnings.catch_warnings():
            # From Python 3.12 on a fork beside threads warns: the copy takes no lock that a thread may have held.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid:
        theirs.close()
        return _Copy(pid, ours, b"", began)
    status = 1
    try:
        _alone_with(theirs.fileno())
        try:
            _write(theirs, freeze, snapshots)
        finally:
            _write_parts(parts)
        status = 0
    except BaseException as exc:
        with suppress(BaseException):
            theirs.sendall(f"{type(exc).__name__}: {exc}".encode()[:4_000])
    finally:
        os._exit(status)


def _alone_with(descriptor: int) -> None:
    """Let go of everything that the process had open but one: its peers must see its death, not ours."""
    # Finalizers of what the process holds are none of the copy's business.
    gc.disable()
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
    os.nice(NICE)


def _write(line: socket.socket, freeze: Callable[[], bytes], snapshots: Snapshots) -> None:
    """Freeze, and write once it is known where the state stands; who forked us may die before it says so."""
    payload = freeze()
    said = b"".join(iter(lambda: line.recv(4_096), b""))
    if said:
        snapshots.write(msgspec.msgpack.decode(said, type=Header), payload)


def _write_parts(parts: Sequence[Part]) -> None:
    """Write all of them that can be written.

    Raises:
        OSError: the disk, for the last of those that could not.
        JournalError: it cannot be pickled.
    """
    failed: OSError | JournalError | None = None
    for part in parts:
        try:
            part.snapshots.write(part.header, part.freeze())
        except (OSError, JournalError) as exc:
            failed = type(exc)(f"{part.snapshots.name}: {exc}")
    if failed is not None:
        raise failed


def _failed(name: str, why: str) -> None:
    _log.warning("no snapshot of %s: %s", name, why, extra={"fields": {"actor": name}})
