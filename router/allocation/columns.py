"""What an allocation computes with: scores and public terms as columns over lanes, and what quantities are worth.

Rule of this file: a lane with a score or price that is not a finite number has no room here, so that nothing after it
asks again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from router.allocation.tails import HAZARD_MAX, tail_value
from router.allocation.water_fill import MU_MIN
from router.domain.market import F64
from router.domain.score_table import HAZARDS, LEAKAGE, MARKOUT, MU, P
from router.domain.scores import LaneScore
from router.domain.units import Qty

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


class Columns(NamedTuple):
    """Scores and terms of lanes; `c` is the value of a share in bps."""

    p: list[float]
    mu: list[float]
    c: list[float]
    weight: list[float]
    lot: list[Qty]
    minimum: list[Qty]
    cap: list[Qty]
    """0 for a lane that cannot take anything, or whose score or price is not finite."""
    tails: tuple[F64, F64] | None = None
    """Hazards per share, float64 (lanes, bins), and the bins' edges in shares; none: exponential, by `mu`."""


def lane_terms(rows: Iterable[PublicRow], opportunity_bps: float) -> LaneTerms:
    """Return the terms of lanes, in their order, at what leaving a share unfilled costs."""
    public_bps, lots, minima, caps = [], [], [], []
    for price_bps, fee_bps, lot, min_qty, max_qty in rows:
        minimum, cap = min_qty + -min_qty % lot, max_qty - max_qty % lot
        if minimum < 0:
            minimum = 0
        public_bps.append(opportunity_bps + price_bps - fee_bps)
        lots.append(lot)
        minima.append(minimum)
        caps.append(cap if minimum <= cap else 0)
    return LaneTerms(public_bps, lots, minima, caps)


def columns_of(terms: LaneTerms, scores: Sequence[LaneScore], size_edges: Sequence[float] = ()) -> Columns:
    """Return the columns of lanes; with `size_edges`, their tails are those of the scores' hazards."""
    columns = Columns([], [], [], [], terms.lot, terms.minimum, [])
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
    return _with_tails(columns, scores, size_edges) if size_edges else columns


def columns_of_table(terms: LaneTerms, table: F64, size_edges: Sequence[float] = ()) -> Columns:
    """Return what `columns_of` makes of the scores in a table (see `router.domain.score_table`), one lane a column."""
    p, mu = table[P], table[MU]
    c: F64 = np.array(terms.public_bps, dtype=np.float64) - table[MARKOUT] - table[LEAKAGE]
    cap, is_sound = terms.cap, np.isfinite(p) & np.isfinite(mu) & np.isfinite(c)
    p, mu = np.minimum(np.maximum(p, 0.0), 1.0), np.maximum(mu, 0.0)
    tails = None
    if size_edges:
        hazards = np.ascontiguousarray(table[HAZARDS:].T)
        is_finite = np.asarray(np.logical_and(hazards >= 0.0, hazards < math.inf).all(axis=1))
        if not is_finite.all():
            hazards = np.where(is_finite[:, None], hazards, 0.0)
        tails = (hazards, np.array(size_edges, dtype=np.float64))
        cap = cap if is_finite.all() else [bound if is_finite[k] else 0 for k, bound in enumerate(cap)]
    if not is_sound.all():
        p, mu, c = np.where(is_sound, p, 0.0), np.where(is_sound, mu, 0.0), np.where(is_sound, c, 0.0)
        cap = [bound if is_sound[k] else 0 for k, bound in enumerate(cap)]
    return Columns(p.tolist(), mu.tolist(), c.tolist(), [0.0] * len(cap), terms.lot, terms.minimum, cap, tails)


def _with_tails(columns: Columns, scores: Sequence[LaneScore], size_edges: Sequence[float]) -> Columns:
    """Add the scores' tails; a lane without hazards keeps its exponential one, one with bad hazards gets no room."""
    edges: F64 = np.array(size_edges, dtype=np.float64)
    bins, cap = len(size_edges), columns.cap
    if all(len(score.hazards) == bins for score in scores):
        hazards: F64 = np.array([score.hazards for score in scores], dtype=np.float64).reshape(-1, bins)
    else:
        hazards = np.repeat(exponential_hazards(columns.mu), bins, axis=1)
        for k, score in enumerate(scores):
            if score.hazards:
                hazards[k] = score.hazards if len(score.hazards) == bins else math.nan
    is_sound = np.asarray(np.logical_and(hazards >= 0.0, hazards < math.inf).all(axis=1))
    if not is_sound.all():
        hazards = np.where(is_sound[:, None], hazards, 0.0)
        cap = [bound if is_sound[k] else 0 for k, bound in enumerate(cap)]
    return columns._replace(cap=cap, tails=(hazards, edges))


def exponential_hazards(mu: Sequence[float]) -> F64:
    """Return the hazards of exponential tails with means `mu`: float64 (lanes, 1). A mean below the least that counts
    has a hazard above the most that does: such a lane meets nothing.

    >>> exponential_hazards([100.0, 0.0]).tolist()
    [[0.01], [2000000.0]]
    """
    means: F64 = np.array(mu, dtype=np.float64).reshape(-1, 1)
    return np.where(means >= MU_MIN, 1.0 / np.maximum(means, MU_MIN), 2.0 * HAZARD_MAX)


def tails_of(columns: Columns) -> tuple[F64, F64]:
    """Return the lanes' hazards and the bins' edges, one bin where tails are exponential."""
    return columns.tails or (exponential_hazards(columns.mu), np.zeros(1))


def wants(columns: Columns, k: int) -> bool:
    """Whether a share on lane k is worth anything to a policy that fills by worth."""
    has_size = columns.mu[k] >= MU_MIN if columns.tails is None else bool(columns.tails[0][k, 0] <= HAZARD_MAX)
    return has_size and columns.c[k] > 0.0 and columns.p[k] * columns.c[k] > 0.0


def worth(columns: Columns, quantities: Sequence[Qty]) -> float:
    """Return what quantities are expected to bring, in bps times shares; lanes that cost count too."""
    hazards, edges = tails_of(columns)
    p: F64 = np.array(columns.p, dtype=np.float64)
    c: F64 = np.array(columns.c, dtype=np.float64)
    return float(tail_value(p, hazards, edges, c, np.array(quantities, dtype=np.float64)))
