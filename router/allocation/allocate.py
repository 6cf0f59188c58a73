"""The split of a slice over lanes: what each lane is worth, how much it gets, and how likely that choice was.

Rule of this file: `allocate` is a pure function, its three draws included; the propensity it returns is exactly the
probability of the pair (quantities, probe lane) under the mode and exploration it was given.

The value of a share on a lane is c = opportunity_bps + price_bps - fee_bps - markout_bps - leakage_bps. WATER_FILL
uses only lanes with c above 0: when there is none it allocates nothing and the parent waits. SPLIT and DRAW follow
their policy's weights alone, because a policy that publishes weights has already weighed price and cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from router.allocation.lots import to_lots
from router.allocation.split import draw_lane, proportional, shares
from router.allocation.water_fill import MU_MIN, water_fill
from router.domain.enums import AllocationMode
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64, I64
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


PublicRow: TypeAlias = tuple[float, float, Qty, Qty, Qty]
"""A lane without its score: price_bps, fee_bps, lot, min_qty, max_qty, as in `LaneOffer`."""


class LaneTerms(NamedTuple):
    """What no score changes, as columns over lanes: worked out once for all the scores of a moment."""

    public_bps: list[float]
    """Opportunity and price less the fee: the part of a lane's value that is public."""
    lot: list[Qty]
    minimum: list[Qty]
    cap: list[Qty]
    """The largest quantity in whole lots; 0 for a lane whose bounds leave no room."""


class Exploration(NamedTuple):
    """With probability `epsilon` divert `share` of the slice to a uniformly drawn lane that can take it."""

    epsilon: float
    share: float


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


class _Columns(NamedTuple):
    p: list[float]
    mu: list[float]
    c: list[float]
    weight: list[float]
    lot: list[Qty]
    minimum: list[Qty]
    cap: list[Qty]
    """0 for a lane that cannot take anything, or whose score or price is not finite."""


