"""The latent reference price that all synthetic venues of a run share, and the regimes that change it.

Rule of this file: every venue computes the same path from (seed, setup) alone; nothing here is ever shown to the
router. What our own trades add to the reference arrives as `Shift`s and is kept by each venue, not here.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise

import msgspec
import numpy as np

from router.domain.chance import generator
from router.domain.errors import bad_value
from router.domain.market import F64, I64
from router.domain.units import HOUR, MINUTE, Nanos, Px, Qty

DAY_NS: Nanos = 6 * HOUR + 30 * MINUTE
"""The trading day that `daily_volatility` and `adv` speak of; a shorter session gets its part of both."""

STEP_TICKS = (1, 2, 3, 4)
STEP_CHANCES = (0.55, 0.30, 0.10, 0.05)
"""How many ticks the reference moves at once. Moves of several ticks are what makes a stale quote worth taking."""

_VARIANCE_OF_STEP = sum(k * k * p for k, p in zip(STEP_TICKS, STEP_CHANCES, strict=True))
_FLOOR_TICKS = 20


class RegimeMultipliers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a regime multiplies: volatility, lit volume, chance of dark contra interest, share of informed flow."""

    volatility: float = 1.0
    volume: float = 1.0
    dark: float = 1.0
    informed: float = 1.0

    def __post_init__(self) -> None:
        for name in ("volatility", "volume", "dark", "informed"):
            if not 0.0 <= getattr(self, name) <= 20.0:
                raise ValueError(bad_value(name, "a multiplier from 0 to 20", getattr(self, name)))


REGIMES: dict[str, RegimeMultipliers] = {
    "calm": RegimeMultipliers(),
    "volatile": RegimeMultipliers(volatility=1.8, volume=1.4, dark=0.7, informed=1.3),
    "dark_rich": RegimeMultipliers(volatility=0.9, dark=2.5, informed=0.8),
    "toxic": RegimeMultipliers(volatility=1.3, volume=1.1, dark=1.2, informed=2.2),
}
"""The regimes by name, with the multipliers used when a scenario gives none."""


class Regime(msgspec.Struct, frozen=True, kw_only=True):
    """From `from_at` on (to the next regime) these multipliers are in force."""

    from_at: Nanos
    name: str
    multipliers: RegimeMultipliers = RegimeMultipliers()


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Trading stands still in [from_at, to_at) at the venues named, or at all of them when none is."""

    from_at: Nanos
    to_at: Nanos
    mics: tuple[str, ...] = ()


class MarketSetup(msgspec.Struct, frozen=True, kw_only=True):
    """The market of one symbol in one run: what is common to its venues. `daily_volatility` is a share (0.02)."""

    symbol: str
    open_at: Nanos
    close_at: Nanos
    start_px: Px
    tick: Px = 100
    daily_volatility: float = 0.02
    adv: Qty = 2_000_000
    regimes: tuple[Regime, ...] = ()
    halts: tuple[Halt, ...] = ()

    def __post_init__(self) -> None:
        times = [regime.from_at for regime in self.regimes]
        rules = (
            (self.open_at < self.close_at, "close_at", f"a time after {self.open_at}", self.close_at),
            (self.tick >= 1, "tick", "a tick from 1", self.tick),
            (self.start_px >= _FLOOR_TICKS * self.tick, "start_px", f"at least {_FLOOR_TICKS} ticks", self.start_px),
            (self.start_px % max(1, self.tick) == 0, "start_px", "a whole number of ticks", self.start_px),
            (0.0 < self.daily_volatility <= 0.5, "daily_volatility", "a share in (0, 0.5]", self.daily_volatility),
            (self.adv >= 0, "adv", "a quantity from 0", self.adv),
            (times == sorted(set(times)), "regimes", "rising from_at", times),
            (all(halt.from_at < halt.to_at for halt in self.halts), "halts", "to_at after from_at", self.halts),
        )
        for holds, key, expected, got in rules:
            if not holds:
                raise ValueError(bad_value(key, expected, got))

    @property
    def day_share(self) -> float:
        """The part of a trading day that the session lasts."""
        return (self.close_at - self.open_at) / DAY_NS

    def regime_at(self, at: Nanos) -> Regime:
        """Return the regime in force; before the first one it is calm, multiplying nothing."""
        k = bisect_right([regime.from_at for regime in self.regimes], at)
        return self.regimes[k - 1] if k else Regime(from_at=self.open_at, name="calm")

    def halts_of(self, mic: str) -> tuple[tuple[Nanos, Nanos], ...]:
        """Return the (from, to) of a venue's halts within the session, in order; those that meet are one."""
        spans: list[tuple[Nanos, Nanos]] = []
        for halt in sorted(self.halts, key=lambda h: h.from_at):
            start, end = max(halt.from_at, self.open_at), min(halt.to_at, self.close_at)
            if (halt.mics and mic not in halt.mics) or start >= end:
                continue
            if spans and start <= spans[-1][1]:
                start, end = spans[-1][0], max(end, spans.pop()[1])
            spans.append((start, end))
        return tuple(spans)

    def segments(self) -> tuple[tuple[Nanos, Nanos, Regime], ...]:
        """Return (from, to, regime) over the session, in order, without gaps."""
        inner = [regime.from_at for regime in self.regimes if self.open_at < regime.from_at < self.close_at]
        cuts = [self.open_at, *inner, self.close_at]
        return tuple((a, b, self.regime_at(a)) for a, b in pairwise(cuts))

    def multipliers(self, at: I64, name: str) -> F64:
        """Return the multiplier `name` in force at each time of `at`."""
        starts = np.array([start for start, _, _ in self.segments()], dtype=np.int64)
        values = np.array([getattr(regime.multipliers, name) for _, _, regime in self.segments()], dtype=np.float64)
        return values[np.clip(np.searchsorted(starts, at, side="right") - 1, 0, None)]


