"""A book of queue-reactive flow by levels alone: quantities at prices, no single orders. The laboratory of the flow.

Rule of this file: it is for measuring the flow (impact, stylised facts), not for trading: a venue has a book of orders.
Prices beyond what flow reaches are not kept; a price that becomes the best anew holds the usual quantity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from router.domain.units import Nanos
from venues.flow.behind import AGE_CLASSES, PX, QTY, SINCE, age_class, forget_upto, leave_behind, new_behind
from venues.flow.chance import stream_key, uniforms4
from venues.flow.parameters import (
    ADD,
    CANCEL,
    CELL_NS,
    DISTANCES,
    IMPROVE,
    KINDS,
    SIGNS_MAX,
    SIZES,
    TRADE,
    FlowArrays,
)
from venues.flow.queue_reactive import NOTHING, draw_from, feedback_from, feedback_trade, new_memory
from venues.flow.splitting import DUE, begin_run, new_slots, next_piece, next_slot

DEPTH = 16
"""Prices kept on a side."""

SAMPLE_COLUMNS = ("bid_tick", "ask_tick", "bid_qty", "ask_qty")
TRADE_COLUMNS = ("at", "sign", "qty", "tick")

_BID, _ASK, _SAMPLED, _TRADES, _KINDS = range(5)
HEAD = _KINDS + KINDS
"""Length of a session's header: the best prices, samples and trades written, events by kind."""

_GAP_DRAWS = 1 << 40
"""Counters from here on draw what is behind a best that is gone."""


_LOOK_DRAWS = 1 << 42
"""Counters from here on draw which takers look at what there is."""


class Program(NamedTuple):
    """What we do meanwhile: take `qty` shares (positive: buy) every `every_ns` from `from_ns` on, before `to_ns`."""

    qty: int
    every_ns: Nanos
    from_ns: Nanos
    to_ns: Nanos


IDLE = Program(0, 1, 0, 0)


class Session(NamedTuple):
    """What one simulated session left.

    `samples` int64 (n, 4) on the grid of `step_ns`, `trades` (m, 4) not ours, `events` (4,) counted by kind.
    """

    samples: I64
    trades: I64
    events: I64


