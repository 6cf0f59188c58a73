"""All tape venues: the examiner's rules, windows of any cut, the specs, and what a clairvoyant would know."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from tape_days import OPEN_MS, MakeDay, between

from router.domain.enums import OrdType, PegPriceType, Side, Tactic, TimeInForce, VenueType
from router.domain.errors import BadInputError
from router.domain.messages import Arrival, SessionChange, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelRequest
from venues.check import check_venue
from venues.feeds.taq import MICS, POOLS, TaqDay
from venues.types.tape import build_tape_venue, tape_specs
from venues.types.tape_dark import TapeDarkParams
from venues.types.tape_lit import TapeLitParams
from venues.types.tape_truth import hidden_liquidity

OPEN, MS, SECOND = OPEN_MS * 1_000_000, 1_000_000, 1_000_000_000
LETTERS = {"XNYS": "N", "XDKA": "DT", "XDKB": "DN", "XSDP": "DT"}


def a_busy_day(make_day: MakeDay, seconds: int = 30) -> TaqDay:
    """Return a day of random quotes on two exchanges, with trades, midpoint and sub-penny prints."""
    rng = np.random.default_rng(11)
    quotes, trades = [], []
    mid = 4_000
    for ms in range(0, seconds * 1_000, 50):
        mid += int(rng.integers(-1, 2))
        bid, ask = mid - int(rng.integers(1, 3)), mid + int(rng.integers(1, 3))
        bid_lots, ask_lots = (int(n) for n in rng.integers(1, 6, 2))
        quotes.append((ms, "N" if ms % 100 else "P", f"{bid / 100}", bid_lots, f"{ask / 100}", ask_lots))
        size = int(rng.integers(1, 400))
        kind = int(rng.integers(0, 5))
        px = (bid / 100, ask / 100, (bid + ask) / 200, ask / 100 - 0.0003, bid / 100 + 0.0004)[kind]
        trades.append((ms + 20, ("N", "N", ("DT", "DN")[ms // 50 % 2], "DT", "DN")[kind], f"{px:.4f}", size, ""))
    day = make_day(quotes, trades)
    return between(day, day.open_at, day.open_at + seconds * SECOND)


def spec_of(day: TaqDay, mic: str):
    return next(spec for spec in tape_specs(day) if spec.mic == mic)


@pytest.mark.parametrize("mic", LETTERS)
def test_a_tape_venue_passes_the_examiner(make_day, mic):
    day = a_busy_day(make_day)
    spec = spec_of(day, mic)
    check_venue(lambda: build_tape_venue(spec, day), open_at=day.open_at, close_at=day.close_at, price=400_000)


@pytest.mark.parametrize("mic", [*MICS.values(), *POOLS])
def test_a_venue_of_the_recorded_day_passes_the_examiner(recorded, mic):
    # The examiner sends a post-only order 5 % through the market: two thin exchanges seldom have an ask so near.
    at = recorded.open_at + {"XASE": 18_360, "XCHI": 4_620}.get(mic, 3_600) * SECOND
    day = between(recorded, at, at + 60 * SECOND)
    price = int(day.nbbo[0, 1]) // 100 * 100
    spec = spec_of(day, mic)
    check_venue(lambda: build_tape_venue(spec, day), open_at=day.open_at, close_at=day.close_at, price=price)


def some_inputs(day: TaqDay, mic: str) -> tuple[list[Arrival], list[Shift], list[SessionChange]]:
    """Return a mix of orders, cancels, ripples and a lost link that does much at a venue of any type."""
    rng = np.random.default_rng(3)
    spec = spec_of(day, mic)
    kinds: dict[VenueType, dict[str, object]] = {
        VenueType.CENTRAL_LIMIT_ORDER_BOOK: {"tactic": Tactic.POST, "ord_type": OrdType.LIMIT},
        VenueType.DARK_ORDER_BOOK: {
            "tactic": Tactic.MID_PEG,
            "ord_type": OrdType.PEGGED,
            "peg_price_type": PegPriceType.MID_PRICE,
        },
        VenueType.QUOTE_DRIVEN_MARKET: {"tactic": Tactic.QUOTE, "ord_type": OrdType.PREVIOUSLY_QUOTED},
    }
    arrivals = []
    for k in range(120):
        at = day.open_at + (k + 1) * 200 * MS + int(rng.integers(0, 3)) * 10 * MS
        fields: dict[str, object] = {
            "cl_ord_id": f"P.{k}",
            "parent_id": "P",
            "decision_id": "P.d1",
            "symbol": "XXX",
            "mic": mic,
            "side": (Side.BUY, Side.SELL)[k % 2],
            "order_qty": int(rng.integers(1, 700)),
            **kinds[spec.venue_type],
        }
        if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK:
            fields["price"] = 400_000 + int(rng.integers(-12, 13)) * 100
        if spec.venue_type is VenueType.QUOTE_DRIVEN_MARKET:
            row = int((build_tape_venue(spec, day)._stream.quotes[:, 0] < at).sum()) - 1  # type: ignore[attr-defined]
            fields |= {"quote_id": f"{mic}.{row}.0.0", "order_qty": 90, "time_in_force": TimeInForce.FILL_OR_KILL}
        elif k % 3:
            expire = {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expire_time": at + int(rng.integers(1, 4_000)) * MS}
            fields |= expire
        arrivals.append(Arrival(at, NewOrderSingle(ChildOrder(**fields))))  # type: ignore[arg-type]
        if k % 7 == 0:
            request = OrderCancelRequest(mic=mic, cl_ord_id=f"P.{k}/1", orig_cl_ord_id=f"P.{k}", parent_id="P")
            arrivals.append(Arrival(at + 90 * MS, request))
    ripples = [Shift(day.open_at + s * SECOND, px) for s, px in ((24, 130), (26, -270), (28, 0))]
    sessions = [SessionChange(day.open_at + 22 * SECOND, False), SessionChange(day.open_at + 23 * SECOND, True)]
    return sorted(arrivals, key=lambda a: a.at), ripples, sessions


@pytest.mark.parametrize("mic", LETTERS)
def test_windows_of_any_cut_give_the_same(make_day, mic):
    day = a_busy_day(make_day)
    spec = spec_of(day, mic)
    arrivals, ripples, sessions = some_inputs(day, mic)
    seen = []
    for step in (60 * SECOND, 777 * MS, 10 * MS):
        venue = build_tape_venue(spec, day)
        reports, quotes, prints, events = [], [], [], 0
        last = day.open_at
        while last < day.close_at + SECOND:
            until = last + step
            inside = [[x for x in xs if last <= x.at < until] for xs in (arrivals, ripples, sessions)]
            out = venue.advance(until, *inside)  # type: ignore[arg-type]
            reports += out.reports
            quotes += out.quotes.tolist()
            prints += out.prints.tolist()
            events += out.events
            last = until
        seen.append((msgspec.json.encode(reports), quotes, prints, events))
        assert any(r.ord_status == "FILLED" for r in reports)
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("mic", LETTERS)
def test_no_recorded_share_is_given_twice(make_day, mic):
    day = a_busy_day(make_day)
    spec = spec_of(day, mic)
    arrivals, _, _ = some_inputs(day, mic)
    out = build_tape_venue(spec, day).advance(day.close_at + SECOND, arrivals)
    filled = [r.last_qty for r in out.reports if getattr(r, "last_qty", 0)]
    assert filled
    assert sum(filled) <= out.prints[:, 2].sum()
    if mic == "XDKA":
        by_time: dict[int, int] = {}
        for r in out.reports:
            by_time[r.transact_time] = by_time.get(r.transact_time, 0) + getattr(r, "last_qty", 0)
        printed = {row[0]: row[2] for row in day.pools[mic].tolist()}
        assert all(qty <= printed.get(at, 0) for at, qty in by_time.items() if qty)


def test_with_nobody_in_the_market_a_venue_shows_the_tape_as_it_is(make_day):
    day = a_busy_day(make_day)
    venue = build_tape_venue(spec_of(day, "XNYS"), day)
    outs = [venue.advance(day.open_at + k * SECOND) for k in range(1, 40)]
    assert np.array_equal(np.concatenate([out.quotes for out in outs]), day.quotes["XNYS"])
    assert np.array_equal(np.concatenate([out.prints for out in outs]), day.trades["XNYS"])
    assert outs[-1].next_at is None
    assert sum(out.events for out in outs) == len(day.quotes["XNYS"]) + len(day.trades["XNYS"])


def test_there_are_twelve_exchanges_two_pools_and_a_dealer(make_day):
    specs = tape_specs(make_day())
    assert [sum(s.venue_type is kind for s in specs) for kind in VenueType] == [12, 2, 1, 0]
    assert [s.mic for s in specs if s.is_primary] == ["XNYS"]
    assert {s.mic for s in specs if s.fees.taker_micros < 0} == {"BATY", "XBOS", "EDGA"}
    assert 0.5 < sum(s.volume_share for s in specs) < 1.0


def test_parameters_of_another_kind_and_unknown_venues_are_refused(make_day):
    day = make_day()
    with pytest.raises(BadInputError, match="tape parameters for CENTRAL_LIMIT_ORDER_BOOK"):
        build_tape_venue(spec_of(day, "XNYS"), day, TapeDarkParams())
    with pytest.raises(BadInputError, match="tape parameters for DARK_ORDER_BOOK"):
        build_tape_venue(spec_of(day, "XDKA"), day, TapeLitParams())
    with pytest.raises(BadInputError, match="a venue on the tape"):
        build_tape_venue(msgspec.structs.replace(spec_of(day, "XNYS"), mic="XBAD"), day)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"speed": 1}, TapeLitParams)


def test_hidden_liquidity_counts_prints_of_the_span_and_side(make_day):
    quotes = [(0, "N", "40.00", 5, "40.02", 5)]
    trades = [
        (5, "DT", "40.01", 100, ""),
        (6, "DT", "40.0199", 30, ""),
        (7, "DT", "40.0001", 10, ""),
        (8, "DT", "40.01", 50, ""),
    ]
    day = make_day(quotes, trades)
    assert hidden_liquidity(day, "XDKA", Side.SELL, OPEN, OPEN + 8 * MS) == (100, 400_100.0, 1)
    assert hidden_liquidity(day, "XDKA", Side.BUY, OPEN, OPEN + 9 * MS) == (150, 400_100.0, 2)
    assert hidden_liquidity(day, "XSDP", Side.BUY, OPEN, OPEN + 9 * MS) == (30, 400_199.0, 1)
    assert hidden_liquidity(day, "XDKB", Side.BUY, OPEN, OPEN + 9 * MS) == (0, 0.0, 0)
    with pytest.raises(BadInputError, match="a pool"):
        hidden_liquidity(day, "XNYS", Side.BUY, OPEN, OPEN)
    with pytest.raises(BadInputError, match="to_at"):
        hidden_liquidity(day, "XDKA", Side.BUY, OPEN, OPEN - 1)
