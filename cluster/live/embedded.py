"""A whole desk in this process: intake, journal, market and every shell, without Ray.

Rule of this file: it is the same desk. What runs in processes of its own elsewhere runs here on the asyncio loop (the
record) and on one thread (the market); it is what a door is tested on and what one machine needs.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cluster.api.backend import ActorStatus, DeskStatus, MarketPicture, NodeStatus
from cluster.journal.open import open_journal
from cluster.journal.sqlite import Durability, SqliteJournal
from cluster.live.clock import LiveClock
from cluster.live.collecting import set_aside, take_back
from cluster.live.kept_market import kept_market
from cluster.live.market import Market
from cluster.live.opening import desk_of, opened_of
from cluster.live.record import Desk, kept_intake, news_of, past_news, snapshots_of
from cluster.live.session import assembly_of, link_of, px_unit_of
from cluster.live.settings import LiveSettings
from cluster.live.snapshots import STEADY, Company, Opening, Rhythm, Snapshots, Turns
from router.domain import codec
from router.domain.errors import BadInputError, JournalError
from router.domain.facts import KillSet
from router.domain.played import Played, Reference
from router.domain.requests import Answer, Request
from router.domain.units import Nanos
from router.orders.journal import Journal, Record
from router.orders.memory_journal import MemoryJournal

FOLLOW_MAX = 1_000
"""Records that are read from the journal at once by who follows it."""

STOP_TIMEOUT_S = 30.0

OWN_NODE, LOOPBACK = "this process", "127.0.0.1"
"""The node of a desk that is one process."""

SWITCH_S = 0.000_5
"""How long the market's thread may compute while the loop has something to answer; Python's own bound is 5 ms."""

SQLITE = "sqlite:"


class EmbeddedDesk:
    """A `Backend` that is the desk itself. With `state` None everything is in memory and ends with the process;
    otherwise journals lie there, and the record where the settings say, unless they say SQLite. Snapshots lie beside
    them, taken in this `rhythm`.

    Raises:
        BadInputError: settings, scenario or data that cannot be used.
        JournalError: a journal that cannot be opened.
    """

    def __init__(
        self,
        settings: LiveSettings,
        data: Path | None = None,
        state: Path | None = None,
        rhythm: Rhythm = STEADY,
    ) -> None:
        self._settings, self._data, self._state = settings, data, state
        self._rhythm = rhythm._replace(turns=Turns())
        self._together = self._rhythm._replace(company=Company())
        self._pictures: dict[str, MarketPicture] = {}
        self._waits = "starting"
        self._followers: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open or rebuild the record, bring the market back to where it was, and let it go on."""
        self._loop = asyncio.get_running_loop()
        sys.setswitchinterval(SWITCH_S)
        journal = self._journal("record")
        self.opened, is_new = opened_of(self._settings, journal, time.time_ns(), self._data)
        assembly = assembly_of(self.opened, self._data)
        new = desk_of(self._settings, self.opened, assembly)
        if self._state is not None:
            journal.close()
        # One in memory is never opened again: what it holds is in it alone.
        open_record = (lambda start: journal) if self._state is None else partial(self._journal, "record")
        snapshots = None if self._state is None else snapshots_of(new, self._state, codec.encode(self.opened))
        intake, journal, taker = kept_intake(new, Opening(open_record, snapshots, self._rhythm))
        self.clock = LiveClock(self.opened.open_at, self.opened.wall_at, self.opened.speed)
        self.desk = Desk(intake, journal, self.clock.now, taker)
        if is_new:
            await self.desk.record(self.opened)
        link = link_of(self.opened, assembly, self._opening)
        kept = kept_market(self.opened, assembly, link, self._opening("market"))
        self.market_loop = Market(
            kept.state,
            kept.log,
            self.clock,
            self._tell,
            self._see,
            px_unit_of(assembly),
            assembly.setup.adv,
            self.opened.seed,
            kept.taker,
        )
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)
        self.desk.group.on_durable(self._durable)
        await asyncio.to_thread(self.market_loop.recover)
        for upto, heard in past_news(journal, self.market_loop.heard):
            self.market_loop.hear(upto, heard)
        set_aside()
        self._waits = ""
        self._thread.start()

    async def stop(self) -> None:
        """End the market after its window, and write what waits."""
        self._waits = "stopping"
        self.market_loop.stop()
        await asyncio.to_thread(self._thread.join, STOP_TIMEOUT_S)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.desk.close()
        finally:
            for event in self._followers:
                event.set()
            take_back()

    async def ask(self, request: Request) -> Answer:
        """See `Backend.ask`."""
        return await self.desk.ask(request)

    async def read(self, start: int, stream: str | None = None, limit: int = 1_000) -> list[Record]:
        """See `Backend.read`."""
        return await self.desk.read(start, stream, limit)

    async def follow(self, start: int) -> AsyncIterator[list[Record]]:
        """See `Backend.follow`."""
        bell = asyncio.Event()
        self._followers.add(bell)
        try:
            while self._waits != "stopping":
                bell.clear()
                records = await self.read(start, None, FOLLOW_MAX)
                if records:
                    start = records[-1].offset + 1
                    yield records
                else:
                    await bell.wait()
        finally:
            self._followers.discard(bell)

    def market(self, symbol: str) -> MarketPicture | None:
        """See `Backend.market`."""
        return self._pictures.get(symbol)

    def now(self) -> Nanos:
        """See `Backend.now`."""
        return self.clock.now()

    def symbols(self) -> tuple[str, ...]:
        """See `Backend.symbols`."""
        return (self.opened.symbol,)

    async def status(self) -> DeskStatus:
        """See `Backend.status`."""
        health = self.desk.group.health()
        flushes = self.desk.group.flushes()
        return DeskStatus(
            waits_for=tuple(self._waiting()),
            market_at=self.clock.now(),
            wall_at=time.time_ns(),
            speed=self.clock.speed,
            journal_size=health.durable_size,
            flushes=flushes.buckets,
            actors=tuple(self._actors()),
            build=self.opened.build,
            hosts=self.market_loop.hosts.number,
            nodes=await self.nodes(),
            metrics={
                "flushes_total": float(flushes.number),
                "flush_seconds_sum": flushes.seconds_sum,
                "queue_depth": float(self.desk.group.waiting),
                "window_lag_seconds": self.market_loop.lag_ns / 1e9,
                "clock_drift_seconds": self.clock.drift_ns() / 1e9,
            },
        )

    async def kill_now(self, level: str, target: str, who: str, why: str) -> None:
        """See `Backend.kill_now`."""
        self.market_loop.stop_trading(KillSet(at=self.clock.now(), level=level, target=target, who=who, why=why))

    async def start_hosts(self, hosts: int) -> None:
        """See `Backend.start_hosts`. Here a host comes when it is first asked."""

    async def nodes(self) -> tuple[NodeStatus, ...]:
        """See `Backend.nodes`: this process is all there is."""
        names = tuple(actor.name for actor in self._actors() if actor.is_alive)
        return (NodeStatus(node=OWN_NODE, address=LOOPBACK, actors=names),)

    async def set_node(self, node: str, *, is_draining: bool) -> None:
        """See `Backend.set_node`."""
        if node != OWN_NODE or is_draining:
            raise BadInputError(f"expected another node to move to, got the one process of this desk - at {node}")

    def _waiting(self) -> list[str]:
        waits = [self._waits] if self._waits else []
        if self.desk.group.health().fault:
            waits.append("journal")
        if not self._thread.is_alive():
            waits.append(f"market {self.opened.symbol}")
        if not self.opened.open_at <= self.clock.now() < self.opened.close_at:
            waits.append("session closed")
        return list(dict.fromkeys((*waits, *self.desk.waits_for())))

    def _actors(self) -> list[ActorStatus]:
        names = [("record", "record"), (f"market {self.opened.symbol}", "market"), ("learner", "learner")]
        hosts = self.market_loop.hosts
        names += [(name, "host") for name in hosts.names]
        return [
            ActorStatus(name=name, role=role, incarnation=0, is_alive=True, node=LOOPBACK, node_id=OWN_NODE)
            for name, role in names
        ]

    def _opening(self, name: str) -> Opening:
        setup = codec.encode(self.opened)
        snapshots = None if self._state is None else Snapshots(self._state, name, setup)
        return Opening(lambda start: self._journal(name, start), snapshots, self._together)

    def _journal(self, name: str, start: int = 0) -> Journal:
        if self._state is None:
            return MemoryJournal()
        self._state.mkdir(parents=True, exist_ok=True)
        url = self._settings.journal_url
        if name == "record" and not url.startswith(SQLITE):
            return open_journal(url, verify_from=start)
        durability: Durability = "power" if name == "record" else "process"
        return SqliteJournal(self._state / f"{name}.sqlite", durability=durability, verify_from=start)

    def _run(self) -> None:
        try:
            self.market_loop.run()
        except Exception as exc:
            # Whatever it is, orders must not be accepted for a market that stands.
            self._waits = f"market {self.opened.symbol}: {exc}"
            raise

    def _tell(self, played: Played) -> None:
        self._call(self._take_played, played)

    def _see(self, picture: MarketPicture, reference: Reference) -> None:
        self._pictures[picture.symbol] = picture
        self._call(self.desk.see, reference)

    def _call(self, work: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work, *arguments)

    def _take_played(self, played: Played) -> None:
        # Its place in the journal is taken in this step: windows stay in order, and behind them what is asked later.
        task = self._loop.create_task(self._record_played(played))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record_played(self, played: Played) -> None:
        try:
            await self.desk.play(played)
        except JournalError as exc:
            self._waits = f"journal: {exc}"
            return
        self.market_loop.known(played.n)

    def _durable(self, records: Sequence[Record]) -> None:
        upto, heard = news_of(records)
        if heard:
            self.market_loop.hear(upto, heard)
        for bell in self._followers:
            bell.set()