class ReferencePath:
    """A compound-Poisson walk of whole ticks: moves come at random times, of 1 to 4 ticks, up or down alike.

    The rate is such that the standard deviation over a trading day is `daily_volatility` of the starting price in a
    regime that multiplies by 1. Each regime's stretch has its own stream, so that a regime changed later in the day
    leaves the morning as it was. `at` and `px` are int64 (n,): the times of the moves and the price from then on.
    """

    def __init__(self, seed: int, setup: MarketSetup) -> None:
        self.setup = setup
        times, steps = [], []
        for k, (start, end, regime) in enumerate(setup.segments()):
            rng = generator(seed, setup.symbol, f"reference/{k}")
            deviation_ticks = setup.daily_volatility * setup.start_px / setup.tick * regime.multipliers.volatility
            mean = deviation_ticks**2 / _VARIANCE_OF_STEP * (end - start) / DAY_NS
            n = int(rng.poisson(mean))
            at = np.unique(rng.integers(start + 1, end, n)) if end - start > 1 else np.empty(0, dtype=np.int64)
            times.append(at)
            sizes = rng.choice(STEP_TICKS, size=n, p=STEP_CHANCES) * rng.choice((-1, 1), size=n)
            steps.append(sizes[: at.shape[0]])
        self.at: I64 = np.concatenate(times).astype(np.int64)
        ticks = setup.start_px // setup.tick + np.cumsum(np.concatenate(steps).astype(np.int64))
        self.px: I64 = np.maximum(ticks, _FLOOR_TICKS).astype(np.int64) * setup.tick
        self._at: list[int] = self.at.tolist()
        self._px: list[int] = [setup.start_px, *self.px.tolist()]

    def px_at(self, at: Nanos) -> Px:
        """Return the reference at a time; a move at exactly `at` has happened."""
        return self._px[bisect_right(self._at, at)]

    def px_before(self, at: Nanos) -> Px:
        """Return the reference just before a time."""
        return self._px[bisect_right(self._at, at - 1)]

    def steps(self) -> I64:
        """Return the signed size of each move, in Px."""
        prices = np.array(self._px, dtype=np.int64)
        return prices[1:] - prices[:-1]

    def largest_move(self, at: Nanos, sign: int, horizon_ns: Nanos) -> Nanos | None:
        """Return when the largest move of that sign comes (the first of equals), strictly after `at` and within the
        horizon; None when none does."""
        k = bisect_right(self._at, at)
        best, found = 0, None
        while k < len(self._at) and self._at[k] <= at + horizon_ns:
            size = (self._px[k + 1] - self._px[k]) * sign
            if size > best:
                best, found = size, self._at[k]
            k += 1
        return found


@lru_cache(maxsize=8)
def reference_path(seed: int, setup: MarketSetup) -> ReferencePath:
    """Return the path of (seed, setup), computed once in a process: venues that share a process share it."""
    return ReferencePath(seed, setup)
