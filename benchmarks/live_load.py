"""What a desk carries: durable orders a second, dry runs beside a bare server, a thousand live orders.

Rule of this file: client and server are two processes on loopback, callers are a closed loop, and every answer is
counted by its status: a figure of answers that were refused is none.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.http_caller import Measured, call, request
from benchmarks.kill_drill import ACCOUNT, SYMBOL, write_drill
from benchmarks.live_server import Running, server
from benchmarks.rows import Row, Settings, measured
from router.domain.errors import RunError

CONNECTIONS = (1, 16, 64)
BARE = {"raw": "bare aiohttp on uvloop", "asyncio": "on asyncio's loop"}
"""What dry runs are held against: servers that read and decode the body and answer as many bytes (`live_server`)."""
MEDIA = {"json": "application/json", "msgpack": "application/msgpack"}
SECONDS, SECONDS_QUICK = 5.0, 0.5
ROUTE_RATIO_MIN, ORDERS_MIN, ACCEPT_MS_MAX, MEMORY_MB_MAX = 0.35, 1_000.0, 10.0, 8_000.0
LIVE, LIVE_QUICK = 1_000, 50
WINDOW_S = 0.25
READY_S = 120.0
_numbers = count()

ROOM = """
[risk]
shape_repeats_max = 10_000
repeated_executions_max = 100_000
adv_share_max = 1_000.0
messages_per_s = 1_000_000
messages_burst = 1_000_000
cancels_per_s = 1_000_000
cancels_burst = 1_000_000
open_orders_symbol_max = 1_000_000
open_orders_account_max = 1_000_000
position_max = 1_000_000_000
leaves_notional_symbol_max = 1_000_000_000_000_000_000
leaves_notional_account_max = 1_000_000_000_000_000_000
gross_max = 1_000_000_000_000_000_000
net_max = 1_000_000_000_000_000_000
"""
"""No limit of a client is in the way of what is measured: the desk's own are."""

RATES = (
    "\n[api.rates]\norders = { per_s = 1_000_000, burst = 1_000_000 }\n"
    "dry_runs = { per_s = 1_000_000, burst = 1_000_000 }\nreads = { per_s = 1_000_000, burst = 1_000_000 }\n"
    "cancels = { per_s = 1_000_000, burst = 1_000_000 }\n"
)


def desk_config(folder: Path, *, rates: str = RATES, api: str = "is_open = true") -> str:
    """Write the configuration of a desk for measuring, and return its path."""
    config = write_drill(folder, 0)
    scenario = folder / "kill_drill.toml"
    drill = scenario.read_text(encoding="utf-8").replace("volume_share = 0.55", "volume_share = 0.35")
    scenario.write_text(
        drill.replace('[[venues]]\nmic = "XDKA"', f'{SECOND_BOOK}[[venues]]\nmic = "XDKA"'), encoding="utf-8"
    )
    live = config.read_text(encoding="utf-8").partition("[risk]")[0]
    config.write_text(f"{live}{ROOM}\n[api]\nport = 0\n{api}\n{rates}", encoding="utf-8")
    return str(config)


def _keys(folder: Path, secrets: Mapping[str, str]) -> str:
    keys = folder / "keys.toml"
    lines = [
        f'[[keys]]\nid = "{key}"\nname = "{key}"\nrole = "trader"\naccounts = ["*"]\nsecret = "{secret}"\n'
        for key, secret in secrets.items()
    ]
    keys.write_text("\n".join(lines), encoding="utf-8")
    keys.chmod(0o600)
    return 'keys = "keys.toml"'


SECOND_BOOK = """
[[venues]]
mic = "XINA"
volume_share = 0.20
maker_micros = 1_800
taker_micros = -1_500
parameters = { kind = "lit", touch_qty = 200 }
"""
"""With one lit book alone a side may be empty for a moment, and a dry run has no market then."""


@contextmanager
def desk_alone(rates: str = RATES, keys: Mapping[str, str] | None = None, core: int | None = None) -> Iterator[Running]:
    """Run a desk in a folder of its own, on one core where that is said; with `keys`, secrets by id, nobody else comes
    in."""
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        api = "is_open = true" if keys is None else _keys(folder, keys)
        with server("desk", desk_config(folder, rates=rates, api=api), core) as desk:
            yield desk


