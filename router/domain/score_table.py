"""Scores of all lanes as one table of numbers, and as structs where somebody wants to read them.

Rule of this file: a table holds what `LaneScore` holds for policies that fill by worth, to the bit; it is what a
learner publishes some ten thousand times a day, and nothing here runs once per lane but for people.

A table is float64 (5 + bins, lanes): p, mu, markout_bps, leakage_bps and spread_bps, then the hazards of each size bin.
"""

from __future__ import annotations

import numpy as np

from router.domain.market import F64
from router.domain.scores import HAZARDS as HAZARDS
from router.domain.scores import LEAKAGE as LEAKAGE
from router.domain.scores import MARKOUT as MARKOUT
from router.domain.scores import MU as MU
from router.domain.scores import SPREAD as SPREAD
from router.domain.scores import LaneScore, PolicySnapshot
from router.domain.scores import P as P
from router.domain.scores import scores_of_table as scores_of_table


def table_of(snapshot: PolicySnapshot) -> F64:
    """Return the table of a snapshot that has one, read-only.

    >>> from router.domain.enums import AllocationMode, Side
    >>> numbers = np.array([[0.5], [300.0], [1.0], [0.0], [0.0]])
    >>> snapshot = PolicySnapshot(learner_id="learner", policy="censored", policy_version=1, at=0, side=Side.BUY,
    ...     mode=AllocationMode.WATER_FILL, scores=(), routing_probabilities=(1.0,), outcomes_applied=1,
    ...     model_digest="", lanes=("XNYS:POST",), table=numbers.tobytes())
    >>> lane_scores(snapshot)[0].mu, table_of(snapshot).shape
    (300.0, (5, 1))
    """
    return np.frombuffer(snapshot.table, dtype=np.float64).reshape(-1, max(len(snapshot.lanes), 1))


def names_of(snapshot: PolicySnapshot) -> tuple[str, ...]:
    """Return the lanes that a snapshot scores."""
    return snapshot.lanes or tuple(score.lane for score in snapshot.scores)


def lane_scores(snapshot: PolicySnapshot) -> tuple[LaneScore, ...]:
    """Return a snapshot's scores, one a lane, whichever way they were published."""
    return scores_of_table(snapshot.lanes, table_of(snapshot)) if snapshot.lanes else snapshot.scores
