"""What the price model looks at: signals of the consolidated market, kept in a stream of its changes and of prints.

Rule of this file: decay happens at events and at reads, never at the end of a window, so that any split of a span
into windows leaves the same bits; training walks the same kernels as serving. The plain twin is `signals_plain`.

State, owned by the caller: `whole` int64 (10,) and `sums` float64 (12,), see the constants. A row of the consolidated
market is int64 (at, bid_px, bid_qty, ask_px, ask_qty), one a change; a print (at, venue_index, px, qty, aggressor).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64, I64
from router.domain.units import SECOND, Nanos

PRICE_SIGNALS: Final[tuple[str, ...]] = (
    "microprice",
    "imbalance",
    "spread",
    "volatility",
    "flow_fast",
    "flow_slow",
    "order_flow",
    "drift_fast",
    "drift_slow",
    "instability",
    "reversals",
)
"""The model's inputs, in order; `PriceStream.read` says what each is."""

SIGNALS: Final = len(PRICE_SIGNALS)
SIGNALS_VERSION: Final = 1
"""Raised with any change to a definition or constant below; a model of another version is refused."""

SIDED: Final[tuple[str, ...]] = (
    "microprice",
    "imbalance",
    "flow_fast",
    "flow_slow",
    "order_flow",
    "drift_fast",
    "drift_slow",
)
"""The signals that turn their sign when bids and asks change places."""

LAST_AT, BID_PX, BID_QTY, ASK_PX, ASK_QTY, MID2, LAST_SIGN, LAST_PX, TICK_SIGN, SEEN = range(10)
(
    BOUGHT_FAST, SOLD_FAST, BOUGHT_SLOW, SOLD_SLOW, ORDER_FLOW, ORDER_SIZE, DRIFT_FAST, DRIFT_SLOW, SQUARES, CHANGES,
    MOVES, REVERSALS,
) = range(12)  # fmt: skip

HALF_LIVES_S: Final[tuple[float, ...]] = (3.0, 3.0, 30.0, 30.0, 2.0, 2.0, 1.0, 10.0, 60.0, 10.0, 10.0, 10.0)
"""Of each of `sums`, in seconds."""

PRIOR_QTY: Final = 100.0
"""Shares of pretended balanced trading and quoting: one odd lot is not a one-sided market."""
PRIOR_MOVES: Final = 1.0
RETURN_BPS_MAX: Final = 50.0
FLOOR_BPS: Final = 0.01
_RATES = np.array([-math.log(2.0) / (s * SECOND) for s in HALF_LIVES_S])


def new_state() -> tuple[I64, F64]:
    """Return the state of a market nothing is known of: whole int64 (10,), sums float64 (12,)."""
    return np.zeros(10, dtype=np.int64), np.zeros(12, dtype=np.float64)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _decay(at: int, whole: I64, sums: F64) -> None:
    span = at - whole[LAST_AT]
    if span > 0:
        for k in range(sums.shape[0]):
            if sums[k] != 0.0:
                sums[k] *= math.exp(_RATES[k] * span)
        whole[LAST_AT] = at