def order_body(media: str, *, is_later: bool = True, qty: int = 100, strategy: str = "twap", id: str = "") -> bytes:
    """Return the body of a new order; one for later waits in the desk, so that its work is in no figure."""
    body: dict[str, object] = {
        "client_order_id": id or f"load-{next(_numbers)}",
        "account": ACCOUNT,
        "symbol": SYMBOL,
        "side": "buy",
        "type": "market",
        "qty": str(qty),
        "routing": {"strategy": strategy},
    }
    if is_later:
        body["start_time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7_200))
    return msgspec.json.encode(body) if media == "json" else msgspec.msgpack.encode(body)


def orders(media: str) -> Iterator[bytes]:
    """Yield requests with new orders, for ever."""
    while True:
        yield request("POST", "/v1/orders", order_body(media), MEDIA[media])


def route_body(media: str) -> bytes:
    """Return the body of a dry run."""
    body = {"symbol": SYMBOL, "side": "buy", "qty": "1000"}
    return msgspec.json.encode(body) if media == "json" else msgspec.msgpack.encode(body)


class _Listening(Protocol):
    """What has a port on this machine."""

    @property
    def port(self) -> int: ...


async def ready(running: _Listening, more: Callable[[str, str], str] = lambda method, path: "") -> None:
    """Return when the desk would accept an order.

    Raises:
        RunError: it does not.
    """
    for _ in range(int(READY_S * 10)):
        found = await call(running.port, [iter([request("GET", "/readyz", more=more("GET", "/readyz"))])])
        if 200 in found.statuses:
            return
        await asyncio.sleep(0.1)
    raise RunError(f"expected the desk to be ready within {READY_S:.0f} s, got {found.statuses}")


def answered(found: Measured, *statuses: int) -> Measured:
    """Return what was measured, if every answer was one of these.

    Raises:
        RunError: some were not.
    """
    if set(found.statuses) - set(statuses):
        raise RunError(f"expected answers of status {statuses}, got {found.statuses}: {found.refusal[:500]}")
    return found


def _wanted(settings: Settings, id: str) -> list[tuple[str, int]]:
    """Return the media types and numbers of connections of which rows are wanted."""
    return [(media, n) for media in MEDIA for n in CONNECTIONS if settings.wants(f"{id}.{media}.{n}")]


def accepts(settings: Settings) -> list[Row]:
    """Measure durable accepts at 1, 16 and 64 connections, in JSON and MessagePack."""
    rows: list[Row] = []
    wanted = _wanted(settings, "load.orders")
    if not wanted:
        return rows
    with desk_alone() as desk:
        asyncio.run(ready(desk))
        for media, n in wanted:
            settings.progress(0.0, f"orders, {media}, {n} connections")
            runs = [asyncio.run(_accept(desk, media, n, settings.is_quick)) for _ in range(settings.rounds)]
            what = f"POST /v1/orders, {media}, {n} connections"
            rate = ORDERS_MIN if n > 1 else None
            wait = ACCEPT_MS_MAX if n == 16 else None
            id = f"load.orders.{media}.{n}"
            rows += [
                measured(f"{id}.per_s", f"{what}: durable", [r.per_s for r in runs], "orders/s", at_least=rate),
                measured(f"{id}.p50_ms", f"{what}: median", [r.ms(50) for r in runs], "ms", at_most=wait),
                measured(f"{id}.p99_ms", f"{what}: 99th percentile", [r.ms(99) for r in runs], "ms"),
            ]
    return rows


async def _accept(desk: Running, media: str, n: int, is_quick: bool) -> Measured:
    seconds = SECONDS_QUICK if is_quick else SECONDS
    answered(await call(desk.port, [orders(media) for _ in range(n)], seconds / 5), 201)
    return answered(await call(desk.port, [orders(media) for _ in range(n)], seconds), 201)


def dry_runs(settings: Settings) -> list[Row]:
    """Measure dry runs, in turn with bare servers that answer as many bytes."""
    rows: list[Row] = []
    wanted = _wanted(settings, "load.route")
    if not wanted:
        return rows
    seconds = SECONDS_QUICK if settings.is_quick else SECONDS
    with desk_alone() as desk:
        asyncio.run(ready(desk))
        for media, n in wanted:
            settings.progress(0.0, f"dry runs, {media}, {n} connections")
            data = request("POST", "/v1/route", route_body(media), MEDIA[media])
            size = answered(asyncio.run(call(desk.port, [repeat(data, 100)])), 200).body_bytes
            found: dict[str, list[tuple[Measured, float]]] = {"": [], **{name: [] for name in BARE.values()}}
            with server("raw", str(size)) as raw, server("asyncio", str(size)) as other:
                for _ in range(settings.rounds):
                    for name, running in zip(found, (desk, raw, other), strict=True):
                        found[name].append(_dry_run(running, data, n, seconds))
            rows += _dry_run_rows(media, n, size, found.pop(""), found)
    return rows


def _dry_run(running: Running, data: bytes, n: int, seconds: float) -> tuple[Measured, float]:
    """Return what was measured, and the server's own microseconds of processor time for a request."""
    before = running.figures()["cpu_s"]
    found = answered(asyncio.run(call(running.port, [repeat(data)] * n, seconds)), 200)
    return found, (running.figures()["cpu_s"] - before) / len(found.waits) * 1e6


def _dry_run_rows(
    media: str, n: int, size: int, ours: list[tuple[Measured, float]], bare: dict[str, list[tuple[Measured, float]]]
) -> list[Row]:
    what, id = f"POST /v1/route, {media}, {n} connections, {size} bytes", f"load.route.{media}.{n}"
    row = measured(
        f"{id}.per_s",
        what,
        [found.per_s for found, _ in ours],
        "requests/s",
        references={name: [found.per_s for found, _ in those] for name, those in bare.items()},
    )
    row = msgspec.structs.replace(row, bound=ROUTE_RATIO_MIN, holds=(row.ratio or 0.0) >= ROUTE_RATIO_MIN)
    return [
        row,
        measured(
            f"{id}.cpu_us",
            f"{what}: processor time of the server",
            [cpu_us for _, cpu_us in ours],
            "us",
            references={name: [cpu_us for _, cpu_us in those] for name, those in bare.items()},
        ),
        measured(f"{id}.p50_ms", f"{what}: median", [found.ms(50) for found, _ in ours], "ms"),
        measured(f"{id}.p99_ms", f"{what}: 99th percentile", [found.ms(99) for found, _ in ours], "ms"),
    ]


def live_orders(settings: Settings) -> list[Row]:
    """Measure a desk in which a thousand orders are worked at once: memory, windows and how far they are behind."""
    if not settings.wants("load.live"):
        return []
    n = LIVE_QUICK if settings.is_quick else LIVE
    with desk_alone() as desk:
        asyncio.run(ready(desk))
        settings.progress(0.0, f"{n} live orders")
        bodies = [order_body("json", is_later=False, qty=20_000) for _ in range(n)]
        handed = (request("POST", "/v1/orders", body) for body in bodies)
        answered(asyncio.run(call(desk.port, [handed] * 16)), 201)
        figures = [desk.figures()]
        for _ in range(4 if settings.is_quick else 20):
            time.sleep(0.5)
            figures.append(desk.figures())
    # A market that has nothing to hear plays a window every so often: only beyond that it is late.
    lags = [max(f["lag_s"] - WINDOW_S, 0.0) for f in figures[1:]]
    windows = (figures[-1]["windows"] - figures[0]["windows"]) / (0.5 * len(lags))
    open_orders = f"{figures[-1]['open']:.0f} open orders"
    return [
        measured(
            "load.live.rss_mb",
            f"{open_orders}: memory of the process",
            [figures[-1]["rss_mb"]],
            "MB",
            at_most=MEMORY_MB_MAX,
        ),
        measured("load.live.windows_s", f"{open_orders}: windows", [windows], "windows/s"),
        measured("load.live.lag_ms", f"{open_orders}: windows late, median", [lag * 1e3 for lag in lags], "ms"),
        measured("load.live.lag_max_ms", f"{open_orders}: windows late at the most", [max(lags) * 1e3], "ms"),
    ]


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (accepts, dry_runs, live_orders)
