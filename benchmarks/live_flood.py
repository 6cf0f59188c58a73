"""A flood: one key sends orders at ten times what the desk can make durable, and another key's reads and cancels are
timed meanwhile, while that key keeps to its rate, and without it.

Rule of this file: the flood comes from a process of its own and does not wait for answers (`benchmarks.flooder`); the
other key sends so many requests a second on one connection, as a person's program does. Where there are two cores the
desk has one, and flood and caller share the other, in every phase; the flood runs with less priority.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import msgspec

from benchmarks import flooder
from benchmarks.flooder import Flood, flood_from, pin
from benchmarks.http_caller import Measured, call
from benchmarks.live_load import MEMORY_MB_MAX, answered, desk_alone, order_body, ready
from benchmarks.live_server import Running
from benchmarks.rows import Row, Settings, measured

SECRETS = {"flooder": "f" * 32, "other": "e" * 32, **{f"sower-{k}": "s" * 32 for k in range(20)}}
MAY_PER_S, BURST = 100, 1_000
"""Orders a second that a key may send."""

WITHIN = 0.95
"""So much of what it may the flooder sends before it floods: what the others then wait for is not the flood's."""

TIMES = 10.0
"""A flood of ten times capacity is what must be borne: one that does not come to it shows nothing, and says so."""

SPARE = 1.05
"""So much more than that is offered: whoever is a little late is still at ten."""

CONNECTIONS = 64
CAPACITY_CONNECTIONS = 16
P99_RATIO_MAX = 2.0
PACE_S = 0.005
SECONDS, SECONDS_QUICK = 4.0, 0.5
LEAD_IN_S = 3.0
"""How long the flood goes on before anybody is timed: its burst is used up by then."""

LEAD_S = 0.000_03
"""What it takes to make and sign one request of the flood, at most."""

DESK_CORE, CALLERS_CORE = 0, 1


class Phase(NamedTuple):
    """Reads and cancels of one phase, the desk's share of a core meanwhile, and its memory at the end."""

    asked: tuple[Measured, Measured]
    cpu: float
    rss_mb: float


class Round(NamedTuple):
    """One round: while the flooder sends as much as it may, while it floods, and while it sends nothing."""

    within: Phase
    flooded: Phase
    alone: Phase
    flood: Flood


def flood(settings: Settings) -> list[Row]:
    """Measure one key's reads and cancels while another key floods the desk with orders, and while it does not."""
    if not settings.wants("load.flood"):
        return []
    seconds = SECONDS_QUICK if settings.is_quick else SECONDS
    cores = os.sched_getaffinity(0)
    pin(CALLERS_CORE)
    try:
        capacity = _capacity(settings, seconds)
        with desk_alone(_rates(), SECRETS, core=DESK_CORE) as desk:
            settings.progress(0.0, "flood")
            rounds = asyncio.run(_rounds(desk, seconds, capacity * TIMES * SPARE, settings.rounds))
    finally:
        os.sched_setaffinity(0, cores)
    return _rows(capacity, rounds)


def _rates() -> str:
    others = "\n".join(
        f"{name} = {{ per_s = 1_000_000, burst = 1_000_000 }}" for name in ("reads", "cancels", "dry_runs")
    )
    return f"\n[api.rates]\norders = {{ per_s = {MAY_PER_S}, burst = {BURST} }}\n{others}\n"


def signed(key: str, method: str, path: str, body: bytes = b"") -> bytes:
    """Return a request with its signature: good for some seconds, and once."""
    return flooder.signed(key, SECRETS[key], method, path, body)


def _capacity(settings: Settings, seconds: float) -> float:
    """Return the signed orders a second that a desk without rates makes durable."""
    with desk_alone(keys=SECRETS, core=DESK_CORE) as desk:
        settings.progress(0.0, "flood: capacity")
        asyncio.run(ready(desk))
        each = [[_orders() for _ in range(CAPACITY_CONNECTIONS)] for _ in range(2)]
        found = [asyncio.run(call(desk.port, orders, seconds)) for orders in each]
    return max(answered(one, 201).per_s for one in found)


def _orders() -> Iterator[bytes]:
    while True:
        yield signed("other", "POST", "/v1/orders", order_body("json"))


async def _rounds(desk: Running, seconds: float, per_s: float, rounds: int) -> list[Round]:
    await ready(desk)
    n = int(seconds / PACE_S)
    await _hand_in(desk, 1 + 3 * n * rounds)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, os.getpid)
        return [await _round(desk, pool, seconds, per_s, 2 + 3 * n * number, n) for number in range(rounds)]


