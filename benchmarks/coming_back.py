"""Rows about coming back: how long each actor of a desk takes to stand where it stood, after sessions of some minutes.

Rule of this file: the same journals are gone through twice, from the last snapshot and as a whole, in this process:
starting a process and loading what it needs are not in the figures. Seconds are of this process's CPU. The snapshot is
as old as one gets: what comes after it is gone through too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.rows import Row, Settings, measured
from benchmarks.stepped_desk import NEVER, SteppedDesk
from cluster.journal.sqlite import SqliteJournal
from cluster.live.kept_market import kept_market
from cluster.live.kept_shells import hosted, recorded
from cluster.live.opening import desk_of, opened_of
from cluster.live.record import kept_intake, snapshots_of
from cluster.live.session import assembly_of
from cluster.live.settings import live_settings
from cluster.live.snapshots import FOLDER, STEADY, Opening, Snapshots
from cluster.live.taking import SnapshotTaker
from router.domain import codec
from router.domain.enums import Side
from router.domain.facts import SessionOpened
from router.domain.orders import ParentOrder
from router.domain.requests import Principal, Request, SubmitOrder
from router.domain.units import MINUTE, SECOND, Nanos
from router.intake.intake import Intake
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import Assembly, make_host_setup, make_venue
from scenarios.day import LEARNER
from scenarios.link import LocalLink
from scenarios.policies import make_learner
from scenarios.shells import VenueShell

MINUTES, MINUTES_QUICK = (1, 10, 30), (1,)
ORDERS_S = 1
"""Orders a second, of some hundred shares each."""

SELLS_FROM = 60

OPEN_AT: Nanos = 1_700_000_000 * SECOND
TRADER = Principal(name="bench", role="trader", accounts=("*",), session="bench")


class _Session:
    """The desk's own market, and what it takes to bring each of its actors back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._settings = live_settings(None)
        self.opened: SessionOpened = opened_of(self._settings, MemoryJournal(), OPEN_AT, None)[0]
        self.assembly: Assembly = assembly_of(self.opened, None)
        self._asked = 0

    def desk(self) -> SteppedDesk:
        """Return the desk as its folder has it."""
        return SteppedDesk(self.opened, self._new(), self.folder, NEVER, self._asks)

    def parts(self) -> dict[str, Callable[[bool], object]]:
        """Return by actor what brings it back, from its last snapshot or from its whole journal."""
        venue = self.assembly.specs[0].mic

        def record(is_kept: bool) -> object:
            new = self._new()
            snapshots = snapshots_of(new, self.folder, codec.encode(self.opened)) if is_kept else None
            return kept_intake(new, Opening(partial(self._open, "record"), snapshots))

        def market(is_kept: bool) -> object:
            kept = kept_market(self.opened, self.assembly, LocalLink({}), self._opening("market", is_kept))
            conductor, log = kept.state.conductor, kept.log
            while log.has_past:
                cut = log.take_cut(conductor.windows)
                conductor.step() if cut is None else conductor.step(cut.until, cut.heard, cut.facts)
            return kept

        return {
            "record": record,
            "market": market,
            "host": lambda is_kept: hosted(make_host_setup(self.assembly), self._opening("host-0", is_kept)),
            "venue": lambda is_kept: recorded(
                VenueShell(make_venue(self.assembly, venue)), self._opening(venue, is_kept)
            ),
            "learner": lambda is_kept: recorded(
                make_learner(self.assembly, LEARNER, self.opened.policy), self._opening(LEARNER, is_kept)
            ),
        }

    def _new(self) -> Intake:
        return desk_of(self._settings, self.opened, self.assembly)

    def _open(self, name: str, start: int) -> SqliteJournal:
        return SqliteJournal(self.folder / f"{name}.sqlite", durability="process", verify_from=start)

    def _opening(self, name: str, is_kept: bool) -> Opening:
        snapshots = Snapshots(self.folder, name, codec.encode(self.opened)) if is_kept else None
        return Opening(partial(self._open, name), snapshots)

    def _asks(self, n: int, now: Nanos) -> Sequence[Request]:
        due = (now - self.opened.open_at) * ORDERS_S // SECOND - self._asked
        return [self._order(now) for _ in range(due)]

    def _order(self, now: Nanos) -> Request:
        self._asked += 1
        n = self._asked
        placed = ParentOrder(
            parent_id="-",
            client_order_id=f"c{n}",
            symbol=self.opened.symbol,
            # What was bought first is sold later: nobody here may sell what he does not hold.
            side=Side.SELL if n % 2 == 0 and n > SELLS_FROM else Side.BUY,
            order_qty=(800 if n % 2 else 700) + n % 400,
            start_at=0,
            end_at=now + 2 * MINUTE,
            strategy=("arrival", "twap", "sweep")[n % 3],
            account="A",
        )
        return SubmitOrder(principal=TRADER, correlation_id=f"x{n}", order=placed, body_hash=f"h{n}")


def coming_back(settings: Settings) -> list[Row]:
    """Live a session, and at some lengths of it bring every actor back both ways."""
    rows: list[Row] = []
    minutes = MINUTES_QUICK if settings.is_quick else MINUTES
    with tempfile.TemporaryDirectory(prefix="anabranch-back-", ignore_cleanup_errors=True) as name:
        session = _Session(Path(name))
        for done, length in enumerate(minutes):
            settings.progress(done / len(minutes), f"{length} minutes of a market")
            _live_to(session, session.opened.open_at + length * MINUTE)
            rows += _rows(session, length)
    return rows


def _live_to(session: _Session, at: Nanos) -> None:
    """Let the desk live up to a time, with a snapshot of everything shortly before it."""
    desk = session.desk()
    for until in (at - round(STEADY.every_s) * SECOND, at):
        while desk.conductor.now < until:
            desk.step()
        if until != at:
            shutil.rmtree(session.folder / FOLDER, ignore_errors=True)
            desk.keep()
    desk.leave()


def _rows(session: _Session, minutes: int) -> list[Row]:
    rows = []
    for name, bring_back in session.parts().items():
        seconds = {}
        for is_kept in (True, False):
            began = time.process_time()
            bring_back(is_kept)
            seconds[is_kept] = time.process_time() - began
        what = f"{name} after {minutes} min: from its snapshot, beside its whole journal"
        row = f"coming_back.{minutes}m.{name}"
        rows.append(measured(f"{row}_s", what, [seconds[True]], "s", references={"whole_journal": [seconds[False]]}))
    return [*rows, *_costs(session, minutes)]


def _costs(session: _Session, minutes: int) -> list[Row]:
    """What it costs to take the snapshots: how long the largest state holds its process up, and what is written."""
    files = sorted((session.folder / FOLDER).iterdir(), key=lambda path: path.stat().st_size)
    size = sum(path.stat().st_size for path in files) / 1e6
    desk = session.desk()
    pauses = []
    for n in range(3):
        taker = SnapshotTaker(Snapshots(session.folder, f"pause-{n}", b""))
        taker.take(desk.intake, 0, b"")
        taker.wait()
        pauses.append(taker.pause_s * 1e3)
    desk.leave()
    row = f"coming_back.{minutes}m"
    return [
        measured(f"{row}.pause_ms", "the record stands still for a snapshot", pauses, "ms"),
        measured(f"{row}.size_mb", "snapshots of all actors", [size], "MB"),
    ]


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (coming_back,)
