"""Rows about what a day costs: the flagship's, the recorded one's, and how it grows with length, venues and parents.

Rule of this file: CPU seconds of whole runs in this process on one seed, learner and router on, after a warm-up. Where
cost grows, the market is the flagship's, cut or multiplied. Half of a day is Python's own interpreter, so the rows of
days say which one it was: one that was compiled with profile-guided optimisation takes a twentieth less.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.replays import TAPE, TAPE_FOLDER
from benchmarks.rows import Row, Settings, measured, skipped
from scenarios.runner import run
from scenarios.scenario import Scenario, SyntheticMarket, load_scenario
from scenarios.tables import RunSummary

FLAGSHIP = "midcap_500k"
VENUES, PARENTS, LENGTHS_S = (4, 8, 16, 32), (1, 10, 100), (1_800, 3_600, 7_200, 14_400)
SPAN_S = 1_800
SLOPE_MAX = 1.1
"""Cost may grow as the size to this power at most: linearly, and a tenth for noise."""

EVENT_NS_MAX, DAY_S_MAX = 1_500.0, 10.0
"""The whole flagship: CPU per event of background flow, all in, and seconds for the day."""

TAPE_DAY_S_MAX = 5.0
"""The recorded day, when the process has run it before: kernels are loaded then, and the day's file is read."""


def scaling(settings: Settings) -> list[Row]:
    """Measure runs of the flagship at several lengths, numbers of venues and numbers of parents."""
    venues: Sequence[int] = VENUES
    parents: Sequence[int] = PARENTS
    lengths: Sequence[int] = LENGTHS_S
    span = SPAN_S
    if settings.is_quick:
        venues, parents, lengths, span = (2, 4), (1, 2), (120, 240), 120
    tasks: list[tuple[str, int, Callable[[], Scenario]]] = []
    tasks += [("length", s, lambda s=s: sized(13, 1, s)) for s in lengths]  # type: ignore[misc]
    tasks += [("venues", n, lambda n=n: sized(n, 1, span)) for n in venues]  # type: ignore[misc]
    tasks += [("parents", n, lambda n=n: sized(13, n, span)) for n in parents]  # type: ignore[misc]
    run(sized(4, 1, 120), seed=1)
    rows: list[Row] = []
    points: dict[str, list[tuple[float, float]]] = {}
    for done, (kind, size, make) in enumerate(tasks):
        settings.progress(done / len(tasks), f"{kind} {size}")
        seconds, summary = _cpu(make(), settings.rounds)
        what = f"{FLAGSHIP}, {kind} {size}: {summary.events:,} events, {summary.decisions:,} decisions"
        rows.append(measured(f"scaling.{kind}.{size}", what, seconds, "CPU s"))
        points.setdefault(kind, []).append((float(size), median(seconds)))
        if kind == "length":
            points.setdefault("events", []).append((float(summary.events), median(seconds)))
    for kind, name in (("events", "events"), ("venues", "venues"), ("parents", "parents")):
        bound = None if settings.is_quick or kind == "parents" else SLOPE_MAX
        slope = _slope(points[kind])
        rows.append(measured(f"scaling.slope.{kind}", f"cost grows as {name} to the power", [slope], "", at_most=bound))
    return rows


def flagship(settings: Settings) -> list[Row]:
    """Measure the whole flagship day, 13 venues with flow, router and learner on."""
    scenario = sized(13, 1, 240) if settings.is_quick else load_scenario(FLAGSHIP)
    run(sized(4, 1, 120), seed=1)
    seconds, summary = _cpu(scenario, settings.rounds)
    per_event = [value / summary.events * 1e9 for value in seconds]
    what = f"{_said(FLAGSHIP, summary)}, {summary.fills:,} fills; {_interpreter()}"
    day, event = (None, None) if settings.is_quick else (DAY_S_MAX, EVENT_NS_MAX)
    return [
        measured("flagship.day_s", f"{what}; the day in one process", seconds, "CPU s", at_most=day),
        measured("flagship.event_ns", f"{what}; per event, all in", per_event, "ns", at_most=event),
    ]


def recorded_day(settings: Settings) -> list[Row]:
    """Measure the recorded day: twelve exchanges, two pools and a dealer, router and learner on."""
    id, what = "tape.day_s", f"{TAPE}: the day in one process, not its first there"
    if settings.is_quick or not (settings.data and (settings.data / TAPE_FOLDER).is_dir()):
        why = "too long for a quick run" if settings.is_quick else "no recorded data"
        return [skipped(id, what, "CPU s", why, TAPE_DAY_S_MAX)]
    run(load_scenario(TAPE), seed=1, data=settings.data)
    seconds, summary = _cpu(load_scenario(TAPE), settings.rounds, settings.data)
    what = f"{_said(TAPE, summary)}; {_interpreter()}; {what.split(': ')[1]}"
    return [measured(id, what, seconds, "CPU s", at_most=TAPE_DAY_S_MAX)]


def _said(name: str, summary: RunSummary) -> str:
    return f"{name}: {summary.events:,} events, {summary.decisions:,} decisions"


def _interpreter() -> str:
    build, compiled = platform.python_build()
    return f"{platform.python_implementation()} {platform.python_version()} ({build}, {compiled})"


def sized(venues: int, parents: int, duration_s: int) -> Scenario:
    """Return the flagship with so many venues (its own, over and over, with shares that sum to the same), so many
    parents that share its order, over so long a session, without breaks and turns of the regime."""
    scenario = load_scenario(FLAGSHIP)
    file = scenario.file
    market = file.market
    assert isinstance(market, SyntheticMarket)
    whole = sum(part.volume_share for part in file.venues)
    picked = [file.venues[n % len(file.venues)] for n in range(venues)]
    scale = whole / sum(part.volume_share for part in picked)
    replace = msgspec.structs.replace
    grown = tuple(
        replace(part, mic=f"{part.mic}{n}", volume_share=part.volume_share * scale, is_primary=n == 0)
        for n, part in enumerate(picked)
    )
    day = market.duration_s / duration_s
    order = file.orders[0]
    qty = max(1, round((order.order_qty or 1) / day / parents))
    orders = tuple(
        replace(order, id=f"{order.id}.{n}", order_qty=qty, start_s=1.0, end_s=duration_s - 10.0)
        for n in range(parents)
    )
    changed = replace(
        file,
        market=replace(market, duration_s=float(duration_s)),
        venues=grown,
        orders=orders,
        regimes=(),
        breaks=(),
        holds=type(file.holds)(),
    )
    return Scenario(f"{scenario.name}-{venues}-{parents}-{duration_s}", scenario.path, scenario.text, changed)


def _cpu(scenario: Scenario, rounds: int, data: Path | None = None) -> tuple[list[float], RunSummary]:
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        summary = run(scenario, seed=1, data=data)
        seconds.append(time.process_time() - began)
    return seconds, summary


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the least-squares slope of log cost against log size."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    rise = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return rise / sum((a - x) ** 2 for a in xs)
