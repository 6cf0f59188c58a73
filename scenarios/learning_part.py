"""The parts of a scenario file about learning: who routes, what it knows before, who would replace it, and what breaks.

Rule of this file: each part becomes one thing of the engines or the shells, and the conversion stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from learners.deployment.guards import GuardLimits
from learners.deployment.release import Act, Phase, ReleasePlan
from router.domain.messages import SteerLearner
from router.domain.units import Nanos, seconds
from scenarios.keys import Count, Part, Share, Span, Time

Bps = Annotated[float, Meta(gt=0.0, le=10_000.0)]
Words = Annotated[str, Meta(min_length=1, max_length=200)]


class ReleasePart(Part, frozen=True):
    """A challenger on its way from shadow to live. See `learners/deployment/release.py:ReleasePlan`."""

    challenger: str
    parameters: dict[str, float] = msgspec.field(default_factory=dict)
    start: Literal["replay", "shadow", "canary"] = "shadow"
    canary_share: Share = 0.05
    half_share: Share = 0.5
    min_outcomes: Count = 200
    min_parents: Count = 30
    margin_bps: Bps = 1.0
    clip_bps: Bps = 20.0
    unfilled_bps: Annotated[float, Meta(ge=0.0, le=10_000.0)] = 10.0
    run_length: Annotated[float, Meta(gt=1.0, le=1e12)] = 10_000.0
    reject_share: Share | None = 0.5
    reject_children: Count = 20
    jump: Share | None = None
    loss_bps: Bps | None = 200.0

    def plan(self) -> ReleasePlan:
        """Return the plan that the release goes by."""
        return ReleasePlan(
            challenger=self.challenger,
            start=Phase(self.start.upper()),
            canary_share=self.canary_share,
            half_share=self.half_share,
            min_outcomes=self.min_outcomes,
            min_parents=self.min_parents,
            margin_bps=self.margin_bps,
            clip_bps=self.clip_bps,
            run_length=self.run_length,
            unfilled_bps=self.unfilled_bps,
            limits=GuardLimits(self.reject_share, self.reject_children, self.jump, self.loss_bps),
        )


class SteerPart(Part, frozen=True):
    """At `at_s`, a person asks for a change, and says who they are and why."""

    at_s: Time
    act: Literal["promote", "roll_back", "freeze", "unfreeze", "pin", "unpin"]
    who: Words
    why: Words

    def command(self, open_at: Nanos) -> SteerLearner:
        """Return the command as it travels."""
        return SteerLearner(at=open_at + seconds(self.at_s), act=str(Act(self.act)), who=self.who, why=self.why)


class LearnerDown(Part, frozen=True, tag_field="kind", tag="learner_down"):
    """The learner answers nobody; outcomes wait for it. `to_s` absent means that it never comes back."""

    from_s: Time
    to_s: Time | None = None


class LearnerLies(Part, frozen=True, tag_field="kind", tag="learner_lies"):
    """What the learner publishes reaches hosts spoilt: a number that is none, a chance above 1, or an old version."""

    from_s: Time
    to_s: Time | None = None
    how: Literal["nan", "range", "version"] = "nan"


class LearningPart(Part, frozen=True):
    """The policy that routes unless the command line names another, and how it explores."""

    policy: str = "censored"
    parameters: dict[str, float] = msgspec.field(default_factory=dict)
    standard_qty: Count = 500
    epsilon: Share = 0.05
    probe_share: Share = 0.1
    exploration_budget_bps: Annotated[float, Meta(ge=0.0, le=1e6)] | None = None
    probability_change_max: Annotated[float, Meta(ge=0.0, le=1e6)] | None = None
    venue_share_max: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    price_model: str | None = None
    """A price model's file, relative to this one: what it foretells is then the feature `price_signal`."""
    past_days: Annotated[int, Meta(ge=0, le=60)] = 0
    """How many past days of the same scenario, each run on a seed of its own, the policy has learned from."""
    checkpoint: str | None = None
    """A learner's checkpoint, relative to this file: what the policy knows when the day begins."""
    stale_s: Span = 60.0
    """Age of a published policy beyond which hosts route by the static one."""
    tactics: Literal["off", "on"] = "off"
    """Whether it is learned how passive each slice is to be; off: every slice is left to the policy's own split."""
    release: ReleasePart | None = None
    """A challenger that is released while the policy routes."""
    steer: tuple[SteerPart, ...] = ()
    """What people ask of the release."""

    @property
    def is_leakage_learned(self) -> bool:
        """Whether the policy, or a challenger of it, learns what asking a dealer leaks (the parameter `leakage`)."""
        theirs = {} if self.release is None else self.release.parameters
        return any(parameters.get("leakage", 0.0) > 0.0 for parameters in (self.parameters, theirs))


def faults(part: LearningPart, is_tape: bool) -> Iterator[tuple[str, str, object]]:
    """Yield what does not go together: the key below `learning`, what was expected, what came."""
    if part.past_days and is_tape:
        yield "past_days", "0 with a tape, which has no past days", part.past_days
    if part.past_days and part.checkpoint is not None:
        yield "past_days", "0 with a checkpoint", part.past_days
    if part.steer and part.release is None:
        yield "steer", "none without a release", len(part.steer)
    release = part.release
    if release is not None and not 0.0 < release.canary_share <= release.half_share:
        yield "release.canary_share", "a share above 0 and up to half_share", release.canary_share
