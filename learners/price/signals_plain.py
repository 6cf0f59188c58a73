"""The plain twin of `signals`: the same state and the same signals, in dictionaries and one loop a fact.

Rule of this file: it is read to understand the kernels and run to check them, and nobody routes by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from learners.price import signals as layout
from learners.price.signals import PRICE_SIGNALS
from router.domain.market import I64
from router.domain.units import SECOND, Nanos

Row = Sequence[int]


class PlainStream:
    """The signals of one market, as `learners.price.signals.PriceStream`."""

    def __init__(self) -> None:
        self._sums = [0.0] * len(layout.HALF_LIVES_S)
        self._at = 0
        self._best: tuple[int, int, int, int] | None = None
        self._is_whole = False
        self._last_sign = self._last_px = self._tick_sign = 0

    def advance(self, rows: I64, prints: I64) -> None:
        """Take a window's changes and prints; at one time prints first."""
        facts = [(int(row[0]), 1, row.tolist()) for row in rows] + [(int(row[0]), 0, row.tolist()) for row in prints]
        for _, kind, fact in sorted(facts, key=lambda fact: fact[:2]):
            (self._see_row if kind else self._see_print)(fact)

    def read(self, now: Nanos) -> list[float]:
        """Return the signals at `now`."""
        s = self._decayed(now)
        values = dict.fromkeys(("microprice", "imbalance", "spread"), math.nan)
        if self._is_whole and self._best is not None:
            bid, bid_qty, ask, ask_qty = self._best
            tilt = (bid_qty - ask_qty) / (bid_qty + ask_qty)
            width_bps = 1e4 * (ask - bid) / (bid + ask)
            spread = math.log(max(1e4 * (ask - bid) * 2.0 / (bid + ask), layout.FLOOR_BPS))
            values = {"microprice": width_bps * tilt, "imbalance": tilt, "spread": spread}
        values["volatility"] = 0.5 * math.log(max(s[layout.SQUARES], layout.FLOOR_BPS**2))
        for name, up, down in (
            ("flow_fast", layout.BOUGHT_FAST, layout.SOLD_FAST),
            ("flow_slow", layout.BOUGHT_SLOW, layout.SOLD_SLOW),
        ):
            values[name] = (s[up] - s[down]) / (s[up] + s[down] + layout.PRIOR_QTY)
        values["order_flow"] = s[layout.ORDER_FLOW] / (s[layout.ORDER_SIZE] + layout.PRIOR_QTY)
        values["drift_fast"], values["drift_slow"] = s[layout.DRIFT_FAST], s[layout.DRIFT_SLOW]
        values["instability"] = math.log1p(s[layout.CHANGES])
        values["reversals"] = s[layout.REVERSALS] / (s[layout.MOVES] + layout.PRIOR_MOVES)
        return [values[name] for name in PRICE_SIGNALS]

    def _decayed(self, now: Nanos) -> list[float]:
        span = max(now - self._at, 0)
        pairs = zip(self._sums, layout.HALF_LIVES_S, strict=True)
        return [of * math.exp(-math.log(2.0) / (half_s * SECOND) * span) for of, half_s in pairs]

    def _move_to(self, at: Nanos) -> None:
        if at > self._at:
            self._sums, self._at = self._decayed(at), at

    def _see_row(self, row: Row) -> None:
        at, bid, bid_qty, ask, ask_qty = row
        self._move_to(at)
        self._is_whole = bid > 0 and ask > 0
        if not self._is_whole:
            return
        if self._best is not None:
            self._compare(self._best, (bid, bid_qty, ask, ask_qty))
        self._best = (bid, bid_qty, ask, ask_qty)

    def _compare(self, old: tuple[int, int, int, int], new: tuple[int, int, int, int]) -> None:
        (old_bid, old_bid_qty, old_ask, old_ask_qty), (bid, bid_qty, ask, ask_qty) = old, new
        came = (bid_qty if bid >= old_bid else 0) - (old_bid_qty if bid <= old_bid else 0)
        came += (old_ask_qty if ask >= old_ask else 0) - (ask_qty if ask <= old_ask else 0)
        self._sums[layout.ORDER_FLOW] += came
        self._sums[layout.ORDER_SIZE] += abs(came)
        self._sums[layout.CHANGES] += (old_bid, old_ask) != (bid, ask)
        move = 1e4 * ((bid + ask) - (old_bid + old_ask)) / (old_bid + old_ask)
        if not move:
            return
        move = min(max(move, -layout.RETURN_BPS_MAX), layout.RETURN_BPS_MAX)
        for k in (layout.DRIFT_FAST, layout.DRIFT_SLOW):
            self._sums[k] += move
        self._sums[layout.SQUARES] += move * move
        self._sums[layout.MOVES] += 1.0
        sign = 1 if move > 0 else -1
        self._sums[layout.REVERSALS] += sign == -self._last_sign
        self._last_sign = sign

    def _see_print(self, row: Row) -> None:
        at, _, px, qty, sign = row
        if px <= 0 or qty <= 0:
            return
        self._move_to(at)
        if self._last_px > 0 and px != self._last_px:
            self._tick_sign = 1 if px > self._last_px else -1
        self._last_px = px
        if sign == 0 and self._is_whole and self._best is not None:
            sign = 2 * px - self._best[0] - self._best[2]
        sign = sign or self._tick_sign
        up, down = (layout.BOUGHT_FAST, layout.BOUGHT_SLOW), (layout.SOLD_FAST, layout.SOLD_SLOW)
        for k in up if sign > 0 else down if sign < 0 else ():
            self._sums[k] += qty
