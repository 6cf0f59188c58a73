"""Shells of a live desk, whose way back does not grow with the session: they come back from a snapshot and what their
journal holds after it.

Rule of this file: a snapshot is taken between two batches, and stands where the journal ends then: by the shell itself
where it has a process, or with all the others of its thread. Without snapshots
(a run, a desk in memory) a shell comes back from its whole journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from cluster.actors.recorded import RecordedShell, ShellState
from cluster.live.freezing import Constants, constants_of, frozen, thawed
from cluster.live.snapshots import Opening, Part, Snapshot, come_back, head_at
from cluster.live.taking import SnapshotTaker
from router.domain.errors import JournalError
from router.domain.messages import Message
from router.orders.desk import HostSetup
from router.orders.host import OrderHost
from router.orders.journal import Journal
from scenarios.shells import HostShell, Shell


class _Stated(Protocol):
    """A shell that can say what it has come to."""

    @property
    def state(self) -> object: ...

    def handle(self, batch: Message) -> Message: ...


class KeptShell:
    """A shell of which snapshots are taken."""

    def __init__(self, shell: _Stated, journal: Journal, taker: SnapshotTaker) -> None:
        self.shell = shell
        self.taker = taker
        self._journal = journal

    def handle(self, batch: Message) -> Message:
        """Answer, and take a snapshot where it is time."""
        reply = self.shell.handle(batch)
        if self.taker.is_due(self._journal.health().durable_size):
            self.keep()
        return reply

    def keep(self) -> None:
        """Take a snapshot."""
        size = self._journal.health().durable_size
        self.taker.take(self.shell.state, size, head_at(self._journal, size))


class SeatedShell:
    """A shell in company: a snapshot of it is taken whenever one of its market is, if enough has come in by then.

    `freeze` turns its state into bytes; up to `offset` the journal needs no snapshot.
    """

    def __init__(
        self, shell: _Stated, journal: Journal, opening: Opening, freeze: Callable[[object], bytes], offset: int
    ) -> None:
        assert opening.snapshots is not None and opening.rhythm.company is not None, "only a shell that is kept"
        self.shell = shell
        self._journal, self._freeze, self._offset = journal, freeze, offset
        self._snapshots, self._records_min = opening.snapshots, opening.rhythm.records_min
        opening.rhythm.company.join(self._part)

    def handle(self, batch: Message) -> Message:
        """Answer."""
        return self.shell.handle(batch)

    def _part(self) -> Part | None:
        size = self._journal.health().durable_size
        if size - self._offset < self._records_min:
            return None
        self._offset = size
        header = self._snapshots.header(size, head_at(self._journal, size))
        return Part(self._snapshots, header, lambda: self._freeze(self.shell.state))


class StatedHost:
    """A host of parents that can say what it has come to: itself, without its journal."""

    def __init__(self, host: OrderHost) -> None:
        self.host = host
        self._shell = HostShell(host)

    @property
    def state(self) -> OrderHost:
        """The host."""
        return self.host

    def handle(self, batch: Message) -> Message:
        """Hear or decide one batch."""
        return self._shell.handle(batch)


def recorded(shell: Shell, opening: Opening) -> Shell:
    """Return a shell that hears its batches again to come back; `shell` is a new one.

    Raises:
        JournalError: its journal cannot be opened.
    """
    opening, constants = _kept_of(shell, opening)

    def thaw(snapshot: Snapshot, journal: Journal) -> ShellState:
        state: ShellState = thawed(snapshot.payload, {}, constants)
        return state

    journal, before, start = come_back(opening, thaw)
    made = RecordedShell(shell, journal, start, before)
    if opening.snapshots is None:
        return made
    return _kept(made, journal, opening, {}, constants, start)


def hosted(setup: HostSetup, opening: Opening) -> Shell:
    """Return a host of parents, recovered.

    Raises:
        JournalError: its journal cannot be opened.
    """

    def thaw(snapshot: Snapshot, journal: Journal) -> OrderHost:
        host: OrderHost = thawed(snapshot.payload, {"journal": journal}, {})
        return host

    journal, before, start = come_back(opening, thaw)
    host = before or OrderHost(journal, setup)
    host.recover(start)
    if opening.snapshots is None:
        return HostShell(host)
    return _kept(StatedHost(host), journal, opening, {"journal": journal}, {}, start)


def _kept(
    shell: _Stated, journal: Journal, opening: Opening, given: Mapping[str, object], constants: Constants, start: int
) -> Shell:
    """Return the shell with somebody who takes its snapshots: itself, or its market for all of its company."""
    assert opening.snapshots is not None, "a shell without snapshots is not kept"
    if opening.rhythm.company is not None:
        return SeatedShell(shell, journal, opening, lambda state: frozen(state, given, constants), start)
    return KeptShell(shell, journal, SnapshotTaker(opening.snapshots, opening.rhythm, given, constants, start))


def _kept_of(shell: Shell, opening: Opening) -> tuple[Opening, Constants]:
    """Return what a new shell has of large arrays; one that cannot be pickled comes back from its whole journal."""
    if opening.snapshots is None:
        return opening, {}
    try:
        return opening, constants_of(shell)
    except JournalError as exc:
        opening.snapshots.dropped(str(exc))
        return opening._replace(snapshots=None), {}
