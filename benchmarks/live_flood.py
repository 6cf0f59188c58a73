"""A flood: one key sends orders on hundreds of connections, far beyond what it may, and another key's reads and cancels
are timed meanwhile.

Rule of this file: the flood comes from a process of its own, as fast as it is answered; the other key sends so many
requests a second on one connection, as a person's program does, before the flood and during it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

import msgspec

from benchmarks.http_caller import Measured, call, request
from benchmarks.live_load import answered, desk_alone, order_body, ready
from benchmarks.live_server import Running
from benchmarks.rows import Row, Settings, measured

SECRETS = {"flooder": "f" * 32, "other": "e" * 32}
MAY_PER_S, BURST = 100, 1_000
"""Orders a second that a key may send."""

FLOODERS = 400
"""Connections of the flood: the door holds refused requests back for a moment, so that a few do not flood it."""

TIMES_MIN = 10.0
"""A flood of ten times capacity is what must be borne: one that does not come to it shows nothing, and says so."""

P99_RATIO_MAX = 2.0
PACE_S = 0.02
SECONDS, SECONDS_QUICK = 6.0, 1.0
_numbers = count()


def flood(settings: Settings) -> list[Row]:
    """Measure one key's reads and cancels before another key floods the desk with orders, and while it does."""
    seconds = SECONDS_QUICK if settings.is_quick else SECONDS
    rates = f"\n[api.rates]\norders = {{ per_s = {MAY_PER_S}, burst = {BURST} }}\n"
    with desk_alone(rates, SECRETS) as desk:
        settings.progress(0.0, "flood")
        return asyncio.run(_flood(desk, seconds))


async def _flood(desk: Running, seconds: float) -> list[Row]:
    await ready(desk)
    n = int(seconds / PACE_S)
    sent = [iter([signed("other", "POST", "/v1/orders", order_body("json"))]) for _ in range(2 * n + 1)]
    answered(await call(desk.port, sent[:1]), 201)
    for start in range(1, len(sent), 50):
        answered(await call(desk.port, sent[start : start + 50]), 201)
    quiet = [await _paced(desk, _reads(n)), await _paced(desk, _cancels(2, n))]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(pool, os.getpid)
        flooding = loop.run_in_executor(pool, flood_from, desk.port, 2.5 * seconds + 1.0)
        # The flooder's burst is used up first: from then on it has what it may send, and nothing more.
        await asyncio.sleep(1.0)
        loud = [await _paced(desk, _reads(n)), await _paced(desk, _cancels(2 + n, n))]
        flooded = await flooding
    times = flooded.per_s / MAY_PER_S
    what = f"what one key is answered, by the {MAY_PER_S}/s that it may"
    refused = flooded.statuses.get(429, 0) / len(flooded.waits)
    rows = [
        measured("load.flood.times", what, [times], "times", at_least=TIMES_MIN),
        measured("load.flood.refused", "of it refused with 429", [refused], "share"),
    ]
    for name, before, during in zip(("reads", "cancels"), quiet, loud, strict=True):
        row = measured(
            f"load.flood.{name}.p99_ms",
            f"another key's {name}, 99th percentile during the flood",
            [during.ms(99)],
            "ms",
            references={"before the flood": [before.ms(99)]},
        )
        holds = row.ratio is not None and row.ratio <= P99_RATIO_MAX
        rows.append(msgspec.structs.replace(row, bound=P99_RATIO_MAX, holds=holds))
        rows.append(
            measured(
                f"load.flood.{name}.p50_ms",
                f"another key's {name}, median during the flood",
                [during.ms(50)],
                "ms",
                references={"before the flood": [before.ms(50)]},
            )
        )
    return rows


def flood_from(port: int, seconds: float) -> Measured:
    """Send orders as fast as they are answered, whatever the answer is."""

    def orders() -> Iterator[bytes]:
        while True:
            yield signed("flooder", "POST", "/v1/orders", order_body("json"))

    return asyncio.run(call(port, [orders() for _ in range(FLOODERS)], seconds))


def signed(key: str, method: str, path: str, body: bytes = b"") -> bytes:
    """Return a request with its signature: good for some seconds, and once."""
    at, nonce = f"{time.time():.6f}", f"{os.getpid():012x}{next(_numbers):020x}"
    text = f"{at}\n{method}\n{path}\n{hashlib.sha256(body).hexdigest()}\n{nonce}"
    signature = hmac.digest(SECRETS[key].encode(), text.encode(), "sha256").hex()
    more = (
        f"X-Anabranch-Key: {key}\r\nX-Anabranch-Timestamp: {at}\r\nX-Anabranch-Nonce: {nonce}\r\n"
        f"X-Anabranch-Signature: {signature}\r\n"
    )
    return request(method, path, body, more=more)


def _reads(n: int) -> Iterator[bytes]:
    return (signed("other", "GET", "/v1/orders/P1") for _ in range(n))


def _cancels(first: int, n: int) -> Iterator[bytes]:
    return (signed("other", "DELETE", f"/v1/orders/P{k}") for k in range(first, first + n))


async def _paced(desk: Running, requests: Iterator[bytes]) -> Measured:
    """Send one request after the other on one connection, none sooner than the pace says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    waits: list[float] = []
    statuses = Counter[int]()
    start = time.perf_counter()
    for data in requests:
        began = time.perf_counter()
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head.find(b"content-length:")
        await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]) if at >= 0 else 0)
        waits.append(time.perf_counter() - began)
        statuses[int(head[9:12])] += 1
        await asyncio.sleep(max(PACE_S - waits[-1], 0.0))
    writer.close()
    return answered(Measured(dict(statuses), waits, time.perf_counter() - start, 0), 200, 202)


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (flood,)
