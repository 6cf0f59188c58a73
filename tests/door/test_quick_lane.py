"""What is answered where it arrives is answered as everything is: same gate, same headers, same order, same counting.

Rule of this file: `server.quick.answers` tells which way a request went; what is compared is what a client sees.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from door_kit import Opened, opened, signed

from cluster.api.gate import GATE
from cluster.api.options import Rate
from cluster.api.tarpit import HELD_S

BODY = b'{"text": "hello"}'
HELLO = b'{"text":"hello"}'


def wire(name: str, path: str = "/v1/echo", body: bytes = BODY, method: str = "POST", **more: str) -> bytes:
    """Return a signed request as it goes over the wire; `more` are headers, with _ for -, none where they are empty."""
    given = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(body))}
    given |= signed(name, method, path, body) | {key.replace("_", "-"): value for key, value in more.items()}
    lines = "".join(f"{key}: {value}\r\n" for key, value in given.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer: status, headers and body."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in head[1:])
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("Content-Length", 0)))


async def asked(door: Opened, data: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await door.raw()
    writer.write(data)
    return await answer_of(reader)


async def test_both_ways_answer_with_the_same_headers(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        quick = await asked(door, wire("ada", X_Correlation_Id="mine-1"))
        assert door.server.quick.answers == 1
        general = await asked(
            door, wire("ada", X_Correlation_Id="mine-1", Content_Type="application/json; charset=utf-8")
        )
        assert door.server.quick.answers == 1
        for _, headers, _ in (quick, general):
            assert headers.pop("Date").endswith("GMT")
        assert quick == general
        assert (quick[0], quick[1]["X-Correlation-Id"], quick[2]) == (200, "mine-1", HELLO)


@pytest.mark.parametrize(
    ("name", "body", "more"),
    [
        ("ada", b'{"text": "twice"}', {}),
        ("ada", b'{"text": "fail"}', {}),
        ("ada", b'{"tetx": "hello"}', {}),
        ("ada", b"{", {}),
        ("ada", b"[" * 1_000, {}),
        ("olga", BODY, {}),
        ("ada", BODY, {"X_Anabranch_Signature": "0" * 64}),
    ],
)
async def test_both_ways_refuse_with_the_same_words(
    tmp_path: Path, name: str, body: bytes, more: dict[str, Any]
) -> None:
    async with opened(tmp_path) as door:
        found = []
        for media in ("application/json", "application/json; charset=utf-8"):
            status, headers, said = await asked(
                door, wire(name, body=body, X_Correlation_Id="mine-2", Content_Type=media, **more)
            )
            headers.pop("Date")
            found.append((status, headers, json.loads(said)))
        assert door.server.quick.answers == 1
        assert found[0] == found[1]
        assert found[0][0] >= 400


@pytest.mark.parametrize(
    "more",
    [
        {"Accept": "text/html"},
        {"Accept": "application/json;q=0.5"},
        {"Content_Type": "text/plain"},
        {"Cookie": "a=b"},
        {"Connection": "close"},
        {"Expect": "100-continue"},
        {"X_Anabranch_Timestamp": "1"},
    ],
)
async def test_what_is_unlike_the_usual_goes_the_general_way(tmp_path: Path, more: dict[str, Any]) -> None:
    async with opened(tmp_path) as door:
        reader, writer = await door.raw()
        writer.write(wire("ada", **more))
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 ")
        assert door.server.quick.answers == 0


async def test_body_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        reader, writer = await door.raw()
        data = wire("ada")
        writer.write(data[:-5])
        await writer.drain()
        assert (await door.ask("bob", "POST", "/v1/echo", BODY))[0] == 200
        writer.write(data[-5:])
        assert (await answer_of(reader))[::2] == (200, HELLO)


async def test_answers_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        door.workshop.hold.clear()
        reader, writer = await door.raw()
        health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        ids = iter(range(100))
        mixed = [
            data
            for _ in range(12)
            for data in (
                wire("ada", X_Correlation_Id=f"c{next(ids)}"),
                health.replace(b"\r\n\r\n", b"\r\nX-Correlation-Id: c%d\r\n\r\n" % next(ids)),
                wire("ada", X_Correlation_Id=f"c{next(ids)}"),
                wire("ada", "/v1/orders", X_Correlation_Id=f"c{next(ids)}"),
            )
        ]
        writer.write(b"".join(mixed))
        for n in range(48):
            # Orders are held at work, and what came after them waits.
            if n % 4 == 3:
                await door.workshop.entered.wait()
                door.workshop.entered.clear()
                door.workshop.hold.set()
            status, headers, _ = await answer_of(reader)
            assert (status in (200, 201), headers["X-Correlation-Id"]) == (True, f"c{n}")
            door.workshop.hold.clear()
        assert door.server.quick.answers > 0


async def test_quick_answers_are_counted_as_all_are(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        for _ in range(3):
            await asked(door, wire("ada"))
        text: Any = (await door.ask("olga", "GET", "/metrics"))[1]
        assert b'http_requests_total{method="POST",route="/v1/echo",status="200"} 3.0' in text


async def test_flood_on_one_connection_is_held_back_and_not_read(tmp_path: Path) -> None:
    async with opened(tmp_path, rates={"orders": Rate(per_s=0.01, burst=1)}) as door:
        await door.ask("ada", "POST", "/v1/orders", BODY)
        reader, writer = await door.raw()
        began = time.perf_counter()
        writer.write(b"".join(wire("ada", "/v1/orders") for _ in range(200)))
        answers = [await answer_of(reader) for _ in range(3)]
        assert [status for status, _, _ in answers] == [429] * 3
        assert time.perf_counter() - began >= 3 * HELD_S * 0.9
        assert door.server.quick.answers <= 4
        gate = door.app[GATE]
        assert gate.tarpit.hold("key-ada", 0.0) < 2 * HELD_S
        gate.tarpit.let_go("key-ada")
        # Others do not wait for it, and whoever leaves while he is held back leaves nothing behind.
        assert (await door.ask("bob", "POST", "/v1/orders", BODY))[0] == 201
        writer.transport.abort()
        async with asyncio.timeout(10):
            while len(gate.tarpit):
                assert (await door.ask("bob", "DELETE", "/v1/orders"))[0] == 202


async def test_what_came_too_late_of_a_flood_is_refused_for_its_rate_and_is_no_strangers(tmp_path: Path) -> None:
    rates = {"orders": Rate(per_s=0.01, burst=1), "strangers": Rate(per_s=0.01, burst=1)}
    async with opened(tmp_path, rates=rates) as door:
        await door.ask("ada", "POST", "/v1/orders", BODY)
        for _ in range(2):
            assert (await asked(door, wire("ada", "/v1/orders", X_Anabranch_Timestamp="1")))[0] == 429
        assert door.server.quick.answers == 2
        # Nothing was counted against the address: the next one who cannot show who he is hears just that.
        assert (await asked(door, wire("bob", "/v1/orders", X_Anabranch_Timestamp="1")))[0] == 401


async def test_used_up_rate_of_a_key_is_nobody_elses_to_see(tmp_path: Path) -> None:
    async with opened(tmp_path, rates={"orders": Rate(per_s=0.01, burst=1)}) as door:
        await door.ask("ada", "POST", "/v1/orders", BODY)
        before = len(door.app[GATE].rates._buckets)
        status, _, _ = await asked(door, wire("ada", "/v1/orders", X_Anabranch_Key="key-nobody"))
        assert status == 401
        assert len(door.app[GATE].rates._buckets) == before


async def test_closing_door_answers_nothing_on_the_quick_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        reader, writer = await door.raw()
        writer.write(wire("ada"))
        assert (await answer_of(reader))[0] == 200
        door.app[GATE].is_closing = True
        writer.write(wire("ada"))
        assert (await answer_of(reader))[0] == 503
        assert door.server.quick.answers == 1
