"""What a desk of many processes carries, as `anabranch up` starts it: durable orders a second, dry runs, live orders.

Rule of this file: the rows of `benchmarks.live_load` over the other form of the desk, measured by the same caller; all
processes of the desk and the caller share the machine.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.http_caller import Measured, call, request
from benchmarks.live_load import (
    ACCEPT_MS_MAX,
    LIVE,
    LIVE_QUICK,
    MEDIA,
    MEMORY_MB_MAX,
    ORDERS_MIN,
    SECONDS,
    SECONDS_QUICK,
    answered,
    desk_config,
    order_body,
    orders,
    ready,
    route_body,
)
from benchmarks.rows import Row, Settings, measured

CONNECTIONS = 16


class _Door(NamedTuple):
    """Where the desk's door is, and the processes behind it."""

    port: int
    pids: tuple[int, ...]

    def rss_mb(self) -> float:
        """Return the memory of all of them; what they share is counted for each."""
        return sum(_rss_mb(pid) for pid in self.pids)


@contextmanager
def _desk() -> Iterator[_Door]:
    from cluster.config import RayOptions
    from cluster.live.bringing_up import up
    from cluster.live.settings import live_settings
    from cluster.live.starting import SettingsAt

    with tempfile.TemporaryDirectory(prefix="anabranch-bench-", ignore_cleanup_errors=True) as name:
        config = Path(desk_config(Path(name)))
        with up(live_settings(config), SettingsAt(file=str(config)), None, None, RayOptions()) as desk:
            port = urlsplit(desk.url).port
            assert port is not None, "a door that listens has a port"
            door = _Door(port, tuple(life.pid for life in desk.registry.lives() if life.pid))
            asyncio.run(ready(door))
            yield door


def cluster_load(settings: Settings) -> list[Row]:
    """Measure durable accepts and dry runs at 16 connections, and a desk in which a thousand orders are worked."""
    if not settings.wants("load.cluster"):
        return []
    seconds, n = (SECONDS_QUICK, LIVE_QUICK) if settings.is_quick else (SECONDS, LIVE)
    rows: list[Row] = []
    with _desk() as door:
        for media in MEDIA:
            settings.progress(0.0, f"orders, {media}, {CONNECTIONS} connections")
            runs = [
                _call(door, [orders(media) for _ in range(CONNECTIONS)], seconds, 201) for _ in range(settings.rounds)
            ]
            rows += _order_rows(media, runs)
        settings.progress(0.0, f"dry runs, {CONNECTIONS} connections")
        data = request("POST", "/v1/route", route_body("json"), MEDIA["json"])
        dry = [_call(door, [repeat(data)] * CONNECTIONS, seconds, 200) for _ in range(settings.rounds)]
        rows.append(measured("load.cluster.route.per_s", "POST /v1/route, json", [r.per_s for r in dry], "requests/s"))
    with _desk() as door:
        settings.progress(0.0, f"{n} live orders")
        handed = (request("POST", "/v1/orders", order_body("json", is_later=False, qty=20_000)) for _ in range(n))
        worked = answered(asyncio.run(call(door.port, [handed] * CONNECTIONS)), 201)
        memory = [door.rss_mb()]
    what = f"{len(worked.waits)} orders worked at once: memory of all {len(door.pids)} processes"
    rows.append(measured("load.cluster.live.rss_mb", what, memory, "MB", at_most=MEMORY_MB_MAX))
    return rows


def _order_rows(media: str, runs: list[Measured]) -> list[Row]:
    id, what = f"load.cluster.orders.{media}", f"POST /v1/orders, {media}, {CONNECTIONS} connections"
    return [
        measured(f"{id}.per_s", f"{what}: durable", [r.per_s for r in runs], "orders/s", at_least=ORDERS_MIN),
        measured(f"{id}.p50_ms", f"{what}: median", [r.ms(50) for r in runs], "ms", at_most=ACCEPT_MS_MAX),
        measured(f"{id}.p99_ms", f"{what}: 99th percentile", [r.ms(99) for r in runs], "ms"),
    ]


def _call(door: _Door, requests: list[Iterator[bytes]], seconds: float, status: int) -> Measured:
    return answered(asyncio.run(call(door.port, requests, seconds)), status)


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(float(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmRSS:"))


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (cluster_load,)
