"""Rows about replaying recorded markets: merging sixteen venues into their books, exact queues, a whole simulation.

Rule of this file: a figure is nanoseconds of wall time an event, compiled and warm; what is found out once when a tape
is read has a row of its own.

hftbacktest wants an older numpy than ours and cannot share our environment: where HFTBACKTEST_PYTHON names an
interpreter that has it, it walks the same level-2 rows as sixteen assets in the same run, without a strategy.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from heapq import merge as merged
from pathlib import Path
from statistics import median

import numpy as np
from numba import njit

from benchmarks.clean import ROOT, TIMEOUT_S, run_command, run_task
from benchmarks.made_up_tapes import streams
from benchmarks.rows import Row, Settings, measured, skipped
from router.domain.errors import LinkError
from router.domain.market import I64

EVENTS, EVENTS_QUICK, EVENTS_PLAIN = 100_000, 2_000, 5_000
"""Events a venue; the plain twin walks a part."""

LEVELS_NS, ORDERS_NS = 150.0, 300.0
"""The figures to reach."""

FLAGSHIP, SMALL = "midcap_500k", "smoke"
LOBSTER = Path("lobster_nasdaq_20120621") / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
INTERPRETER = "HFTBACKTEST_PYTHON"


def merges(settings: Settings) -> list[Row]:
    """Merge sixteen venues' streams with their books and the consolidated best."""
    events = EVENTS_QUICK if settings.is_quick else EVENTS
    runs: list[dict[str, float]] = [run_task("tape_merges", events=events) for _ in range(settings.rounds)]
    got = {name: [run[name] for run in runs] for name in runs[0]}
    others = {"bare loop over the merged rows": got["bare"], "plain Python twin": got["plain"]}
    bounds = (None, None) if settings.is_quick else (LEVELS_NS, ORDERS_NS)
    known = {} if settings.is_quick else _hftbacktest(settings, events)
    return [
        measured(
            "merge.levels_ns",
            f"16 venues of level-2 rows, 16 books, one best, an event{'' if known else f' (no {INTERPRETER})'}",
            got["levels"],
            "ns",
            references={**known, **others},
            at_most=bounds[0],
        ),
        measured(
            "merge.orders_ns",
            "16 venues of orders with ids, 16 books, one best, an event",
            got["orders"],
            "ns",
            references={"bare loop over the merged rows": got["bare"]},
            at_most=bounds[1],
        ),
        measured("merge.read_levels_ns", "prices as ranks, once when read, a level-2 event", got["read_levels"], "ns"),
        measured("merge.read_orders_ns", "ids as slots too, an order-level event", got["read_orders"], "ns"),
    ]


def queues(settings: Settings) -> list[Row]:
    """Play a recorded day of orders through its venue, with one order of ours in the queue."""
    what = "a recorded day of orders as a venue, one order of ours resting, an event"
    if settings.data is None or not (settings.data / LOBSTER).is_file():
        return [skipped("queue.event_ns", what, "ns", "no recorded orders")]
    path = str((settings.data / LOBSTER).resolve())
    return [measured("queue.event_ns", what, [run_task("tape_queue", path=path) for _ in range(settings.rounds)], "ns")]


def simulation(settings: Settings) -> list[Row]:
    """Run the flagship's day: learner, router, hosts, journal, venues and their flow, all in."""
    name = SMALL if settings.is_quick else FLAGSHIP
    values = []
    for _ in range(settings.rounds):
        with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
            printed = run_command(["replay", name, "--out", f"{folder}/run"]).printed
            values.append(printed["wall_s"] * 1e9 / printed["events"])
    return [measured("simulation.event_ns", f"{name} in one process, all in, a market event", values, "ns")]


def merges_ns(events: int) -> dict[str, float]:
    """Time both merges, the bare loop, the plain twin and the reading: median ns an event of five, by name."""
    from venues.tape.compact import compact
    from venues.tape.merge import lay_out, merge_levels, merge_orders

    found: dict[str, float] = {}
    for name, merge in (("levels", merge_levels), ("orders", merge_orders)):
        raw = streams(events, has_orders=name == "orders")
        n = sum(map(len, raw))
        laid = lay_out([compact(rows) for rows in raw])
        found[name] = _median_ns(lambda merge=merge, laid=laid: merge(laid), n)
        found[f"read_{name}"] = _median_ns(lambda raw=raw: [compact(rows) for rows in raw], n)
        if name == "levels":
            rows = np.concatenate(raw)
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
            found["bare"] = _median_ns(lambda rows=rows: _bare(rows), n)
            part = [tape[:EVENTS_PLAIN].tolist() for tape in raw]
            found["plain"] = _median_ns(lambda part=part: plain_merge(part), sum(map(len, part)), rounds=1)
    return found


