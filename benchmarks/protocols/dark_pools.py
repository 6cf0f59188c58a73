"""L2 and L4: splits over dark pools whose sizes are hidden, after Ganchev, Nevmyvaka, Kearns and Vaughan (2010).

Rule of this file: a round sends 100 lots, all to be had or not at once; the figure is the expected fill over rounds
and stocks, divided by that of the split which knows the laws.

Each of 12 stocks has 4 pools. A pool has nothing with probability U(.67, .96), else a size s = 1 .. 100 with weight
s ** -beta, beta U(.25, 1.3); in 7 of the 12 stocks one pool rises instead, beta U(-1.3, -.25). Sizes end at the 100
lots of a round, as in the paper's fits, where nothing larger was ever seen. Misspecified: the same zero bins, but the
sizes mix two log-normals, medians log-uniform over 2 .. 20 and 20 .. 200 lots, sigmas U(.4, 1), shares U(.2, .8).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.protocols.contest import F64, NewSplit, SplitWorld, play_all
from benchmarks.protocols.entrants import SPLITTERS, our_split
from benchmarks.protocols.lots import LotWorld, log_normal_mixture, power_law
from benchmarks.rows import Row, Settings, measured
from router.domain.chance import generator

LOTS, POOLS, STOCKS, RISING = 100, 4, 12, 7
LARGEST = LOTS
ROUNDS, DELAY = 2_000, 100
SEEDS = (1, 2)
"""The seeds reported; references were tuned on 101 and 102."""

OVERALL, LAST_QUARTER, MISSPECIFIED, DELAYED = "l2.overall", "l2.last_quarter", "l2.misspecified", "l4.overall"
BOUNDS = {OVERALL: 0.992, LAST_QUARTER: 0.998, MISSPECIFIED: 0.991, DELAYED: 0.985}
WHAT = {
    OVERALL: "L2 dark pools, 2,000 rounds: fill against the oracle",
    LAST_QUARTER: "L2 dark pools: the same in the last quarter",
    MISSPECIFIED: "L2 dark pools, log-normal mixtures: fill against the oracle",
    DELAYED: "L4 dark pools, reports 100 rounds late: fill against the oracle",
}


PLAYS = (("power_law", 0, OVERALL), ("log_normal", 0, MISSPECIFIED), ("power_law", DELAY, DELAYED))
"""Laws and delays, and the figure that each gives; the first gives the last quarter too."""


def worlds(seed: int, law: str, rounds: int = ROUNDS) -> list[SplitWorld]:
    """Return one world per stock, the first ones with a rising pool."""
    return [_world(seed, law, stock, rounds) for stock in range(STOCKS)]


def figures(new: NewSplit, settings: Settings, *, is_short: bool = False) -> dict[str, list[float]]:
    """Return each figure of one entrant, a value per seed; where short, of one seed and every third stock."""
    found: dict[str, list[float]] = {id: [] for id in BOUNDS}
    is_few = is_short or settings.is_quick
    for seed in SEEDS[:1] if is_few else SEEDS:
        for law, delay, id in PLAYS:
            chosen = worlds(seed, law, 400 if settings.is_quick else ROUNDS)[:: 3 if is_few else 1]
            got, best = play_all(chosen, new, seed, delay)
            found[id].append(float(got.sum() / best.sum()))
            if id == OVERALL:
                last = got.shape[1] // 4
                found[LAST_QUARTER].append(float(got[:, -last:].sum() / best[:, -last:].sum()))
    return found


def rows(settings: Settings) -> list[Row]:
    """Return the rows of L2 and L4."""
    ours = figures(our_split(), settings)
    others: dict[str, dict[str, list[float]]] = {}
    for done, (name, new) in enumerate(SPLITTERS.items()):
        settings.progress((done + 1) / (len(SPLITTERS) + 1), name)
        others[name] = figures(new, settings)
    return rows_of(ours, others, settings.is_quick)


def rows_of(
    ours: Mapping[str, list[float]], others: Mapping[str, Mapping[str, list[float]]], is_quick: bool
) -> list[Row]:
    """Return a row per figure, with the bound where the sizes are those of the bound."""
    return [
        measured(
            id,
            WHAT[id],
            values,
            "share",
            references={name: each[id] for name, each in others.items()},
            at_least=None if is_quick else BOUNDS[id],
        )
        for id, values in ours.items()
    ]


def _world(seed: int, law: str, stock: int, rounds: int) -> SplitWorld:
    """Return one stock's pools."""
    name = f"{law}-{stock}"
    draws = generator(seed, name, "laws")
    zeros = draws.uniform(0.67, 0.96, POOLS)
    tails = [_tail(law, float(zero), draws, is_rising=stock < RISING and pool == 0) for pool, zero in enumerate(zeros)]
    return LotWorld(name, np.array([tails]), np.zeros(rounds, dtype=np.int64), seed)


def _tail(law: str, zero: float, draws: np.random.Generator, is_rising: bool) -> F64:
    if law == "log_normal":
        medians = np.exp(draws.uniform(np.log([2.0, 20.0]), np.log([20.0, 200.0])))
        share = draws.uniform(0.2, 0.8)
        return log_normal_mixture(zero, medians, draws.uniform(0.4, 1.0, 2), np.array([share, 1.0 - share]), LOTS)
    beta = draws.uniform(0.25, 1.3)
    return power_law(zero, -beta if is_rising else beta, LOTS, LARGEST)
