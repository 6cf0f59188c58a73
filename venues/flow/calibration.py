"""Fits the flow's parameters to a recording: rates by imbalance and spread, sizes, gaps, leanings of signs, U-shape.

Rule of this file: a rate is a count over the time it could have been counted in, of the same book; where that time is
short it leans on the mean over all imbalances. What a recording of best prices does not show is not made up: what is
behind them enters as gaps and revealed quantities.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numba import njit

from router.domain.market import F64, I64
from router.domain.units import MICROSECOND, SECOND
from venues.flow.behind import memory_of
from venues.flow.factors import SHAPE, fit_product
from venues.flow.facts import sign_autocorrelation, u_shape
from venues.flow.intents import intended_law, quantile_law
from venues.flow.levels import simulate
from venues.flow.parameters import (
    BINS,
    CANCEL,
    COLUMNS,
    KINDS,
    SPREAD_CLASSES,
    SPREADS,
    TRADE,
    Feedback,
    FlowParameters,
    SignMemory,
    flow_arrays,
)
from venues.flow.queue_reactive import feedback_at, feedback_trade, new_memory, queue_class, spread_class
from venues.flow.splitting import advance_of, runs_of
from venues.flow.top_tape import TopTape

VOLUME_UNIT = 0.31
"""The feedback's unit of volume, as a share of the recording's (see `Feedback`)."""

_TICKS_MAX = 64
_SIGN_LAGS = 50
_MEMORIES = (1.5, 8.0, 50.0)
"""Memories, in trades, of the leanings that are fitted to the signs."""

_LEANING_MAX = 0.95
_ROUNDS = 5
_SESSIONS = 4
"""Rounds of fitting leanings and refill, each to so many simulated sessions."""


class Fit(NamedTuple):
    """The parameters (quantities in lots of one share) and the recording's events by kind, int64 (4,)."""

    parameters: FlowParameters
    events: I64