def queue_ns(path: str) -> float:
    """Time a recorded day through its venue, an order of ours resting far away: ns an event, the median of five."""
    from router.domain.enums import OrdType, Side, Tactic, VenueType
    from router.domain.instruments import FeeSchedule, Listing, VenueSpec
    from router.domain.messages import Arrival
    from router.domain.orders import ChildOrder, NewOrderSingle
    from venues.feeds.lobster import open_lobster
    from venues.tape.compact import compact
    from venues.tape.queue_venue import QueueTapeVenue
    from venues.tape.recorded import record

    recording = record(open_lobster(Path(path)))
    ((mic, raw),) = recording.venues.items()
    symbol, tape = recording.info.symbol, compact(raw)
    spec = VenueSpec(
        mic=mic,
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol=symbol, mic=mic, tick=100, lot=1),
        fees=FeeSchedule(),
        tactics=(Tactic.POST,),
    )
    child = ChildOrder(
        cl_ord_id="B.0",
        parent_id="B",
        decision_id="B.d1",
        symbol=symbol,
        mic=mic,
        tactic=Tactic.POST,
        side=Side.BUY,
        order_qty=100,
        ord_type=OrdType.LIMIT,
        price=100,
    )

    def day() -> None:
        venue = QueueTapeVenue(spec, tape, recording.first_at, recording.last_at)
        venue.advance(recording.last_at, [Arrival(recording.first_at, NewOrderSingle(child))])

    return _median_ns(day, len(raw))


def plain_merge(tapes: list[list[list[int]]]) -> tuple[int, int, int, int]:
    """Merge LEVEL rows in plain Python, with a dictionary a side and venue; return the last consolidated best."""
    books: list[tuple[dict[int, int], dict[int, int]]] = [({}, {}) for _ in tapes]
    tops = [[0, 0, 0, 0] for _ in tapes]
    best = (0, 0, 0, 0)
    rows = (((row[0], v), row) for v, tape in enumerate(tapes) for row in tape)
    for (_, v), (_, _, side, px, qty, _, _) in merged(*_by_venue(rows, len(tapes))):
        book = books[v][side < 0]
        if qty:
            book[px] = qty
        else:
            book.pop(px, None)
        touch = (max(book) if side > 0 else min(book)) if book else 0
        tops[v][0 if side > 0 else 2], tops[v][1 if side > 0 else 3] = touch, book.get(touch, 0)
        bid = max(top[0] for top in tops)
        ask = min((top[2] for top in tops if top[2]), default=0)
        best = (bid, sum(t[1] for t in tops if t[0] == bid), ask, sum(t[3] for t in tops if t[2] == ask))
    return best


def _by_venue(rows, venues):  # type: ignore[no-untyped-def]
    lists: list[list[object]] = [[] for _ in range(venues)]
    for key, row in rows:
        lists[key[1]].append((key, row))
    return lists


@njit(cache=True)
def _bare(rows: I64) -> int:
    total = 0
    for i in range(len(rows)):
        if rows[i, 1] == 8:
            total += rows[i, 2] * rows[i, 3] + rows[i, 4]
    return total


def _median_ns(call: Callable[[], object], events: int, rounds: int = 5) -> float:
    """Return the median ns an event of `rounds` calls after one that compiles and warms."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - began) / events)
    return median(times[1:])


def _hftbacktest(settings: Settings, events: int) -> dict[str, list[float]]:
    """Return hftbacktest's ns an event over the same level-2 rows; nothing where no interpreter has it.

    Raises:
        LinkError: the interpreter named did not do it; says with which words.
    """
    interpreter = os.environ.get(INTERPRETER)
    if not interpreter:
        return {}
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        rows = Path(folder) / "rows.npy"
        np.save(rows, np.stack(streams(events, has_orders=False)))
        line = [interpreter, str(ROOT / "benchmarks" / "tape_reference.py"), str(rows), str(settings.rounds)]
        ended = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ended.returncode:
        raise LinkError(f"expected {INTERPRETER} to walk the rows, got: {' '.join(ended.stderr.splitlines()[-3:])}")
    return {"hftbacktest, 16 assets": [float(word) for word in ended.stdout.split()]}


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (merges, queues, simulation)
