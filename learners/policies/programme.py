"""The split by dynamic programme: half spread, fee, quadratic impact and fill probability per lane, lot by lot.

Rule of this file: it knows what is public at the moment (prices, fees, sizes on offer) and textbook fill chances by
tactic, and learns nothing: what a good execution desk did before it had a learner.

Cost of v shares on lane k, in bps times shares:  v (fee - price) + impact v^2 / depth_k + (1 - p_k) v opportunity,
with the price improvement as in `ContextFrame`, depth the size on offer for a lane that takes and `rest_depth`
standard slices times the venue's volume share for one that rests. The programme is exact over `LOTS` equal lots.

Source: Bertsimas and Lo, "Optimal control of execution costs", Journal of Financial Markets 1 (1998), for the form; the
split over two lit venues and a dark one is folklore of execution desks.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from learners.policies.censored import IMMEDIATE, PRIOR_P
from learners.policies.context import ContextGate, read_parameters
from learners.policies.policy import PolicySetup
from router.domain.enums import AllocationMode, Tactic
from router.domain.instruments import lanes_of
from router.domain.market import F64
from router.domain.scores import ContextFrame, LaneScore, Outcome

LOTS = 20
"""Equal parts into which the standard slice is cut."""

PARAMETERS = {
    "impact_bps": (1.0, 0.0, 1e4),
    "rest_depth": (5.0, 1e-3, 1e6),
}
"""Name -> (default, least, greatest). `impact_bps`: cost per share of taking a lane's whole depth. `rest_depth`: what
meets a resting order at a venue with all the volume, in standard slices."""


class ProgrammePolicy:
    """Dynamic-programme split of the standard slice (mode SPLIT).

    Raises:
        ConfigError: an unknown parameter or one out of its range; no lanes.
    """

    name = "dp_split"
    mode = AllocationMode.SPLIT

    def __init__(self, setup: PolicySetup) -> None:
        values = read_parameters(setup.parameters, PARAMETERS)
        self._gate = ContextGate(setup)
        self._impact = values["impact_bps"]
        lanes = lanes_of(setup.specs)
        self._fills: F64 = np.array([PRIOR_P[lane.tactic] for lane in lanes])
        self._is_taking = np.array([lane.tactic in IMMEDIATE for lane in lanes])
        self._takes = [lane.tactic is Tactic.TAKE for lane in lanes]
        volume = {spec.mic: spec.volume_share for spec in setup.specs}
        self._slice = float(setup.standard_qty)
        self._depth: F64 = np.array(
            [max(volume[lane.mic] * values["rest_depth"] * self._slice, 1.0) for lane in lanes], dtype=np.float64
        )

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Check outcomes and forget them.

        Raises:
            FeatureError: an outcome that no policy could learn from.
        """
        for outcome in outcomes:
            self._gate.row(outcome)

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return the cheapest split of a standard slice at the frame's prices.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        self._gate.matrix(frame)
        size = np.array(frame.max_qty, dtype=np.float64)
        price, fee = np.array(frame.price_bps), np.array(frame.fee_bps)
        taking = [f - p for p, f, q, is_take in zip(price, fee, size, self._takes, strict=True) if is_take and q > 0]
        opportunity = max(min(taking, default=0.0), 0.0)
        linear = fee - price + (1.0 - self._fills) * opportunity
        depth = np.where(self._is_taking, np.maximum(size, 1.0), self._depth)
        lots = cheapest_lots(linear, self._impact / depth, size, self._slice / LOTS, LOTS)
        total = max(int(lots.sum()), 1)
        if not lots.any():
            lots, total = np.ones_like(lots), len(lots)
        return tuple(LaneScore(lane=lane, weight=int(n) / total) for lane, n in zip(frame.lanes, lots, strict=True))

    def digest(self) -> str:
        """Return a sha256 of the name and the constants: it never changes."""
        state = (self.name, self._gate.lanes, self._impact, self._depth.tolist())
        return hashlib.sha256(repr(state).encode()).hexdigest()


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def cheapest_lots(linear: F64, quadratic: F64, size: F64, lot: float, lots: int) -> F64:
    """Return how many of `lots` lots each lane gets at least cost, float64 (lanes,) of whole numbers.

    Lane k costs linear[k] v + quadratic[k] v^2 for v = n lot shares and takes no more than size[k], except that a lane
    with anything on offer takes one lot. Where the sizes do not hold all lots, as many as they hold are placed. Of
    equal costs the smaller quantity on the later lane is kept.
    """
    lanes = linear.shape[0]
    best = np.full((lanes + 1, lots + 1), math.inf)
    taken = np.zeros((lanes, lots + 1), dtype=np.int64)
    best[0, 0] = 0.0
    for k in range(lanes):
        most = min(lots, int(size[k] / lot))
        if size[k] > 0.0 and most == 0:
            most = 1
        for n in range(lots + 1):
            for mine in range(min(most, n) + 1):
                v = mine * lot
                cost = best[k, n - mine] + linear[k] * v + quadratic[k] * v * v
                if cost < best[k + 1, n]:
                    best[k + 1, n] = cost
                    taken[k, n] = mine
    left = lots
    while left > 0 and not math.isfinite(best[lanes, left]):
        left -= 1
    out = np.zeros(lanes)
    for k in range(lanes - 1, -1, -1):
        out[k] = taken[k, left]
        left -= taken[k, left]
    return out