def calibrate(tape: TopTape, seed: int = 1) -> Fit:
    """Return the parameters fitted to a recording. `seed` draws the sessions that the signs are fitted with."""
    volume = int(tape.taken[:, 2].sum())
    feedback = Feedback(volume_unit_lots=VOLUME_UNIT * volume)
    scale = _mean_best(tape)
    plain = FlowParameters(
        rates=_rates(np.ones((SPREADS, BINS, COLUMNS))),
        queue_scale_lots=scale,
        sizes_lots=((1,),) * KINDS,
        distances=(1.0,),
        feedback=feedback,
    )
    runs = runs_of(tape.taken)
    counts, exposures = np.zeros(SHAPE), np.zeros(SHAPE)
    sizes = np.zeros((KINDS, len(tape.top) * 2 + len(tape.taken)), dtype=np.int64)
    faced = np.zeros_like(sizes)
    sized = np.zeros(KINDS, dtype=np.int64)
    moves = np.zeros((SPREAD_CLASSES, _TICKS_MAX), dtype=np.int64)
    _walk(
        flow_arrays(plain, lot=1), new_memory(), tape.top, tape.is_whole, tape.taken, runs.starts, tape.length_ns, tape.slack_ns,
        counts, exposures, sizes, faced, sized, moves,
    )  # fmt: skip
    laws = [quantile_law(sizes[kind, : sized[kind]]) for kind in range(KINDS)]
    over = sizes - faced
    for kind in (CANCEL, TRADE):
        within = np.flatnonzero(over[kind, : sized[kind]] <= 0)
        laws[kind] = intended_law(sizes[kind, within], faced[kind, within])
    swept = over[TRADE, : sized[TRADE]]
    behind = memory_of(tape.top, tape.is_whole)
    product = fit_product(counts, exposures)
    fitted = FlowParameters(
        rates=_rates(product.rates),
        queue_scale_lots=scale,
        sizes_lots=tuple(laws),
        distances=(1.0,),
        feedback=feedback,
        gaps=_chances(np.bincount(np.minimum(behind.gaps, _TICKS_MAX) - 1, minlength=_TICKS_MAX)),
        steps=_chances(moves.sum(axis=0)),
        revealed_lots=quantile_law(behind.revealed),
        kept=behind.kept,
        kept_qty=behind.kept_qty,
        u_shape=u_shape(tape.taken[:, 0], tape.length_ns),
        spread_factors=_rows(product.spread_factors),
        queue_factors=_rows(product.queue_factors),
        wide_steps=tuple(_chances(row) for row in moves),
        splits=quantile_law(runs.lengths),
        sweep=round(float((swept > 0).mean()), 6),
        sweep_lots=quantile_law(swept[swept > 0]),
        split_gaps_us=quantile_law(runs.gaps // MICROSECOND),
    )
    events = counts.reshape(-1, KINDS, 2).sum(axis=(0, 2)).astype(np.int64)
    events[TRADE] = len(tape.taken)
    return Fit(_with_runs(fitted, tape, seed), events)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _walk(
    flow: tuple[F64, ...],
    memory: F64,
    top: I64,
    is_whole: I64,
    taken: I64,
    starts: I64,
    length_ns: int,
    slack_ns: int,
    counts: F64,
    exposures: F64,
    sizes: I64,
    faced: I64,
    sized: I64,
    moves: I64,
) -> None:
    """Walk over quotes and trades in order of time, filling the last five arrays."""
    trade = 0
    # What has traded on a side and is not yet seen to have left its queue, and when it traded last.
    owed = np.zeros(2, dtype=np.int64)
    last = np.zeros(2, dtype=np.int64)
    for row in range(top.shape[0]):
        until = top[row + 1, 0] if row + 1 < top.shape[0] else length_ns
        total = top[row, 2] + top[row, 4]
        k = min(BINS - 1, top[row, 2] * BINS // total) if total > 0 else BINS // 2
        width = spread_class(top[row, 3] - top[row, 1])
        bids, asks = queue_class(top[row, 2] * flow[5][0]), queue_class(top[row, 4] * flow[5][0])
        at = top[row, 0]
        # A trade stamped a little after what it left behind belongs to the book before; one quote's life is enough.
        while trade < taken.shape[0] and taken[trade, 0] <= until:
            then = max(at, min(taken[trade, 0], until))
            b = feedback_at(flow, memory, taken[trade, 0])
            if is_whole[row] == 1:
                _expose(flow, exposures[width], bids, asks, k, top[row, 2], top[row, 4], then - at, b)
                if taken[trade, 1] > 0:
                    counts[width, asks, k, 4] += starts[trade]
                else:
                    counts[width, bids, k, 5] += starts[trade]
            at = then
            sizes[2, sized[2]] = taken[trade, 2]
            faced[2, sized[2]] = top[row, 4 if taken[trade, 1] > 0 else 2]
            sized[2] += 1
            against = 1 if taken[trade, 1] > 0 else 0
            if taken[trade, 0] > last[against] + slack_ns:
                owed[against] = 0
            owed[against] += taken[trade, 2]
            last[against] = taken[trade, 0]
            feedback_trade(flow, memory, taken[trade, 0], taken[trade, 1] * taken[trade, 2])
            trade += 1
        if is_whole[row] == 1:
            b = feedback_at(flow, memory, max(at, until - 1)) if until > at else 0.0
            _expose(flow, exposures[width], bids, asks, k, top[row, 2], top[row, 4], until - at, b)
        if row + 1 < top.shape[0] and is_whole[row] == 1 and is_whole[row + 1] == 1:
            for which in range(2):
                if top[row + 1, 0] > last[which] + slack_ns:
                    owed[which] = 0
                own = bids if which == 0 else asks
                _change(top, row, which, width, counts[width, own, k], owed, sizes, faced, sized, moves)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _expose(
    flow: tuple[F64, ...],
    exposure: F64,
    bids: int,
    asks: int,
    k: int,
    bid_qty: int,
    ask_qty: int,
    span_ns: int,
    b: float,
) -> None:
    """Add a span to the time in which each column could have happened, weighted as `draw_event` weights its rate."""
    span = span_ns * 1e-9
    scale = flow[5][0]
    exposure[bids, k, 0] += span
    exposure[asks, k, 1] += span
    exposure[bids, k, 2] += span * bid_qty * scale
    exposure[asks, k, 3] += span * ask_qty * scale
    exposure[asks, k, 4] += span * (np.exp(-b) if b < 0.0 else 1.0)
    exposure[bids, k, 5] += span * (np.exp(b) if b > 0.0 else 1.0)
    exposure[bids, k, 6] += span
    exposure[asks, k, 7] += span


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _change(
    top: I64, row: int, which: int, width: int, counts: F64, owed: I64, sizes: I64, faced: I64, sized: I64, moves: I64
) -> None:
    """Count what one side's change from a row to the next was."""
    px, qty = top[row, 1 + 2 * which], top[row, 2 + 2 * which]
    new_px, new_qty = top[row + 1, 1 + 2 * which], top[row + 1, 2 + 2 * which]
    inwards = (new_px - px) if which == 0 else (px - new_px)
    kind = -1
    change = left = 0
    if inwards > 0:
        kind = 3
        change = new_qty
        moves[width, min(inwards, moves.shape[1]) - 1] += 1
    elif inwards < 0:
        left = min(owed[which], qty)
        owed[which] -= left
        if qty > left:
            kind = 1
            change = qty - left
    elif new_qty > qty:
        kind = 0
        change = new_qty - qty
    elif new_qty < qty:
        left = min(owed[which], qty - new_qty)
        owed[which] -= left
        if qty - new_qty > left:
            kind = 1
            change = qty - new_qty - left
    if kind >= 0:
        counts[2 * kind + which] += 1.0
        sizes[kind, sized[kind]] = change
        faced[kind, sized[kind]] = qty - left
        sized[kind] += 1


def _mean_best(tape: TopTape) -> float:
    """Return the mean quantity at a side's best price, weighted by time."""
    spans = np.diff(tape.top[:, 0], append=tape.length_ns) * tape.is_whole
    return float((spans * (tape.top[:, 2] + tape.top[:, 4])).sum() / (2.0 * spans.sum()))


def _rates(rates: F64) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(round(float(x), 9) for x in row) for row in spread) for spread in rates)


