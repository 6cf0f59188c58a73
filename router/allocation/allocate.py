"""The split of a slice over lanes: what each lane is worth, how much it gets, and how likely that choice was.

Rule of this file: `allocate` is a pure function, its three draws included; the propensity it returns is exactly the
probability of the pair (quantities, probe lane) under the mode, exploration and rules it was given, and nothing that
the rules allow depends on a draw.

The value of a share on a lane is c = opportunity_bps + price_bps - fee_bps - markout_bps - leakage_bps. WATER_FILL
uses only lanes with c above 0: when there is none it allocates nothing and the parent waits. SPLIT and DRAW follow
their policy's weights alone, because a policy that publishes weights has already weighed price and cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.allocation.bounded import Group, Splitting, bounded, lowered, real_split
from router.allocation.choice import choice_of
from router.allocation.columns import Columns, columns_of, columns_of_table, worth
from router.allocation.columns import LaneTerms as LaneTerms
from router.allocation.columns import PublicRow as PublicRow
from router.allocation.columns import lane_terms as lane_terms
from router.allocation.limits import NO_BUDGET, LimitReason
from router.allocation.poured import poured
from router.allocation.split import draw_lane, shares
from router.domain.enums import AllocationMode
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64
from router.domain.score_table import SPREAD
from router.domain.scores import LaneScore
from router.domain.units import Qty, round_down


class LaneOffer(NamedTuple):
    """A candidate lane: the policy's score beside what is public. Prices as in `ContextFrame`, quantities in shares."""

    score: LaneScore
    price_bps: float
    fee_bps: float
    lot: Qty
    min_qty: Qty
    max_qty: Qty


class Exploration(NamedTuple):
    """With probability `epsilon` divert `share` of the slice to a uniformly drawn lane that can take it."""

    epsilon: float
    share: float


NO_EXPLORATION = Exploration(0.0, 0.0)


class Rules(NamedTuple):
    """What else a split goes by; tuples over lanes follow the offers. The defaults change nothing."""

    size_edges: tuple[float, ...] = ()
    """Where the bins of the scores' hazards start, in shares; empty: tails are exponential."""
    is_single_lane: bool = False
    """The slice goes to one lane. So it does where no two lanes can share it and the scores have a spread."""
    most_qty: Qty = 0
    """What a WATER_FILL split may post in all, where that is more than the slice."""
    overfill_bps: float = 0.0
    """What a share filled beyond the slice costs, on top of what its fill is worth."""
    may_overbook: tuple[bool, ...] = ()
    """Whether a lane may get some of what is posted beyond the slice."""
    groups: tuple[Group, ...] = ()
    """Lanes that may get only so much together."""
    slowed: tuple[float, ...] = ()
    """Weights by which to split or draw, in place of the policy's own numbers."""
    static: tuple[float, ...] = ()
    """Weights of the split that a budget falls back on."""
    budget: float = NO_BUDGET
    """What may be given up at most against the better of the policy's split and the static one: bps times shares."""


NO_RULES = Rules()


class Allocation(NamedTuple):
    """Quantities and what is logged beside them; tuples follow the offers.

    `routing_probabilities` are the unprobed shares of this slice (DRAW: the lanes' probabilities), summing to 1.
    `draw` is the number that decided: the lane's in DRAW, the probe's otherwise. `probe_index` is -1 without a probe.
    """

    quantities: tuple[Qty, ...]
    values_bps: tuple[float, ...]
    routing_probabilities: tuple[float, ...]
    propensity: float
    draw: float
    probe_index: int
    acted: AllocationMode | None = None
    """The mode acted in, where the rules put another in place of the one asked for."""
    limits: tuple[tuple[int, LimitReason], ...] = ()
    """Limits that changed it, each with the first offer it speaks of, or -1 for all."""
    given_up: float = 0.0
    """With a budget: the expected value given up, in bps times shares."""


class _Acting(NamedTuple):
    """What is split, how, and how it may be explored."""

    columns: Columns
    how: Splitting
    exploration: Exploration
    limits: tuple[tuple[int, LimitReason], ...] = ()
    benchmark: float = math.nan
    """With a budget: the worth that giving up is counted from."""


