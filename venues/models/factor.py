"""What the lit venues of an instrument share besides the price: leaning, busyness, and pushes that do not last.

Rule of this file: everything follows from (seed, setup), and for a venue's own part from its MIC, alone; it is laid
out on a grid before the day begins and is the same whatever we do. Nothing here is ever shown to the router.

Lean and busyness are Ornstein-Uhlenbeck processes on a grid; a venue mixes the common one with its own so that any
two venues correlate by alpha^2. A push moves the price that makers quote around by a tick or some for a while, without
any news: the temporary part of the price, which reverts.

Source: a correlation of 0.6 between order flows at venues is the one of Cont and Kukanov, "Optimal order placement
in limit order markets", Quantitative Finance 17 (2017).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from router.domain.chance import generator
from router.domain.market import F64, I64
from router.domain.units import MINUTE, SECOND, Nanos
from venues.models.flow import U_SHAPE
from venues.models.reference import DAY_NS, STEP_CHANCES, STEP_TICKS, MarketSetup, Regime

ALPHA = 0.6
"""Weight of the common factor in each venue's own, unless a venue says otherwise."""

LEAN = 0.3
"""How far trading leans to one side: the sign factor is LEAN tanh(z), of a standard normal z."""

_CELLS_MAX = 20_000
_CELL_NS: Nanos = 5 * SECOND
_LEAN_MEMORY_NS: Nanos = 2 * MINUTE
_BUSY_MEMORY_NS: Nanos = 10 * MINUTE
_BUSY_DEVIATION = 0.35

PUSHES_PER_MOVE = 1.0
"""While the price stands where it should, pushes come this often for each move of the reference."""

PUSH_STAY_NS: Nanos = 12 * SECOND
"""Mean time until a push has gone back."""

_NEVER_NS = 1e17
"""Three years."""

_PUSH_GAP_NS: Nanos = 2 * SECOND
"""However volatile the market, pushes start at most so often in the mean."""


class FactorPath(NamedTuple):
    """One venue's factors. `lean` in (-1, 1) and `pace` (mean about 1 in a calm day) hold for cells of `cell_ns` from
    the opening on: float64 (n,). `pace` has the U-shape and the regime's volume in it."""

    cell_ns: Nanos
    lean: F64
    pace: F64


def cell_of(setup: MarketSetup) -> Nanos:
    """Return the width of the grid: 5 s, or more where a session would have over 20,000 cells."""
    return max(_CELL_NS, -(-(setup.close_at - setup.open_at) // _CELLS_MAX))


@lru_cache(maxsize=64)
def factor_path(seed: int, setup: MarketSetup, mic: str = "", alpha: float = ALPHA) -> FactorPath:
    """Return the factors of the venue `mic`; of the whole instrument with no venue (alpha is then 1).

    Args:
        seed: the run's seed.
        setup: the market of the run.
        mic: the venue, or "".
        alpha: weight of the common factor, 0 to 1.
    """
    cell_ns = cell_of(setup)
    lean, busy = (_mixed(seed, setup, mic, alpha, purpose) for purpose in ("lean", "busy"))
    at = setup.open_at + np.arange(lean.shape[0], dtype=np.int64) * cell_ns
    u = (at + cell_ns // 2 - setup.open_at) / (setup.close_at - setup.open_at)
    shape = (1.0 + U_SHAPE * (2.0 * u - 1.0) ** 2) / (1.0 + U_SHAPE / 3.0)
    pace = np.exp(_BUSY_DEVIATION * busy - _BUSY_DEVIATION**2 / 2.0) * shape * setup.multipliers(at, "volume")
    path = FactorPath(cell_ns, LEAN * np.tanh(lean), pace)
    path.lean.setflags(write=False)
    path.pace.setflags(write=False)
    return path


@lru_cache(maxsize=8)
def pushes(seed: int, setup: MarketSetup) -> tuple[I64, I64]:
    """Return (at, sign): when the price is pushed up or down, and (0) when it goes back; int64 (n,) each.

    Pushes come in proportion to the reference's moves, so that a market that stands still is not pushed either, and
    lean as trading does.
    """
    rng = generator(seed, setup.symbol, "pushes")
    lean = factor_path(seed, setup).lean
    cell_ns = cell_of(setup)
    at: list[int] = []
    ticks: list[int] = []
    now = setup.open_at
    for start, end, regime in setup.segments():
        gap_ns = _push_gap_ns(setup, regime)
        now = max(now, start)
        while (start_at := now + 1 + int(rng.exponential(gap_ns))) < end:
            is_up = rng.random() < 0.5 * (1.0 + lean[(start_at - setup.open_at) // cell_ns])
            now = start_at + 1 + int(rng.exponential(PUSH_STAY_NS))
            at += [start_at, now]
            ticks += [1 if is_up else -1, 0]
    times = np.array(at, dtype=np.int64)
    n = int(np.searchsorted(times, setup.close_at))
    return times[:n], np.array(ticks, dtype=np.int64)[:n]


def _push_gap_ns(setup: MarketSetup, regime: Regime) -> float:
    """Return the mean time to the next push; longer than any session where the reference hardly moves."""
    deviation_ticks = setup.daily_volatility * setup.start_px / setup.tick * regime.multipliers.volatility
    squared_step = sum(k * k * p for k, p in zip(STEP_TICKS, STEP_CHANCES, strict=True))
    per_day = PUSHES_PER_MOVE * deviation_ticks**2 / squared_step
    return min(_NEVER_NS, max(float(_PUSH_GAP_NS), DAY_NS / max(per_day, 1e-9)))


def _mixed(seed: int, setup: MarketSetup, mic: str, alpha: float, purpose: str) -> F64:
    common = _standard(seed, setup.symbol, setup, purpose)
    if not mic:
        return common
    own = _standard(seed, mic, setup, purpose)
    mixed: F64 = alpha * common + np.sqrt(1.0 - alpha**2) * own
    return mixed


def _standard(seed: int, entity: str, setup: MarketSetup, purpose: str) -> F64:
    """Return a stationary Ornstein-Uhlenbeck path of mean 0 and deviation 1 on the grid: float64 (n,)."""
    cell_ns = cell_of(setup)
    memory_ns = _LEAN_MEMORY_NS if purpose == "lean" else _BUSY_MEMORY_NS
    keep = float(np.exp(-cell_ns / memory_ns))
    n = -(-(setup.close_at - setup.open_at) // cell_ns)
    draws = generator(seed, entity, f"factor/{purpose}").standard_normal(n)
    fresh = draws * np.sqrt(1.0 - keep**2)
    z = float(draws[0])
    path = [z]
    for step in fresh[1:].tolist():
        z = keep * z + step
        path.append(z)
    return np.array(path)
