"""The record: the desk's one writer. Requests and windows come in, each is decided in turn, and nothing is answered
before it is durable.

Rule of this file: decided, taken into the group and only then the next is decided, so that the journal's order is the
order of decisions. Once the journal has failed, nothing is decided any more: whoever comes back rebuilds from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cluster.journal.group import GroupCommit
from cluster.live import order_log
from cluster.live.freezing import thawed
from cluster.live.snapshots import Opening, Snapshot, Snapshots, come_back, head_at
from cluster.live.taking import SnapshotTaker
from router.domain import codec, facts
from router.domain.facts import Fact
from router.domain.played import Played, Reference
from router.domain.requests import Accepted, Answer, Denied, Request
from router.domain.units import Nanos
from router.intake.intake import Intake
from router.orders.journal import Journal, Record

NEWS_MAX = 5_000
"""Records that may wait before requests are turned away. Windows of markets are let in above it, whatever their size: a
market waits by itself when too many are not recorded yet."""

_log = logging.getLogger("anabranch.record")

_HEARD = frozenset(kind.__name__ for kind in facts.HEARD)

News = tuple[int, tuple[tuple[int, Fact], ...]]
"""Up to which offset (exclusive) the journal is told of, and what a market must hear of it."""


class Desk:
    """Intake and journal. It lives on one asyncio loop. `now` tells the market's time of a symbol-less request.

    `taker` takes snapshots of the intake.
    """

    def __init__(
        self, intake: Intake, journal: Journal, now: Callable[[], Nanos], taker: SnapshotTaker | None = None
    ) -> None:
        self.intake = intake
        self.journal = journal
        self._now = now
        self._taker = taker
        self._placing: asyncio.Task[None] | None = None
        self.group = GroupCommit(journal)

    async def ask(self, request: Request) -> Answer:
        """Decide a request and return its answer once it is durable.

        Raises:
            JournalBusyError: too much waits; nothing was decided.
            JournalError: the journal failed; nothing was acknowledged.
            BadInputError: a request that cannot be.
        """
        self.group.check_room(NEWS_MAX)
        answered = self.intake.answer(request, self._now())
        # Also when nothing is recorded: what it speaks of may itself not be durable yet.
        await self.group.commit_entries(answered.entries)
        _said(request, answered.answer)
        return answered.answer

    async def play(self, played: Played) -> None:
        """Record a window of a market, whole or not at all; durable when it returns.

        Raises:
            JournalError: the journal failed, or cannot keep the window; nothing is decided any more.
        """
        self.group.check_room()
        lines = order_log.lines_of(played, self.intake)
        entries = self.intake.play(played)
        await self.group.commit_entries(entries)
        if entries:
            order_log.say(lines)
        self._keep()

    async def record(self, fact: Fact) -> None:
        """Record a fact that nobody asked for.

        Raises:
            JournalError: as `play`.
        """
        self.group.check_room()
        await self.group.commit_entries(self.intake.record(fact))

    def see(self, reference: Reference) -> None:
        """Take what a market says of its prices."""
        self.intake.see(reference)

    async def read(self, start: int, stream: str | None, limit: int) -> list[Record]:
        """Return durable records."""
        return await self.group.read(start, limit, stream)

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that are traded."""
        return self.intake.symbols()

    def waits_for(self) -> tuple[str, ...]:
        """Return what keeps an order from being accepted now; nothing: one would be, in every symbol."""
        return self.intake.waits_for(self._now())

    async def close(self) -> None:
        """Write what waits and let go."""
        await self.group.close()
        if self._placing is not None:
            await asyncio.gather(self._placing, return_exceptions=True)
        if self._taker is not None:
            self._taker.close()
        self.journal.close()

    def _keep(self) -> None:
        """Take a snapshot where it is time."""
        taker = self._taker
        is_free = self._placing is None or self._placing.done()
        if taker is not None and is_free and taker.is_due(self.group.health().durable_size):
            taker.begin(self.intake)
            # Behind everything that has been decided by now, whoever waits for it.
            everything = self.group.commit_entries(())
            self._placing = asyncio.create_task(self._place(taker, everything))

    async def _place(self, taker: SnapshotTaker, everything: asyncio.Future[int]) -> None:
        """Say where the snapshot stands, once all that it holds is durable."""
        offset = await everything + 1
        taker.place(offset, await self.group.call(lambda journal: head_at(journal, offset)))


def _said(request: Request, answer: Answer) -> None:
    """Log what a request came to, under the id that goes with it from the door to the venue and back."""
    if not _log.isEnabledFor(logging.INFO):
        return
    fields: dict[str, object] = {"answer": type(answer).__name__, "who": request.principal.name}
    if isinstance(answer, Accepted):
        fields["parent_id"] = answer.parent_id
    elif isinstance(answer, Denied):
        fields["codes"] = [denial.code for denial in answer.denials]
    extra = {"correlation_id": request.correlation_id, "fields": fields}
    _log.info("%s", type(request).__name__, extra=extra)


class KeptIntake(NamedTuple):
    """A desk's intake as its journal has it, the journal, and who takes snapshots; None: nobody."""

    intake: Intake
    journal: Journal
    taker: SnapshotTaker | None


def kept_intake(new: Intake, opening: Opening) -> KeptIntake:
    """Return the intake where the journal says it stood: `new` if there is no snapshot.

    Raises:
        JournalError: the journal cannot be opened.
    """

    def thaw(snapshot: Snapshot, journal: Journal) -> Intake:
        intake: Intake = thawed(snapshot.payload, {}, {})
        intake.forget_unrecorded()
        return intake

    journal, found, start = come_back(opening, thaw)
    intake = found or new
    rebuild(intake, journal, start)
    if opening.snapshots is None:
        return KeptIntake(intake, journal, None)
    return KeptIntake(intake, journal, SnapshotTaker(opening.snapshots, opening.rhythm, offset=start))


def snapshots_of(new: Intake, state: Path, session: bytes) -> Snapshots:
    """Return a record's snapshots in a folder: under other limits the same records may come to something else."""
    return Snapshots(state, "record", session + new.basis())


def rebuild(intake: Intake, journal: Journal, start: int = 0) -> None:
    """Let the desk stand where its journal says it stood; one that stands at `start` goes on from there."""
    for record in journal.read(start):
        intake.apply(record)


def news_of(records: Sequence[Record]) -> News:
    """Return what a market must hear of a group of records."""
    upto = records[-1].offset + 1 if records else 0
    heard: tuple[tuple[int, Fact], ...] = tuple(
        (record.offset, codec.decode(record.payload, facts.Fact))  # type: ignore[arg-type]
        for record in records
        if record.kind in _HEARD
    )
    return upto, heard


def past_news(journal: Journal, start: int) -> Iterable[News]:
    """Yield what a market must hear from an offset on, of what is durable, in groups."""
    while True:
        records = journal.read_durable(start, 10_000)
        if not records:
            return
        start = records[-1].offset + 1
        yield news_of(records)