def simulate(
    flow: FlowArrays,
    seed: int,
    name: str,
    length_ns: Nanos,
    step_ns: Nanos,
    program: Program = IDLE,
    u_shape: float = 0.0,
    trades_max: int = 0,
) -> Session:
    """Return a session of `length_ns`, sampled every `step_ns`, with at most `trades_max` trades kept.

    `u_shape` makes the session's ends busier: intensity 1 + u_shape (2u - 1)^2, over its mean.
    """
    samples = np.zeros((length_ns // step_ns, 4), dtype=np.int64)
    trades = np.zeros((max(trades_max, 1), 4), dtype=np.int64)
    head = np.zeros(HEAD, dtype=np.int64)
    key = stream_key(seed, name, "levels")
    run_levels(flow, key, new_memory(), new_slots(), length_ns, step_ns, program, u_shape, samples, trades, head)
    return Session(samples, trades[: min(int(head[_TRADES]), trades_max)], head[_KINDS:])


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def run_levels(
    flow: FlowArrays,
    key: np.uint64,
    memory: F64,
    slots: I64,
    length_ns: int,
    step_ns: int,
    program: Program,
    u_shape: float,
    samples: I64,
    trades: I64,
    head: I64,
) -> None:
    """Run a session from a fresh book, writing `samples`, `trades` and `head`."""
    usual = _usual(flow)
    side = np.full((2, DEPTH), usual, dtype=np.int64)  # Bids, then asks, by ticks behind the best.
    head[_ASK] = 1
    ours = program.from_ns if program.qty != 0 else length_ns
    now = counter = slot = 0
    cell, leaning, turns = -1, 0.0, np.ones(SIGNS_MAX, dtype=np.int64)
    decays, leans, behind = flow.decays, flow.signs[0, 0] > 0.0, new_behind()
    rates, sizes, distances, steps, scalars = flow.rates, flow.sizes, flow.distances, flow.steps, flow.scalars
    widths, queues, splits, split_gaps = flow.spread_factors, flow.queue_factors, flow.splits, flow.split_gaps
    while now < length_ns:
        if leans:
            cell, leaning = _lean(flow.signs, key, turns, cell, now // CELL_NS, leaning)
        book = (side[0, 0], side[1, 0], head[_ASK] - head[_BID])
        lean = (feedback_from(decays, scalars, memory, now), _busy(now / length_ns, u_shape), leaning)
        wait, kind, sign, distance, qty = draw_from(
            rates, sizes, distances, steps, widths, queues, scalars, key, counter, book, lean
        )
        counter += 1
        then = min(now + wait, ours, slots[slot, DUE])
        _sample(side, head, samples, then, step_ns)
        if then >= length_ns:
            break
        if then == ours:
            _take(flow, memory, side, head, behind, usual, ours, program.qty, key, counter)
            ours = ours + program.every_ns if ours + program.every_ns < program.to_ns else length_ns
        elif then == slots[slot, DUE]:
            signed = next_piece(sizes[TRADE], split_gaps, slots, slot, key, counter)
            _trade(flow, memory, side, head, behind, trades, usual, then, signed, True, key, counter)
            slot = next_slot(slots)
        elif kind == TRADE:
            _trade(flow, memory, side, head, behind, trades, usual, then, sign * qty, False, key, counter)
            slot = begin_run(splits, split_gaps, slots, key, counter, then, sign)
        elif kind != NOTHING:
            head[_KINDS + kind] += 1
            _order(flow, side, head, behind, usual, then, kind, sign, distance, qty, key, counter)
        now = then


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _usual(flow: FlowArrays) -> int:
    """Return what a price holds when nothing else is known of it, in shares."""
    if flow.scalars[0] > 0.0:
        return int(1.0 / flow.scalars[0])
    median: int = flow.sizes[ADD, SIZES // 2]
    return median


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _busy(share: float, u_shape: float) -> float:
    """Return the intensity after a share of the session, whose mean over it is 1."""
    return (1.0 + u_shape * (2.0 * share - 1.0) ** 2) / (1.0 + u_shape / 3.0)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _sample(side: I64, head: I64, samples: I64, until: int, step_ns: int) -> None:
    """Write the book as it stands into every sample before `until`."""
    while head[_SAMPLED] < samples.shape[0] and head[_SAMPLED] * step_ns < until:
        row = head[_SAMPLED]
        samples[row, 0] = head[_BID]
        samples[row, 1] = head[_ASK]
        samples[row, 2] = side[0, 0]
        samples[row, 3] = side[1, 0]
        head[_SAMPLED] += 1


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _trade(
    flow: FlowArrays,
    memory: F64,
    side: I64,
    head: I64,
    behind: I64,
    trades: I64,
    usual: int,
    at: int,
    signed_qty: int,
    is_piece: bool,
    key: np.uint64,
    counter: int,
) -> None:
    """Perform and write down a trade of the flow's."""
    u, v, w, x = uniforms4(~key, _LOOK_DRAWS + head[_TRADES])
    if flow.scalars[4] >= 0.0:
        best = side[1 if signed_qty > 0 else 0, 0]
        qty = best + flow.sweeps[int(v * SIZES)] if u < flow.scalars[4] else min(best, abs(signed_qty))
        signed_qty = qty if signed_qty > 0 else -qty
    if head[_TRADES] < trades.shape[0]:
        row = head[_TRADES]
        trades[row, 0] = at
        trades[row, 1] = 1 if signed_qty > 0 else -1
        trades[row, 2] = abs(signed_qty)
        trades[row, 3] = head[_ASK] if signed_qty > 0 else head[_BID]
    head[_TRADES] += 1
    head[_KINDS + TRADE] += 1
    against = 1 if signed_qty > 0 else 0
    if is_piece and w < flow.scalars[5] and abs(signed_qty) >= side[against, 0]:
        # Somebody fills the price again while it is being emptied.
        side[against, 0] = abs(signed_qty) + flow.revealed[int(x * SIZES)]
    _take(flow, memory, side, head, behind, usual, at, signed_qty, key, counter)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _lean(signs: F64, key: np.uint64, turns: I64, cell: int, until: int, leaning: float) -> tuple[int, float]:
    """Turn the latent leanings cell by cell up to `until`; return where they stand and their sum."""
    while cell < until:
        cell += 1
        u = uniforms4(~key, cell)
        leaning = 0.0
        for i in range(SIGNS_MAX):
            if u[i] < (0.5 if cell == 0 else signs[i, 1]):
                turns[i] = -turns[i]
            leaning += turns[i] * signs[i, 0]
    return cell, leaning


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _take(
    flow: FlowArrays,
    memory: F64,
    side: I64,
    head: I64,
    behind: I64,
    usual: int,
    at: int,
    signed_qty: int,
    key: np.uint64,
    counter: int,
) -> None:
    """Trade against the best prices until the quantity is done."""
    against = 1 if signed_qty > 0 else 0
    left = abs(signed_qty)
    emptied = 0
    while left > 0:
        taken = min(left, side[against, 0])
        side[against, 0] -= taken
        left -= taken
        if side[against, 0] < flow.scalars[6]:
            _retreat(flow, side, head, behind, against, usual, at, key, counter + (emptied << 44))
            emptied += 1
    feedback_trade(flow, memory, at, signed_qty)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _retreat(
    flow: FlowArrays,
    side: I64,
    head: I64,
    behind: I64,
    which: int,
    usual: int,
    at: int,
    key: np.uint64,
    counter: int,
) -> None:
    """The best of a side is gone: the next price that holds something is the best."""
    steps = 1
    if flow.gaps[0] > 0:
        steps, qty = _next_best(flow, head, behind, which, at, key, counter)
        side[which, :] = 0
        side[which, 0] = qty
    else:
        while steps < DEPTH and side[which, steps] == 0:
            steps += 1
        for i in range(DEPTH):
            side[which, i] = side[which, i + steps] if i + steps < DEPTH else usual
    if which == 0:
        head[_BID] -= steps
    else:
        head[_ASK] += steps


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _next_best(
    flow: FlowArrays, head: I64, behind: I64, which: int, at: int, key: np.uint64, counter: int
) -> tuple[int, int]:
    """Return how far behind a best that is gone the next one is, and what it holds."""
    u, v, w, x = uniforms4(key, _GAP_DRAWS + counter)
    px = head[_ASK] if which == 1 else -head[_BID]
    steps, qty = flow.gaps[int(u * DISTANCES)], flow.revealed[int(v * SIZES)]
    i = forget_upto(behind, which, px)
    if i >= 0 and w < flow.kept[age_class(at - behind[which, i, SINCE])]:
        steps = behind[which, i, PX] - px
        if x < flow.kept[AGE_CLASSES]:
            qty = behind[which, i, QTY]
    forget_upto(behind, which, px + steps)
    return steps, qty


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _order(
    flow: FlowArrays,
    side: I64,
    head: I64,
    behind: I64,
    usual: int,
    at: int,
    kind: int,
    sign: int,
    distance: int,
    qty: int,
    key: np.uint64,
    counter: int,
) -> None:
    """Perform an ADD, CANCEL or IMPROVE."""
    which = 0 if sign > 0 else 1
    if kind == CANCEL:
        side[which, distance] -= min(qty, side[which, distance])
        if side[which, 0] == 0:
            _retreat(flow, side, head, behind, which, usual, at, key, counter)
    elif kind == ADD:
        side[which, distance] += qty
    elif kind == IMPROVE:
        left_qty = side[which, 0]
        for i in range(DEPTH - 1, -1, -1):
            side[which, i] = side[which, i - distance] if i >= distance else 0
        leave_behind(behind, which, head[_ASK] if which == 1 else -head[_BID], at, left_qty)
        side[which, 0] = qty
        head[which] += sign * distance
