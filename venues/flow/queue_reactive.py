"""The next background event of a book: how long until it comes, its kind, side, distance and size.

Rule of this file: a draw is a function of (key, counter, book, feedback, factors); the feedback is a function of the
trades and of a fixed grid of time. Neither knows how a span is cut into windows.

While the book stands still the waiting time is exponential, and so has no memory: when something else changes the
book first, draw again with the next counter. A wait longer than `REFRESH_NS` ends there with kind NOTHING, so that
rates follow a feedback, factor or time of day that moved meanwhile.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from router.domain.units import SECOND, Nanos
from venues.flow.chance import uniforms4, uniforms4_plain
from venues.flow.parameters import (
    BINS,
    CELL_NS,
    COLUMNS,
    DISTANCES,
    EXPONENTIALS,
    IMPROVE,
    QUEUE_EDGES,
    SIZES,
    SPREAD_EDGES,
    TRADE,
    FlowArrays,
)

NOTHING = -1
"""Kind of a draw that only says: look again."""

REFRESH_NS: Nanos = 1 * SECOND
"""Longest wait of one draw."""

MEMORY = EXPONENTIALS + 2
"""Length of a feedback's memory: a sum for each exponential, their weighted sum b, the cell it stands in."""

_BID_CANCEL, _ASK_CANCEL, _BUY, _SELL = 2, 3, 4, 5


