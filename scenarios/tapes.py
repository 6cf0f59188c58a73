"""Recorded markets: from `[market] kind = "tape"` to the venues, the session and what a clairvoyant would know.

Rule of this file: a format is one function in `FORMATS`; nobody else knows which formats there are. Every process
reads the recording for itself, once.

What the formats share: Px and Qty count the recording's own units (of several files the finest), so that costs in
basis points mean the same in each. Fee schedules are the published base tiers of the recording's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from router.domain.enums import Side, Tactic, VenueType
from router.domain.errors import TapeError, bad_value
from router.domain.instruments import FeeSchedule, Lane, Listing, VenueSpec
from router.domain.market import I64
from router.domain.units import Nanos, Px, Qty, seconds
from scenarios.scenario import Scenario, fault_at
from scenarios.tape_market import TapeMarket
from venues.feeds.catalogue import open_feed
from venues.feeds.taq import TaqDay, load_taq
from venues.models.reference import MarketSetup
from venues.tape.compact import compact
from venues.tape.dealer_stream import LOOK, stream_of
from venues.tape.queue_venue import QueueTapeParams, QueueTapeVenue
from venues.tape.recorded import Recording, record
from venues.tape.touch import TouchTape, cut, grid_of, prints_of, touch_of
from venues.types.tape import build_tape_venue, tape_specs
from venues.types.tape_dark import TapeDarkParams
from venues.types.tape_dealer import DealerTape, TapeDealerVenue
from venues.types.tape_lit import TapeLitVenue
from venues.types.tape_truth import hidden_liquidity, met_on_looks, met_resting
from venues.venue import Venue

CURVE_BINS = 78
"""Bins of five minutes in a US session: finer ones would follow one day's accidents."""

CACHED_FILES_MAX = 8

_LIT, _DEALER = VenueType.CENTRAL_LIMIT_ORDER_BOOK, VenueType.QUOTE_DRIVEN_MARKET

Foresight = Callable[[Lane, Nanos, Side, Nanos], Qty]
"""What an order of a side on a lane is going to meet from a time on, within a life: the clairvoyant's knowledge. Not
asked about taking, which is certain."""


class RecordedMarket(NamedTuple):
    """A recording made a market. `total_qty` is what it traded in the session, `px_unit` what a Px of 1 is worth."""

    symbol: str
    specs: tuple[VenueSpec, ...]
    open_at: Nanos
    close_at: Nanos
    start_px: Px
    total_qty: Qty
    build: Callable[[VenueSpec], Venue]
    foresight: Foresight
    px_unit: str = "0.0001"
    volume_curve: tuple[float, ...] = ()
    """Cumulative share of a past day's volume, by equal bins of the session."""

    def setup(self) -> MarketSetup:
        """Return the session for everyone who schedules in it; the prices are the tape's own."""
        return MarketSetup(
            symbol=self.symbol,
            open_at=self.open_at,
            close_at=self.close_at,
            start_px=self.start_px,
            tick=1,
            adv=max(self.total_qty, 1),
        )


def recorded_market(scenario: Scenario, market: TapeMarket, data: Path | None) -> RecordedMarket:
    """Return the market of a scenario on tape.

    Raises:
        TapeError: no data directory, no such folder or file, or a recording that cannot be read.
        ScenarioError: a session that the recording does not cover, or another symbol than the recording's.
    """
    if data is None:
        raise TapeError(
            f"{scenario.path}: expected a data directory with {market.folder} (--data or ANABRANCH_DATA), got none"
        )
    folder = data / market.folder
    if not folder.is_dir():
        raise TapeError(f"{scenario.path}: expected the tape's folder {folder}, got nothing there")
    found = FORMATS[market.format](scenario, market, data)
    if scenario.file.symbol != found.symbol:
        raise fault_at(scenario.path, "symbol", f"{found.symbol!r}, the tape's", scenario.file.symbol)
    return found


# A US day: twelve exchanges, two dark pools and a dealer.


def _taq(scenario: Scenario, market: TapeMarket, data: Path) -> RecordedMarket:
    day = load_taq(data, market.day, folder=market.folder)
    curve: tuple[float, ...] = ()
    if market.past_day is not None:
        shares = load_taq(data, market.past_day, folder=market.folder).volume_curve(CURVE_BINS)
        curve = (*np.cumsum(shares)[:-1].clip(0.0, 1.0).tolist(), 1.0)
    return RecordedMarket(
        symbol=day.symbol,
        specs=tape_specs(day),
        open_at=day.open_at,
        close_at=day.close_at,
        start_px=1_000_000,
        total_qty=day.total_qty,
        build=partial(_taq_venue, day, TapeDarkParams(participation=market.dark_participation)),
        foresight=partial(_foresee_taq, day, market.dark_participation),
        volume_curve=curve,
    )


def _taq_venue(day: TaqDay, dark: TapeDarkParams, spec: VenueSpec) -> Venue:
    return build_tape_venue(spec, day, dark if spec.venue_type is VenueType.DARK_ORDER_BOOK else None)