def allocate(
    slice_qty: Qty,
    offers: Sequence[LaneOffer],
    mode: AllocationMode,
    opportunity_bps: float,
    exploration: Exploration,
    draws: tuple[float, float, float],
    rules: Rules = NO_RULES,
) -> Allocation:
    """Split `slice_qty` over `offers`. Every quantity is 0 or a multiple of its lot in [min_qty, max_qty].

    `draws` are uniforms on [0, 1): draws[0] picks the lane (DRAW), draws[1] decides whether to probe, draws[2] picks
    the probed lane among the K that can take a probe (sound, with room for it, and something to divert). The
    propensity is 1 - epsilon without and epsilon / K with a probe (K = 0: 1), times the lane's probability in DRAW.
    A probe is the share of the slice in whole lots, at least one lot and the lane's min_qty.

    Raises:
        BadInputError: a negative slice, a lot below 1, or epsilon or share outside [0, 1].

    >>> offer = LaneOffer(LaneScore(lane="XNYS:POST", p=0.5, mu=300.0), 1.0, -0.5, 100, 0, 10_000)
    >>> worse = LaneOffer(LaneScore(lane="XDRK:MID_PEG", p=0.2, mu=500.0), 0.0, 0.25, 100, 0, 10_000)
    >>> allocate(1_000, [offer, worse], AllocationMode.WATER_FILL, 2.0, Exploration(0.0, 0.0), (0, 0, 0)).quantities
    (700, 300)
    """
    rows, scores = [offer[1:] for offer in offers], [offer.score for offer in offers]
    return allocate_rows(slice_qty, rows, scores, mode, opportunity_bps, exploration, draws, rules)


def allocate_rows(
    slice_qty: Qty,
    rows: Sequence[PublicRow],
    scores: Sequence[LaneScore] | F64,
    mode: AllocationMode,
    opportunity_bps: float,
    exploration: Exploration,
    draws: tuple[float, float, float],
    rules: Rules = NO_RULES,
) -> Allocation:
    """Do what `allocate` does, with what is public of the lanes and their scores apart; these may be columns of a
    table (see `router.domain.score_table`)."""
    _check(slice_qty, rows, exploration)
    if mode is AllocationMode.WATER_FILL and isinstance(scores, np.ndarray) and rules.size_edges:
        plain = _plainly(slice_qty, rows, scores, opportunity_bps, exploration, draws, rules)
        if plain is not None:
            return plain
    terms = lane_terms(rows, opportunity_bps)
    if isinstance(scores, np.ndarray):
        columns, spread = columns_of_table(terms, scores, rules.size_edges), scores[SPREAD].tolist()
    else:
        columns, spread = columns_of(terms, scores, rules.size_edges), [score.spread_bps for score in scores]
    acting = _acting(columns, spread, slice_qty, mode, exploration, rules)
    if rules.budget < NO_BUDGET:
        acting = _afforded(acting, rules, slice_qty)
    columns, how, (epsilon, share) = acting.columns, acting.how, acting.exploration
    real = real_split(columns, slice_qty, how)
    lane, chance = -1, 1.0
    if how.mode is AllocationMode.DRAW:
        lane = draw_lane(real, draws[0])
        chance = real[lane] if lane >= 0 else 1.0
    quantities, real = bounded(columns, real, slice_qty, how, lane)
    probes = _probes(columns, slice_qty, sum(quantities), acting.exploration)
    probe = -1
    if probes and draws[1] < epsilon:
        probe = probes[min(int(draws[2] * len(probes)), len(probes) - 1)]
        quantities = _probed(columns, slice_qty, how, lane, probe, share)
        chance *= epsilon / len(probes)
    elif probes:
        chance *= 1.0 - epsilon
    return Allocation(
        tuple(quantities),
        tuple(columns.c),
        _probabilities(columns, real, how.mode),
        chance,
        draws[0] if how.mode is AllocationMode.DRAW else draws[1],
        probe,
        how.mode if how.mode is not mode else None,
        acting.limits + _full(columns, rules.groups, quantities, slice_qty),
        max(acting.benchmark - worth(columns, quantities), 0.0) if rules.budget < NO_BUDGET else 0.0,
    )