def new_memory() -> F64:
    """Return the memory of a feedback that has seen no trade: float64 (MEMORY,)."""
    return np.zeros(MEMORY)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def feedback_at(flow: FlowArrays, memory: F64, since_open_ns: int) -> float:
    """Return b at a time (ns since the open, never falling), letting the memory decay cell by cell up to it.

    Cell by cell: the product of the decays is then the same however often somebody asks.
    """
    b: float = feedback_from(flow.decays, flow.scalars, memory, since_open_ns)
    return b


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def feedback_from(decays: F64, scalars: F64, memory: F64, since_open_ns: int) -> float:
    """Return `feedback_at` of the arrays by themselves."""
    cell = since_open_ns // CELL_NS
    if cell > memory[EXPONENTIALS + 1]:
        for _ in range(cell - int(memory[EXPONENTIALS + 1])):
            for i in range(EXPONENTIALS):
                memory[i] *= decays[i]
        memory[EXPONENTIALS + 1] = cell
        total = 0.0
        for i in range(EXPONENTIALS):
            total += memory[i]
        memory[EXPONENTIALS] = total
    limit: float = scalars[3]
    b: float = memory[EXPONENTIALS]
    return max(-limit, min(limit, b))


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def feedback_trade(flow: FlowArrays, memory: F64, since_open_ns: int, signed_qty: int) -> None:
    """Remember a trade of |signed_qty| shares, positive when a buyer took; ours count as everybody's."""
    feedback_at(flow, memory, since_open_ns)
    push = flow.scalars[1] * math.sqrt(abs(signed_qty) * flow.scalars[2])
    if signed_qty < 0:
        push = -push
    for i in range(EXPONENTIALS):
        memory[i] += push * flow.weights[i]
    memory[EXPONENTIALS] += push


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def draw_event(
    flow: FlowArrays,
    key: np.uint64,
    counter: int,
    bid_qty: int,
    ask_qty: int,
    spread_ticks: int,
    feedback: float,
    intensity: float,
    sign_factor: float,
) -> tuple[int, int, int, int, int]:
    """Return (wait_ns, kind, side, distance_ticks, qty) of the next event.

    `side` is +1 for the bid (an order there; a TRADE: a buyer takes), -1 for the ask; distance counts from the side's
    own best price outwards for ADD and CANCEL, inwards for IMPROVE, and is 0 for a TRADE. wait_ns is 1 at least.
    `intensity` multiplies every rate, `sign_factor` in (-1, 1) leans trading to buying. A side that is empty has
    quantity 0.
    """
    book = (bid_qty, ask_qty, spread_ticks)
    lean = (feedback, intensity, sign_factor)
    drawn: tuple[int, int, int, int, int] = draw_from(
        flow.rates, flow.sizes, flow.distances, flow.steps, flow.spread_factors, flow.queue_factors, flow.scalars,
        key, counter, book, lean,
    )  # fmt: skip
    return drawn


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _column(pick: float, upto: tuple[float, float, float, float, float, float, float]) -> int:
    """Return the column whose stretch of the cumulated rates `pick` falls on."""
    if pick < upto[3]:
        return (0 if pick < upto[0] else 1) if pick < upto[1] else (2 if pick < upto[2] else 3)
    return (4 if pick < upto[4] else 5) if pick < upto[5] else (6 if pick < upto[6] else 7)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def spread_class(spread_ticks: int) -> int:
    """Return which class of `SPREAD_EDGES` a spread belongs to."""
    found = 0
    for edge in SPREAD_EDGES:
        if spread_ticks <= edge:
            break
        found += 1
    return found


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def queue_class(share: float) -> int:
    """Return which class of `QUEUE_EDGES` a best quantity over the queue's scale belongs to."""
    found = 0
    for edge in QUEUE_EDGES:
        if share < edge:
            break
        found += 1
    return found


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _cumulated(
    rates: F64,
    spread_factors: F64,
    queue_factors: F64,
    scalars: F64,
    book: tuple[int, int, int],
    width: int,
    lean: tuple[float, float, float],
) -> tuple[tuple[float, float, float, float, float, float, float], float]:
    """Return the rates of the columns, each with those before it, and of all."""
    bid_qty, ask_qty, spread_ticks = book
    feedback, intensity, sign_factor = lean
    total_qty = bid_qty + ask_qty
    row = BINS // 2 if total_qty <= 0 else min(BINS - 1, bid_qty * BINS // total_qty)
    wide = 1 if spread_ticks > 1 else 0
    buying = intensity * (1.0 + sign_factor)
    selling = intensity * (1.0 - sign_factor)
    if feedback > 0.0:
        selling *= math.exp(feedback)
    elif feedback < 0.0:
        buying *= math.exp(-feedback)
    bid_cancel = ask_cancel = intensity
    if scalars[0] > 0.0:
        bid_cancel *= bid_qty * scalars[0]
        ask_cancel *= ask_qty * scalars[0]
    improving = intensity if wide == 1 else 0.0
    bids, asks = queue_class(bid_qty * scalars[0]), queue_class(ask_qty * scalars[0])
    s, q, r = spread_factors[width], queue_factors, rates[wide, row]
    c0 = r[0] * s[0] * q[bids, 0] * intensity
    c1 = c0 + r[1] * s[0] * q[asks, 0] * intensity
    c2 = c1 + r[2] * s[1] * q[bids, 1] * bid_cancel
    c3 = c2 + r[3] * s[1] * q[asks, 1] * ask_cancel
    # Who buys takes from the asks.
    c4 = c3 + r[4] * s[2] * q[asks, 2] * buying
    c5 = c4 + r[5] * s[2] * q[bids, 2] * selling
    c6 = c5 + r[6] * s[3] * q[bids, 3] * improving
    c7 = c6 + r[7] * s[3] * q[asks, 3] * improving
    return (c0, c1, c2, c3, c4, c5, c6), c7


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def draw_from(
    rates: F64,
    sizes: I64,
    distances: I64,
    steps: I64,
    spread_factors: F64,
    queue_factors: F64,
    scalars: F64,
    key: np.uint64,
    counter: int,
    book: tuple[int, int, int],
    lean: tuple[float, float, float],
) -> tuple[int, int, int, int, int]:
    """Return `draw_event` of the arrays by themselves: inside a loop, handing on a tuple of arrays costs more than
    the draw. `book` is (bid_qty, ask_qty, spread_ticks), `lean` is (feedback, intensity, sign_factor)."""
    spread_ticks = book[2]
    width = spread_class(spread_ticks)
    upto, total = _cumulated(rates, spread_factors, queue_factors, scalars, book, width, lean)
    u0, u1, u2, u3 = uniforms4(key, counter)
    if total <= 0.0:
        return REFRESH_NS, NOTHING, 0, 0, 0
    wait = int(-math.log(1.0 - u0) / total * 1e9) + 1
    if wait > REFRESH_NS:
        return REFRESH_NS, NOTHING, 0, 0, 0
    column = _column(u1 * total, upto)
    kind = column >> 1
    side = 1 - 2 * (column & 1)
    qty = sizes[kind, int(u2 * SIZES)]
    if kind == IMPROVE:
        step = steps[width, int(u3 * DISTANCES)]
        return wait, kind, side, min(step, spread_ticks - 1) if step > 0 else 1 + int(u3 * (spread_ticks - 1)), qty
    return wait, kind, side, 0 if kind == TRADE else distances[int(u3 * DISTANCES)], qty