async def _hand_in(desk: Running, number: int) -> None:
    """Hand in orders that are cancelled later, P1 and on; one key may not send so many at once."""
    for start in range(0, number, CAPACITY_CONNECTIONS):
        those = range(start, min(start + CAPACITY_CONNECTIONS, number))
        orders = [iter([signed(f"sower-{k // BURST}", "POST", "/v1/orders", order_body("json"))]) for k in those]
        answered(await call(desk.port, orders), 201)


async def _round(desk: Running, pool: ProcessPoolExecutor, seconds: float, per_s: float, first: int, n: int) -> Round:
    alone = await _both(desk, first, n)
    within, _ = await _beside(desk, pool, seconds, WITHIN * MAY_PER_S, first + n, n)
    # The flooder's burst is used up first: from then on it has what it may send, and nothing more.
    flooded, flood = await _beside(desk, pool, seconds, per_s, first + 2 * n, n)
    return Round(within, flooded, alone, flood)


async def _beside(
    desk: Running, pool: ProcessPoolExecutor, seconds: float, per_s: float, first: int, n: int
) -> tuple[Phase, Flood]:
    """Time reads and cancels while another key sends so many orders a second."""
    number = int((2.0 * seconds + LEAD_IN_S + 0.5) * per_s)
    start = time.time() + LEAD_S * number + 0.5
    target = (desk.port, "flooder", SECRETS["flooder"], number, per_s, CONNECTIONS, CALLERS_CORE, start)
    flooding = asyncio.get_running_loop().run_in_executor(pool, flood_from, *target)
    await asyncio.sleep(start - time.time() + LEAD_IN_S)
    phase = await _both(desk, first, n)
    return phase, await flooding


async def _both(desk: Running, first: int, n: int) -> Phase:
    before, began = desk.figures()["cpu_s"], time.perf_counter()
    found = await _paced(desk, _reads(n)), await _paced(desk, _cancels(first, n))
    after = desk.figures()
    return Phase(found, (after["cpu_s"] - before) / (time.perf_counter() - began), after["rss_mb"])


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


def _rows(capacity: float, rounds: list[Round]) -> list[Row]:
    times = [one.flood.sent_per_s / capacity for one in rounds]
    what = f"orders that one key sends on {CONNECTIONS} connections, by what the desk makes durable"
    answers = [sum(one.flood.statuses.values()) for one in rounds]
    refused = [one.flood.statuses.get(429, 0) / max(n, 1) for one, n in zip(rounds, answers, strict=True)]
    per_s = [n / one.flood.seconds for one, n in zip(rounds, answers, strict=True)]
    rows = [
        measured("load.flood.capacity", "signed orders, 16 connections, no rates: durable", [capacity], "orders/s"),
        measured("load.flood.times", what, times, "times", at_least=TIMES),
        measured("load.flood.answered", f"of it answered; the key may send {MAY_PER_S}/s", per_s, "answers/s"),
        measured("load.flood.refused", "of the answers: 429", refused, "share"),
        measured(
            "load.flood.cpu",
            "processor time of the desk during the flood",
            [100.0 * one.flooded.cpu for one in rounds],
            "%",
            references={
                "within its rate": [100.0 * one.within.cpu for one in rounds],
                "without it": [100.0 * one.alone.cpu for one in rounds],
            },
        ),
    ]
    rows.append(
        measured(
            "load.flood.rss_mb",
            "memory of the desk at the end of the flood",
            [one.flooded.rss_mb for one in rounds],
            "MB",
            references={"before it": [one.within.rss_mb for one in rounds]},
            at_most=MEMORY_MB_MAX,
        )
    )
    for k, name in enumerate(("reads", "cancels")):
        loud = [one.flooded.asked[k] for one in rounds]
        others = {
            "while it keeps to its rate": [one.within.asked[k] for one in rounds],
            "without it": [one.alone.asked[k] for one in rounds],
        }
        for id, percent, name_of in (("p99_ms", 99, "99th percentile"), ("p50_ms", 50, "median")):
            row = measured(
                f"load.flood.{name}.{id}",
                f"another key's {name}, {name_of} during the flood",
                [one.ms(percent) for one in loud],
                "ms",
                references={words: [one.ms(percent) for one in those] for words, those in others.items()},
            )
            if percent == 99:
                holds = row.ratio is not None and row.ratio <= P99_RATIO_MAX
                row = msgspec.structs.replace(row, bound=P99_RATIO_MAX, holds=holds)
            rows.append(row)
    return rows


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (flood,)
