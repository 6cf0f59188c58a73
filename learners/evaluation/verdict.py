"""What may be said of a policy from a log, or why nothing may.

Rule of this file: no verdict without overlap. An estimate that rests on a handful of shares is printed, and refused.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from learners.evaluation.estimators import Estimate, effective_share, estimates, gain, logged_value, unsupported_share
from learners.evaluation.reward_model import predict
from learners.evaluation.rounds import Rounds, check_rounds

ESS_MIN = 0.05
"""Least effective sample size, as a share of what was sent."""

UNSUPPORTED_MAX = 0.10
"""Most of what the judged policy would send that may go where the logged one never did."""

CLUSTERS_MIN = 20
"""Fewer stretches of time than this are one story, not a sample."""

BETTER, WORSE, UNDECIDED, REFUSED = "better", "worse", "undecided", "refused"


class Judgement(NamedTuple):
    """Everything that was found, the verdict and the sentence that says it."""

    verdict: str
    """`better`, `worse` or `undecided` than the logged policy, or `refused`."""
    reason: str
    logged: Estimate
    estimates: tuple[Estimate, ...]
    gain: Estimate
    """DRS less what was logged."""
    decisions: int
    clusters: int
    effective_share: float
    unsupported_share: float


def judge(rounds: Rounds) -> Judgement:
    """Return what the log says of the judged policy against the one that acted.

    Raises:
        BadInputError: rounds that cannot be judged, see `check_rounds`.

    >>> from learners.evaluation.worlds import plain_rounds
    >>> judge(plain_rounds(5_000, seed=1)).verdict in (BETTER, WORSE, UNDECIDED)
    True
    """
    check_rounds(rounds)
    predicted = predict(rounds)
    found, gained = estimates(rounds, predicted), gain(rounds, predicted)
    overlap, unsupported = effective_share(rounds), unsupported_share(rounds)
    clusters, logged = len(np.unique(rounds.cluster)), logged_value(rounds)
    reason = _refusal(overlap, unsupported, clusters)
    if reason:
        verdict = REFUSED
    else:
        verdict, reason = _compared(gained)
    return Judgement(verdict, reason, logged, found, gained, len(rounds.weight), clusters, overlap, unsupported)


def _refusal(overlap: float, unsupported: float, clusters: int) -> str:
    if overlap < ESS_MIN:
        return (
            f"too little overlap: the effective sample size is {overlap:.2%} of what was sent, at least {ESS_MIN:.0%} "
            "is needed; the logged policy hardly ever did what this one would do"
        )
    if unsupported > UNSUPPORTED_MAX:
        return (
            f"too little overlap: {unsupported:.1%} of what this policy would send goes where the logged one never "
            f"sends anything, at most {UNSUPPORTED_MAX:.0%} may; probe more, or judge a policy nearer to it"
        )
    if clusters < CLUSTERS_MIN:
        return f"too short a log: {clusters} stretches of time, at least {CLUSTERS_MIN} are needed for an interval"
    return ""


def _compared(gained: Estimate) -> tuple[str, str]:
    said = f"{gained.value:+.3f} bps a share against the logged policy ({gained.low:+.3f} to {gained.high:+.3f})"
    if gained.low > 0.0:
        return BETTER, said
    if gained.high < 0.0:
        return WORSE, said
    return UNDECIDED, f"{said}: the interval holds 0"