def _plainly(
    slice_qty: Qty,
    rows: Sequence[PublicRow],
    table: F64,
    opportunity_bps: float,
    exploration: Exploration,
    draws: tuple[float, float, float],
    rules: Rules,
) -> Allocation | None:
    """Return the allocation of a slice that is split by worth, under no rules, and is not probed; else None."""
    if rules[1:] != NO_RULES[1:]:
        return None
    epsilon, share = exploration
    found = poured(slice_qty, rows, table, rules.size_edges, opportunity_bps, share)
    if found is None:
        return None
    probes = found.probes if epsilon > 0 and share > 0 else []
    if probes and draws[1] < epsilon:
        return None
    chance = 1.0 - epsilon if probes else 1.0
    values = tuple(found.values_bps)
    return Allocation(tuple(found.quantities), values, tuple(shares(found.real)), chance, draws[1], -1)


def lane_probabilities(
    standard_qty: Qty, offers: Sequence[LaneOffer], mode: AllocationMode, opportunity_bps: float
) -> tuple[float, ...]:
    """Return the share of a slice of `standard_qty` that each lane would get before lots and probes, summing to 1.

    Where the caps leave part of the slice over, the shares are of what was placed. Where nothing is placed (no lane
    is worth it, or none is open), they are in proportion to the weights (SPLIT, DRAW), else to p, else uniform: what
    the policy would favour, not what would be sent. No offers: an empty tuple.

    >>> offers = [LaneOffer(LaneScore(lane=n, p=0.5, mu=300.0), 1.0, 0.0, 1, 0, 900) for n in ("A:POST", "B:POST")]
    >>> lane_probabilities(500, offers, AllocationMode.WATER_FILL, 1.0)
    (0.5, 0.5)
    """
    terms = lane_terms([offer[1:] for offer in offers], opportunity_bps)
    return probabilities_on(standard_qty, terms, [offer.score for offer in offers], mode)


def probabilities_on(
    standard_qty: Qty,
    terms: LaneTerms,
    scores: Sequence[LaneScore],
    mode: AllocationMode,
    size_edges: tuple[float, ...] = (),
) -> tuple[float, ...]:
    """Do what `lane_probabilities` does, on terms that are known already; `scores` follow their lanes."""
    columns = columns_of(terms, scores, size_edges)
    return _probabilities(columns, real_split(columns, max(standard_qty, 0), Splitting(mode)), mode)


def _check(slice_qty: Qty, rows: Sequence[PublicRow], exploration: Exploration) -> None:
    if slice_qty < 0:
        raise BadInputError(bad_value("allocate.slice_qty", "a quantity from 0", slice_qty))
    for name, number in zip(exploration._fields, exploration, strict=True):
        if not 0.0 <= number <= 1.0:
            raise BadInputError(bad_value(f"allocate.exploration.{name}", "a number from 0 to 1", number))
    for k, (_, _, lot, _, _) in enumerate(rows):
        if lot < 1:
            raise BadInputError(bad_value(f"allocate.offers[{k}].lot", "a lot from 1", lot))


def _acting(
    columns: Columns,
    spread: list[float],
    slice_qty: Qty,
    mode: AllocationMode,
    exploration: Exploration,
    rules: Rules,
) -> _Acting:
    """Return what the rules make of a policy's wish before anything is split."""
    how = Splitting(mode, rules.most_qty, rules.overfill_bps, rules.may_overbook, rules.groups)
    if rules.groups:
        columns = lowered(columns, rules.groups)
    if rules.slowed:
        mode = AllocationMode.DRAW if mode is AllocationMode.DRAW else AllocationMode.SPLIT
        weight = [w if cap > 0 else 0.0 for w, cap in zip(rules.slowed, columns.cap, strict=True)]
        limits = ((-1, LimitReason.PROBABILITY_CHANGE),)
        return _Acting(columns._replace(weight=weight), how._replace(mode=mode), exploration, limits)
    if mode is AllocationMode.WATER_FILL:
        chances = _chances(columns, spread, slice_qty, rules)
        if chances is not None:
            # A draw by posterior explores by itself.
            drawn = how._replace(mode=AllocationMode.DRAW)
            return _Acting(columns._replace(weight=chances), drawn, NO_EXPLORATION)
    return _Acting(columns, how, exploration)


