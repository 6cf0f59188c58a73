"""Shells of a live desk, whose way back does not grow with the session: they come back from a snapshot and what their
journal holds after it.

Rule of this file: a snapshot is taken between two batches, and stands where the journal ends then. Without snapshots
(a run, a desk in memory) a shell comes back from its whole journal.
"""

from __future__ import annotations

from typing import Protocol

from cluster.actors.recorded import RecordedShell, ShellState
from cluster.live.freezing import Constants, constants_of, thawed
from cluster.live.snapshots import Opening, Snapshot, come_back, head_at
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
    taker = SnapshotTaker(opening.snapshots, opening.rhythm, constants=constants, offset=start)
    return KeptShell(made, journal, taker)


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
    taker = SnapshotTaker(opening.snapshots, opening.rhythm, {"journal": journal}, offset=start)
    return KeptShell(StatedHost(host), journal, taker)


def _kept_of(shell: Shell, opening: Opening) -> tuple[Opening, Constants]:
    """Return what a new shell has of large arrays; one that cannot be pickled comes back from its whole journal."""
    if opening.snapshots is None:
        return opening, {}
    try:
        return opening, constants_of(shell)
    except JournalError as exc:
        opening.snapshots.dropped(str(exc))
        return opening._replace(snapshots=None), {}
