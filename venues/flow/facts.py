"""The stylised facts of a book and its trades, measured alike on a recording and on the flow that stands for it.

Rule of this file: a fact is computed by one function from one form (samples on a grid, trades, events by kind), so that
two columns of a table differ by the market and by nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.market import F64, I64
from router.domain.units import SECOND, Nanos
from venues.flow.levels import Session
from venues.flow.parameters import ADD, CANCEL, IMPROVE, TRADE
from venues.flow.top_tape import TopTape

STEP_NS: Nanos = SECOND // 10
"""Grid of the samples."""

LAGS = (1, 2, 5, 10, 20, 50)
"""Lags, in trades, of the sign's autocorrelation."""

HORIZONS_S = (1, 10, 60, 300)
"""Horizons of the volatility signature."""


class Observed(NamedTuple):
    """One market in the form that facts are computed from.

    `samples` float64 (n, 4): bid tick, ask tick, bid quantity, ask quantity on the grid, NaN where a side is
    missing; `taken` int64 (m, 3) trades as in TAKEN_COLUMNS; `events` (4,) by kind; `length_ns` the session.
    """

    samples: F64
    taken: I64
    events: I64
    length_ns: Nanos


def observed_session(session: Session, length_ns: Nanos) -> Observed:
    """Return a simulated session (sampled every `STEP_NS`) as observed."""
    return Observed(session.samples.astype(np.float64), session.trades[:, :3], session.events, length_ns)


def observed_tape(tape: TopTape, events: I64) -> Observed:
    """Return a recording as observed; `events` (4,) are its events by kind."""
    at = np.arange(tape.length_ns // STEP_NS, dtype=np.int64) * STEP_NS
    row = np.searchsorted(tape.top[:, 0], at, side="right") - 1
    samples = tape.top[np.maximum(row, 0)][:, [1, 3, 2, 4]].astype(np.float64)
    samples[(row < 0) | (tape.is_whole[np.maximum(row, 0)] == 0)] = np.nan
    return Observed(samples, tape.taken, events, tape.length_ns)


def facts(seen: Observed) -> dict[str, float]:
    """Return every fact by name: spreads in ticks, quantities in shares, rates a second, moves in ticks."""
    bid, ask, bid_qty, ask_qty = seen.samples.T
    seconds = seen.length_ns / SECOND
    spread = ask - bid
    found = {
        "spread.mean_ticks": float(np.nanmean(spread)),
        "spread.one_tick_share": float(np.nanmean(np.where(np.isnan(spread), np.nan, spread == 1.0))),
        "queue.best_median": float(np.nanmedian(np.concatenate((bid_qty, ask_qty)))),
        "queue.best_mean": float(np.nanmean(np.concatenate((bid_qty, ask_qty)))),
        "rate.adds": float(seen.events[ADD]) / seconds,
        "rate.cancels": float(seen.events[CANCEL]) / seconds,
        "rate.improves": float(seen.events[IMPROVE]) / seconds,
        "rate.trades": float(seen.events[TRADE]) / seconds,
        "trade.mean_qty": float(seen.taken[:, 2].mean()),
    }
    correlations = sign_autocorrelation(seen.taken[:, 1])
    found |= {f"signs.lag_{lag}": float(correlations[lag - 1]) for lag in LAGS}
    mid = 0.5 * (bid + ask)
    for horizon in HORIZONS_S:
        step = horizon * SECOND // STEP_NS
        found[f"volatility.{horizon}s"] = _deviation(mid[step:] - mid[:-step]) / horizon**0.5
    found["day.u_shape"] = u_shape(seen.taken[:, 0], seen.length_ns)
    return found


class Mean(NamedTuple):
    """Facts over several sessions, and their standard errors."""

    facts: dict[str, float]
    errors: dict[str, float]


def mean_facts(sessions: list[Observed]) -> Mean:
    """Return the facts over sessions of one length: means, and the U-shape of all their trades together.

    The U-shape is no mean of U-shapes: far from linear in what it is estimated from, it would be biased.
    """
    each = [facts(seen) for seen in sessions]
    found, errors = {}, {}
    for name in each[0]:
        values = np.array([of[name] for of in each])
        found[name] = float(values.mean())
        errors[name] = float(values.std(ddof=1)) / len(each) ** 0.5 if len(each) > 1 else 0.0
    at = np.concatenate([seen.taken[:, 0] for seen in sessions])
    found["day.u_shape"] = u_shape(at, sessions[0].length_ns)
    return Mean(found, errors)


def sign_autocorrelation(signs: I64, lags: int = LAGS[-1]) -> F64:
    """Return the autocorrelation of trade signs at lags 1 to `lags`: float64 (lags,); 0 where there are too few.

    >>> sign_autocorrelation(np.array([1, -1] * 50), 2).round(2).tolist()
    [-0.99, 0.98]
    """
    x = signs - signs.mean()
    variance = float((x * x).sum())
    found = [
        float((x[lag:] * x[:-lag]).sum()) / variance if variance and lag < len(x) else 0.0 for lag in range(1, lags + 1)
    ]
    return np.array(found)


def u_shape(at: I64, length_ns: Nanos) -> float:
    """Return u of intensity 1 + u (2x - 1)^2 over the session, by the method of moments, 0 at least.

    >>> u_shape(np.arange(1_000), 1_000)
    0.0
    """
    # The mean of (2x - 1)^2 is (1/3 + u/5) / (1 + u/3): solved for u.
    spread_out = float(((2.0 * at / length_ns - 1.0) ** 2).mean())
    u = (spread_out - 1.0 / 3.0) / (0.2 - spread_out / 3.0) if spread_out < 0.6 else 100.0
    return round(min(max(u, 0.0), 100.0), 2)


def _deviation(moves: F64) -> float:
    """Return the root of the mean square, without the worst thousandth: openings gap."""
    squares = np.sort(moves[~np.isnan(moves)] ** 2)
    kept = squares[: max(1, int(len(squares) * 0.999))]
    return float(np.sqrt(kept.mean()))