def _foresee_taq(day: TaqDay, participation: float, lane: Lane, at: Nanos, side: Side, life_ns: Nanos) -> Qty:
    if lane.tactic is Tactic.POST:
        return met_resting(day.trades[lane.mic], side, at, at + life_ns)
    qty = hidden_liquidity(day, lane.mic, side, at, at + life_ns).qty
    return int(qty * participation) if lane.tactic is Tactic.MID_PEG else qty


# Orders of one exchange, with exact queues.

_QUEUE_FEES = {
    "lobster": FeeSchedule(maker_micros=-2_000, taker_micros=2_950),
    "mbo": FeeSchedule(maker_micros=250 * 100, taker_micros=250 * 100),
}
"""Nasdaq of 2012: a rebate of 20 cents against 29.5 a hundred shares. CME: 1.25 dollars a contract of 50 dollars a
point, 0.025 points."""


def _orders(scenario: Scenario, market: TapeMarket, data: Path) -> RecordedMarket:
    (recording,) = _recordings(scenario, market, data)
    ((mic, raw),) = recording.venues.items()
    open_at, close_at = _session(scenario, market, [recording])
    tape = compact(raw)
    grid = grid_of(raw)
    spec = VenueSpec(
        mic=mic,
        venue_type=_LIT,
        listing=Listing(symbol=recording.info.symbol, mic=mic, tick=grid.tick, lot=1),
        fees=_QUEUE_FEES[market.format],
        tactics=(Tactic.TAKE, Tactic.POST, Tactic.MID_PEG),
        is_primary=True,
        volume_share=1.0,
    )
    params = QueueTapeParams(hidden_share=market.hidden_share)
    whole = QueueTapeVenue(spec, tape, open_at, close_at, params).advance(close_at)
    trades = whole.prints

    def foresight(lane: Lane, at: Nanos, side: Side, life_ns: Nanos) -> Qty:
        return met_resting(trades, side, at, at + life_ns)

    return RecordedMarket(
        symbol=recording.info.symbol,
        specs=(spec,),
        open_at=open_at,
        close_at=close_at,
        start_px=_start_px(scenario, whole.quotes),
        total_qty=int(trades[:, 2].sum()),
        build=lambda of: QueueTapeVenue(of, tape, open_at, close_at, params),
        foresight=foresight,
        px_unit=recording.info.px_unit,
    )


# Books of crypto markets: spot and perpetuals as venues of one instrument.

_CRYPTO_FEES = {
    "BINANCE_SPOT": FeeSchedule(maker_bps=10.0, taker_bps=10.0),
    "BINANCE_USDM": FeeSchedule(maker_bps=2.0, taker_bps=5.0),
}
"""Binance of 2024, base tier."""


def _crypto(scenario: Scenario, market: TapeMarket, data: Path) -> RecordedMarket:
    """A perpetual trades at a basis to spot, and an instrument has one price: prices of each further venue are moved
    by the difference of the mids at the open, in whole ticks of its own."""
    recordings = _recordings(scenario, market, data)
    open_at, close_at = _session(scenario, market, recordings)
    px_unit = min((r.info.px_unit for r in recordings), key=Decimal)
    qty_unit = min((r.info.qty_unit for r in recordings), key=Decimal)
    specs: list[VenueSpec] = []
    quotes: dict[str, I64] = {}
    trades: dict[str, I64] = {}
    start: Px = 0
    for i, recording in enumerate(recordings):
        ((mic, raw),) = recording.venues.items()
        if mic not in _CRYPTO_FEES:
            known = " or ".join(_CRYPTO_FEES)
            raise fault_at(scenario.path, f"market.files[{i}]", f"a file of {known}, whose units are coins", mic)
        raw = raw.copy()
        raw[:, 3] *= _times(recording.info.px_unit, px_unit)
        raw[:, 4] *= _times(recording.info.qty_unit, qty_unit)
        grid = grid_of(raw)
        quotes[mic] = cut(touch_of(raw), open_at, close_at, carries=True)
        trades[mic] = cut(prints_of(raw), open_at, close_at, carries=False)
        mid = _start_px(scenario, quotes[mic])
        start = start or mid
        basis = round((start - mid) / grid.tick) * grid.tick
        quotes[mic], trades[mic] = _based(quotes[mic], (1, 3), basis), _based(trades[mic], (1,), basis)
        listing = Listing(symbol=recordings[0].info.symbol, mic=mic, tick=grid.tick, lot=grid.lot)
        specs.append(_crypto_spec(listing, i == 0, 1.0 / len(recordings)))
    tape = TouchTape(open_at, close_at, quotes, trades)

    def foresight(lane: Lane, at: Nanos, side: Side, life_ns: Nanos) -> Qty:
        return met_resting(trades[lane.mic], side, at, at + life_ns)

    return RecordedMarket(
        symbol=recordings[0].info.symbol,
        specs=tuple(specs),
        open_at=open_at,
        close_at=close_at,
        start_px=start,
        total_qty=sum(int(rows[:, 2].sum()) for rows in trades.values()),
        build=lambda spec: TapeLitVenue(spec, tape),
        foresight=foresight,
        px_unit=px_unit,
    )


