"""Floods, huge bodies, bombs and clients that only hold on: each is bounded, and the others are served."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from door_kit import opened, signed

from cluster.api.options import Rate
from cluster.api.tarpit import HELD_S

MSGPACK = {"Content-Type": "application/msgpack"}


def rates(**given: tuple[float, int]) -> dict[str, Rate]:
    return {name: Rate(per_s=per_s, burst=burst) for name, (per_s, burst) in given.items()}


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def status_of(reader: asyncio.StreamReader) -> int:
    line = await reader.readline()
    return int(line.split()[1])


async def test_too_many_orders_are_told_when_to_come_again_and_nobody_else_is(tmp_path: Path) -> None:
    async with opened(tmp_path, rates=rates(orders=(0.5, 2), cancels=(10, 10))) as door:
        assert [(await door.ask("ada", "POST", "/v1/orders"))[0] for _ in range(3)] == [201, 201, 429]
        async with door.client.post(door.url("/v1/orders"), headers=signed("ada", "POST", "/v1/orders")) as answer:
            assert int(answer.headers["Retry-After"]) == 2
            assert (await answer.json(content_type=None))["retry"] == "later"
        assert (await door.ask("ada", "DELETE", "/v1/orders"))[0] == 202
        assert (await door.ask("bob", "POST", "/v1/orders"))[0] == 201


async def test_somebody_else_cannot_use_up_your_rate(tmp_path: Path) -> None:
    async with opened(tmp_path, rates=rates(orders=(0.01, 2))) as door:
        wrong = {"X-Anabranch-Signature": "0" * 64}
        assert {(await door.ask("ada", "POST", "/v1/orders", **wrong))[0] for _ in range(5)} == {401}
        assert (await door.ask("ada", "POST", "/v1/orders"))[0] == 201


async def test_refusal_for_its_rate_holds_the_flooders_connection_back(tmp_path: Path) -> None:
    async with opened(tmp_path, rates=rates(orders=(0.01, 1))) as door:
        await door.ask("ada", "POST", "/v1/orders")
        began = time.perf_counter()
        assert (await door.ask("ada", "POST", "/v1/orders"))[0] == 429
        assert time.perf_counter() - began >= HELD_S * 0.9


async def test_cancels_and_kills_have_slots_that_orders_cannot_take(tmp_path: Path) -> None:
    async with opened(tmp_path, requests_max=3) as door:
        door.workshop.hold.clear()
        held = [asyncio.create_task(door.ask("ada", "POST", "/v1/orders")) for _ in range(3)]
        while door.workshop.at_work < 3:
            door.workshop.entered.clear()
            await door.workshop.entered.wait()
        status, problem = await door.ask("bob", "POST", "/v1/orders")
        assert (status, problem["code"]) == (503, "unavailable")
        assert (await door.ask("bob", "DELETE", "/v1/orders"))[0] == 202
        assert (await door.ask("olga", "POST", "/v1/kill"))[0] == 202
        door.workshop.hold.set()
        assert {status for status, _ in await asyncio.gather(*held)} == {201}
        assert (await door.ask("bob", "POST", "/v1/orders"))[0] == 201


async def test_body_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        before = memory_mb()
        reader, writer = await door.raw()
        writer.write(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n")
        for name, value in signed("ada", "POST", "/v1/orders").items():
            writer.write(f"{name}: {value}\r\n".encode())
        writer.write(b"\r\n")
        assert await status_of(reader) == 413
        sent, chunk = 0, bytes(1 << 20)
        with suppress(ConnectionError):
            while sent < 1 << 30 and not writer.transport.is_closing():
                writer.write(chunk)
                await writer.drain()
                sent += len(chunk)
        assert memory_mb() - before < 32
        assert (await door.ask("ada", "POST", "/v1/orders"))[0] == 201


async def test_body_that_does_not_say_how_long_it_is_ends_at_the_bound(tmp_path: Path) -> None:
    async with opened(tmp_path, body_bytes_max=65_536) as door:
        reader, writer = await door.raw()
        writer.write(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        for name, value in signed("ada", "POST", "/v1/orders").items():
            writer.write(f"{name}: {value}\r\n".encode())
        writer.write(b"\r\n")
        chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
        for _ in range(4):
            writer.write(chunk)
        await writer.drain()
        assert await status_of(reader) == 413


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/msgpack", b"\xdd\xff\xff\xff\xff"),
        ("application/msgpack", b"\xdf\x7f\xff\xff\xff" * 1_000),
        ("application/msgpack", b"\x91" * 100_000),
        ("application/json", b"[" * 100_000),
        ("application/json", b'{"a":' * 50_000),
        ("application/json", b"[" + b"1," * 200_000 + b"1]"),
    ],
)
async def test_bomb_is_refused_before_anything_decodes_it(tmp_path: Path, media: str, body: bytes) -> None:
    async with opened(tmp_path) as door:
        before, began = memory_mb(), time.perf_counter()
        status, problem = await door.ask("ada", "POST", "/v1/orders", body, **{"Content-Type": media})
        assert (status, problem["code"]) == (400, "malformed")
        assert "expected" in problem["detail"]
        assert memory_mb() - before < 32
        assert time.perf_counter() - began < 1.0


async def test_connection_that_sends_its_header_slowly_is_cut(tmp_path: Path) -> None:
    async with opened(tmp_path, header_timeout_s=0.3) as door:
        reader, writer = await door.raw()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        await writer.drain()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert (await door.ask("ada", "POST", "/v1/orders"))[0] == 201


async def test_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path, body_timeout_s=0.3) as door:
        reader, writer = await door.raw()
        writer.write(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n")
        for name, value in signed("ada", "POST", "/v1/orders", bytes(10)).items():
            writer.write(f"{name}: {value}\r\n".encode())
        writer.write(b"\r\n12345")
        await writer.drain()
        async with asyncio.timeout(5):
            assert await status_of(reader) == 408
            assert b"Connection: close" in await reader.read()


async def test_client_that_never_reads_its_answer_is_cut(tmp_path: Path) -> None:
    async with opened(tmp_path, write_timeout_s=0.5) as door:
        _, writer = await door.raw()
        writer.write(b"GET /v1/big HTTP/1.1\r\nHost: x\r\n")
        for name, value in signed("ada", "GET", "/v1/big").items():
            writer.write(f"{name}: {value}\r\n".encode())
        writer.write(b"\r\n")
        await writer.drain()
        text = b""
        async with asyncio.timeout(10):
            while b"http_connections_cut_total{" not in text:
                text = (await door.ask("olga", "GET", "/metrics"))[1]
        assert b'http_connections_cut_total{why="unread"} 1.0' in text


async def test_connections_beyond_the_bound_are_turned_away(tmp_path: Path) -> None:
    async with opened(tmp_path, connections_max=4) as door:
        for _ in range(4):
            await door.raw()
        reader, _ = await door.raw()
        async with asyncio.timeout(5):
            text = await reader.read()
        assert text.startswith(b"HTTP/1.1 503 ")
        body = text.partition(b"\r\n\r\n")[2]
        assert msgspec.json.decode(body)["code"] == "unavailable"


async def test_one_address_does_not_take_every_connection(tmp_path: Path) -> None:
    async with opened(tmp_path, connections_per_address=2) as door:
        for _ in range(2):
            await door.raw()
        reader, _ = await door.raw()
        async with asyncio.timeout(5):
            assert await status_of(reader) == 503


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(5_000)) + b"\r\n",
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    ],
)
async def test_garbage_is_refused_and_harms_nobody(tmp_path: Path, text: bytes) -> None:
    async with opened(tmp_path) as door:
        reader, writer = await door.raw()
        writer.write(text)
        async with asyncio.timeout(15):
            found = await reader.read()
        assert found == b"" or 400 <= int(found.split()[1]) < 500
        assert (await door.ask("ada", "POST", "/v1/orders"))[0] == 201


async def test_flood_of_one_key_leaves_the_others_their_answers(tmp_path: Path) -> None:
    async with opened(tmp_path, rates=rates(orders=(50, 50))) as door:

        async def flood(until: float) -> list[int]:
            return [
                (await door.ask("ada", "POST", "/v1/orders"))[0] for _ in iter(lambda: time.monotonic() < until, False)
            ]

        async def others(number: int) -> list[float]:
            took = []
            for _ in range(number):
                began = time.perf_counter()
                assert (await door.ask("bob", "DELETE", "/v1/orders"))[0] == 202
                took.append(time.perf_counter() - began)
            return sorted(took)

        alone = await others(100)
        until = time.monotonic() + 1.5
        flooding = [asyncio.create_task(flood(until)) for _ in range(20)]
        crowded = await others(100)
        answers = [status for each in await asyncio.gather(*flooding) for status in each]
        assert set(answers) == {201, 429}
        assert answers.count(201) <= 50 + 50 * 2
        # The client and the server share this process, so that this is a coarse look.
        assert crowded[50] < max(10 * alone[50], 0.05)


async def test_closing_door_answers_what_is_in_flight_and_takes_nothing_new(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        door.workshop.hold.clear()
        in_flight = asyncio.create_task(door.ask("ada", "POST", "/v1/orders"))
        await door.workshop.entered.wait()
        stopping = asyncio.create_task(door.server.stop(5.0))
        with pytest.raises(OSError, match=r"Connect"):
            while True:
                await door.raw()
                assert not in_flight.done()
        door.workshop.hold.set()
        assert (await in_flight)[0] == 201
        assert await stopping is True