@njit(cache=True)  # type: ignore[untyped-decorator]
def see_row(row: I64, whole: I64, sums: F64) -> None:
    """Take one change of the consolidated market."""
    at, bid, bid_qty, ask, ask_qty = row[0], row[1], row[2], row[3], row[4]
    _decay(at, whole, sums)
    is_whole = bid > 0 and ask > 0
    if is_whole and whole[MID2] > 0:
        _see_change(bid, bid_qty, ask, ask_qty, whole, sums)
    # A side that went missing keeps the last whole market for comparison: what comes back may be the same.
    if is_whole:
        whole[BID_PX], whole[BID_QTY], whole[ASK_PX], whole[ASK_QTY] = bid, bid_qty, ask, ask_qty
        whole[MID2] = bid + ask
    whole[SEEN] = 1 if is_whole else 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def rebase(at: int, best: I64, whole: I64, sums: F64) -> None:
    """Replace the market (bid_px, bid_qty, ask_px, ask_qty) as it is known, counting no change."""
    _decay(at, whole, sums)
    is_whole = best[0] > 0 and best[2] > 0
    if is_whole:
        for k in range(4):
            whole[BID_PX + k] = best[k]
        whole[MID2] = best[0] + best[2]
    whole[SEEN] = 1 if is_whole else 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _see_change(bid: int, bid_qty: int, ask: int, ask_qty: int, whole: I64, sums: F64) -> None:
    old_bid, old_ask = whole[BID_PX], whole[ASK_PX]
    # Order flow imbalance: what was added at the bid or taken from the ask presses upwards.
    came = 0
    if bid >= old_bid:
        came += bid_qty
    if bid <= old_bid:
        came -= whole[BID_QTY]
    if ask <= old_ask:
        came -= ask_qty
    if ask >= old_ask:
        came += whole[ASK_QTY]
    sums[ORDER_FLOW] += came
    sums[ORDER_SIZE] += abs(came)
    if bid != old_bid or ask != old_ask:
        sums[CHANGES] += 1.0
    mid2 = bid + ask
    if mid2 != whole[MID2]:
        move = 1e4 * (mid2 - whole[MID2]) / whole[MID2]
        move = min(max(move, -RETURN_BPS_MAX), RETURN_BPS_MAX)
        sums[DRIFT_FAST] += move
        sums[DRIFT_SLOW] += move
        sums[SQUARES] += move * move
        sums[MOVES] += 1.0
        sign = 1 if move > 0 else -1
        if sign == -whole[LAST_SIGN]:
            sums[REVERSALS] += 1.0
        whole[LAST_SIGN] = sign


@njit(cache=True)  # type: ignore[untyped-decorator]
def see_print(row: I64, whole: I64, sums: F64) -> None:
    """Take one trade: signed by its aggressor, else by the quote rule against the mid, else by the tick rule."""
    at, px, qty, sign = row[0], row[2], row[3], row[4]
    if px <= 0 or qty <= 0:
        return
    _decay(at, whole, sums)
    if whole[LAST_PX] > 0 and px != whole[LAST_PX]:
        whole[TICK_SIGN] = 1 if px > whole[LAST_PX] else -1
    whole[LAST_PX] = px
    if sign == 0 and whole[SEEN] == 1:
        sign = 2 * px - whole[MID2]
    if sign == 0:
        sign = whole[TICK_SIGN]
    if sign > 0:
        sums[BOUGHT_FAST] += qty
        sums[BOUGHT_SLOW] += qty
    elif sign < 0:
        sums[SOLD_FAST] += qty
        sums[SOLD_SLOW] += qty


@njit(cache=True)  # type: ignore[untyped-decorator]
def read_signals(now: int, whole: I64, sums: F64, x: F64) -> None:
    """Write the signals at `now` into `x` float64 (SIGNALS,); the state stays as it is."""
    span = max(now - whole[LAST_AT], 0)
    s = np.empty(sums.shape[0])
    for k in range(sums.shape[0]):
        s[k] = sums[k] * math.exp(_RATES[k] * span) if sums[k] != 0.0 else 0.0
    if whole[SEEN] == 1:
        bid_qty, ask_qty, mid2 = whole[BID_QTY], whole[ASK_QTY], whole[MID2]
        width = whole[ASK_PX] - whole[BID_PX]
        tilt = (bid_qty - ask_qty) / (bid_qty + ask_qty)
        x[0] = 1e4 * width / mid2 * tilt
        x[1] = tilt
        x[2] = math.log(max(1e4 * width * 2.0 / mid2, FLOOR_BPS))
    else:
        x[0], x[1], x[2] = math.nan, math.nan, math.nan
    x[3] = 0.5 * math.log(max(s[SQUARES], FLOOR_BPS * FLOOR_BPS))
    x[4] = (s[BOUGHT_FAST] - s[SOLD_FAST]) / (s[BOUGHT_FAST] + s[SOLD_FAST] + PRIOR_QTY)
    x[5] = (s[BOUGHT_SLOW] - s[SOLD_SLOW]) / (s[BOUGHT_SLOW] + s[SOLD_SLOW] + PRIOR_QTY)
    x[6] = s[ORDER_FLOW] / (s[ORDER_SIZE] + PRIOR_QTY)
    x[7] = s[DRIFT_FAST]
    x[8] = s[DRIFT_SLOW]
    x[9] = math.log1p(s[CHANGES])
    x[10] = s[REVERSALS] / (s[MOVES] + PRIOR_MOVES)


