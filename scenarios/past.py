"""What past days say of each lane, and the best static split in hindsight: made by running days, never by peeking.

Rule of this file: a past day is a whole run of the same scenario on a seed of its own, routed evenly over all lanes
and looked at afterwards through its outcomes alone, as a desk's transaction cost analysis would.

* `quarterly`: the averages of `QUARTER_DAYS` days, the same days for every seed of a scenario.
* `daily_reranked`: those of one day, the run's own yesterday.
* `best_static`: of eight fixed splits the one that cost least on the very day to be run. Nobody can have it; it says
  what any static split could have done at best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from learners.policies.build import BEST_STATIC, DAILY, QUARTERLY, build_policy, build_ranked
from learners.policies.policy import Policy, PolicySetup
from learners.policies.static import PrimaryOnly, StaticPolicy, Uniform, VolumeProportional
from router.domain.chance import key_of
from router.domain.enums import OutcomeKind, Tactic
from router.domain.errors import ConfigError, bad_value
from router.domain.instruments import lanes_of
from router.domain.scores import LaneScore, Outcome
from router.domain.units import SECOND

PAST = (QUARTERLY, DAILY, BEST_STATIC)

QUARTER_DAYS = 5
"""Days sampled from the quarter: enough that a lane's averages move little with one more."""

BEST_LANES = (1, 2, 3, 5, 8)
"""How many of the day's best lanes the candidates for the best static split use."""

MU_MAX = 1e6
HORIZON_NS = 10 * SECOND
FILLED_TOLERANCE = 0.005
"""A split that leaves more of the order unfilled than another, by more than this share of it, is no candidate."""


class Day(msgspec.Struct, frozen=True):
    """One day that was run: its outcomes, its routing cost and the share of the orders that was filled."""

    outcomes: tuple[Outcome, ...]
    routing_cost_bps: float | None
    filled_share: float


RunDay = Callable[[int, Policy], Day]
"""Runs the scenario on a seed with a policy of its own."""

_days: dict[tuple[str, int], tuple[LaneScore, ...]] = {}
"""Statistics of days run in this process, by scenario text and seed: what follows from both may be kept."""


def past_seed(seed: int, k: int) -> int:
    """Return the seed of the k-th past day of a run with `seed`."""
    return key_of(seed, "past", str(k))[0] >> 33


def make_past_policy(name: str, setup: PolicySetup, text: str, seed: int, run_day: RunDay) -> Policy:
    """Return one of `PAST` for a run of the scenario `text` on `seed`, running what days it needs.

    Raises:
        ConfigError: another name.
    """
    plain = setup._replace(parameters={})
    if name == QUARTERLY:
        days = [_statistics(plain, text, past_seed(0, k), run_day) for k in range(QUARTER_DAYS)]
        return build_ranked(name, plain._replace(past=mean_scores(days)))
    if name == DAILY:
        yesterday = _statistics(plain, text, past_seed(seed, QUARTER_DAYS), run_day)
        return build_ranked(name, plain._replace(past=yesterday))
    if name == BEST_STATIC:
        return best_static(plain, seed, run_day)
    raise ConfigError(bad_value("policy", f"one of {', '.join(PAST)}", name))


def _statistics(setup: PolicySetup, text: str, seed: int, run_day: RunDay) -> tuple[LaneScore, ...]:
    if (text, seed) not in _days:
        day = run_day(seed, build_policy(Uniform.name, setup._replace(seed=seed)))
        _days[text, seed] = lane_statistics(day.outcomes, setup)
    return _days[text, seed]


