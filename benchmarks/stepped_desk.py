"""A whole desk in steps: record, market, venues, learner and hosts over journals in a folder, without a clock.

Rule of this file: it is the desk's own parts, put together as its processes put them together; a step is one window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cluster.journal.sqlite import SqliteJournal
from cluster.live.kept_market import kept_market
from cluster.live.kept_shells import KeptShell
from cluster.live.market import MarketState
from cluster.live.record import kept_intake, snapshots_of
from cluster.live.session import assembly_of, link_of
from cluster.live.snapshots import Company, Opening, Rhythm, Snapshots, head_at
from router.domain import codec, facts
from router.domain.facts import SessionOpened
from router.domain.played import Cut
from router.domain.requests import Request
from router.domain.units import MILLISECOND, Nanos
from router.intake.intake import Intake
from router.orders.journal import Draft

NEVER = Rhythm(1e9, 10**9, is_forked=False)
"""No snapshots by themselves."""

Asks = Callable[[int, Nanos], Sequence[Request]]
"""What is asked of the desk before a window: by its number, and the market's time."""


class SteppedDesk:
    """One life of a desk. Begun again on the same folder it goes on where it was left, as from `kill -9`."""

    def __init__(self, opened: SessionOpened, new: Intake, folder: Path, rhythm: Rhythm, asks: Asks) -> None:
        self.opened, self._folder, self._asks = opened, folder, asks
        # The actors of this life: those of another one that had the same rhythm are gone.
        self._rhythm = rhythm if rhythm.company is None else rhythm._replace(company=Company())
        self._journals: list[SqliteJournal] = []
        assembly = assembly_of(opened, None)
        snapshots = snapshots_of(new, folder, codec.encode(opened))
        self.intake, self.journal, self._taker = kept_intake(
            new, Opening(partial(self._open, "record"), snapshots, rhythm._replace(company=None))
        )
        link = link_of(opened, assembly, self._opening)
        self.shells = link.shells
        self.market = kept_market(opened, assembly, link, self._opening("market"))
        self.conductor, self.log = self.market.state.conductor, self.market.log
        for untold in self.market.state.untold:
            self._write(self.intake.play(untold))
        while self.log.has_past:
            cut = self.log.take_cut(self.conductor.windows)
            played = self.conductor.step() if cut is None else self.conductor.step(cut.until, cut.heard, cut.facts)
            if played is not None:
                self._write(self.intake.play(played))
        self.intake.see(self.conductor.reference())

    def step(self, *, is_last: bool = False) -> None:
        """Ask what the script asks before this window, and play it; with `is_last` it dies before the record has it."""
        n = self.conductor.windows
        for request in self._asks(n, self.conductor.now):
            self._write(self.intake.answer(request, self.conductor.now).entries)
        news = self._news()
        if news:
            until, heard = self.conductor.now + 7 * MILLISECOND, self.journal.health().durable_size
            self.log.cut(Cut(n=n, until=until, heard=heard, facts=news))
            played = self.conductor.step(until, heard, news)
        else:
            played = self.conductor.step()
        self.log.settle()
        taker = self.market.taker
        if taker is not None and taker.is_due(self.log.size):
            taker.take(MarketState(self.conductor, () if played is None else (played,)), self.log.size, self.log.head())
        if is_last:
            return
        if played is not None:
            self._write(self.intake.play(played))
        self.intake.see(self.conductor.reference())
        if self._taker is not None and self._taker.is_due(self.journal.health().durable_size):
            size = self.journal.health().durable_size
            self._taker.take(self.intake, size, head_at(self.journal, size))

    def run(self, until: int, *, dies_early: bool = False) -> None:
        """Go on up to a window; with `dies_early` up to the middle of the last step before it."""
        while self.conductor.windows < until:
            self.step(is_last=dies_early and self.conductor.windows == until - 1)

    def keep(self) -> None:
        """Take a snapshot of everything now."""
        assert self._taker is not None and self.market.taker is not None, "only a desk with a folder is kept"
        size = self.journal.health().durable_size
        self._taker.take(self.intake, size, head_at(self.journal, size))
        self.market.taker.take(MarketState(self.conductor), self.log.size, self.log.head())
        for shell in self.shells.values():
            assert isinstance(shell, KeptShell), "only a desk with a folder is kept"
            shell.keep()

    def leave(self) -> None:
        """Be gone: what the system does with the files of a process that was killed."""
        for journal in self._journals:
            journal.close()

    def _opening(self, name: str) -> Opening:
        snapshots = Snapshots(self._folder, name, codec.encode(self.opened))
        return Opening(partial(self._open, name), snapshots, self._rhythm)

    def _open(self, name: str, start: int) -> SqliteJournal:
        journal = SqliteJournal(self._folder / f"{name}.sqlite", durability="process", verify_from=start)
        self._journals.append(journal)
        return journal

    def _news(self) -> tuple[tuple[int, facts.Fact], ...]:
        heard = {kind.__name__ for kind in facts.HEARD}
        records = self.journal.read_durable(self.conductor.heard, 10_000)
        return tuple(
            (record.offset, codec.decode(record.payload, facts.Fact))  # type: ignore[arg-type]
            for record in records
            if record.kind in heard
        )

    def _write(self, entries: tuple[tuple[str, Draft], ...]) -> None:
        for stream, draft in entries:
            self.journal.append(stream, self.journal.next_seq(stream), (draft,))
        self.journal.sync()


def told(folder: Path, name: str = "record") -> list[tuple[str, str, int, bytes]]:
    """What a journal says, but for which writer wrote it."""
    journal = SqliteJournal(folder / f"{name}.sqlite", is_reader=True)
    said = [(record.stream, record.kind, record.seq, record.payload) for record in journal.read()]
    journal.close()
    return said