@njit(cache=True)  # type: ignore[untyped-decorator]
def see(rows: I64, prints: I64, whole: I64, sums: F64) -> None:
    """Take changes and prints, both in order of time; at one time prints first, which met the market before."""
    i, j = 0, 0
    while i < rows.shape[0] or j < prints.shape[0]:
        if i == rows.shape[0] or (j < prints.shape[0] and prints[j, 0] <= rows[i, 0]):
            see_print(prints[j], whole, sums)
            j += 1
        else:
            see_row(rows[i], whole, sums)
            i += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def signals_at(rows: I64, prints: I64, times: I64, whole: I64, sums: F64, x: F64) -> None:
    """Write the signals at each of `times` (n,), rising, into `x` (n, SIGNALS): of facts before that time alone."""
    i, j = 0, 0
    for k in range(times.shape[0]):
        first_i, first_j = i, j
        while i < rows.shape[0] and rows[i, 0] < times[k]:
            i += 1
        while j < prints.shape[0] and prints[j, 0] < times[k]:
            j += 1
        see(rows[first_i:i], prints[first_j:j], whole, sums)
        read_signals(times[k], whole, sums, x[k])


class PriceStream:
    """The signals of one market as it goes, fed in windows.

    >>> stream = PriceStream()
    >>> rows = np.array([[0, 99_00, 300, 101_00, 100]], dtype=np.int64)
    >>> stream.advance(rows, np.empty((0, 5), dtype=np.int64))
    >>> x = stream.read(1)
    >>> x[PRICE_SIGNALS.index("imbalance")], x[PRICE_SIGNALS.index("microprice")]
    (np.float64(0.5), np.float64(50.0))
    """

    def __init__(self) -> None:
        self.whole, self.sums = new_state()

    @property
    def is_two_sided(self) -> bool:
        """Whether the consolidated market has both sides."""
        return bool(self.whole[SEEN] == 1)

    def advance(self, rows: I64, prints: I64) -> None:
        """Take a window's changes of the consolidated market (n, 5) and prints (m, 5), each in order of time.

        Raises:
            BadInputError: tables of another shape.
        """
        if rows.ndim != 2 or rows.shape[1] != 5 or prints.ndim != 2 or prints.shape[1] != 5:
            got = (rows.shape, prints.shape)
            raise BadInputError(bad_value("PriceStream.advance", "changes (n, 5) and prints (m, 5)", got))
        see(rows, prints, self.whole, self.sums)

    def rebase(self, at: Nanos, best: I64) -> None:
        """Take the consolidated market int64 (4,) at a time without comparing it with the one before.

        For a venue that comes or goes because its link does: that is our jump and not the market's.
        """
        rebase(at, best, self.whole, self.sums)

    def read(self, now: Nanos) -> F64:
        """Return the signals at `now`, float64 (SIGNALS,); the first three are NaN while a side is missing.

        microprice   distance from the mid to the microprice, bps (Gatheral and Oomen, 2010)
        imbalance    (bid - ask) / (bid + ask) of the shares at the best prices
        spread       ln of the spread in bps
        volatility   ln of the root of the mid's squared moves in bps, half-life 60 s
        flow_*       (bought - sold) / traded of prints, half-lives 3 and 30 s
        order_flow   order flow imbalance (Cont, Kukanov and Stoikov, 2014) as a share, half-life 2 s
        drift_*      the mid's moves in bps, half-lives 1 and 10 s
        instability  ln(1 + changes of the best prices), half-life 10 s
        reversals    share of the mid's moves that took back the one before, half-life 10 s
        """
        x: F64 = np.empty(SIGNALS)
        read_signals(now, self.whole, self.sums, x)
        return x
