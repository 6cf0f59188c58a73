"""A walk over a recording of best prices: what happened to them, in what state of the book, and how long it stood so.

Rule of this file: it counts, and fits nothing. A change of the best prices is what it looks like: more is an order that
came, less one that was cancelled unless a trade accounts for it, a better price an improvement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from venues.flow.factors import SHAPE
from venues.flow.parameters import ADD, BINS, CANCEL, IMPROVE, KINDS, SPREAD_CLASSES, TRADE, FlowArrays
from venues.flow.queue_reactive import feedback_at, feedback_trade, new_memory, queue_class, spread_class
from venues.flow.top_tape import TopTape

TICKS_MAX = 64
"""Moves are counted up to so many ticks; what goes further counts there."""


class Seen(NamedTuple):
    """What a walk saw.

    `counts` and `exposures` (s) float64 of `venues.flow.factors.SHAPE`, of trades only those that begin a run; `sizes`
    int64 (4, n) of each kind, `faced` (4, n) what there was to take, `sized` (4,) how many there are; `moves` (9, 64)
    improvements by class of spread and ticks less one.
    """

    counts: F64
    exposures: F64
    sizes: I64
    faced: I64
    sized: I64
    moves: I64


def walk(tape: TopTape, starts: I64, flow: FlowArrays) -> Seen:
    """Return what is seen of a recording whose trades (m, 3) begin a run where `starts` (m,) is 1.

    `flow` says what trading is weighted by: its feedback and its queue's scale.
    """
    n = len(tape.top) * 2 + len(tape.taken)
    seen = Seen(
        np.zeros(SHAPE),
        np.zeros(SHAPE),
        np.zeros((KINDS, n), dtype=np.int64),
        np.zeros((KINDS, n), dtype=np.int64),
        np.zeros(KINDS, dtype=np.int64),
        np.zeros((SPREAD_CLASSES, TICKS_MAX), dtype=np.int64),
    )
    _walk(flow, new_memory(), tape.top, tape.is_whole, tape.taken, starts, tape.length_ns, tape.slack_ns, seen)
    return seen


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _walk(
    flow: FlowArrays,
    memory: F64,
    top: I64,
    is_whole: I64,
    taken: I64,
    starts: I64,
    length_ns: int,
    slack_ns: int,
    seen: Seen,
) -> None:
    """Walk over quotes and trades in order of time, filling `seen`."""
    trade = 0
    # What has traded on a side and is not yet seen to have left its queue, and when it traded last.
    owed = np.zeros(2, dtype=np.int64)
    last = np.zeros(2, dtype=np.int64)
    for row in range(top.shape[0]):
        until = top[row + 1, 0] if row + 1 < top.shape[0] else length_ns
        at = top[row, 0]
        # A trade stamped a little after what it left behind belongs to the book before; one quote's life is enough.
        while trade < taken.shape[0] and taken[trade, 0] <= until:
            then = max(at, min(taken[trade, 0], until))
            if is_whole[row] == 1:
                b = feedback_at(flow, memory, taken[trade, 0])
                width, bids, asks, k = _expose(flow, seen.exposures, top[row], then - at, b)
                is_buy = taken[trade, 1] > 0
                seen.counts[width, asks if is_buy else bids, k, 4 if is_buy else 5] += starts[trade]
            at = then
            against = 1 if taken[trade, 1] > 0 else 0
            _note(seen, TRADE, taken[trade, 2], top[row, 2 + 2 * against])
            if taken[trade, 0] > last[against] + slack_ns:
                owed[against] = 0
            owed[against] += taken[trade, 2]
            last[against] = taken[trade, 0]
            feedback_trade(flow, memory, taken[trade, 0], taken[trade, 1] * taken[trade, 2])
            trade += 1
        if is_whole[row] == 0:
            continue
        b = feedback_at(flow, memory, max(at, until - 1)) if until > at else 0.0
        width, bids, asks, k = _expose(flow, seen.exposures, top[row], until - at, b)
        if row + 1 < top.shape[0] and is_whole[row + 1] == 1:
            for which in range(2):
                if top[row + 1, 0] > last[which] + slack_ns:
                    owed[which] = 0
                _change(top, row, which, width, bids if which == 0 else asks, k, owed, seen)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _expose(flow: FlowArrays, exposures: F64, quote: I64, span_ns: int, b: float) -> tuple[int, int, int, int]:
    """Add a span to the time in which each column could have happened, weighted as `draw_event` weights its rate.

    Returns the classes of the spread, the bid and the ask, and the imbalance's bin.
    """
    span = span_ns * 1e-9
    scale = flow.scalars[0]
    bid_qty, ask_qty = quote[2], quote[4]
    width, bids, asks = spread_class(quote[3] - quote[1]), queue_class(bid_qty * scale), queue_class(ask_qty * scale)
    k = min(BINS - 1, bid_qty * BINS // (bid_qty + ask_qty))
    exposure = exposures[width]
    exposure[bids, k, 0] += span
    exposure[asks, k, 1] += span
    exposure[bids, k, 2] += span * bid_qty * scale
    exposure[asks, k, 3] += span * ask_qty * scale
    # Who buys takes from the asks.
    exposure[asks, k, 4] += span * (np.exp(-b) if b < 0.0 else 1.0)
    exposure[bids, k, 5] += span * (np.exp(b) if b > 0.0 else 1.0)
    exposure[bids, k, 6] += span
    exposure[asks, k, 7] += span
    return width, bids, asks, k


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _note(seen: Seen, kind: int, qty: int, faced: int) -> None:
    """Write down a size beside what there was to take."""
    seen.sizes[kind, seen.sized[kind]] = qty
    seen.faced[kind, seen.sized[kind]] = faced
    seen.sized[kind] += 1


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _change(top: I64, row: int, which: int, width: int, own: int, k: int, owed: I64, seen: Seen) -> None:
    """Count what one side's change from a row to the next was."""
    px, qty = top[row, 1 + 2 * which], top[row, 2 + 2 * which]
    new_px, new_qty = top[row + 1, 1 + 2 * which], top[row + 1, 2 + 2 * which]
    inwards = (new_px - px) if which == 0 else (px - new_px)
    kind = -1
    change = left = 0
    if inwards > 0:
        kind = IMPROVE
        change = new_qty
        seen.moves[width, min(inwards, TICKS_MAX) - 1] += 1
    elif inwards < 0:
        left = min(owed[which], qty)
        owed[which] -= left
        if qty > left:
            kind = CANCEL
            change = qty - left
    elif new_qty > qty:
        kind = ADD
        change = new_qty - qty
    elif new_qty < qty:
        left = min(owed[which], qty - new_qty)
        owed[which] -= left
        if qty - new_qty > left:
            kind = CANCEL
            change = qty - new_qty - left
    if kind >= 0:
        seen.counts[width, own, k, 2 * kind + which] += 1.0
        _note(seen, kind, change, qty - left)
