"""A stream gives every seq once and in order, whatever happens to its connection: WebSocket and server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from api_desk import ServedDesk
from client_desk import ACCOUNT, QUICK, order, said
from fault_proxy import Fault, FaultProxy

from anabranch import (
    AsyncClient,
    AsyncStream,
    Client,
    ClientOptions,
    ConflictError,
    Event,
    NotFoundError,
    Snapshot,
    StreamGapError,
    UnreachableError,
    UsageError,
)
from anabranch.events import OrderAccepted, OtherData

KINDS = pytest.mark.parametrize(
    ("encoding", "is_sse"), [("json", False), ("msgpack", False), ("json", True)], ids=["json", "msgpack", "sse"]
)
WITHIN_S = 20.0


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(tmp_path_factory.mktemp("desk"), api="is_open = true\nheartbeat_s = 0.1") as served:
        yield served


def options(encoding: Any = "json") -> ClientOptions:
    return msgspec.structs.replace(QUICK, encoding=encoding, silence_s=1.0)


async def accepted(stream: AsyncStream, ids: list[str]) -> list[Event]:
    """Return events up to the acceptance of the last of these orders."""
    found, missing = [], set(ids)
    async with asyncio.timeout(WITHIN_S):
        async for event in stream:
            assert isinstance(event, Event)
            found.append(event)
            if isinstance(event.data, OrderAccepted):
                missing.discard(event.data.client_order_id)
            if not missing:
                break
    return found


def assert_gapless(events: list[Event], after: int) -> None:
    assert [one.seq for one in events] == list(range(after + 1, after + 1 + len(events)))


@KINDS
async def test_snapshot_comes_first_and_events_follow_without_gap(
    desk: ServedDesk, encoding: Any, is_sse: bool
) -> None:
    async with AsyncClient(desk.url, options=options(encoding)) as client:
        before = await client.orders.submit(order())
        async with client.stream(accounts=[ACCOUNT], is_sse=is_sse) as stream:
            first = await stream.next(WITHIN_S)
            assert isinstance(first, Snapshot)
            assert before.order_id in [one.order_id for one in first.orders]
            sent = [order() for _ in range(5)]
            await client.orders.submit_batch(sent)
            events = await accepted(stream, [one.client_order_id for one in sent])
        assert_gapless(events, first.seqs[ACCOUNT])
        told = [one.data for one in events if isinstance(one.data, OrderAccepted)]
        assert [one.client_order_id for one in told] == [one.client_order_id for one in sent]
        assert told[0].limit_price == 39
        assert told[0].qty == 100


@KINDS
async def test_broken_connections_lose_and_repeat_nothing(desk: ServedDesk, encoding: Any, is_sse: bool) -> None:
    async with (
        FaultProxy(desk.url) as proxy,
        AsyncClient(proxy.url, options=options(encoding)) as listener,
        AsyncClient(desk.url, options=QUICK) as trader,
    ):
        async with listener.stream(accounts=[ACCOUNT], is_sse=is_sse) as stream:
            first = await stream.next(WITHIN_S)
            assert isinstance(first, Snapshot)
            events: list[Event] = []
            for _ in range(6):
                sent = [order() for _ in range(4)]
                await trader.orders.submit_batch(sent[:2])
                # Some of this has been read by then, and some not.
                proxy.cut_everything()
                await trader.orders.submit_batch(sent[2:])
                events += await accepted(stream, [one.client_order_id for one in sent])
        assert_gapless(events, first.seqs[ACCOUNT])
        assert proxy.tunnels >= 6
        asked = [one.path for one in proxy.requests("GET /v1/stream")]
        assert "after" not in asked[0]
        assert all(f"after={ACCOUNT}:" in one.replace("%3A", ":") for one in asked[1:])


@KINDS
async def test_place_is_good_in_another_process(desk: ServedDesk, encoding: Any, is_sse: bool) -> None:
    async with AsyncClient(desk.url, options=options(encoding)) as client:
        async with client.stream(accounts=[ACCOUNT], is_sse=is_sse) as stream:
            assert isinstance(await stream.next(WITHIN_S), Snapshot)
            place = stream.place
        sent = [order() for _ in range(3)]
        await client.orders.submit_batch(sent)
        async with client.stream(place, accounts=[ACCOUNT], is_sse=is_sse) as stream:
            events = await accepted(stream, [one.client_order_id for one in sent])
            assert_gapless(events, int(place.rpartition(":")[2]))
            assert stream.seqs == {ACCOUNT: events[-1].seq}


async def test_stream_of_all_accounts_hears_of_new_ones_from_their_beginning(desk: ServedDesk) -> None:
    async with (
        FaultProxy(desk.url) as proxy,
        AsyncClient(proxy.url, options=options()) as listener,
        AsyncClient(desk.url, options=QUICK) as trader,
    ):
        async with listener.stream() as stream:
            assert isinstance(await stream.next(WITHIN_S), Snapshot)
            proxy.is_down = True
            proxy.cut_everything()
            sent = [order(account="NEW-1") for _ in range(2)]
            await trader.orders.submit_batch(sent)
            proxy.is_down = False
            events = await accepted(stream, [one.client_order_id for one in sent])
        assert_gapless([one for one in events if one.account == "NEW-1"], -1)


async def test_place_of_one_who_has_heard_nothing_is_the_beginning(desk: ServedDesk) -> None:
    async with AsyncClient(desk.url, options=options()) as client:
        sent = order()
        await client.orders.submit(sent)
        async with client.stream({}) as stream:
            events = await accepted(stream, [sent.client_order_id])
        assert_gapless([one for one in events if one.account == ACCOUNT], -1)


async def test_waiting_in_vain_loses_nothing(desk: ServedDesk) -> None:
    async with AsyncClient(desk.url, options=options()) as client, client.stream(accounts=["QUIET-1"]) as stream:
        assert isinstance(await stream.next(WITHIN_S), Snapshot)
        for _ in range(3):
            assert await stream.next(0.01) is None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(stream)
        sent = order(account="QUIET-1")
        await client.orders.submit(sent)
        assert_gapless(await accepted(stream, [sent.client_order_id]), -1)


@KINDS
async def test_refused_stream_says_why(desk: ServedDesk, encoding: Any, is_sse: bool) -> None:
    async with AsyncClient(desk.url, options=options(encoding)) as client:
        async with client.stream({ACCOUNT: 10_000_000}, accounts=[ACCOUNT], is_sse=is_sse) as stream:
            with pytest.raises(ConflictError) as caught:
                await anext(stream)
            assert caught.value.problem.errors == ()
            assert "expected a seq up to" in str(caught.value)
        async with client.stream({"OTHER": 0}, accounts=[ACCOUNT], is_sse=is_sse) as stream:
            with pytest.raises((NotFoundError, ConflictError)):
                await anext(stream)


async def test_stream_refused_for_now_comes_back_when_it_is_told_to(desk: ServedDesk) -> None:
    async with (
        FaultProxy(desk.url, said(503, "unavailable", Retry_After="1"), on="GET /v1/stream") as proxy,
        AsyncClient(proxy.url, options=options()) as client,
        client.stream(accounts=[ACCOUNT]) as stream,
    ):
        assert isinstance(await stream.next(WITHIN_S), Snapshot)
        first, second = (one.at for one in proxy.requests("GET /v1/stream"))
        assert second - first >= 0.99


async def test_stream_that_does_not_come_back_ends(desk: ServedDesk) -> None:
    given = msgspec.structs.replace(options(), reconnect_within_s=0.3)
    async with (
        FaultProxy(desk.url) as proxy,
        AsyncClient(proxy.url, options=given) as client,
        client.stream(accounts=[ACCOUNT]) as stream,
    ):
        assert isinstance(await stream.next(WITHIN_S), Snapshot)
        proxy.is_down = True
        proxy.cut_everything()
        with pytest.raises(UnreachableError, match=f"at {ACCOUNT}:"):
            await stream.next(WITHIN_S)


async def test_silence_is_taken_for_death(desk: ServedDesk) -> None:
    given = msgspec.structs.replace(options(), silence_s=0.3)
    holds = Fault("swallow")
    async with (
        FaultProxy(desk.url, holds, on="GET /v1/stream/sse") as proxy,
        AsyncClient(proxy.url, options=given) as client,
        client.stream(accounts=[ACCOUNT], is_sse=True) as stream,
    ):
        assert isinstance(await stream.next(WITHIN_S), Snapshot)
        assert len(proxy.requests("GET /v1/stream/sse")) == 2


class Holed:
    """A server that speaks the stream's words and leaves seqs out: the first connections, or all of them."""

    def __init__(self, holes: int) -> None:
        self.holes = holes
        self.asked: list[str] = []

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/v1/stream", self._stream)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        after = request.query["after"]
        self.asked.append(after)
        seq = int(after.rpartition(":")[2])
        skip = 1 if len(self.asked) <= self.holes else 0
        # Twice the same, and something that nobody knows yet, on the way.
        for number in (seq, seq + 1 + skip, seq + 1 + skip, seq + 2 + skip):
            body = {
                "type": "event",
                "account": "A",
                "seq": number,
                "event": "moon_rose",
                "time": "2026-01-05T14:30:00.000000001Z",
                "correlation_id": "c",
                "data": {"phase": "full"},
            }
            await socket.send_str(msgspec.json.encode({**body, "new_key": 1}).decode())
        await socket.send_str('{"type": "new_word"}')
        async for _ in socket:
            pass
        return socket


