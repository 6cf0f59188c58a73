"""Routing by yesterday's numbers: each lane's average of past days, fixed for the day, split by the same water-filling.

Rule of this file: what is known comes with the setup (`PolicySetup.past`) and no outcome of the day changes it, as
with a desk that re-ranks its venues every quarter, or every night.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from learners.policies.context import ContextGate, read_parameters
from learners.policies.policy import PolicySetup
from router.domain.enums import AllocationMode
from router.domain.errors import ConfigError, bad_value
from router.domain.scores import ContextFrame, LaneScore, Outcome


class RankedPolicy:
    """Fixed scores per lane (mode WATER_FILL), named by how they were come by.

    Raises:
        ConfigError: any parameter, or past scores that are not one per lane in the lanes' order.
    """

    mode = AllocationMode.WATER_FILL

    def __init__(self, name: str, setup: PolicySetup) -> None:
        read_parameters(setup.parameters, {})
        self.name = name
        self._gate = ContextGate(setup)
        lanes = tuple(score.lane for score in setup.past)
        if lanes != self._gate.lanes:
            raise ConfigError(bad_value("policy.past", f"a score for each of {self._gate.lanes}", lanes))
        self._scores = setup.past

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Check outcomes and forget them.

        Raises:
            FeatureError: an outcome that no policy could learn from.
        """
        for outcome in outcomes:
            self._gate.row(outcome)

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return the past's scores.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        self._gate.matrix(frame)
        return self._scores

    def digest(self) -> str:
        """Return a sha256 of the name and the scores: it never changes."""
        return hashlib.sha256(repr((self.name, self._scores)).encode()).hexdigest()
