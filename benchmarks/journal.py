"""Rows about durable records: how many a second, and how long a caller waits, by medium and by callers at once.

Rule of this file: callers are a closed loop: each commits one real event, hears that it is durable, and commits the
next. The time that a group lingers for others is in every figure.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from benchmarks.clean import run_task
from benchmarks.postgres_server import PostgresServer, server_programs
from benchmarks.rows import Row, Settings, measured, skipped
from benchmarks.storage import SYNC, real_payloads
from cluster.journal.group import GroupCommit
from cluster.journal.open import open_journal
from router.orders.journal import Draft, Journal

BATCHES = (1, 32, 256)
"""Callers at once."""

ROUNDS, ROUNDS_QUICK = 300, 10
WARM = 5
"""Rounds before the clock is looked at."""

FIGURES = (
    ("records_s", "durable records", "records/s"),
    ("p50_ms", "median wait", "ms"),
    ("p99_ms", "99th percentile", "ms"),
)


def group_commits(settings: Settings) -> list[Row]:
    """Measure both media; the rows of PostgreSQL say so where no server is installed."""
    rows = _rows(settings, "sqlite", "SQLite", None)
    programs = server_programs()
    if programs is None:
        why = "no PostgreSQL server is installed"
        return rows + [
            skipped(f"journal.postgres.{batch}.{key}", f"PostgreSQL, {batch} at once: {what}", unit, why)
            for batch in BATCHES
            for key, what, unit in FIGURES
        ]
    server = PostgresServer(programs)
    try:
        return rows + _rows(settings, "postgres", "PostgreSQL", server.url)
    finally:
        server.close()


def _rows(settings: Settings, medium: str, name: str, url: str | None) -> list[Row]:
    rows = []
    for done, batch in enumerate(BATCHES):
        settings.progress(0.5 * (url is not None) + done / len(BATCHES) / 2, f"{name}, {batch} at once")
        rounds = ROUNDS_QUICK if settings.is_quick else ROUNDS
        runs = [_run(url, medium, batch, rounds, turn) for turn in range(settings.rounds)]
        for key, what, unit in FIGURES:
            others = {
                "no group commit": [run["alone"] for run in runs],
                "bare write and sync": [run["bare"] for run in runs],
            }
            rows.append(
                measured(
                    f"journal.{medium}.{batch}.{key}",
                    f"{name}, {batch} at once: {what}",
                    [run[key] for run in runs],
                    unit,
                    references=others if key == "records_s" else None,
                )
            )
    return rows


def _run(url: str | None, medium: str, batch: int, rounds: int, turn: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        place = f"{folder}/journal.sqlite" if url is None else f"{url}&schema={medium}_{batch}_{turn}"
        figures: dict[str, float] = run_task("group_commit", place=place, folder=folder, batch=batch, rounds=rounds)
        return figures


def all_figures(place: str, folder: str, batch: int, rounds: int) -> dict[str, float]:
    """Return the figures of one journal, new at `place`; the bare file is made in `folder`."""
    payloads = real_payloads(batch * (rounds + WARM))
    groups = [payloads[k : k + batch] for k in range(0, len(payloads), batch)]
    journal = open_journal(place)
    with (Path(folder) / "bare").open("wb", buffering=0) as file:

        def bare(group: list[bytes]) -> None:
            file.write(b"".join(group))
            SYNC(file.fileno())

        figures = {
            "bare": _per_second(bare, groups),
            "alone": _per_second(lambda group: _commit_alone(journal, group), groups),
        }
    waits, seconds = asyncio.run(_closed_loop(journal, groups))
    journal.close()
    cuts = quantiles(waits, n=100, method="inclusive")
    return {**figures, "records_s": len(waits) / seconds, "p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}


async def _closed_loop(journal: Journal, groups: list[list[bytes]]) -> tuple[list[float], float]:
    """Return each commit's seconds, those of the first rounds left out, and the seconds of the whole."""
    commits, waits = GroupCommit(journal), list[float]()

    async def call(caller: int, payloads: list[bytes], kept: list[float] | None) -> None:
        for payload in payloads:
            began = time.perf_counter()
            await commits.commit(f"parent:P{caller}", None, [Draft("Event", 0, "", payload)])
            if kept is not None:
                kept.append(time.perf_counter() - began)

    callers = [list(payloads) for payloads in zip(*groups, strict=True)]
    await asyncio.gather(*(call(n, payloads[:WARM], None) for n, payloads in enumerate(callers)))
    began = time.perf_counter()
    await asyncio.gather(*(call(n, payloads[WARM:], waits) for n, payloads in enumerate(callers)))
    seconds = time.perf_counter() - began
    await commits.close()
    return waits, seconds


def _commit_alone(journal: Journal, group: list[bytes]) -> None:
    journal.append("alone", journal.next_seq("alone"), [Draft("Event", 0, "", payload) for payload in group])
    journal.sync()


def _per_second(write: Callable[[list[bytes]], None], groups: list[list[bytes]]) -> float:
    """Return records a second from the median group: a disk's rare long pauses are not in it."""
    times = []
    for group in groups:
        began = time.perf_counter()
        write(group)
        times.append(time.perf_counter() - began)
    return len(groups[0]) / median(times[WARM:])


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (group_commits,)
