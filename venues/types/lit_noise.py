"""The noise of a lit venue: orders that come, leave and trade without knowing anything, as the book invites them to.

Rule of this file: a candidate is a function of (key, number) alone and its time of the pace alone; whether it happens
depends on the book. So two runs that differ in what we do still share their candidates (common random numbers).

The family is queue-reactive (Huang, Lehalle and Rosenbaum 2015), anchored: makers hold the price, noise moves about it.
Candidates are thinned (Lewis and Shedler 1979): each column of `venues.flow` has a ceiling, and a candidate of a column
happens with the chance rate / ceiling.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from router.domain.market import F64
from router.domain.units import SECOND, Qty
from venues.flow.chance import TO_UNIT
from venues.flow.parameters import BINS, COLUMNS, SIZES, Feedback, FlowArrays, FlowParameters, Rates, flow_arrays
from venues.flow.queue_reactive import feedback_at
from venues.models.factor import LEAN
from venues.models.flow import LOT
from venues.models.reference import DAY_NS
from venues.types.lit_state import NEVER, S_DRAW, S_DRAW_AT, T_CELL_NS, T_CLOSE_AT, T_OPEN_AT, LitState

if TYPE_CHECKING:
    from venues.types.lit_flow import LitParameters

FEEDBACK_FACTOR_MAX = 2.5
"""The feedback multiplies opposite-side trading by e^|b|, but by no more than this."""

_AGAINST, _LEAVE, _JOIN = 0.6, 0.25, 0.25
"""How trading, leaving and joining answer the imbalance x in (-1, 1): by e^(+-a x)."""

_INSIDE = 0.15
"""Noise limit orders that better the best price, of those that come while the spread allows it."""

_NARROW = 1.2
"""Trading at a spread of one tick, against trading at a wider one."""

_INVITED, _STALE = 1.25, 0.32
"""Measured: by how much imbalance invites trading in the mean, and what the last maker takes, for each limit order a
trade, of those that noise left behind; so that a day's volume comes out as asked."""

_DISTANCES = (0.72, 0.2, 0.08)
_DEVIATION = 1.0
"""Of the logarithm of sizes; their largest is LARGEST times the mean."""

LARGEST = 25.0
_ODD_LOT: Qty = 10


def size_law(mean: float, lot: Qty) -> tuple[tuple[int, ...], Qty]:
    """Return (quantile function of log-normal sizes with the given mean, in units; the unit in shares).

    >>> law, unit = size_law(120.0, 1)
    >>> unit, abs(sum(law) * unit / len(law) - 120.0) < 3.0, law[0] < law[-1]
    (10, True, True)
    """
    unit = lot if lot > 1 else _ODD_LOT
    z = _normal_quantiles()
    raw = np.minimum(np.exp(_DEVIATION * z), LARGEST * math.exp(_DEVIATION**2 / 2.0))
    raw *= mean / unit / raw.mean()
    return tuple(int(n) for n in np.maximum(1, np.rint(raw)).tolist()), unit


@lru_cache(maxsize=1)
def _normal_quantiles() -> F64:
    """Return the standard normal's quantiles at (i + 1/2) / SIZES, by bisection: float64 (SIZES,)."""
    low, high = np.full(SIZES, -6.0), np.full(SIZES, 6.0)
    want = (np.arange(SIZES) + 0.5) / SIZES
    for _ in range(60):
        half: F64 = (low + high) / 2.0
        below = np.array([0.5 * (1.0 + math.erf(x / math.sqrt(2.0))) for x in half.tolist()]) < want
        low, high = np.where(below, half, low), np.where(below, high, half)
    middle: F64 = (low + high) / 2.0
    return middle


