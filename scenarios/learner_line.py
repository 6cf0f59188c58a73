"""The conductor's line to the learner: what is said to it and when, and what reaches hosts of what it says.

Rule of this file: nothing that the learner must hear is lost: while it is down, outcomes and commands wait in order.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.allocation.limits import Limits
from router.domain.messages import LearnerBatch, ParentEnded, SteerLearner
from router.domain.score_table import lane_scores
from router.domain.scores import ContextFrame, Outcome, PolicySnapshot, RoutingDecision
from router.domain.tactics import SliceRouted
from router.domain.units import Nanos, seconds
from scenarios.learning_part import LearnerDown, LearnerLies

_NEVER: Nanos = 2**62


class LearnerLine:
    """One run's line. `open_at` turns a scenario's seconds into times."""

    def __init__(
        self,
        steering: Sequence[SteerLearner] = (),
        breaks: Sequence[LearnerDown | LearnerLies] = (),
        open_at: Nanos = 0,
    ) -> None:
        self._steering = sorted(steering, key=lambda command: command.at)
        spans = [(b, open_at + seconds(b.from_s), _end(b.to_s, open_at)) for b in breaks]
        self._downs = [(start, end) for b, start, end in spans if isinstance(b, LearnerDown)]
        self._lies = [(b.how, start, end) for b, start, end in spans if isinstance(b, LearnerLies)]
        self._outcomes: list[Outcome] = []
        self._told: list[Outcome] = []
        self._ended: list[ParentEnded] = []
        self._slices: list[SliceRouted] = []
        self.learning: Limits | None = None
        """The limits on learning, once they are others than the learner was made with."""

    @property
    def waiting(self) -> int:
        """How many outcomes the learner has not heard of."""
        return len(self._outcomes) + len(self._told)

    def next_word(self, after: Nanos) -> list[Nanos]:
        """Return when somebody next steers; empty when nobody will."""
        return [command.at for command in self._steering[:1] if command.at > after]

    def has_word(self, now: Nanos) -> bool:
        """Whether a person's command is due, or what was executed elsewhere waits, and there is somebody to hear it."""
        is_due = bool(self._told) or (bool(self._steering) and self._steering[0].at <= now)
        return is_due and self.is_up(now)

    def steer(self, command: SteerLearner) -> None:
        """Note what a person asks of a release from now on."""
        self._steering.append(command)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Note outcomes of children that were executed elsewhere: the learner hears of them with the next batch."""
        self._told.extend(outcomes)

    def is_up(self, now: Nanos) -> bool:
        """Whether the learner answers."""
        return not any(start <= now < end for start, end in self._downs)

    def ended(self, parent_id: str, at: Nanos, order_qty: int) -> None:
        """Note that a parent is over: the learner hears of it with the next batch."""
        self._ended.append(ParentEnded(parent_id=parent_id, at=at, order_qty=order_qty))

    def routed(self, decision: RoutingDecision) -> None:
        """Note a decision: where a style was chosen, the learner hears of the slice with the next batch."""
        if decision.style is not None:
            self._slices.append(
                SliceRouted(
                    decision_id=decision.decision_id,
                    parent_id=decision.parent_id,
                    at=decision.at,
                    qty=decision.slice_qty,
                    children=sum(qty > 0 for qty in decision.quantities),
                    style=decision.style.style,
                    x=decision.style.x,
                    take_bps=decision.style.take_bps,
                )
            )

    def batch(
        self, seq: int, now: Nanos, outcomes: Sequence[Outcome], frames: tuple[ContextFrame, ...]
    ) -> LearnerBatch | None:
        """Return everything that the learner has to hear by now; None while it is down, and all of it waits."""
        self._outcomes.extend((*self._told, *outcomes))
        self._told = []
        if not self.is_up(now):
            return None
        due = [command for command in self._steering if command.at <= now]
        said = LearnerBatch(
            seq=seq,
            now=now,
            outcomes=tuple(self._outcomes),
            frames=frames,
            ended=tuple(self._ended),
            steering=tuple(due),
            slices=tuple(self._slices),
            probability_change_max=None if self.learning is None else self.learning.probability_change_max,
        )
        self._steering = self._steering[len(due) :]
        self._outcomes, self._ended, self._slices = [], [], []
        return said

    def shown(self, policies: tuple[PolicySnapshot, ...], now: Nanos) -> tuple[PolicySnapshot, ...]:
        """Return what reaches hosts of what the learner published."""
        for how, start, end in self._lies:
            if start <= now < end:
                return tuple(_spoilt(policy, how) for policy in policies)
        return policies


def _end(to_s: float | None, open_at: Nanos) -> Nanos:
    return _NEVER if to_s is None else open_at + seconds(to_s)


def _spoilt(policy: PolicySnapshot, how: str) -> PolicySnapshot:
    """Return a snapshot as a broken learner would have published it."""
    if how == "version":
        return msgspec.structs.replace(policy, policy_version=0)
    first, *others = lane_scores(policy)
    bad = {"markout_bps": float("nan")} if how == "nan" else {"p": 1.5}
    scores = (msgspec.structs.replace(first, **bad), *others)
    return msgspec.structs.replace(policy, scores=scores, lanes=(), table=b"")