def lane_statistics(outcomes: Iterable[Outcome], setup: PolicySetup) -> tuple[LaneScore, ...]:
    """Return each lane's averages over a day of outcomes, in the order of the lanes.

    `p` is (children with a fill + 1/2) / (children + 1), `mu` the censored-exponential mean (shares filled over
    children filled short of their quantity), `markout_bps` the quantity-weighted move of the mid against us from
    routing to ten seconds after a fill. A lane never tried has p 1/2 and the standard slice: nothing is known of it.
    """
    lanes = [str(lane) for lane in lanes_of(setup.specs)]
    sent, hit, short = dict.fromkeys(lanes, 0), dict.fromkeys(lanes, 0), dict.fromkeys(lanes, 0)
    shares, moved, marked = dict.fromkeys(lanes, 0), dict.fromkeys(lanes, 0.0), dict.fromkeys(lanes, 0)
    for o in outcomes:
        if o.kind is OutcomeKind.MARKOUT and o.exec_id and o.horizon_ns == HORIZON_NS:
            moved[o.lane] += o.price_bps - o.markout_bps
            marked[o.lane] += 1
        elif o.is_final:
            sent[o.lane] += 1
            hit[o.lane] += o.cum_qty > 0
            short[o.lane] += 0 < o.cum_qty < o.order_qty
            shares[o.lane] += o.cum_qty
    standard = float(setup.standard_qty)
    return tuple(
        LaneScore(
            lane=lane,
            p=(hit[lane] + 0.5) / (sent[lane] + 1.0),
            mu=min(shares[lane] / max(short[lane], 1), MU_MAX) if shares[lane] else standard,
            markout_bps=moved[lane] / marked[lane] if marked[lane] else 0.0,
        )
        for lane in lanes
    )


def mean_scores(days: Sequence[tuple[LaneScore, ...]]) -> tuple[LaneScore, ...]:
    """Return the lane-wise mean of several days' statistics."""
    n = len(days)
    return tuple(
        LaneScore(
            lane=rows[0].lane,
            p=sum(row.p for row in rows) / n,
            mu=sum(row.mu for row in rows) / n,
            markout_bps=sum(row.markout_bps for row in rows) / n,
        )
        for rows in zip(*days, strict=True)
    )


def best_static(setup: PolicySetup, seed: int, run_day: RunDay) -> Policy:
    """Return the fixed split that cost least on the day of `seed` itself, of all candidates.

    The candidates: evenly, by volume, all at the primary, and the `BEST_LANES` best lanes of the day (by its own
    outcomes: what a share sent there was worth), weighed by p mu.
    """
    even = run_day(seed, Uniform(setup))
    candidates = [Uniform(setup).weights, VolumeProportional(setup).weights]
    if sum(spec.is_primary for spec in setup.specs) == 1:
        candidates.append(PrimaryOnly(setup).weights)
    candidates += _best_lanes(even, setup)
    days = [even, *(run_day(seed, StaticPolicy(setup, weights)) for weights in candidates[1:])]
    most = max(day.filled_share for day in days)
    found = [
        (day.routing_cost_bps, k)
        for k, day in enumerate(days)
        if day.routing_cost_bps is not None and day.filled_share >= most - FILLED_TOLERANCE
    ]
    chosen = StaticPolicy(setup, candidates[min(found)[1]] if found else candidates[0])
    chosen.name = BEST_STATIC
    return chosen


def _best_lanes(day: Day, setup: PolicySetup) -> list[tuple[float, ...]]:
    lanes = lanes_of(setup.specs)
    scores = lane_statistics(day.outcomes, setup)
    prices = _prices(day.outcomes, [str(lane) for lane in lanes])
    taking = [-prices[str(lane)] for lane in lanes if lane.tactic is Tactic.TAKE]
    opportunity = max(0.0, min(taking, default=0.0))
    worths = [s.p * (prices[s.lane] - s.markout_bps + opportunity) for s in scores]
    ranked = sorted(range(len(scores)), key=lambda k: (-worths[k], k))
    found = []
    for n in BEST_LANES:
        kept = ranked[:n]
        found.append(tuple(s.p * s.mu if k in kept else 0.0 for k, s in enumerate(scores)))
    return found


def _prices(outcomes: Iterable[Outcome], lanes: Sequence[str]) -> dict[str, float]:
    """Return each lane's mean price improvement less fee over its filled shares, in bps; 0 without a fill."""
    paid, qty = dict.fromkeys(lanes, 0.0), dict.fromkeys(lanes, 0)
    for o in outcomes:
        if o.filled_qty > 0 and o.kind is not OutcomeKind.MARKOUT:
            paid[o.lane] += o.filled_qty * (o.price_bps - o.fee_bps)
            qty[o.lane] += o.filled_qty
    return {lane: paid[lane] / qty[lane] if qty[lane] else 0.0 for lane in lanes}
