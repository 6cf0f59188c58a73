"""The stream over a real desk: snapshot, gapless seqs, resuming, slow clients, cancel on disconnect, closing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from door_kit import Opened, keys_file, opened, signed

from cluster.api.disconnects import DISCONNECTS
from cluster.api.hub import HUB
from cluster.live.embedded import EmbeddedDesk
from cluster.live.settings import live_settings
from router.domain.enums import Side
from router.domain.orders import ParentOrder
from router.domain.requests import Accepted, Answer, CancelOrder, Principal, SubmitOrder

SYMBOL = "SMOK"


@asynccontextmanager
async def trading(folder: Path, **given: Any) -> AsyncIterator[tuple[Opened, EmbeddedDesk]]:
    """Open a door over a desk that accepts orders."""
    file = folder / "anabranch.toml"
    file.write_text(
        '[live]\nscenario = "smoke"\nhosts = 1\n[api]\nis_open = true\nport = 0\n'
        "[risk]\nshape_repeats_max = 10000\nmessages_per_s = 1000000\nopen_orders_symbol_max = 100000\n"
        "open_orders_account_max = 100000\nadv_share_max = 1000.0\n",
        encoding="utf-8",
    )
    desk = EmbeddedDesk(live_settings(file))
    await desk.start()
    try:
        async with opened(folder, desk, **given) as door, asyncio.timeout(50):
            while (await desk.status()).waits_for:
                await door.ask("olga", "DELETE", "/v1/orders")
            yield door, desk
    finally:
        await desk.stop()


async def submit(desk: EmbeddedDesk, number: int, account: str = "ACME") -> str:
    """Have an order accepted and return its id."""
    answer = await ask(desk, number, account, 100)
    assert isinstance(answer, Accepted), answer
    return answer.parent_id


async def ask(desk: EmbeddedDesk, number: int, account: str, qty: int) -> Answer:
    """Ask for an order and return the answer."""
    now = (await desk.status()).market_at
    order = ParentOrder(
        parent_id="-",
        client_order_id=f"c-{number}",
        symbol=SYMBOL,
        side=Side.BUY,
        order_qty=qty,
        start_at=now + 10**9,
        end_at=now + 300 * 10**9,
        account=account,
    )
    principal = Principal(name="ada", role="trader", accounts=("*",), session="test")
    return await desk.ask(SubmitOrder(principal=principal, order=order, body_hash=f"{number}", correlation_id="cor-1"))


async def cancel(desk: EmbeddedDesk, parent_id: str) -> None:
    principal = Principal(name="ada", role="trader", accounts=("*",), session="test")
    await desk.ask(CancelOrder(principal=principal, parent_id=parent_id))


async def connect(door: Opened, name: str = "ada", query: str = "") -> ClientWebSocketResponse:
    path = f"/v1/stream{query}"
    return await door.client.ws_connect(door.url(path), headers=signed(name, "GET", path))


async def frame(socket: ClientWebSocketResponse, *kinds: str) -> dict[str, Any]:
    """Return the next frame of one of `kinds`, or of any."""
    async for message in socket:
        found: dict[str, Any] = (
            msgspec.json.decode(message.data)
            if message.type is WSMsgType.TEXT
            else msgspec.msgpack.decode(message.data)
        )
        if not kinds or found["type"] in kinds:
            return found
    raise AssertionError(f"the stream ended with {socket.close_code}")


async def test_stream_begins_with_open_orders_and_goes_on_without_a_gap(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, desk):
        first = await submit(desk, 1)
        hub = door.app[HUB]
        while hub.last_seq("ACME") < 0:
            await door.ask("olga", "DELETE", "/v1/orders")
        socket = await connect(door)
        snapshot = await frame(socket)
        assert snapshot["type"] == "snapshot"
        assert snapshot["is_last"]
        assert [order["order_id"] for order in snapshot["orders"]] == [first]
        seq = snapshot["seqs"]["ACME"]
        second = await submit(desk, 2)
        await cancel(desk, second)
        events = []
        while not events or events[-1]["event"] != "order_ended":
            events.append(await frame(socket, "event"))
        assert [event["seq"] for event in events] == list(range(seq + 1, seq + 1 + len(events)))
        accepted = next(event for event in events if event["data"].get("order_id") == second)
        assert (accepted["event"], accepted["correlation_id"]) == ("order_accepted", "cor-1")
        assert accepted["data"]["qty"] == "100"
        await socket.close()


async def test_client_resumes_where_it_was_and_misses_nothing(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, desk):
        numbers = [await submit(desk, number) for number in range(150)]
        while door.app[HUB].last_seq("ACME") < 149:
            await door.ask("olga", "DELETE", "/v1/orders")
        for after in (-1, 0, 63, 64, 100, 149):
            socket = await connect(door, query=f"?after={after}&encoding=msgpack")
            seqs = []
            while (found := await frame(socket))["type"] == "event":
                seqs.append(found["seq"])
            assert found["type"] == "resumed"
            assert seqs[: 149 - after] == list(range(after + 1, 150))
            await socket.close()
        assert len(set(numbers)) == 150


async def test_place_that_was_never_reached_is_a_conflict(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, _):
        path = "/v1/stream/sse?after=1000"
        assert (await door.ask("ada", "GET", path))[0] == 409
        assert (await door.ask("ada", "GET", "/v1/stream/sse?after=x"))[0] == 422
        assert (await door.ask("ada", "GET", "/v1/stream/sse?accounts=BETA"))[0] == 404
        assert (await door.ask("ada", "GET", "/v1/stream"))[0] == 400


async def read_sse(answer: Any) -> dict[str, str]:
    """Return the next server-sent event."""
    found: dict[str, str] = {}
    while line := (await answer.content.readline()).decode().rstrip("\n"):
        name, _, value = line.partition(": ")
        found[name] = value
    return found


async def test_server_sent_events_resume_by_their_last_id(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, desk):
        path = "/v1/stream/sse"
        async with door.client.get(door.url(path), headers=signed("ada", "GET", path)) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert (await read_sse(answer))["event"] == "snapshot"
            await submit(desk, 1)
            found = await read_sse(answer)
            assert (found["event"], found["id"]) == ("order_accepted", "0")
        await submit(desk, 2)
        headers = signed("ada", "GET", path) | {"Last-Event-ID": "0"}
        async with door.client.get(door.url(path), headers=headers) as answer:
            seqs = []
            # The first order may have begun to trade in between.
            while not seqs or found["event"] != "order_accepted":
                found = await read_sse(answer)
                # What is not in the past yet comes after word that the past is over, whose id is the place reached.
                seqs += [int(found["id"])] if found["event"] not in ("resumed", "heartbeat") else []
            assert seqs == list(range(1, 1 + len(seqs)))


async def test_several_accounts_share_a_stream_each_with_its_own_seq(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, desk):
        path = "/v1/stream/sse?accounts=ACME,BETA"
        async with door.client.get(door.url(path), headers=signed("olga", "GET", path)) as answer:
            assert (await read_sse(answer))["id"] == "ACME:-1,BETA:-1"
            await submit(desk, 1, "ACME")
            await submit(desk, 2, "BETA")
            assert [(await read_sse(answer))["id"] for _ in range(2)] == ["ACME:0,BETA:-1", "ACME:0,BETA:0"]


async def test_idle_stream_has_a_heartbeat_with_its_seqs(tmp_path: Path) -> None:
    async with trading(tmp_path, heartbeat_s=0.05) as (door, desk):
        await submit(desk, 1)
        socket = await connect(door)
        while (found := await frame(socket, "heartbeat"))["seqs"]["ACME"] < 0:
            assert found["seqs"] == {"ACME": -1}
        await socket.close()


async def test_client_that_never_reads_is_cut_and_resumes_without_loss(tmp_path: Path) -> None:
    async with trading(tmp_path, stream_queue=16, write_timeout_s=1.0) as (door, desk):
        reader, writer = await door.raw()
        path = "/v1/stream/sse"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode())
        for name, value in signed("ada", "GET", path).items():
            writer.write(f"{name}: {value}\r\n".encode())
        writer.write(b"\r\n")
        await writer.drain()
        hub = door.app[HUB]
        while hub.clients < 1:
            await door.ask("olga", "DELETE", "/v1/orders")
        # The socket's buffers are filled by the door itself, as nobody reads.
        writer.transport.pause_reading()
        number = 0
        while hub.clients:
            await asyncio.gather(*(submit(desk, number + n) for n in range(200)))
            number += 200
        writer.transport.resume_reading()
        text = await reader.read()
        had = max(int(line[4:]) for line in text.split(b"\n") if line.startswith(b"id: "))
        assert had < number - 1
        socket = await connect(door, query=f"?after={had}")
        found = await frame(socket, "event")
        assert found["seq"] == had + 1
        await socket.close()
        metrics = (await door.ask("olga", "GET", "/metrics"))[1]
        assert b"anabranch_stream_slow_clients_total 1.0" in metrics


async def open_orders(desk: EmbeddedDesk, door: Opened) -> int:
    return sum(1 for _ in door.app[HUB].views.orders.open_orders(("ACME",)))


async def test_client_that_does_not_come_back_has_its_orders_cancelled(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, desk):
        await submit(desk, 1)
        watching = await connect(door, "olga", "?accounts=ACME")
        guarded = await connect(door, query="?accounts=ACME&cancel_on_disconnect=true&grace_s=0.2")
        await frame(guarded)
        await guarded.close()
        while (found := await frame(watching, "event"))["event"] != "order_ended":
            assert found["event"] in ("order_accepted", "cancel_asked")
        assert found["data"]["status"] == "canceled"
        await watching.close()


async def test_client_that_comes_back_in_time_keeps_its_orders(tmp_path: Path) -> None:
    async with trading(tmp_path, heartbeat_s=1.5) as (door, desk):
        await submit(desk, 1)
        query = "?accounts=ACME&cancel_on_disconnect=true&grace_s=1.0"
        for _ in range(3):
            socket = await connect(door, query=query)
            await frame(socket)
            await socket.close()
        socket = await connect(door, query=query)
        # The first heartbeat comes when every grace would be over.
        assert (await frame(socket, "heartbeat"))["seqs"]["ACME"] >= 0
        assert await open_orders(desk, door) == 1
        await socket.close()


async def test_door_that_closes_cancels_for_those_in_their_grace(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, desk):
        await submit(desk, 1)
        socket = await connect(door, query="?accounts=ACME&cancel_on_disconnect=true&grace_s=100")
        await frame(socket)
        await socket.close()
        disconnects = door.app[DISCONNECTS]
        while not disconnects.waiting:
            await door.ask("olga", "DELETE", "/v1/orders")
        await disconnects.close()
        assert any(record.kind == "CancelAsked" for record in await desk.read(0, "account:ACME"))


async def test_reader_cannot_ask_for_cancel_on_disconnect(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, _):
        with pytest.raises(WSServerHandshakeError) as refused:
            await connect(door, "rob", "?accounts=ACME&cancel_on_disconnect=true")
        assert refused.value.status == 403


async def test_streams_of_one_key_are_bounded(tmp_path: Path) -> None:
    async with trading(tmp_path, streams_per_key=2) as (door, _):
        sockets = [await connect(door) for _ in range(2)]
        for socket in sockets:
            await frame(socket)
        with pytest.raises(WSServerHandshakeError) as refused:
            await connect(door)
        assert refused.value.status == 429
        other = await connect(door, "bob")
        assert (await frame(other))["type"] == "snapshot"
        for socket in (*sockets, other):
            await socket.close()


async def test_client_that_talks_too_much_or_too_long_is_closed(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, _):
        for messages, code in ((["x"] * 200, 1008), (["x" * 100_000], 1009)):
            socket = await connect(door)
            for message in messages:
                await socket.send_str(message)
            while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
                pass
            assert socket.close_code == code


async def test_stream_ends_when_its_key_is_taken_away(tmp_path: Path) -> None:
    keys = keys_file(tmp_path)
    async with trading(tmp_path, keys=keys, heartbeat_s=0.1) as (door, _):
        socket, other = await connect(door), await connect(door, "bob")
        await frame(socket, "heartbeat")
        keys.write_text(keys.read_text().replace("key-ada", "key-new"))
        door.server.reload_keys()
        assert (await frame(socket, "signed_out"))["seqs"] == {"ACME": -1}
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 4001
        assert (await frame(other, "heartbeat"))["seqs"] == {"BETA": -1}
        await other.close()


async def test_closing_door_sends_its_streams_away(tmp_path: Path) -> None:
    async with trading(tmp_path) as (door, _):
        socket = await connect(door)
        await frame(socket)
        stopping = asyncio.create_task(door.server.stop(5.0))
        assert (await frame(socket, "going_away"))["seqs"] == {"ACME": -1}
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 1001
        assert await stopping is True
