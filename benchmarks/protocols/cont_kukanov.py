"""L1: how much to take and how much to post where, in the world of table 1 of Cont and Kukanov (arXiv 1210.1625v4).

Rule of this file: learners see fills, never the sizes behind them; what they found is judged on a sample that nobody
learned from, the same for everyone.

A slice of S shares meets K lanes with queues of 2,000 shares before ours; .6 X0 + .4 Xk shares trade on lane k, X0 and
Xk Poisson of mean 2,200. The cost is `placement_cost` in cents per share of the slice.

The table's figures were estimated by its authors from samples and lie on both sides of the true optimum, by up to .008
cents: where one is below the optimum nobody can reach it. A row holds after 1,000 updates when it is at or under the
published figure or the true optimum, whichever is more, up to `NOISE_CENTS`; how many are at or under the published
figure as printed is a row of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from benchmarks.protocols.contest import F64
from benchmarks.rows import Row, Settings, measured
from learners.policies.cont_kukanov_gradient import (
    SPLIT,
    PlacementCosts,
    PlacementGradient,
    learn_kernel,
    placement_cost,
)
from router.domain.chance import generator

COSTS = PlacementCosts(half_spread=0.02, fee=0.003, rebate=0.002, impact=0.0005, under=0.05, over=0.05)
QUEUE, FLOW, COMMON = 2_000, 2_200, 0.6
PUBLISHED = {
    500: (0.737, -0.869, -2.024, -2.141, -2.149),
    1_000: (1.544, 0.733, -0.079, -0.889, -1.674),
    5_000: (2.189, 2.028, 1.865, 1.703, 1.540),
}
"""W* of the table in cents per share: total -> one figure for each of 1 to 5 lanes."""

EARLY, LATE = 1_000, 100_000
SEEDS = (1, 2, 3)
NOISE_CENTS, OPTIMUM_CENTS = 0.005, 0.02
OURS = "anabranch"


class World(NamedTuple):
    """One row of the table: `judged` (m, lanes) are the sizes of the held-out sample, `optimum` the least cost of any
    placement on another one, evaluated on the held-out one."""

    total: int
    lanes: int
    judged: F64
    optimum: float

    def cents(self, split: F64) -> float:
        """Return the expected cost of a split, in cents per share."""
        return cents_of(split, self.judged, self.total)


def cents_of(split: F64, hidden: F64, total: int) -> float:
    """Return the mean cost of a split over a sample, in cents per share."""
    return 100.0 * float(placement_cost(COSTS, float(total), split, hidden).mean()) / total


def draws(lanes: int, n: int, seed: int) -> F64:
    """Return what trades behind the queues, (n, lanes), drawn independently: what learners meet."""
    chance = generator(seed, f"cont-kukanov-{lanes}", "flow")
    common = chance.poisson(FLOW, n)[:, None]
    return _hidden(common, chance.poisson(FLOW, (n, lanes)))


def even_draws(lanes: int, n: int, seed: int) -> F64:
    """Return the same from a Latin hypercube, whose means lie much closer to the true ones: what judges."""
    chance = generator(seed, f"cont-kukanov-{lanes}", "judge")
    counts = np.arange(FLOW // 2, 2 * FLOW)
    logs = counts * math.log(FLOW) - FLOW - np.array([math.lgamma(count + 1.0) for count in counts])
    below = np.cumsum(np.exp(logs))
    columns = []
    for _ in range(lanes + 1):
        u = (chance.permutation(n) + chance.random(n)) / n
        columns.append(counts[np.minimum(np.searchsorted(below, u), len(counts) - 1)])
    return _hidden(columns[0][:, None], np.stack(columns[1:], axis=1))


def optimum(total: int, hidden: F64) -> F64:
    """Return the best placement on a sample, (1 + lanes,).

    Lanes are alike, so the search is among placements that post the same everywhere (a test tries others): a grid over
    what is posted, twice refined, with the best market order for each, which is a quantile of what gets filled.
    """
    lanes = hidden.shape[1]
    low, high = 0.0, min(float(total), float(hidden.max()))
    best, posted = math.inf, 0.0
    for _ in range(3):
        for post in np.append(np.linspace(low, high, 41), total / lanes):
            cost = cents_of(_with_market(float(post), total, hidden), hidden, total)
            if cost < best:
                best, posted = cost, float(post)
        width = (high - low) / 40.0
        low, high = max(posted - width, 0.0), min(posted + width, float(total))
    return _with_market(posted, total, hidden)


def paper_gradient(total: int, hidden: F64) -> F64:
    """Return what the paper's own algorithm finds: the average of projected subgradient steps of one tuned length."""
    n, lanes = hidden.shape
    taken = COSTS.half_spread + COSTS.fee + COSTS.impact + COSTS.under + COSTS.over
    posted = COSTS.half_spread + COSTS.rebate + COSTS.impact + COSTS.under + COSTS.over
    step = math.sqrt(lanes) * total / math.sqrt(n * (taken**2 + lanes * posted**2))
    average: F64 = np.zeros(lanes + 1)
    _descend_as_published(COSTS, float(total), hidden, step, average)
    return average


def our_answers(total: int, hidden: F64, at: tuple[int, ...]) -> list[F64]:
    """Return what our gradient has found after each of so many updates."""
    learner = PlacementGradient(hidden.shape[1], float(total), COSTS)
    found, done = [], 0
    for n in at:
        _descend(COSTS, learner.state, float(total), hidden[done:n])
        done = n
        found.append(learner.answer())
    return found


