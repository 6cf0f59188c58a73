"""Fits the flow's parameters to a recording: rates by imbalance and spread, sizes, gaps, leanings of signs, U-shape.

Rule of this file: a rate is a count over the time it could have been counted in, of the same book; where that time is
short it leans on the mean over all imbalances. What a recording of best prices does not show is not made up: what is
behind them enters as gaps and revealed quantities.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from router.domain.market import F64, I64
from router.domain.units import MICROSECOND, SECOND
from venues.flow.behind import memory_of
from venues.flow.factors import fit_product
from venues.flow.facts import sign_autocorrelation, u_shape
from venues.flow.intents import intended_law, quantile_law
from venues.flow.levels import simulate
from venues.flow.parameters import (
    BINS,
    CANCEL,
    COLUMNS,
    KINDS,
    SPREADS,
    TRADE,
    Feedback,
    FlowParameters,
    SignMemory,
    flow_arrays,
)
from venues.flow.splitting import advance_of, runs_of
from venues.flow.tape_walk import TICKS_MAX, Seen, walk
from venues.flow.top_tape import TopTape

VOLUME_UNIT = 0.31
"""The feedback's unit of volume, as a share of the recording's (see `Feedback`)."""

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
    seen = walk(tape, runs.starts, flow_arrays(plain, lot=1))
    laws, swept = _sizes(seen)
    behind = memory_of(tape.top, tape.is_whole)
    product = fit_product(seen.counts, seen.exposures)
    fitted = FlowParameters(
        rates=_rates(product.rates),
        queue_scale_lots=scale,
        sizes_lots=laws,
        distances=(1.0,),
        feedback=feedback,
        least_lots=_least(tape),
        gaps=_chances(np.bincount(np.minimum(behind.gaps, TICKS_MAX) - 1, minlength=TICKS_MAX)),
        steps=_chances(seen.moves.sum(axis=0)),
        revealed_lots=quantile_law(behind.revealed),
        kept=behind.kept,
        kept_qty=behind.kept_qty,
        u_shape=u_shape(tape.taken[:, 0], tape.length_ns),
        spread_factors=_rows(product.spread_factors),
        queue_factors=_rows(product.queue_factors),
        wide_steps=tuple(_chances(row) for row in seen.moves),
        splits=quantile_law(runs.lengths),
        sweep=round(float((swept > 0).mean()), 6),
        sweep_lots=quantile_law(swept[swept > 0]),
        split_gaps_us=quantile_law(runs.gaps // MICROSECOND),
    )
    events = seen.counts.reshape(-1, KINDS, 2).sum(axis=(0, 2)).astype(np.int64)
    events[TRADE] = len(tape.taken)
    return Fit(_with_runs(fitted, tape, seed), events)


def _sizes(seen: Seen) -> tuple[tuple[tuple[int, ...], ...], I64]:
    """Return the laws of sizes by kind, and by how much each trade went over what stood at the best, int64 (n,)."""
    laws = []
    for kind in range(KINDS):
        sizes, faced = seen.sizes[kind, : seen.sized[kind]], seen.faced[kind, : seen.sized[kind]]
        is_within = sizes <= faced
        takes = kind in (CANCEL, TRADE)
        laws.append(intended_law(sizes[is_within], faced[is_within]) if takes else quantile_law(sizes))
    taken = seen.sized[TRADE]
    return tuple(laws), seen.sizes[TRADE, :taken] - seen.faced[TRADE, :taken]


def _least(tape: TopTape) -> int:
    """Return what every quantity of the recording is a multiple of: what is left below it is not shown."""
    return max(1, int(np.gcd.reduce(tape.top[:, [2, 4]].ravel())))


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
