"""A desk and its market driven in one process, as the record and the market of a live desk are.

Rule of this file: nothing is pretended; what the desk records is what the market hears, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from live_material import conductor, desk, session

from cluster.live.log import MarketLog
from cluster.live.session import assembly_of, fresh_link
from router.domain import codec, facts
from router.domain.facts import Fact, SessionOpened
from router.domain.played import Cut, Played
from router.domain.requests import Request
from router.domain.units import MILLISECOND
from router.intake.intake import Intake
from router.orders.journal import Draft, Record
from router.orders.memory_journal import MemoryJournal
from scenarios.link import Link
from scenarios.live_conductor import LiveConductor

HEARD = {kind.__name__ for kind in facts.HEARD}


class Live(NamedTuple):
    """A desk with its journal, and a market with its actors and its log."""

    opened: SessionOpened
    desk: Intake
    record: MemoryJournal
    market: LiveConductor
    link: Link
    kept: MemoryJournal
    log: MarketLog

    def ask(self, request: Request) -> object:
        """Ask the desk, and let the market hear what it recorded."""
        known = self.size()
        answered = self.desk.answer(request, self.market.now)
        self.write(answered.entries)
        until, heard = self.market.now + 7 * MILLISECOND, self.size()
        news = tuple((k, _fact(r)) for k, r in enumerate(self.record.read()) if k >= known and r.kind in HEARD)
        self.log.cut(Cut(n=self.market.windows, until=until, heard=heard, facts=news))
        self.tell(self.market.step(until, heard, news))
        return answered.answer

    def tell(self, played: Played | None) -> None:
        """Let the desk take a window."""
        if played is not None:
            self.log.settle()
            self.write(self.desk.play(played))

    def go_on(self, until: int) -> None:
        """Play windows up to a time."""
        while self.market.now < until:
            self.tell(self.market.step())

    def write(self, entries: Iterable[tuple[str, Draft]]) -> None:
        """Make what the desk decided durable."""
        for stream, draft in entries:
            self.record.append(stream, self.record.next_seq(stream), [draft])
        self.record.sync()

    def size(self) -> int:
        """Return how many records the desk has."""
        return sum(1 for _ in self.record.read())

    def killed(self) -> Live:
        """Return the same with a market that comes back from its log; its actors lived on."""
        log = MarketLog(self.link, self.kept)
        market = conductor(self.opened, assembly_of(self.opened, None), log)
        again = self._replace(market=market, log=log)
        while log.has_past:
            cut = log.take_cut(market.windows)
            again.tell(market.step() if cut is None else market.step(cut.until, cut.heard, cut.facts))
        return again


def _fact(record: Record) -> Fact:
    return codec.decode(record.payload, Fact)  # type: ignore[arg-type]


def live(opened: SessionOpened | None = None, **limits: object) -> Live:
    """Return a desk and a market after its first windows."""
    opened = opened or session()
    assembly = assembly_of(opened, None)
    link, kept = fresh_link(opened, assembly), MemoryJournal()
    log = MarketLog(link, kept)
    market = conductor(opened, assembly, log)
    made = Live(opened, desk(opened, **limits), MemoryJournal(), market, link, kept, log)
    for _ in range(4):
        made.tell(market.step())
    return made


def of_kind(made: Live, kind: type) -> list[Any]:
    """Return the facts or events of a kind that the desk recorded, in order."""
    records = [record for record in made.record.read() if record.kind == kind.__name__]
    is_fact = kind in Fact.__args__
    return [_fact(record) if is_fact else codec.decode_event(record.payload) for record in records]
