"""What a dealer quotes over a day: the ladder of prices at each refresh, made by the block and not by the move.

Rule of this file: quotes are a function of the reference's path and of the dealer's stance, and a stance changes only
when somebody trades with him; so between two such changes all prices are made at once, and a window takes its part.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np

from router.domain.market import I64, QUOTE_COLUMNS
from router.domain.units import Nanos, Px, Qty, round_to_tick
from venues.models.reference import MarketSetup, ReferencePath
from venues.types.dealer_parameters import DealerParameters

NEVER: Nanos = 2**62
_BLOCK = 64
"""Refreshes priced at once: many enough to pay for the call, few enough to be thrown away when the stance changes."""
_BPS = 10_000.0


class Stance(NamedTuple):
    """What prices hang on besides the path: our own impact, what a toxic client and what his position add."""

    shift: Px = 0
    wider_bps: float = 0.0
    skew_bps: float = 0.0


def ladder(reference: I64, params: DealerParameters, stance: Stance) -> I64:
    """Return the bid and ask of each tier at each reference price (n,): int64 (n, 2 x tiers)."""
    step = params.px_step
    ref = np.maximum(1, reference + stance.shift).astype(np.float64)
    middle = ref + ref * stance.skew_bps / _BPS
    out = np.empty((reference.shape[0], 2 * len(params.tiers)), dtype=np.int64)
    for k, tier in enumerate(params.tiers):
        half = ref * (tier.half_spread_bps + stance.wider_bps) / _BPS
        bid = np.maximum(step, ((middle - half) // step).astype(np.int64) * step)
        out[:, 2 * k] = bid
        out[:, 2 * k + 1] = np.maximum(bid + step, -((-(middle + half)) // step).astype(np.int64) * step)
    return out


def ladder_plain(reference: Px, params: DealerParameters, stance: Stance) -> tuple[Px, ...]:
    """Do what `ladder` does for one price, in plain Python: its slow twin."""
    prices: list[Px] = []
    for tier in params.tiers:
        prices += two_way(reference + stance.shift, tier.half_spread_bps + stance.wider_bps, stance, params.px_step)
    return tuple(prices)


def two_way(reference: Px, half_bps: float, stance: Stance, step: Px) -> tuple[Px, Px]:
    """Return a bid and an ask `half_bps` from the skewed reference, on the dealer's grid and never locked.

    >>> two_way(400_000, 1.5, Stance(), 10)
    (399940, 400060)
    """
    ref = max(1, reference)
    middle, half = ref + ref * stance.skew_bps / _BPS, ref * half_bps / _BPS
    bid = max(step, round_to_tick(middle - half, step, up=False))
    return bid, max(bid + step, round_to_tick(middle + half, step, up=True))


def half_spread_at(params: DealerParameters, qty: Qty) -> float:
    """Return the half-spread in bps for exactly `qty` shares: the tiers' own at their sizes, straight lines between,
    from half of the first for a single share, and on along the last line beyond the largest tier.

    >>> params = DealerParameters()
    >>> [half_spread_at(params, qty) for qty in (200, 350, 2_000, 3_500)]
    [1.5, 1.75, 3.0, 4.0]
    """
    points = [(0, params.tiers[0].half_spread_bps / 2.0)]
    points += [(tier.max_qty, tier.half_spread_bps) for tier in params.tiers]
    k = min(bisect_left([size for size, _ in points], qty), len(points) - 1)
    (low, at_low), (high, at_high) = points[max(1, k) - 1], points[max(1, k)]
    return at_low + (at_high - at_low) * (qty - low) / (high - low)


class QuoteStream:
    """The quotes of a day as they are made: `since[n]` is when quote n began, `prices[n]` its bid and ask by tier
    (all 0: none). `run` goes on to a time, `stand` changes the stance there."""

    def __init__(self, params: DealerParameters, setup: MarketSetup, mic: str, path: ReferencePath) -> None:
        self.since: list[Nanos] = []
        self.prices: list[list[Px]] = []
        self.stance = Stance()
        self._params, self._path = params, path
        self._open_at, self._close_at = setup.open_at, setup.close_at
        self._halts = setup.halts_of(mic)
        self._stops = sorted([start for start, _ in self._halts] + [setup.close_at])
        self._marks = self._marks_of(setup, path)
        self._mark_at: list[Nanos] = [*self._marks.tolist(), NEVER]
        reference = np.concatenate(([setup.start_px], path.px))
        self._reference: I64 = reference[np.searchsorted(path.at, self._marks, side="right")]
        self._k = self._end = 0
        self._block_at: list[Nanos] = []
        self._block_prices: list[list[Px]] = []
        self._block_rows: I64 = np.empty((0, len(QUOTE_COLUMNS)), dtype=np.int64)
        self._b = 0
        self._shown: list[I64] = []

    @property
    def refreshes(self) -> int:
        """How many refreshes have been."""
        return self._k

    def next_at(self) -> Nanos:
        """Return when the next refresh is due; NEVER after the close."""
        return self._mark_at[self._k]

    def is_quoting(self, at: Nanos) -> bool:
        """Whether the dealer trades at a time: in the session, and in no halt."""
        return self._open_at <= at < self._close_at and not self.is_halted(at)

    def is_halted(self, at: Nanos) -> bool:
        """Whether trading stands still at a time."""
        return any(start <= at < end for start, end in self._halts)

    def next_stop(self, at: Nanos) -> Nanos:
        """Return when trading next stops after `at`: a halt or the close."""
        k = bisect_right(self._stops, at)
        return self._stops[k] if k < len(self._stops) else NEVER

    def reference(self, at: Nanos) -> Px:
        """Return the reference that the dealer sees at a time, our own impact included."""
        return max(1, self._path.px_at(at) + self.stance.shift)

    def refresh_after(self, at: Nanos) -> Nanos:
        """Return the first point of the refresh grid after `at`."""
        refresh = self._params.refresh_ns
        return self._open_at + (max(0, at - self._open_at) // refresh + 1) * refresh

    def run(self, to: Nanos) -> None:
        """Make every refresh up to and including `to`."""
        while self._mark_at[self._k] <= to:
            if self._k == self._end:
                self._price_block()
            self._k = bisect_right(self._mark_at, to, self._k, self._end)
            b = bisect_right(self._block_at, to, self._b)
            if b > self._b:
                self._keep(self._block_at[self._b : b], self._block_prices[self._b : b], self._block_rows[self._b : b])
                self._b = b

    def stand(self, at: Nanos, stance: Stance) -> None:
        """Take another stance at `at`, up to which `run` has been: what was priced ahead is made anew."""
        if stance != self.stance:
            self.stance = stance
            self._end, self._b = self._k, 0
            self._block_at, self._block_prices = [], []

    def requote(self, at: Nanos) -> None:
        """Quote by the stance and the reference of `at`, unless that is what stands."""
        if not self.is_quoting(at):
            return
        reference = np.array([self._path.px_at(at)], dtype=np.int64)
        prices = ladder(reference, self._params, self.stance)
        if not self.prices or self.prices[-1] != prices[0].tolist():
            self._keep([at], prices.tolist(), self._rows_of(np.array([at], dtype=np.int64), prices))
            # What was priced ahead was compared with the quote before this one.
            self._end, self._b = self._k, 0
            self._block_at, self._block_prices = [], []

    def quote_at(self, at: Nanos) -> int:
        """Return the number of the quote that stands at a time; -1 before the first."""
        return bisect_right(self.since, at) - 1

    def replaced_at(self, n: int) -> Nanos:
        """Return when quote n was replaced; NEVER while it stands."""
        return self.since[n + 1] if n + 1 < len(self.since) else NEVER

    def take_rows(self) -> I64:
        """Return the rows of quotes shown since the last call, int64 (n, 5)."""
        shown, self._shown = self._shown, []
        return np.concatenate(shown) if shown else np.empty((0, len(QUOTE_COLUMNS)), dtype=np.int64)

    def _marks_of(self, setup: MarketSetup, path: ReferencePath) -> I64:
        """Return when quotes may change by themselves: the open, the grid after a move, halts, the close."""
        refresh = self._params.refresh_ns
        grid = setup.open_at + np.unique((path.at - setup.open_at) // refresh + 1) * refresh
        edges = [setup.open_at, setup.close_at, *(edge for halt in self._halts for edge in halt)]
        marks: I64 = np.unique(np.concatenate((grid[grid < setup.close_at], np.array(edges, dtype=np.int64))))
        return marks

    def _price_block(self) -> None:
        """Price the next block of refreshes and keep those that change something."""
        block = slice(self._k, min(self._k + _BLOCK, len(self._marks)))
        at = self._marks[block]
        prices = ladder(self._reference[block], self._params, self.stance)
        for start, end in (*self._halts, (self._close_at, NEVER)):
            prices[(at >= start) & (at < end)] = 0
        before = self.prices[-1] if self.prices else [0] * prices.shape[1]
        changed = np.flatnonzero((prices != np.vstack((before, prices[:-1]))).any(axis=1))
        self._block_at, self._block_prices = at[changed].tolist(), prices[changed].tolist()
        self._block_rows = self._rows_of(at[changed], prices[changed])
        self._end, self._b = block.stop, 0

    def _rows_of(self, at: I64, prices: I64) -> I64:
        """Return what is shown of quotes: the first tier, as a top of book."""
        rows = np.empty((at.shape[0], len(QUOTE_COLUMNS)), dtype=np.int64)
        rows[:, 0], rows[:, 1], rows[:, 3] = at, prices[:, 0], prices[:, 1]
        rows[:, 2] = rows[:, 4] = np.where(prices[:, 0] > 0, self._params.tiers[0].max_qty, 0)
        return rows

    def _keep(self, at: list[Nanos], prices: list[list[Px]], rows: I64) -> None:
        self.since += at
        self.prices += prices
        if self._params.streams:
            self._shown.append(rows)
