"""The desk in other processes, to a door: a `Backend` over the wire.

Rule of this file: it keeps what markets push and nothing else; where an actor lives now, the registry knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.api.backend import ActorStatus, DeskStatus, MarketPicture, NodeStatus
from cluster.link.cluster_link import Place
from cluster.live.build import build_text
from cluster.live.clock import LiveClock
from cluster.live.record_service import ASK_TIMEOUT_S, RETRY_S, answer_of
from cluster.live.wire import Asking
from router.domain import codec
from router.domain.errors import AnabranchError, LinkError
from router.domain.facts import KillSet, SessionOpened
from router.domain.requests import Answer, Request
from router.domain.units import SECOND, Nanos
from router.orders.journal import Record
from scenarios.hosts import host_names

STATUS_TIMEOUT_S = 0.8
PICTURE_AGE_MAX_S = 5.0
"""A market that showed nothing for so long stands."""

GROUPS_MAX = 64
"""Groups of records that wait for who follows: above it the stream is left, and begun again where it stood."""


class Finder:
    """Where an actor is: asked of the registry, and brought back to life where it was lost."""

    def __init__(self, registry: ClusterRegistry, name: str) -> None:
        self._registry, self._name = registry, name
        self._place: Place | None = None

    async def __call__(self, was_lost: bool) -> tuple[str, int]:
        """Return its address.

        Raises:
            LinkError: it cannot be found.
        """
        self._place = await asyncio.to_thread(self._find, was_lost)
        if self._place.address is None:
            raise LinkError(f"expected {self._name} to listen, got no address")
        return self._place.address

    def _find(self, was_lost: bool) -> Place:
        if was_lost and self._place is not None:
            return self._registry.revive(self._name, self._place.incarnation)
        return self._registry.where(self._name)


class RemoteDesk:
    """See `cluster.api.backend.Backend`. `recipe` is that of one of the desk's own services: what
    new hosts are made from; who only looks on has none."""

    def __init__(
        self, opened: SessionOpened, registry: ClusterRegistry, token: str, recipe: Recipe | None = None
    ) -> None:
        self.opened, self._recipe = opened, recipe
        self._registry, self._token = registry, token
        self._clock = LiveClock(opened.open_at, opened.wall_at, opened.speed)
        self._record = Asking("record", Finder(registry, "record"), token)
        self._market = Asking("market", Finder(registry, "market"), token, self._news)
        self._picture: MarketPicture | None = None
        self._pictured = 0.0
        self._actors: tuple[ActorStatus, ...] = ()
        self._nodes: tuple[NodeStatus, ...] = ()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False
        self._build = build_text()

    async def start(self) -> None:
        """Begin to watch the market and the actors."""
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._count())]

    async def close(self) -> None:
        """Leave."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        await self._record.close()
        await self._market.close()

    async def ask(self, request: Request) -> Answer:
        """See `Backend.ask`."""
        return answer_of(await self._record.ask("ask", codec.encode(request), ASK_TIMEOUT_S))

    async def read(self, start: int, stream: str | None = None, limit: int = 1_000) -> list[Record]:
        """See `Backend.read`."""
        data = await self._record.ask("read", codec.encode((start, stream, limit)), ASK_TIMEOUT_S)
        return codec.decode(data, list[Record])

    async def follow(self, start: int) -> AsyncIterator[list[Record]]:
        """See `Backend.follow`. It has a stream of its own, so that a slow follower holds up nobody's answers."""
        while not self._is_closing:
            queue: asyncio.Queue[list[Record]] = asyncio.Queue(GROUPS_MAX)

            def news(topic: str, body: bytes, queue: asyncio.Queue[list[Record]] = queue) -> None:
                if queue.full():
                    raise LinkError(f"expected a follower that reads, got {GROUPS_MAX} groups waiting for it")
                queue.put_nowait(codec.decode(body, list[Record]))

            line = Asking("record", Finder(self._registry, "record"), self._token, news)
            try:
                await line.ask("follow", codec.encode(start), ASK_TIMEOUT_S)
                while not (line.lost.is_set() and queue.empty()):
                    with suppress(TimeoutError):
                        records = await asyncio.wait_for(queue.get(), STATUS_TIMEOUT_S)
                        yield records
                        start = records[-1].offset + 1
            except AnabranchError:
                await asyncio.sleep(RETRY_S)
            finally:
                await line.close()

    def market(self, symbol: str) -> MarketPicture | None:
        """See `Backend.market`."""
        return self._picture if symbol == self.opened.symbol else None

    def now(self) -> Nanos:
        """See `Backend.now`."""
        return self._clock.now()

    def symbols(self) -> tuple[str, ...]:
        """See `Backend.symbols`."""
        return (self.opened.symbol,)

    async def status(self) -> DeskStatus:
        """See `Backend.status`."""
        now = self._clock.now()
        waits: list[str] = []
        figures: dict[str, float] = {}
        size, flushes = 0, tuple[tuple[float, int], ...]()
        try:
            data = await self._record.ask("status", b"", STATUS_TIMEOUT_S)
            said = codec.decode(data, dict)
            size = said["size"]
            flushes = tuple((bound, count) for bound, count in said["flush_buckets"])
            waits += ["journal"] if said["fault"] else []
            waits += said["waits_for"]
            figures = {
                "flushes_total": float(said["flushes"]),
                "flush_seconds_sum": said["flush_seconds"],
                "queue_depth": float(said["waiting"]),
            }
        except AnabranchError:
            waits.append("journal")
        if self._picture is None or time.monotonic() - self._pictured > PICTURE_AGE_MAX_S:
            waits.append(f"market {self.opened.symbol}")
        if not self.opened.open_at <= now < self.opened.close_at:
            waits.append("session closed")
        if self._picture is not None:
            figures["window_lag_seconds"] = max(now - self._picture.at, 0) / SECOND
        figures["clock_drift_seconds"] = self._clock.drift_ns() / SECOND
        return DeskStatus(
            waits_for=tuple(dict.fromkeys(waits)),
            market_at=now,
            wall_at=time.time_ns(),
            speed=self.opened.speed,
            journal_size=size,
            flushes=flushes,
            actors=self._actors,
            build=self._build,
            hosts=self._picture.hosts if self._picture else self.opened.hosts,
            nodes=self._nodes,
            metrics=figures,
        )

    async def kill_now(self, level: str, target: str, who: str, why: str) -> None:
        """See `Backend.kill_now`."""
        fact = KillSet(at=self._clock.now(), level=level, target=target, who=who, why=why)
        await self._market.ask("kill", codec.encode(fact), ASK_TIMEOUT_S)

    async def start_hosts(self, hosts: int) -> None:
        """See `Backend.start_hosts`."""
        if self._recipe is None:
            raise LinkError(f"expected a recipe to start {hosts} hosts from, got none")
        recipes = [self._recipe.host(name) for name in host_names(hosts)]
        await asyncio.to_thread(self._registry.start, recipes)

    async def nodes(self) -> tuple[NodeStatus, ...]:
        """See `Backend.nodes`."""
        found = await asyncio.to_thread(self._registry.nodes)
        return tuple(NodeStatus(**msgspec.structs.asdict(node)) for node in found)

    async def set_node(self, node: str, *, is_draining: bool) -> None:
        """See `Backend.set_node`."""
        await asyncio.to_thread(partial(self._registry.set_node, node, is_draining=is_draining))

    async def _watch(self) -> None:
        while True:
            try:
                await self._market.ask("watch", b"", ASK_TIMEOUT_S)
                await self._market.lost.wait()
            except AnabranchError:
                await asyncio.sleep(RETRY_S)

    async def _count(self) -> None:
        """Ask the supervisor now and then who lives."""
        while True:
            with suppress(AnabranchError):
                lives = await asyncio.to_thread(self._registry.lives)
                self._actors = tuple(ActorStatus(**msgspec.structs.asdict(life)) for life in lives)
                self._nodes = await self.nodes()
            await asyncio.sleep(2.0)

    def _news(self, topic: str, body: bytes) -> None:
        self._picture = codec.decode(body, MarketPicture)
        self._pictured = time.monotonic()
