"""How long it is from a venue's fill to the changed probability in another process, on Ray and by the wall clock.

Rule of this file: the beginning is what a venue's own ledger says, written before its answer leaves; the end is when
this process holds a picture of the market with the version that learned from that fill. Processes of one machine share
its clock.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.kill_drill import VENUES, write_drill
from benchmarks.kill_load import Drill, Refused
from benchmarks.kill_rounds import free_port
from benchmarks.rows import Row, Settings, measured
from cluster.journal.sqlite import SqliteJournal
from cluster.live.ledger import SUFFIX, read_ledger
from router.domain import codec
from router.domain.errors import RunError
from router.domain.events import ChildTraded
from router.domain.facts import WindowPlayed

SECONDS, SECONDS_QUICK = 60.0, 8.0
PAUSE_S = 0.3


def reaction(settings: Settings) -> list[Row]:
    """Trade small orders for a while and return how long probabilities took to hear of the fills."""
    waits, windows = _measure(SECONDS_QUICK if settings.is_quick else SECONDS, settings.progress)
    if not waits:
        raise RunError("expected fills to measure, got none")
    cuts = quantiles([*waits, waits[-1]], n=100, method="inclusive")
    what = f"a venue's fill to the changed probability in another process, {len(waits)} fills"
    return [
        measured("reaction.p50_ms", f"{what}: median", [cuts[49]], "ms"),
        measured("reaction.p99_ms", f"{what}: 99th percentile", [cuts[98]], "ms"),
        measured("reaction.windows", "windows that learned from one", [float(windows)], "windows"),
    ]


def _measure(seconds: float, progress: Callable[[float, str], None]) -> tuple[list[float], int]:
    from cluster.config import RayOptions
    from cluster.live.bringing_up import up
    from cluster.live.settings import live_settings
    from cluster.live.starting import SettingsAt

    with tempfile.TemporaryDirectory(prefix="anabranch-bench-", ignore_cleanup_errors=True) as name:
        config = write_drill(Path(name), free_port())
        settings = live_settings(config)
        with up(settings, SettingsAt(file=str(config)), None, None, RayOptions()) as desk:
            seen = asyncio.run(_trade(desk, seconds, progress))
        return _waits(settings.state, seen)


async def _trade(desk: Any, seconds: float, progress: Callable[[float, str], None]) -> list[tuple[int, int]]:
    """Trade, and return (version, when it was first seen here) in the order of seeing."""
    from cluster.live.remote import RemoteDesk

    seen: list[tuple[int, int]] = []

    class Watching(RemoteDesk):
        def _news(self, topic: str, body: bytes) -> None:
            super()._news(topic, body)
            picture = self.market(self.opened.symbol)
            version = max((p.policy_version for p in picture.policies), default=0) if picture else 0
            if not seen or version > seen[-1][0]:
                seen.append((version, time.time_ns()))

    watching = Watching(desk.opened, desk.registry, desk.token)
    await watching.start()
    async with Drill(desk.url, 1) as drill:
        while not await drill.is_ready():
            await asyncio.sleep(PAUSE_S)
        began, n = time.monotonic(), 0
        while (gone := time.monotonic() - began) < seconds:
            with suppress(Refused):
                await drill.order(f"r{n}", routing={"strategy": "sweep", "urgency": 1.0})
            n += 1
            progress(gone / seconds, f"{n} orders")
            await asyncio.sleep(PAUSE_S)
        await drill.end_all()
        await asyncio.sleep(1.0)
    await watching.close()
    return seen


def _waits(state: Path, seen: list[tuple[int, int]]) -> tuple[list[float], int]:
    """Return the milliseconds of every fill, and in how many windows they were learned from."""
    began: dict[tuple[str, str], int] = {}
    for mic in VENUES:
        for line in read_ledger((state / mic).with_suffix(SUFFIX)):
            began |= {(said[1], said[2]): line.wall_at for said in line.said if said[0] == "TRADE"}
    waits, windows, fills, last = [], 0, list[ChildTraded](), -1
    journal = SqliteJournal(state / "record.sqlite", is_reader=True)
    for record in journal.read():
        if record.kind == "ChildTraded":
            fills.append(codec.decode_event(record.payload))  # type: ignore[arg-type]
        elif record.kind == "WindowPlayed":
            version = codec.decode(record.payload, WindowPlayed).policy_version
            is_new, last = version > last, version
            # Only a version that is new with the fill, or after it, has learned from it.
            if not fills or not is_new:
                continue
            at = next((at for known, at in seen if known >= version), None)
            if at is not None:
                windows += 1
                starts = [began[key] for fill in fills if (key := (fill.cl_ord_id, fill.exec_id)) in began]
                waits += [(at - start) / 1e6 for start in starts]
            fills = []
    journal.close()
    return waits, windows


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (reaction,)