def _crypto_spec(listing: Listing, is_primary: bool, share: float) -> VenueSpec:
    return VenueSpec(
        mic=listing.mic,
        venue_type=_LIT,
        listing=listing,
        fees=_CRYPTO_FEES[listing.mic],
        tactics=(Tactic.TAKE, Tactic.POST),
        is_primary=is_primary,
        volume_share=share,
    )


def _based(rows: I64, columns: tuple[int, ...], basis: Px) -> I64:
    rows = rows.copy()
    for column in columns:
        rows[:, column] = np.where(rows[:, column] > 0, np.maximum(rows[:, column] + basis, 1), 0)
    rows.setflags(write=False)
    return rows


def _times(unit: str, finest: str) -> int:
    """Return how many of the finest unit one of `unit` is.

    >>> _times("0.1", "0.01")
    10
    """
    return int(Decimal(unit) / Decimal(finest))


# Currency dealers.


def _fx(scenario: Scenario, market: TapeMarket, data: Path) -> RecordedMarket:
    """Quantities count thousands of the base currency: the recordings have none."""
    recordings = _recordings(scenario, market, data)
    open_at, close_at = _session(scenario, market, recordings)
    streams: dict[str, DealerTape] = {}
    for recording in recordings:
        ((mic, raw),) = recording.venues.items()
        streams[mic] = stream_of(raw, open_at, close_at)
    symbol = recordings[0].info.symbol
    specs = tuple(
        VenueSpec(
            mic=mic,
            venue_type=_DEALER,
            listing=Listing(symbol=symbol, mic=mic, tick=1, lot=1),
            fees=FeeSchedule(),
            tactics=(Tactic.QUOTE,),
            is_primary=i == 0,
            volume_share=1.0 / len(streams),
        )
        for i, mic in enumerate(streams)
    )

    def foresight(lane: Lane, at: Nanos, side: Side, life_ns: Nanos) -> Qty:
        return met_on_looks(streams[lane.mic], LOOK, side, at)

    return RecordedMarket(
        symbol=symbol,
        specs=specs,
        open_at=open_at,
        close_at=close_at,
        start_px=_start_px(scenario, streams[specs[0].mic].quotes),
        total_qty=0,
        build=lambda spec: TapeDealerVenue(spec, streams[spec.mic], LOOK),
        foresight=foresight,
        px_unit=recordings[0].info.px_unit,
    )


FORMATS: Mapping[str, Callable[[Scenario, TapeMarket, Path], RecordedMarket]] = {
    "taq": _taq,
    "lobster": _orders,
    "mbo": _orders,
    "binance": _crypto,
    "fx": _fx,
}
"""Every format by the name that scenario files give it."""

_FEEDS = {"mbo": "dbn"}
"""Where the feed has another name than the format."""


def _recordings(scenario: Scenario, market: TapeMarket, data: Path) -> list[Recording]:
    """Return the files of a scenario, read; each is one venue, all of one symbol."""
    found: list[Recording] = []
    for i, name in enumerate(market.files):
        path = data / market.folder / name
        if not path.is_file():
            raise fault_at(scenario.path, f"market.files[{i}]", f"a file in {market.folder}", name)
        stat = path.stat()
        recording = _read(path, _FEEDS.get(market.format, market.format), stat.st_mtime_ns, stat.st_size)
        if len(recording.venues) != 1 or recording.info.symbol != (found or [recording])[0].info.symbol:
            expected = f"a recording of one venue and of {(found or [recording])[0].info.symbol}"
            raise fault_at(scenario.path, f"market.files[{i}]", expected, recording.info.symbol)
        found.append(recording)
    return found


@lru_cache(maxsize=CACHED_FILES_MAX)
def _read(path: Path, feed: str, _modified: int, _size: int) -> Recording:
    return record(open_feed(path, feed=feed))


def _session(scenario: Scenario, market: TapeMarket, recordings: list[Recording]) -> tuple[Nanos, Nanos]:
    """Return the session: it opens `open_s` after every file has begun and ends before the first one does."""
    begun, ended = max(r.first_at for r in recordings), min(r.last_at for r in recordings)
    open_at = begun + seconds(market.open_s)
    if open_at >= ended:
        raise fault_at(scenario.path, "market.open_s", f"a time before the recording's end, {ended}", market.open_s)
    if market.duration_s is None:
        return open_at, ended
    close_at = open_at + seconds(market.duration_s)
    if close_at > ended:
        left = (ended - open_at) / 1e9
        raise fault_at(scenario.path, "market.duration_s", f"up to {left:.3f} s", market.duration_s)
    return open_at, close_at


def _start_px(scenario: Scenario, quotes: I64) -> Px:
    """Return the first mid of a session."""
    both = quotes[(quotes[:, 1] > 0) & (quotes[:, 3] > 0)]
    if not len(both):
        raise TapeError(bad_value(scenario.path, "a session with a two-sided quote", "none"))
    return int(both[0, 1] + both[0, 3]) // 2