def _rows(factors: F64) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(x), 6) for x in row) for row in factors)


def _chances(counts: I64) -> tuple[float, ...]:
    """Return the shares of ticks 1, 2, ... as far as any was seen; (1.0,) of none."""
    if not counts.sum():
        return (1.0,)
    kept = counts[: int(np.flatnonzero(counts)[-1]) + 1]
    return tuple((kept / kept.sum()).tolist())


def _with_runs(parameters: FlowParameters, tape: TopTape, seed: int) -> FlowParameters:
    """Return the parameters with leanings and a refill that give trades the recording's persistence, advance
    and shape of the day.

    The flow has some persistence of its own (takers split, trading follows the imbalance and opposes past trades): what
    it has with one round's leanings corrects the next round's aim. A refill shortens how far prices go while somebody
    splits in about its own proportion.
    """
    shape = parameters.u_shape
    wanted, ran = sign_autocorrelation(tape.taken[:, 1], _SIGN_LAGS), advance_of(tape.taken, _taken_ticks(tape))
    aim = np.zeros(_SIGN_LAGS)
    every_s = tape.length_ns / SECOND / len(tape.taken)
    basis = np.exp(-np.arange(1, _SIGN_LAGS + 1)[:, None] / np.array(_MEMORIES))
    for round_ in range(_ROUNDS):
        found = [
            simulate(
                flow_arrays(parameters, lot=1), seed, f"{tape.name}/{round_}/{session}", tape.length_ns, tape.length_ns,
                u_shape=parameters.u_shape, trades_max=4 * len(tape.taken),
            ).trades
            for session in range(_SESSIONS)
        ]  # fmt: skip
        if min(len(trades) for trades in found) <= _SIGN_LAGS:
            return parameters
        aim += wanted - np.mean([sign_autocorrelation(trades[:, 1], _SIGN_LAGS) for trades in found], axis=0)
        went = float(np.mean([advance_of(trades[:, :3], trades[:, 3]) for trades in found]))
        stays = (1.0 - parameters.refill) * ran / went if went > 0.0 else 1.0
        amplitudes = np.sqrt(_nonnegative(basis, aim))
        amplitudes *= min(1.0, _LEANING_MAX / max(amplitudes.sum(), 1e-12))
        signs = tuple(
            SignMemory(amplitude=round(float(a), 6), memory_s=round(memory * every_s, 6))
            for a, memory in zip(amplitudes, _MEMORIES, strict=True)
            if a > 0.0
        )
        refill = round(min(max(1.0 - stays, 0.0), 1.0), 6)
        # Feedback makes busy hours busier still, so that the shape put in is less than the one that comes out.
        came = u_shape(np.concatenate([trades[:, 0] for trades in found]), tape.length_ns)
        less = round(min(parameters.u_shape * shape / came, 100.0), 4) if came > 0.0 else shape
        parameters = msgspec.structs.replace(parameters, signs=signs, refill=refill, u_shape=less)
    return parameters


def _taken_ticks(tape: TopTape) -> I64:
    """Return the best price that each trade was made against, in ticks: int64 (n,)."""
    row = np.maximum(np.searchsorted(tape.top[:, 0], tape.taken[:, 0], side="left") - 1, 0)
    ticks: I64 = np.where(tape.taken[:, 1] > 0, tape.top[row, 3], tape.top[row, 1])
    return ticks


def _nonnegative(basis: F64, aim: F64) -> F64:
    """Return the least-squares weights (columns of `basis`) that are not negative, by coordinate descent."""
    weights: F64 = np.zeros(basis.shape[1])
    squares = (basis * basis).sum(axis=0)
    for _ in range(500):
        for j in range(basis.shape[1]):
            rest = aim - basis @ weights + basis[:, j] * weights[j]
            weights[j] = max(0.0, float(basis[:, j] @ rest) / float(squares[j]))
    return weights