def rows(settings: Settings) -> list[Row]:
    """Return the rows of L1: two for each row of the table, and how many are at or under it as printed."""
    found: list[Row] = []
    under = 0
    for done, (total, lanes) in enumerate((total, lanes) for total in PUBLISHED for lanes in range(1, 6)):
        settings.progress(done / 15, f"L1 S={total} K={lanes}")
        world = _world(total, lanes, 20_000 if settings.is_quick else 200_000)
        early, late = _rows_of(world, settings)
        under += early.ours is not None and early.ours <= PUBLISHED[total][lanes - 1] + 0.0005
        found += [early, late]
    what = "L1 rows of 15 at or under the published W* as printed after 1,000 updates"
    return [*found, measured("l1.at_or_under", what, [float(under)], "rows")]


def _rows_of(world: World, settings: Settings) -> tuple[Row, Row]:
    total, lanes = world.total, world.lanes
    published, last = PUBLISHED[total][lanes - 1], 10_000 if settings.is_quick else LATE
    ours: dict[int, list[float]] = {EARLY: [], last: []}
    theirs: dict[int, list[float]] = {EARLY: [], last: []}
    for seed in SEEDS[:1] if settings.is_quick else SEEDS:
        hidden = draws(lanes, last, seed)
        for n, split in zip(ours, our_answers(total, hidden, tuple(ours)), strict=True):
            ours[n].append(world.cents(split))
            theirs[n].append(world.cents(paper_gradient(total, hidden[:n])))
    market, equal = np.zeros(lanes + 1), np.full(lanes + 1, total / (lanes + 1))
    market[0] = total
    others = {
        "published W*": [published],
        "true optimum": [world.optimum],
        "all market": [world.cents(market)],
        "one limit": [world.cents(np.roll(market, 1))],
        "equal": [world.cents(equal)],
    }
    what, key = f"L1 S={total:,} K={lanes}: cost after", f"l1.s{total}.k{lanes}"
    early = measured(
        f"{key}.early",
        f"{what} {EARLY:,} updates",
        ours[EARLY],
        "c/share",
        references=others | {"their gradient": theirs[EARLY]},
        at_most=None if settings.is_quick else round(max(published, world.optimum) + NOISE_CENTS, 4),
    )
    late = measured(
        f"{key}.late",
        f"{what} {last:,} updates",
        ours[last],
        "c/share",
        references={"true optimum": [world.optimum], "their gradient": theirs[last]},
        at_most=None if settings.is_quick else round(world.optimum + OPTIMUM_CENTS, 4),
    )
    return early, late


def _world(total: int, lanes: int, n: int) -> World:
    judged = even_draws(lanes, n, seed=2)
    return World(total, lanes, judged, cents_of(optimum(total, even_draws(lanes, n // 10, seed=1)), judged, total))


def _hidden(common: F64, own: F64) -> F64:
    return np.asarray(np.maximum(COMMON * common + (1.0 - COMMON) * own - QUEUE, 0.0))


def _with_market(post: float, total: int, hidden: F64) -> F64:
    """Return a placement that posts `post` on every lane and takes what is best with it."""
    lanes = hidden.shape[1]
    filled = np.sort(np.minimum(hidden, post).sum(axis=1))
    taken, at_end = COSTS.half_spread + COSTS.fee + COSTS.impact, COSTS.under + COSTS.impact + COSTS.over
    short = min(int((taken + COSTS.over) / at_end * len(filled)), len(filled) - 1)
    market = max(min(total - float(filled[short]), total - post), total - lanes * post, 0.0)
    split: F64 = np.full(lanes + 1, post)
    split[0] = market
    return split


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _descend(costs: PlacementCosts, state: F64, total: float, hidden: F64) -> None:
    """Show a state the fills of its own splits, update after update."""
    lanes = hidden.shape[1]
    slopes, steps, fills = np.empty(lanes + 1), np.empty(lanes + 1), np.empty(lanes)
    for t in range(hidden.shape[0]):
        for k in range(lanes):
            fills[k] = min(hidden[t, k], state[SPLIT, k + 1])
        learn_kernel(costs, state, total, fills, slopes, steps)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _descend_as_published(costs: PlacementCosts, total: float, hidden: F64, step: float, average: F64) -> None:
    """Write the average iterate: equal split at first, steps of one length, back into the feasible set after each."""
    n, lanes = hidden.shape
    split = np.full(lanes + 1, total / (lanes + 1))
    for t in range(n):
        average += split / n
        got = split[0]
        for k in range(lanes):
            got += min(hidden[t, k], split[k + 1])
        at_end = 0.0
        if got < total:
            at_end = -(costs.under + costs.impact)
        elif got > total:
            at_end = costs.over
        market = split[0] - step * (costs.half_spread + costs.fee + costs.impact + at_end)
        for k in range(lanes):
            slope = costs.impact
            if hidden[t, k] >= split[k + 1]:
                slope += at_end - costs.half_spread - costs.rebate
            split[k + 1] -= step * slope
        split[0] = min(max(market, 0.0), total)
        for _ in range(lanes + 2):
            for k in range(lanes):
                split[k + 1] = min(max(split[k + 1], 0.0), total - split[0])
            missing = total - split.sum()
            if missing <= 1e-9 * total:
                break
            split += missing / (lanes + 1)
            split[0] = min(split[0], total)
