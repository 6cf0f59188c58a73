"""The record on the wire: every follower gets every record once and in order, whenever it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from live_material import OPEN_AT, OPERATOR, desk, session, submit

from cluster.live.record import Desk
from cluster.live.record_service import RecordService, answer_of
from cluster.live.services import HeardOf
from cluster.live.wire import Answering, Asking
from router.domain import codec
from router.domain.errors import LinkError
from router.domain.facts import OrderAccepted
from router.domain.played import Played
from router.domain.requests import Accepted, Denied, Kill, Noted, Request
from router.domain.units import MILLISECOND
from router.orders.journal import Record
from router.orders.memory_journal import MemoryJournal

TOKEN = "t"
NOW = OPEN_AT + 10 * MILLISECOND


class Line:
    """One who asks the record, and what it was pushed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.records: list[Record] = []
        self.heard: list[HeardOf] = []
        self.bell = asyncio.Event()

        async def find(was_lost: bool) -> tuple[str, int]:
            return address

        self.asking = Asking("record", find, TOKEN, self._news)

    def _news(self, topic: str, body: bytes) -> None:
        if topic == "records":
            self.records += codec.decode(body, list[Record])
        else:
            self.heard.append(codec.decode(body, HeardOf))
        self.bell.set()

    async def ask(self, request: Request) -> object:
        return answer_of(await self.asking.ask("ask", codec.encode(request), 5.0))

    async def until(self, size: int) -> None:
        """Return once it has been pushed so many records, or told of so much."""
        async with asyncio.timeout(10):
            while len(self.records) < size and not (self.heard and self.heard[-1].upto >= size):
                self.bell.clear()
                await self.bell.wait()


@asynccontextmanager
async def served() -> AsyncIterator[tuple[tuple[str, int], Desk]]:
    """A record that listens."""
    made = Desk(desk(session(), shape_repeats_max=10_000, messages_burst=10_000), MemoryJournal(), lambda: NOW)
    service = RecordService(made)
    door = Answering(service.answer, TOKEN)
    address = await door.listen("127.0.0.1")
    yield address, made
    await door.close()
    await service.close()


async def test_followers_that_come_at_any_time_get_every_record_once_and_in_order() -> None:
    opened = session()
    async with served() as (address, _):
        asker, early, late = Line(address), Line(address), Line(address)
        await early.asking.ask("follow", codec.encode(0), 5.0)
        first = await asyncio.gather(*(asker.ask(submit(n, opened)) for n in range(1, 40)))
        await late.asking.ask("follow", codec.encode(5), 5.0)
        second = await asyncio.gather(*(asker.ask(submit(n, opened)) for n in range(40, 80)))
        assert all(isinstance(answer, Accepted) for answer in (*first, *second))
        await early.until(79)
        await late.until(74)
        assert [record.offset for record in early.records] == list(range(79))
        assert [record.offset for record in late.records] == list(range(5, 79))
        for line in (asker, early, late):
            await line.asking.close()


async def test_a_market_hears_what_concerns_it_and_how_far_the_journal_is() -> None:
    opened = session()
    async with served() as (address, _):
        asker, market = Line(address), Line(address)
        await market.asking.ask("hear", codec.encode(0), 5.0)
        await asker.ask(submit(1, opened))
        assert isinstance(await asker.ask(submit(2, opened, qty=10**9)), Denied)
        assert await asker.ask(Kill(principal=OPERATOR, level="account", target="B", why="x")) == Noted(count=0)
        await market.until(3)
        facts = [fact for heard in market.heard for fact in heard.facts]
        assert [offset for offset, _ in facts] == [0, 2]
        assert isinstance(facts[0][1], OrderAccepted)
        for line in (asker, market):
            await line.asking.close()


async def test_a_window_is_durable_when_it_is_answered_and_told_again_changes_nothing() -> None:
    async with served() as (address, made):
        market = Line(address)
        window = Played(
            symbol=session().symbol,
            n=4,
            at=NOW,
            is_cut=False,
            heard=0,
            events=(),
            digest="d",
            policy_version=1,
            model_digest="m",
        )
        for _ in range(2):
            await market.asking.ask("play", codec.encode(window), 5.0)
            assert made.journal.health().durable_size == 1
        assert codec.decode(await market.asking.ask("played", codec.encode(window.symbol), 5.0), int) == 4
        with pytest.raises(LinkError, match="expected a word"):
            await market.asking.ask("sing", b"", 5.0)
        await market.asking.close()
