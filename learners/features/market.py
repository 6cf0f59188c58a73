"""The consolidated market and what learners see of it: `MarketFeatures`.

Rule of this file: facts come in by `advance`, `set_session` and `set_tiers`; asking (`frame`, `snapshot`, the mid)
changes nothing.

A locked or crossed consolidated market keeps its mid, (bid + ask) / 2, and has spread 0: it lasts moments and a
mid that vanished with it would blind everybody exactly when prices move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from learners.features import fold as layout
from learners.features import names
from learners.features.fold import ORDERED, QUOTE_FAULT, Flags, consolidate, first_fault, fold
from learners.features.lane_kernel import TIER_PX, TIER_QTY, lane_rows
from learners.features.lanes import WAYS
from learners.price.live import PriceSignal
from learners.price.model import PriceModel
from router.domain.enums import SessionState, Side, VenueType
from router.domain.errors import BadInputError, FeatureError, bad_value
from router.domain.fees import expected_rates
from router.domain.instruments import VenueSpec, lanes_of
from router.domain.market import F64, I64, DealerTier, MarketSnapshot, Quote
from router.domain.scores import ContextFrame
from router.domain.units import MINUTE, Nanos, Px, Qty

PRIOR_VOLATILITY_BPS = 8.0
PRIOR_SPAN_MIN = 0.5
"""The estimate starts as if half a minute at the prior had been seen: finite and sane from the first quote on."""

PRIOR_FLOW_QTY = 100.0
"""Shares of pretended balanced trading, so that one odd lot is not a one-sided market."""

Fold: TypeAlias = Callable[[I64, I64, I64, Flags, I64, I64, F64, I64], int]
LaneRows: TypeAlias = Callable[[I64, I64, Flags, I64, I64, F64, F64, F64, F64, F64, I64], None]


class MarketFeatures:
    """The market of one symbol over its venues, updated in windows.

    `fold_rows` and `show_lanes` are the kernels or their plain twins; both leave the same numbers. What a `price`
    model foretells is the feature `price_signal`.
    """

    def __init__(
        self,
        specs: tuple[VenueSpec, ...],
        symbol: str,
        open_at: Nanos,
        close_at: Nanos,
        fold_rows: Fold = fold,
        show_lanes: LaneRows = lane_rows,
        price: PriceModel | None = None,
    ) -> None:
        if close_at <= open_at:
            raise BadInputError(bad_value("MarketFeatures.close_at", f"a time after {open_at}", close_at))
        self._specs, self._symbol, self._fold, self._show_lanes = specs, symbol, fold_rows, show_lanes
        self._open_at, self._session_ns = open_at, close_at - open_at
        self._index = {spec.mic: i for i, spec in enumerate(specs)}
        lanes = lanes_of(specs)
        self._lanes: I64 = np.array([(self._index[lane.mic], WAYS[lane.tactic]) for lane in lanes], dtype=np.int64)
        self._lane_names = tuple(str(lane) for lane in lanes)
        self._fees = tuple((specs[self._index[lane.mic]].fees, lane.tactic) for lane in lanes)
        self._terms: I64 = np.array([(s.listing.tick, 0, 0, s.rfq_max_qty) for s in specs], dtype=np.int64)
        self._is_up: Flags = np.ones(len(specs), dtype=np.bool_)
        self._is_lit = [spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK for spec in specs]
        if not any(self._is_lit):
            # Where no exchange is, what dealers stream is the market.
            self._is_lit = [spec.venue_type is VenueType.QUOTE_DRIVEN_MARKET for spec in specs]
        self._is_counted: Flags = np.array(self._is_lit, dtype=np.bool_)
        self._tiers: tuple[tuple[DealerTier, ...], ...] = ((),) * len(specs)
        self._dealers: list[int] = []
        """The venues that stream tiers now."""
        self._book: I64 = np.zeros((len(specs), 5), dtype=np.int64)
        self._quoted = self._book.tolist()
        self._quotes = [self._quote(k, row) for k, row in enumerate(self._quoted)]
        """The venues' quotes as of `_quoted`: one that has not moved is not made again."""
        self._best: I64 = np.zeros(4, dtype=np.int64)
        self._whole: I64 = np.zeros(7, dtype=np.int64)
        self._whole[layout.FIRST_MID_AT] = -1
        self._sums: F64 = np.zeros(3, dtype=np.float64)
        self._last: Nanos = 0
        self._volatility: tuple[Nanos, float] = (-1, 0.0)
        """The volatility as it was asked for last, and when, unless something has happened since."""
        self._traded: list[Qty] = [0] * len(specs)
        self._rates: F64 = np.array([expected_rates(*fees) for fees in self._fees], dtype=np.float64)
        """Micros a share and bps on top that each lane expects to pay, by what we have traded at its venue so far."""
        self._price = None if price is None else PriceSignal(price)
        self._unseen: I64 | None = None
        """The consolidated market as callers last saw it, while a session change has moved it since."""

    def advance(self, quotes: I64, prints: I64, until: Nanos) -> I64:
        """Apply quotes (n, 6) (at, venue_index, bid_px, bid_qty, ask_px, ask_qty) and prints (m, 5) (at, venue_index,
        px, qty, aggressor), both sorted by (at, venue_index) and in [last until, until), and return (k, 5) rows
        (at, bid_px, bid_qty, ask_px, ask_qty) of the consolidated lit market whenever it changed.

        A change that came from `set_session` opens the rows, at the last `until`. Prints without an aggressor are
        signed by the quote rule against the mid they met, at the mid by the tick rule.

        Raises:
            BadInputError: a table of another shape or type, a row out of order or of an unknown venue, or `until`
                before the last one; nothing is applied.
        """
        quotes, prints = _table(quotes, 6, "quotes"), _table(prints, 5, "prints")
        if until < self._last:
            raise BadInputError(bad_value("MarketFeatures.advance.until", f"a time from {self._last}", until))
        if not len(quotes) and not len(prints) and self._unseen is None:
            self._last = until
            return np.empty((0, 5), dtype=np.int64)
        fault, row = first_fault(quotes, prints, len(self._specs), self._last, until)
        if fault != ORDERED:
            table, name = (quotes, "quotes") if fault == QUOTE_FAULT else (prints, "prints")
            expected = f"rows in order of time in [{self._last}, {until}) of venues below {len(self._specs)}"
            raise BadInputError(bad_value(f"MarketFeatures.advance.{name}[{row}]", expected, table[row].tolist()))
        out: I64 = np.empty((len(quotes) + 1, 5), dtype=np.int64)
        start, self._volatility = self._open_rows(out), (-1, 0.0)
        rows = self._fold(
            quotes, prints, self._book, self._is_counted, self._best, self._whole, self._sums, out[start:]
        )
        self._last = until
        seen = out[: start + rows]
        if self._price is not None:
            self._price.advance(seen, prints)
        return seen

    def _open_rows(self, out: I64) -> int:
        before, self._unseen = self._unseen, None
        if before is None or bool((before == self._best).all()):
            return 0
        out[0, 0], out[0, 1:] = self._last, self._best
        return 1

    def set_session(self, mic: str, is_up: bool) -> None:
        """Count or ignore a venue from now on: its quotes, its tiers and its lanes.

        Quotes of a venue that is down are still kept, and count again once it is up. The jump of the mid is ours
        and not the market's, so volatility does not see it, nor
        the price model.

        Raises:
            BadInputError: an unknown venue.
        """
        i = self._index.get(mic)
        if i is None:
            raise BadInputError(bad_value("MarketFeatures.set_session.mic", f"one of {', '.join(self._index)}", mic))
        self._is_up[i] = is_up
        self._quoted[i] = []
        self._is_counted[i] = is_up and self._is_lit[i]
        before = self._best.copy()
        if consolidate(self._book, self._is_counted, self._best):
            self._unseen = before if self._unseen is None else self._unseen
            if self._price is not None:
                self._price.rebase(self._last, self._best)
            if self.mid2() and self._whole[layout.MID2]:
                self._whole[layout.MID2] = self.mid2()

    def set_tiers(self, tiers: Sequence[DealerTier]) -> None:
        """Replace the tiers of all dealers; a dealer without a tier here quotes nothing.

        Raises:
            BadInputError: a tier of an unknown venue.
        """
        by_venue: list[list[DealerTier]] = [[] for _ in self._specs]
        for tier in tiers:
            i = self._index.get(tier.mic)
            if i is None:
                raise BadInputError(bad_value("MarketFeatures.set_tiers", f"one of {', '.join(self._index)}", tier.mic))
            by_venue[i].append(tier)
        self._tiers = tuple(tuple(group) for group in by_venue)
        self._dealers = [venue for venue, group in enumerate(by_venue) if group]
        self._terms[:, TIER_PX : TIER_QTY + 1] = 0

    def traded(self, mic: str, qty: Qty) -> None:
        """Count an execution of ours: what we have traded at a venue that day names the tier of its fees.

        Raises:
            BadInputError: an unknown venue.
        """
        if mic not in self._index:
            raise BadInputError(bad_value("MarketFeatures.traded.mic", f"one of {', '.join(self._index)}", mic))
        venue = self._index[mic]
        self._traded[venue] += qty
        if self._specs[venue].fees.tiers:
            for k in np.flatnonzero(self._lanes[:, 0] == venue).tolist():
                self._rates[k] = expected_rates(*self._fees[k], self._traded[venue])

    def mid2(self) -> Px:
        """Return consolidated bid plus ask, twice the mid and so whole; 0 when a side is empty."""
        bid, _, ask, _ = self._best.tolist()
        return bid + ask if bid and ask else 0

    @property
    def half_spread_bps(self) -> float:
        """Half the consolidated spread in bps of the mid; 0 when locked, crossed or without a mid."""
        bid, _, ask, _ = self._best.tolist()
        return _half_spread_bps(bid, ask)

    @property
    def volatility_bps(self) -> float:
        """Volatility of the mid at the last `until`, bps per square root of a minute, half-life five minutes."""
        return self._volatility_bps(self._last)

    def _volatility_bps(self, now: Nanos) -> float:
        if self._volatility[0] != now:
            self._volatility = (now, self._volatility_at(now))
        return self._volatility[1]

    def _volatility_at(self, now: Nanos) -> float:
        _, _, _, variance_at, _, first_at, _ = self._whole.tolist()
        if first_at < 0:
            return PRIOR_VOLATILITY_BPS
        half_life = layout.VOLATILITY_HALF_LIFE_NS
        squares = float(self._sums[layout.VARIANCE]) * 2.0 ** (-max(now - variance_at, 0) / half_life)
        gone = 1.0 - 2.0 ** (-max(now - first_at, 0) / half_life)
        span_min = gone * half_life / (MINUTE * math.log(2.0))
        return math.sqrt((squares + PRIOR_VOLATILITY_BPS**2 * PRIOR_SPAN_MIN) / (span_min + PRIOR_SPAN_MIN))

    def flow_share(self, now: Nanos) -> float:
        """Return (bought - sold) / traded of recent prints at `now` in [-1, 1], half-life thirty seconds."""
        keep = 2.0 ** (-max(now - int(self._whole[layout.FLOW_AT]), 0) / layout.FLOW_HALF_LIFE_NS)
        _, bought, sold = self._sums.tolist()
        return float((bought - sold) * keep / ((bought + sold) * keep + PRIOR_FLOW_QTY))

    def snapshot(self, now: Nanos) -> MarketSnapshot:
        """Return the market as a parent decides on it: every venue's last quote with its session, the tiers of the
        dealers that are up, the consolidated best and the volume so far."""
        book = self._book.tolist()
        if book != self._quoted:
            for k, row in enumerate(book):
                if row != self._quoted[k]:
                    self._quotes[k] = self._quote(k, row)
            self._quoted = book
        quotes = tuple(self._quotes)
        tiers = tuple([tier for k in self._dealers if self._is_up[k] for tier in self._tiers[k]])
        bid, bid_qty, ask, ask_qty = self._best.tolist()
        volume = int(self._whole[layout.VOLUME])
        return MarketSnapshot(
            at=now,
            quotes=quotes,
            tiers=tiers,
            bid_px=bid,
            bid_qty=bid_qty,
            ask_px=ask,
            ask_qty=ask_qty,
            volume=volume,
            volatility_bps=self._volatility_bps(now),
        )

    def best(self) -> tuple[Px, Px, Qty]:
        """Return the consolidated bid and ask, 0 for a side that is empty, and the volume so far."""
        bid, _, ask, _ = self._best.tolist()
        return bid, ask, int(self._whole[layout.VOLUME])

    def _quote(self, venue: int, row: list[int]) -> Quote:
        at, bid, bid_qty, ask, ask_qty = row
        session = SessionState.UP if self._is_up[venue] else SessionState.DOWN
        return Quote(
            mic=self._specs[venue].mic,
            at=at,
            bid_px=bid,
            bid_qty=bid_qty,
            ask_px=ask,
            ask_qty=ask_qty,
            session=session,
        )

    def frame(self, now: Nanos, side: Side, own_fills: Sequence[float]) -> ContextFrame:
        """Return every lane's features and public price, fee and size at `now`; `own_fills` is one share per venue.

        Without a consolidated mid every `max_qty`, price and fee is 0, and the features that need a mid are 0.

        Raises:
            FeatureError: `own_fills` has another length or is not finite.
        """
        if len(own_fills) != len(self._specs) or not all(map(math.isfinite, own_fills)):
            expected = f"{len(self._specs)} finite shares"
            raise FeatureError(bad_value("MarketFeatures.frame.own_fills", expected, tuple(own_fills)))
        bid, bid_qty, ask, ask_qty = self._best.tolist()
        s = side.sign
        near, far = (bid, ask) if s > 0 else (ask, bid)
        touch = np.array((s, bid + ask if bid and ask else 0, near, far), dtype=np.int64)
        self._show_tiers(s)
        count, own = len(self._lanes), np.array(own_fills, dtype=np.float64)
        common = np.array(self._common_row(now, s, bid, bid_qty, ask, ask_qty), dtype=np.float64)
        x: F64 = np.empty((count, len(names.FEATURES)))
        bps: F64 = np.empty((2, count))
        sizes: I64 = np.empty(count, dtype=np.int64)
        shown = (self._lanes, self._book, self._is_up, self._terms, touch, own, self._rates, common)
        self._show_lanes(*shown, x, bps, sizes)
        prices, fees_bps = bps.tolist()
        return ContextFrame(
            at=now,
            symbol=self._symbol,
            side=side,
            names=names.FEATURES,
            lanes=self._lane_names,
            x=x.tobytes(),
            price_bps=tuple(prices),
            fee_bps=tuple(fees_bps),
            max_qty=tuple(sizes.tolist()),
        )

    def _show_tiers(self, s: int) -> None:
        """Write each dealer's best usable tier on our far side into the terms."""
        for venue in self._dealers:
            self._terms[venue, TIER_PX : TIER_QTY + 1] = _offered(self._tiers[venue], s)

    def _common_row(self, now: Nanos, s: int, bid: Px, bid_qty: Qty, ask: Px, ask_qty: Qty) -> tuple[float, ...]:
        """Return the features that all lanes have in common, the price model's last."""
        spread = imbalance = microprice = 0.0
        if bid and ask:
            tilt_bps = 1e4 * (ask - bid) / (bid + ask) * (bid_qty - ask_qty) / (bid_qty + ask_qty)
            spread = names.spread(2.0 * _half_spread_bps(bid, ask))
            imbalance, microprice = names.imbalance(s, bid_qty, ask_qty), names.microprice(s, tilt_bps)
        return (
            names.bias(),
            spread,
            imbalance,
            microprice,
            names.volatility(self._volatility_bps(now)),
            names.flow(s, self.flow_share(now)),
            names.time_of_day((now - self._open_at) / self._session_ns),
            0.0 if self._price is None else names.price_signal(s, self._price.edge(now)),
        )


def _half_spread_bps(bid: Px, ask: Px) -> float:
    return 1e4 * max(ask - bid, 0) / (bid + ask) if bid and ask else 0.0


def _offered(tiers: tuple[DealerTier, ...], s: int) -> tuple[Px, Qty]:
    """Return (far price, max_qty) of the usable tier with the best price, of equal prices the largest; else zeros."""
    rows = [(tier.ask_px if s > 0 else tier.bid_px, tier.max_qty) for tier in tiers]
    return min((r for r in rows if r[0] > 0 and r[1] > 0), key=lambda r: (s * r[0], -r[1]), default=(0, 0))


def _table(rows: I64, width: int, name: str) -> I64:
    if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != width:
        got = f"{rows.dtype} {rows.shape}"
        raise BadInputError(bad_value(f"MarketFeatures.advance.{name}", f"int64 rows of {width} columns", got))
    return np.ascontiguousarray(rows)