def draw_event_plain(
    flow: FlowArrays,
    key: int,
    counter: int,
    book: tuple[int, int, int],
    feedback: float,
    intensity: float,
    sign_factor: float,
) -> tuple[int, int, int, int, int]:
    """The plain twin of `draw_event`; `book` is (bid_qty, ask_qty, spread_ticks)."""
    bid_qty, ask_qty, spread = book
    bins = min(BINS - 1, bid_qty * BINS // (bid_qty + ask_qty)) if bid_qty + ask_qty > 0 else BINS // 2
    is_wide = spread > 1
    factors = [intensity] * COLUMNS
    if flow.scalars[0] > 0.0:
        factors[_BID_CANCEL] *= bid_qty * flow.scalars[0]
        factors[_ASK_CANCEL] *= ask_qty * flow.scalars[0]
    factors[_BUY] = intensity * (1.0 + sign_factor) * (math.exp(-feedback) if feedback < 0.0 else 1.0)
    factors[_SELL] = intensity * (1.0 - sign_factor) * (math.exp(feedback) if feedback > 0.0 else 1.0)
    if not is_wide:
        factors[-2:] = [0.0, 0.0]
    width = int(np.searchsorted(SPREAD_EDGES, spread))
    queues = np.searchsorted(QUEUE_EDGES, np.array([bid_qty, ask_qty]) * flow.scalars[0], side="right")
    for column in range(COLUMNS):
        kind, which = column // 2, column % 2
        queue = queues[1 - which if kind == TRADE else which]
        factors[column] *= flow.spread_factors[width, kind] * flow.queue_factors[queue, kind]
    cumulated = np.cumsum(flow.rates[int(is_wide), bins] * np.array(factors)).tolist()
    u = uniforms4_plain(key, counter)
    if cumulated[-1] <= 0.0:
        return REFRESH_NS, NOTHING, 0, 0, 0
    wait = int(-math.log(1.0 - u[0]) / cumulated[-1] * 1e9) + 1
    if wait > REFRESH_NS:
        return REFRESH_NS, NOTHING, 0, 0, 0
    pick = u[1] * cumulated[-1]
    column = next((i for i, upto in enumerate(cumulated[:-1]) if pick < upto), COLUMNS - 1)
    kind, side = column // 2, 1 - 2 * (column % 2)
    qty = int(flow.sizes[kind, int(u[2] * SIZES)])
    if kind == IMPROVE:
        step = int(flow.steps[width, int(u[3] * DISTANCES)])
        return wait, kind, side, min(step, spread - 1) if step else 1 + int(u[3] * (spread - 1)), qty
    return wait, kind, side, 0 if kind == TRADE else int(flow.distances[int(u[3] * DISTANCES)]), qty


def feedback_exact(
    trades: list[tuple[float, int]], at_s: float, m: float, tau_s: float, beta: float, unit: float
) -> float:
    """Return b by its definition, from (time in s, signed quantity) of every trade up to `at_s`; unbounded."""
    total: float = sum(
        math.copysign(math.sqrt(abs(qty) / unit), qty) * (1.0 + (at_s - then) / tau_s) ** -beta
        for then, qty in trades
        if then <= at_s
    )
    return m * total