def _chances(columns: Columns, spread: list[float], slice_qty: Qty, rules: Rules) -> list[float] | None:
    """Return the chances of lanes of which one gets the slice; None where it is to be split."""
    if not rules.is_single_lane and not any(spread):
        return None
    return choice_of(columns, spread, slice_qty, rules.is_single_lane)


def _afforded(acting: _Acting, rules: Rules, slice_qty: Qty) -> _Acting:
    """Return what the budget allows of it: all, without probes, or the static split; whatever would be drawn."""
    columns, how = acting.columns, acting.how
    static = columns._replace(weight=[w if b > 0 else 0.0 for w, b in zip(rules.static, columns.cap, strict=True)])
    split = how._replace(mode=AllocationMode.SPLIT, most_qty=0)
    real = real_split(static, slice_qty, split)
    fallen_back = worth(columns, bounded(static, real, slice_qty, split, -1)[0])
    real = real_split(columns, slice_qty, how)
    drawn = [k for k, r in enumerate(real) if r > 0] if how.mode is AllocationMode.DRAW else [-1]
    made = {lane: bounded(columns, real, slice_qty, how, lane)[0] for lane in drawn or [-1]}
    own = min(worth(columns, quantities) for quantities in made.values())
    benchmark = max(own, fallen_back)
    if benchmark - own > rules.budget:
        limits = (*acting.limits, (-1, LimitReason.STATIC_SPLIT))
        return _Acting(static, split, NO_EXPLORATION, limits, benchmark)
    share = acting.exploration.share
    worst = own
    for lane, quantities in made.items():
        for probe in _probes(columns, slice_qty, sum(quantities), acting.exploration):
            worst = min(worst, worth(columns, _probed(columns, slice_qty, how, lane, probe, share)))
    if benchmark - worst > rules.budget:
        limits = (*acting.limits, (-1, LimitReason.EXPLORATION_BUDGET))
        return _Acting(columns, how, NO_EXPLORATION, limits, benchmark)
    return acting._replace(benchmark=benchmark)


def _full(
    columns: Columns, groups: Sequence[Group], quantities: Sequence[Qty], slice_qty: Qty
) -> tuple[tuple[int, LimitReason], ...]:
    """Return the groups that got all they may, to the last lot, of those that may not get the slice."""
    full = []
    for group in groups:
        lot = min((columns.lot[k] for k in group.lanes), default=1)
        if group.most < slice_qty and sum(quantities[k] for k in group.lanes) + lot > group.most:
            full.append((group.lanes[0], LimitReason.VENUE_SHARE))
    return tuple(full)


def _probe_qty(columns: Columns, k: int, slice_qty: Qty, share: float) -> Qty:
    lot = columns.lot[k]
    return max(round_down(int(share * slice_qty), lot), lot, columns.minimum[k])


def _probes(columns: Columns, slice_qty: Qty, allocated: Qty, exploration: Exploration) -> list[int]:
    """Return the lanes that can take a probe: none when nothing was allocated, for there is nothing to divert."""
    epsilon, share = exploration
    if epsilon <= 0 or share <= 0 or allocated <= 0:
        return []
    lanes, most = range(len(columns.cap)), min(allocated, slice_qty)
    return [k for k in lanes if _probe_qty(columns, k, slice_qty, share) <= min(columns.cap[k], most)]


def _probed(columns: Columns, slice_qty: Qty, how: Splitting, lane: int, probe: int, share: float) -> list[Qty]:
    """Return the quantities with the probe set aside first and the rest of the slice split as usual."""
    qty = _probe_qty(columns, probe, slice_qty, share)
    cap, minimum = list(columns.cap), list(columns.minimum)
    cap[probe], minimum[probe] = cap[probe] - qty, 0
    rest, how = columns._replace(cap=cap, minimum=minimum), how.without(probe, qty)
    real = real_split(rest, slice_qty - qty, how)
    quantities, _ = bounded(rest, real, slice_qty - qty, how, lane)
    quantities[probe] += qty
    return quantities


def _probabilities(columns: Columns, real: Sequence[float], mode: AllocationMode) -> tuple[float, ...]:
    made = shares(real)
    if not any(made) and mode is not AllocationMode.WATER_FILL:
        made = shares(columns.weight)
    if not any(made):
        made = shares(columns.p)
    if not any(made):
        made = [1.0 / len(real) for _ in real]
    return tuple(made)