def allocate(
    slice_qty: Qty,
    offers: Sequence[LaneOffer],
    mode: AllocationMode,
    opportunity_bps: float,
    exploration: Exploration,
    draws: tuple[float, float, float],
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
    _check(slice_qty, offers, exploration)
    epsilon = exploration.epsilon
    terms = lane_terms([offer[1:] for offer in offers], opportunity_bps)
    columns = _columns(terms, [offer.score for offer in offers])
    real = _real(columns, slice_qty, mode)
    lane, chance = -1, 1.0
    if mode is AllocationMode.DRAW:
        lane = draw_lane(real, draws[0])
        chance = real[lane] if lane >= 0 else 1.0
    quantities = _whole(columns, real, slice_qty, mode, lane)
    probes = _probes(columns, slice_qty, sum(quantities), exploration)
    probe = -1
    if probes and draws[1] < epsilon:
        probe = probes[min(int(draws[2] * len(probes)), len(probes) - 1)]
        quantities = _probed(columns, slice_qty, mode, lane, probe, exploration.share)
        chance *= epsilon / len(probes)
    elif probes:
        chance *= 1.0 - epsilon
    draw = draws[0] if mode is AllocationMode.DRAW else draws[1]
    probabilities = _probabilities(columns, real, mode)
    return Allocation(tuple(quantities), tuple(columns.c), probabilities, chance, draw, probe)


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


def lane_terms(rows: Iterable[PublicRow], opportunity_bps: float) -> LaneTerms:
    """Return the terms of lanes, in their order, at what leaving a share unfilled costs."""
    terms = LaneTerms([], [], [], [])
    for price_bps, fee_bps, lot, min_qty, max_qty in rows:
        minimum = max(min_qty + -min_qty % lot, 0)
        cap = max(max_qty - max_qty % lot, 0)
        terms.public_bps.append(opportunity_bps + price_bps - fee_bps)
        terms.lot.append(lot)
        terms.minimum.append(minimum)
        terms.cap.append(cap if minimum <= cap else 0)
    return terms


def probabilities_on(
    standard_qty: Qty, terms: LaneTerms, scores: Sequence[LaneScore], mode: AllocationMode
) -> tuple[float, ...]:
    """Do what `lane_probabilities` does, on terms that are known already; `scores` follow their lanes."""
    columns = _columns(terms, scores)
    return _probabilities(columns, _real(columns, max(standard_qty, 0), mode), mode)


def _check(slice_qty: Qty, offers: Sequence[LaneOffer], exploration: Exploration) -> None:
    if slice_qty < 0:
        raise BadInputError(bad_value("allocate.slice_qty", "a quantity from 0", slice_qty))
    for name, number in zip(exploration._fields, exploration, strict=True):
        if not 0.0 <= number <= 1.0:
            raise BadInputError(bad_value(f"allocate.exploration.{name}", "a number from 0 to 1", number))
    for offer in offers:
        if offer.lot < 1:
            raise BadInputError(bad_value(f"allocate.offers[{offer.score.lane}].lot", "a lot from 1", offer.lot))


def _columns(terms: LaneTerms, scores: Sequence[LaneScore]) -> _Columns:
    columns = _Columns([], [], [], [], terms.lot, terms.minimum, [])
    # Once per outcome and lane: bound methods and comparisons here cost half of what calls to min and max do.
    add_p, add_mu, add_c = columns.p.append, columns.mu.append, columns.c.append
    add_weight, add_cap = columns.weight.append, columns.cap.append
    isfinite = math.isfinite
    for score, public_bps, cap in zip(scores, terms.public_bps, terms.cap, strict=True):
        p, mu, weight = score.p, score.mu, score.weight
        c = public_bps - score.markout_bps - score.leakage_bps
        # A finite sum has finite parts; only when it is not (or overflows) is each asked.
        if isfinite(c + p + mu + weight) or (isfinite(c) and isfinite(p) and isfinite(mu) and isfinite(weight)):
            add_p(0.0 if p < 0.0 else 1.0 if p > 1.0 else p)
            add_mu(mu if mu >= 0.0 else 0.0)
            add_c(c)
            add_weight(weight if weight >= 0.0 else 0.0)
            add_cap(cap)
        else:
            add_p(0.0)
            add_mu(0.0)
            add_c(0.0)
            add_weight(0.0)
            add_cap(0)
    return columns


def _real(columns: _Columns, slice_qty: Qty, mode: AllocationMode) -> list[float]:
    """Return real quantities (WATER_FILL, SPLIT) or, for DRAW, the lanes' probabilities; all 0: nothing to send."""
    if mode is AllocationMode.WATER_FILL:
        table: F64 = np.array((columns.p, columns.mu, columns.c, columns.minimum, columns.cap), dtype=np.float64)
        poured: list[float] = water_fill(table[0], table[1], table[2], table[3], table[4], float(slice_qty)).tolist()
        return poured
    if mode is AllocationMode.SPLIT:
        return proportional(columns.weight, columns.minimum, columns.cap, slice_qty)
    rows = zip(columns.weight, columns.minimum, columns.cap, strict=True)
    return shares([w if cap > 0 and minimum <= slice_qty else 0.0 for w, minimum, cap in rows])


def _whole(columns: _Columns, real: Sequence[float], slice_qty: Qty, mode: AllocationMode, lane: int) -> list[Qty]:
    """Return whole quantities; only lanes that the mode wants are open to what rounding leaves over."""
    if mode is AllocationMode.DRAW:
        real = [float(slice_qty) if k == lane else 0.0 for k in range(len(real))]
        cap = [bound if k == lane else 0 for k, bound in enumerate(columns.cap)]
    elif mode is AllocationMode.SPLIT:
        cap = [bound if w > 0 else 0 for w, bound in zip(columns.weight, columns.cap, strict=True)]
    else:
        wanted = zip(columns.p, columns.mu, columns.c, columns.cap, strict=True)
        cap = [bound if p * c > 0 and mu >= MU_MIN else 0 for p, mu, c, bound in wanted]
    bounds: I64 = np.array((columns.lot, columns.minimum, cap), dtype=np.int64)
    whole: list[Qty] = to_lots(np.array(real, dtype=np.float64), bounds[0], bounds[1], bounds[2], slice_qty).tolist()
    return whole


def _probe_qty(columns: _Columns, k: int, slice_qty: Qty, share: float) -> Qty:
    lot = columns.lot[k]
    return max(round_down(int(share * slice_qty), lot), lot, columns.minimum[k])


def _probes(columns: _Columns, slice_qty: Qty, allocated: Qty, exploration: Exploration) -> list[int]:
    """Return the lanes that can take a probe: none when nothing was allocated, for there is nothing to divert."""
    epsilon, share = exploration
    if epsilon <= 0 or share <= 0 or allocated <= 0:
        return []
    lanes = range(len(columns.cap))
    return [k for k in lanes if _probe_qty(columns, k, slice_qty, share) <= min(columns.cap[k], allocated)]


def _probed(columns: _Columns, slice_qty: Qty, mode: AllocationMode, lane: int, probe: int, share: float) -> list[Qty]:
    """Return the quantities with the probe set aside first and the rest of the slice split as usual."""
    qty = _probe_qty(columns, probe, slice_qty, share)
    cap, minimum = list(columns.cap), list(columns.minimum)
    cap[probe], minimum[probe] = cap[probe] - qty, 0
    rest = columns._replace(cap=cap, minimum=minimum)
    real = _real(rest, slice_qty - qty, mode)
    quantities = _whole(rest, real, slice_qty - qty, mode, lane)
    quantities[probe] += qty
    return quantities


def _probabilities(columns: _Columns, real: Sequence[float], mode: AllocationMode) -> tuple[float, ...]:
    made = shares(real)
    if not any(made) and mode is not AllocationMode.WATER_FILL:
        made = shares(columns.weight)
    if not any(made):
        made = shares(columns.p)
    if not any(made):
        made = [1.0 / len(real) for _ in real]
    return tuple(made)
