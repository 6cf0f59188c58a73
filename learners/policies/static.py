"""Baselines that learn nothing: all at the primary, by volume, evenly (mode SPLIT).

Rule of this file: a baseline is fair. It knows what is public (the specs, and which lanes can be used now), it passes
the same gate and refuses the same contexts as a learner, and its weights sum to 1.

A lane with `max_qty` 0 in the frame gets weight 0 and the others share its weight in proportion. When that leaves
nothing, the lanes that can be used now share evenly; when there is none of these either, all lanes do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from learners.policies.context import ContextGate, read_parameters
from learners.policies.policy import PolicySetup
from router.domain.enums import AllocationMode, Tactic
from router.domain.errors import ConfigError, bad_value
from router.domain.instruments import VenueSpec, lanes_of
from router.domain.scores import ContextFrame, LaneScore, Outcome


class StaticPolicy:
    """Fixed weights over lanes, whatever comes. The subclasses below only say which.

    Raises:
        ConfigError: any parameter at all: there are none.
    """

    name = "static"
    mode = AllocationMode.SPLIT

    def __init__(self, setup: PolicySetup, weights: Sequence[float]) -> None:
        read_parameters(setup.parameters, {})
        self._gate = ContextGate(setup)
        self._weights = tuple(weights)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights as given, one per lane."""
        return self._weights

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Check outcomes and forget them.

        Raises:
            FeatureError: an outcome that no policy could learn from.
        """
        for outcome in outcomes:
            self._gate.row(outcome)

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return the weights, renormalised over the lanes that can be used now.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        self._gate.matrix(frame)
        shares = usable_shares(self._weights, frame.max_qty)
        return tuple(LaneScore(lane=lane, weight=share) for lane, share in zip(frame.lanes, shares, strict=True))

    def digest(self) -> str:
        """Return a sha256 of the name and the weights: it never changes."""
        return hashlib.sha256(repr((self.name, self._gate.lanes, self._weights)).encode()).hexdigest()


class PrimaryOnly(StaticPolicy):
    """Everything takes at the primary's touch (its first tactic where the primary cannot be taken from).

    Raises:
        ConfigError: not exactly one venue is the primary.
    """

    name = "primary"

    def __init__(self, setup: PolicySetup) -> None:
        primaries = [spec for spec in setup.specs if spec.is_primary]
        if len(primaries) != 1 or not primaries[0].tactics:
            expected = "exactly one venue with is_primary, and a tactic there"
            raise ConfigError(bad_value("policy.specs", expected, tuple(spec.mic for spec in primaries)))
        spec = primaries[0]
        tactic = Tactic.TAKE if Tactic.TAKE in spec.tactics else spec.tactics[0]
        super().__init__(
            setup, [float(lane.mic == spec.mic and lane.tactic is tactic) for lane in lanes_of(setup.specs)]
        )


class VolumeProportional(StaticPolicy):
    """Each venue its public share of the volume, split equally over its tactics; evenly when no share is known."""

    name = "volume_proportional"

    def __init__(self, setup: PolicySetup) -> None:
        super().__init__(setup, [_lane_share(spec) for spec in setup.specs for _ in spec.tactics])


class Uniform(StaticPolicy):
    """Every lane the same."""

    name = "uniform"

    def __init__(self, setup: PolicySetup) -> None:
        super().__init__(setup, [1.0 for _ in lanes_of(setup.specs)])


def usable_shares(weights: Sequence[float], max_qty: Sequence[int]) -> list[float]:
    """Return weights as shares that sum to 1 over the lanes whose `max_qty` is above 0.

    >>> usable_shares((0.5, 0.25, 0.25), (0, 100, 100))
    [0.0, 0.5, 0.5]
    >>> usable_shares((1.0, 0.0, 0.0), (0, 100, 100))
    [0.0, 0.5, 0.5]
    >>> usable_shares((1.0, 0.0), (0, 0))
    [0.5, 0.5]
    """
    usable = [weight if qty > 0 else 0.0 for weight, qty in zip(weights, max_qty, strict=True)]
    if sum(usable) <= 0.0:
        usable = [1.0 if qty > 0 else 0.0 for qty in max_qty]
    if sum(usable) <= 0.0:
        usable = [1.0 for _ in max_qty]
    total = sum(usable)
    return [weight / total for weight in usable]


def _lane_share(spec: VenueSpec) -> float:
    return max(spec.volume_share, 0.0) / len(spec.tactics)
