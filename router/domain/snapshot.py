"""What cannot be in a published policy: looked at by the learner that publishes it and by the host that would use it.

Rule of this file: it sees one snapshot and nothing else, and says in words what is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from router.domain.market import F64
from router.domain.score_table import HAZARDS, MARKOUT, MU, SPREAD, P, table_of
from router.domain.scores import PolicySnapshot

PROBABILITY_TOLERANCE = 1e-6
"""By how much published probabilities may miss a sum of 1."""


def total_variation(one: Sequence[float], two: Sequence[float]) -> float:
    """Return half the sum of the absolute differences of two splits.

    >>> total_variation((0.5, 0.5), (1.0, 0.0))
    0.5
    """
    return 0.5 * math.fsum(abs(a - b) for a, b in zip(one, two, strict=True))


def fault_of(snapshot: PolicySnapshot) -> str:
    """Return what cannot be in a snapshot, in words; empty when nothing is wrong with it."""
    if snapshot.lanes:
        fault = _fault_of_table(snapshot)
        if fault:
            return fault
    for score in snapshot.scores:
        # A sum is finite exactly when all of its parts are, as long as nobody publishes numbers near 1e308.
        whole = score.mu + score.markout_bps + score.leakage_bps + score.weight + score.spread_bps + sum(score.hazards)
        if not math.isfinite(whole + score.p):
            return f"a score of {score.lane} is not finite"
        is_negative = score.mu < 0.0 or score.weight < 0.0 or score.spread_bps < 0.0
        if is_negative or not 0.0 <= score.p <= 1.0 or (score.hazards and min(score.hazards) < 0.0):
            return f"a score of {score.lane} cannot be: p {score.p:g}, mu {score.mu:g}, weight {score.weight:g}"
    shares = snapshot.routing_probabilities
    lanes = len(snapshot.lanes) or len(snapshot.scores)
    if len(shares) != lanes:
        return f"{len(shares)} probabilities for {lanes} lanes"
    is_split = min(shares, default=0.0) >= 0.0 and abs(math.fsum(shares) - 1.0) <= PROBABILITY_TOLERANCE
    return "" if is_split else f"probabilities that are no split: they sum to {math.fsum(shares):g}"


def _fault_of_table(snapshot: PolicySnapshot) -> str:
    """Return what cannot be in a snapshot's table: the same as in scores."""
    lanes, bins = snapshot.lanes, len(snapshot.size_edges)
    if snapshot.scores or len(snapshot.table) != 8 * len(lanes) * (HAZARDS + bins):
        return f"{len(snapshot.table)} bytes of scores for {len(lanes)} lanes of {bins} size bins"
    if _is_sound(np.frombuffer(snapshot.table, dtype=np.float64), len(lanes)):
        return ""
    table = table_of(snapshot)
    is_finite = np.isfinite(table).all(axis=0)
    if not is_finite.all():
        return f"a score of {lanes[int(is_finite.argmin())]} is not finite"
    least = np.minimum(table[:MARKOUT].min(axis=0), table[SPREAD:].min(axis=0))
    is_sound = (least >= 0.0) & (table[P] <= 1.0)
    if not is_sound.all():
        k = int(is_sound.argmin())
        return f"a score of {lanes[k]} cannot be: p {table[P, k]:g}, mu {table[MU, k]:g}"
    return ""


def _is_sound(numbers: F64, lanes: int) -> bool:
    """Whether nothing is wrong with a table, row after row: what nearly all are asked, in a few passes over it."""
    # A sum is finite exactly when all of its parts are, as long as nobody publishes numbers near 1e308.
    if not lanes or not math.isfinite(np.add.reduce(numbers)):
        return False
    least = np.minimum.reduce(numbers[: MARKOUT * lanes]), np.minimum.reduce(numbers[SPREAD * lanes :])
    return bool(least[0] >= 0.0 and least[1] >= 0.0 and np.maximum.reduce(numbers[:lanes]) <= 1.0)