async def test_hole_is_asked_for_again_and_what_came_twice_is_given_once() -> None:
    server = Holed(holes=1)
    async with (
        server.served() as url,
        AsyncClient(url, options=options()) as client,
        client.stream({"A": 6}) as stream,
    ):
        seven, eight = [await anext(stream) for _ in range(2)]
    assert isinstance(seven, Event)
    assert isinstance(eight, Event)
    assert (seven.seq, eight.seq) == (7, 8)
    assert server.asked == ["A:6", "A:6"]
    assert seven.data == OtherData(fields={"phase": "full"})


async def test_hole_that_stays_is_an_error() -> None:
    server = Holed(holes=1_000)
    async with server.served() as url, AsyncClient(url, options=options()) as client, client.stream("A:6") as stream:
        with pytest.raises(StreamGapError, match="expected seq 7 of A, got 8"):
            await anext(stream)
    assert len(server.asked) == 3


@pytest.mark.parametrize("place", ["17", "A:x", "A:1,2", ":", "A:--1"])
async def test_place_that_is_none_is_refused_here(place: str) -> None:
    async with AsyncClient("http://127.0.0.1:1") as client:
        with pytest.raises(UsageError, match="at after"):
            client.stream(place)


def test_stream_without_asyncio(desk: ServedDesk) -> None:
    with Client(desk.url, options=options()) as client, client.stream(accounts=["SYNC-1"]) as stream:
        assert isinstance(next(stream), Snapshot)
        assert stream.next(0.05) is None
        sent = order(account="SYNC-1")
        client.orders.submit(sent)
        event = next(stream)
        assert isinstance(event, Event)
        assert (event.event, event.seq, stream.place) == ("order_accepted", 0, "SYNC-1:0")