def noise_arrays(params: LitParameters, lot: Qty, volume: float) -> tuple[FlowArrays, F64, int]:
    """Return (arrays for kernels, ceilings of the columns in events a second and their sum, noise orders of a side
    at which they leave as fast as they may).

    Args:
        params: the venue's parameters.
        lot: the listing's lot.
        volume: shares that all takers are to trade in a full calm day; noise trades what others leave of it.
    """
    law, unit = size_law(params.trade_qty, lot)
    mean = sum(law) * unit / len(law)
    noise = volume * (1.0 - params.informed - params.pressing)
    lift = _mean_factor(params.feedback(volume, LOT)) * (_INVITED + _STALE * params.limits_per_trade)
    trades = noise / mean / (DAY_NS / SECOND) / lift
    joins = trades * params.limits_per_trade
    target = max(1.0, joins / 2.0 * params.limit_life_ns / SECOND)
    narrow, wide = [], []
    for k in range(BINS):
        x = (k - BINS // 2) / (BINS // 2)
        narrow.append(_row(x, trades * _NARROW, joins, inside=0.0))
        wide.append(_row(x, trades, joins, inside=_INSIDE))
    rates: tuple[Rates, ...] = (tuple(narrow), tuple(wide))
    parameters = FlowParameters(
        rates=rates,
        queue_scale_lots=0.0,
        sizes_lots=(law, law, law, law),
        distances=_DISTANCES,
        feedback=params.feedback(volume, LOT),
    )
    ceilings: F64 = np.array(rates).max(axis=(0, 1))
    # Leaving is proportional to who is there, up to twice the target; buying and selling follow lean and feedback.
    ceilings[2:4] *= 2.0
    ceilings[4:6] *= (1.0 + LEAN) * FEEDBACK_FACTOR_MAX
    scaled = np.array(rates)
    scaled[:, :, 2:4] *= 2.0
    arrays = flow_arrays(parameters, unit)
    scaled.setflags(write=False)
    return arrays._replace(rates=scaled), np.append(ceilings, ceilings.sum()), math.ceil(2.0 * target)


def _row(x: float, trades: float, joins: float, inside: float) -> tuple[float, ...]:
    """Return the rates at imbalance x: bids join, asks join, bids leave, asks leave, buys, sells, better bids, asks."""
    up, down = math.exp(_JOIN * x), math.exp(-_JOIN * x)
    thick, thin = math.exp(_LEAVE * x), math.exp(-_LEAVE * x)
    buys, sells = math.exp(_AGAINST * x), math.exp(-_AGAINST * x)
    at_or_behind = joins / 2.0 * (1.0 - inside)
    better = joins / 2.0 * inside
    return (
        at_or_behind * down,
        at_or_behind * up,
        joins / 2.0 * thin,
        joins / 2.0 * thick,
        trades / 2.0 * buys,
        trades / 2.0 * sells,
        better * up,
        better * down,
    )


def _mean_factor(feedback: Feedback) -> float:
    """Return by how much the feedback raises trading in the mean: E (1 + e^|b|) / 2 of a normal b, to second order.

    The variance of b is m^2 times the volume a second over the unit, which is a day's, times tau / (2 beta - 1).
    """
    a_second = 1.0 / (DAY_NS / SECOND)
    variance = feedback.m**2 * a_second * feedback.tau_s / max(0.1, 2.0 * feedback.beta - 1.0)
    mean_abs = math.sqrt(variance * 2.0 / math.pi)
    return 1.0 + 0.5 * min(FEEDBACK_FACTOR_MAX - 1.0, mean_abs + variance / 2.0)


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def next_candidate(state: LitState, at: int, uniform: float) -> None:
    """Note when the next candidate after `at` comes: a Poisson process whose rate follows the pace, cell by cell."""
    state.head[S_DRAW] += 1
    left = -math.log(1.0 - uniform)
    now = at
    cell_ns = state.terms[T_CELL_NS]
    open_at = state.terms[T_OPEN_AT]
    close_at = state.terms[T_CLOSE_AT]
    while now < close_at:
        cell = (now - open_at) // cell_ns
        end = open_at + (cell + 1) * cell_ns
        rate = state.ceilings[COLUMNS] * state.pace[cell] * 1e-9
        there = rate * (end - now)
        if there > left:
            state.head[S_DRAW_AT] = now + max(1, int(left / rate))
            return
        left -= there
        now = end
    state.head[S_DRAW_AT] = NEVER


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def chosen_column(
    state: LitState, word: np.uint64, book: tuple[int, int, int], counts: tuple[int, int], since_open_ns: int
) -> int:
    """Return the column of a candidate that happens, -1 when it does not.

    `book` is (bid_qty, ask_qty, spread in ticks); `counts` how full the noise of each side is, in thousandths of the
    number at which it leaves as fast as it may.
    """
    pick = word * TO_UNIT * state.ceilings[COLUMNS]
    column = 0
    while column < COLUMNS - 1 and pick >= state.ceilings[column]:
        pick -= state.ceilings[column]
        column += 1
    bid_qty, ask_qty, spread = book
    both = bid_qty + ask_qty
    row = BINS // 2 if both <= 0 else min(BINS - 1, bid_qty * BINS // both)
    rate = state.flow.rates[1 if spread > 1 else 0, row, column]
    if column == 2:
        rate *= min(1000, counts[0]) * 1e-3
    elif column == 3:
        rate *= min(1000, counts[1]) * 1e-3
    elif column == 4 or column == 5:
        sign = 9 - 2 * column
        # Past buying raises selling, and the other way round.
        against = -sign * feedback_at(state.flow, state.memory, since_open_ns)
        rate *= 1.0 + sign * state.lean[since_open_ns // state.terms[T_CELL_NS]]
        if against > 0.0:
            rate *= min(FEEDBACK_FACTOR_MAX, math.exp(against))
    return column if pick < rate else -1
