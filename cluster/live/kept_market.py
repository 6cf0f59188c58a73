"""A market's way back: from its last snapshot and what its log holds after it, or from the whole log.

Rule of this file: it opens and puts together; what is gone through again is gone through by the market.
"""

from __future__ import annotations

from typing import NamedTuple

from cluster.live.freezing import thawed
from cluster.live.log import MarketLog
from cluster.live.market import MarketState
from cluster.live.session import conductor_of
from cluster.live.snapshots import Opening, Snapshot, come_back
from cluster.live.taking import SnapshotTaker
from router.domain.facts import SessionOpened
from router.orders.journal import Journal
from scenarios.assembly import Assembly
from scenarios.link import Link


class KeptMarket(NamedTuple):
    """What a market is made of: where it stands, its log, and who takes its snapshots; None: nobody."""

    state: MarketState
    log: MarketLog
    taker: SnapshotTaker | None


def kept_market(opened: SessionOpened, assembly: Assembly, link: Link, opening: Opening) -> KeptMarket:
    """Return the market of a session as its snapshots and its log have it; the rest of its log is still to go through.

    Raises:
        JournalError: its log cannot be opened.
    """

    def thaw(snapshot: Snapshot, journal: Journal) -> tuple[MarketLog, MarketState]:
        log = MarketLog(link, journal, snapshot.header.offset)
        state: MarketState = thawed(snapshot.payload, {"log": log}, {})
        return log, state

    journal, found, start = come_back(opening, thaw)
    if found is None:
        log = MarketLog(link, journal)
        state = MarketState(conductor_of(opened, assembly, log))
    else:
        log, state = found
    if opening.snapshots is None:
        return KeptMarket(state, log, None)
    taker = SnapshotTaker(opening.snapshots, opening.rhythm, {"log": log}, offset=start)
    return KeptMarket(state, log, taker)
