"""Where the price model learns from: recorded files, or the market of a run directory, as consolidated sessions.

Rule of this file: a market is what a router could have seen of it, in that order. A run's market is played again from
its scenario and seed without our orders: a model that learns from them would learn our own footprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from learners.features.market import MarketFeatures
from learners.price.samples import Market
from router.domain.enums import Tactic, VenueType
from router.domain.errors import RunError, TapeError, bad_value
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.market import I64
from router.domain.units import Nanos
from scenarios.assembly import assemble, make_plan, make_venue
from scenarios.report.reading import read_summary
from scenarios.scenario import Scenario, parse_scenario
from venues.feeds import taq
from venues.feeds.catalogue import feed_of, files_in, open_feed
from venues.feeds.events import EventKind, Feed
from venues.tape.compact import compact
from venues.tape.queue_venue import QueueTapeVenue
from venues.tape.recorded import Recording, record
from venues.tape.touch import cut, grid_of, prints_of, touch_of

US_FEEDS = ("lean", "lobster", "taq")
"""Recordings of US stocks: their session is 09:30 to 16:00 in New York; of others it is all there is."""

_KIND = 1
_QUOTED = (EventKind.QUOTE, EventKind.LEVEL)


def markets_of_tape(place: Path, symbol: str | None = None) -> list[Market]:
    """Return the session of a recorded file, or those of a folder's files of one format and symbol, in order of time.

    Raises:
        TapeError: no recorded file there, files of several symbols or of overlapping times, or one that is refused.
    """
    files = files_in(place) if place.is_dir() else (place,)
    if symbol is not None and len(files) > 1:
        files = tuple(path for path in files if symbol.lower() in path.name.lower())
    if not files:
        raise TapeError(bad_value(str(place), f"a recorded file{f' of {symbol}' if symbol else ''}", "none"))
    feeds = sorted({str(feed_of(path)) for path in files})
    if len(feeds) > 1:
        raise TapeError(bad_value(str(place), "files of one format", ", ".join(feeds)))
    got = ", ".join(path.name for path in files)
    opened = [open_feed(path, symbol) for path in files]
    if len({feed.info().symbol for feed in opened}) > 1:
        raise TapeError(bad_value(str(place), "one file, or days of one symbol (--symbol)", got))
    found = [_read(feed, f"{feeds[0]} {path.name}", feeds[0]) for feed, path in zip(opened, files, strict=True)]
    markets = sorted(found, key=lambda market: market.open_at)
    if any(a.close_at > b.open_at for a, b in pairwise(markets)):
        raise TapeError(bad_value(str(place), "days that follow each other", got))
    return markets


def market_of_run(directory: Path, data: Path | None) -> Market:
    """Return the market of a run, as it is without our orders, seen with each feed's latency.

    Raises:
        RunError: no run there, or one that cannot be read.
        ScenarioError, TapeError: its scenario cannot be played again here.
    """
    if not directory.is_dir():
        raise RunError(bad_value("run", "a run directory", str(directory)))
    summary = read_summary(directory / "summary.json")
    path = directory / "scenario.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise RunError(f"expected a readable scenario, got {exc} - at {path}") from exc
    scenario = parse_scenario(text, summary.scenario, str(path))
    assembly = assemble(_without_model(scenario), summary.seed, data)
    plan = make_plan(assembly, {})
    quotes, prints = [], []
    for spec in assembly.specs:
        out = make_venue(assembly, spec.mic).advance(plan.close_at)
        quotes.append(_later(out.quotes, plan.feed_ns[spec.mic]))
        prints.append(_later(out.prints, plan.feed_ns[spec.mic]))
    name = f"run {summary.scenario}, seed {summary.seed}"
    return _market(name, assembly.specs, plan.symbol, (plan.open_at, plan.close_at), quotes, prints)


def _without_model(scenario: Scenario) -> Scenario:
    """Return a scenario that names no price model: the market does not depend on it, and it may be gone."""
    learning = msgspec.structs.replace(scenario.file.learning, price_model=None)
    return msgspec.structs.replace(scenario, file=msgspec.structs.replace(scenario.file, learning=learning))


def _read(feed: Feed, name: str, format: str) -> Market:
    recording = record(feed)
    open_at, close_at = _session(recording, format)
    symbol = recording.info.symbol
    specs = tuple(_spec(symbol, mic, raw) for mic, raw in recording.venues.items())
    quotes, prints = [], []
    for spec, raw in zip(specs, recording.venues.values(), strict=True):
        touch, trades = _seen(spec, raw, open_at, close_at)
        quotes.append(touch)
        prints.append(trades)
    if not any(map(len, quotes)):
        raise TapeError(bad_value(name, "quotes within the session", "none"))
    return _market(name, specs, symbol, (open_at, close_at), quotes, prints)


def _session(recording: Recording, format: str) -> tuple[Nanos, Nanos]:
    if format not in US_FEEDS:
        return recording.first_at, recording.last_at + 1
    day = str(np.datetime64(recording.first_at, "ns").astype("datetime64[D]")).replace("-", "")
    return taq.session(day)


def _seen(spec: VenueSpec, raw: I64, open_at: Nanos, close_at: Nanos) -> tuple[I64, I64]:
    """Return a venue's best prices (n, 5) and trades (m, 4) in the session."""
    if (raw[:, _KIND] == EventKind.ADD).any():
        out = QueueTapeVenue(spec, compact(raw), open_at, close_at).advance(close_at)
        return out.quotes, out.prints
    has_quotes = np.isin(raw[:, _KIND], _QUOTED).any()
    quotes = cut(touch_of(raw), open_at, close_at, carries=True) if has_quotes else np.empty((0, 5), dtype=np.int64)
    return quotes, cut(prints_of(raw), open_at, close_at, carries=False)


def _spec(symbol: str, mic: str, raw: I64) -> VenueSpec:
    return VenueSpec(
        mic=mic,
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol=symbol, mic=mic, tick=grid_of(raw).tick, lot=1),
        fees=FeeSchedule(),
        tactics=(Tactic.TAKE,),
    )


def _market(
    name: str,
    specs: tuple[VenueSpec, ...],
    symbol: str,
    session: tuple[Nanos, Nanos],
    quotes: Sequence[I64],
    prints: Sequence[I64],
) -> Market:
    """Return the consolidated session of venues' quotes (n, 5) and prints (m, 4)."""
    open_at, close_at = session
    merged_quotes, merged_prints = _merged(quotes, open_at, close_at), _merged(prints, open_at, close_at)
    rows = MarketFeatures(specs, symbol, open_at, close_at).advance(merged_quotes, merged_prints, close_at)
    return Market(name, open_at, close_at, rows, merged_prints)


def _merged(tables: Sequence[I64], open_at: Nanos, close_at: Nanos) -> I64:
    """Return all venues' rows with the venue's number behind the time, sorted by both."""
    numbered = [np.insert(rows, 1, k, axis=1) for k, rows in enumerate(tables)]
    rows = np.concatenate(numbered)
    rows = rows[(rows[:, 0] >= open_at) & (rows[:, 0] < close_at)]
    sorted_rows: I64 = np.ascontiguousarray(rows[np.lexsort((rows[:, 1], rows[:, 0]))])
    return sorted_rows


def _later(rows: I64, by: Nanos) -> I64:
    rows = rows.copy()
    rows[:, 0] += by
    return rows
