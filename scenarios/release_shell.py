"""A learner's shell while a challenger is being released: both arms learn from everything, and the release decides
which of them routes whom.

Rule of this file: the champion never notices. Whatever the challenger does, refuses or breaks, the champion learns and
publishes as it would alone, and its publications are those that are recorded.
"""

from __future__ import annotations

import msgspec

from learners.deployment.release import Act, Phase, Release, ReleasePlan
from router.domain.errors import LinkError
from router.domain.events import LearnerSteered
from router.domain.messages import LearnerBatch, LearnerReply, Message
from router.domain.scores import CHALLENGER, CHAMPION, PolicySnapshot
from scenarios.shells import LearnerShell


class ReleaseShell:
    """Two learners behind one mailbox."""

    def __init__(self, champion: LearnerShell, challenger: LearnerShell, plan: ReleasePlan) -> None:
        self.champion, self.challenger = champion, challenger
        self.release = Release(champion.learner_id, plan)
        self._last = LearnerReply(seq=-1, publications=(), policies=())

    def handle(self, batch: Message) -> LearnerReply:
        """Let both arms learn, count what came of it, let people steer, and publish for both.

        Raises:
            LinkError: not a learner's batch, or one from the past.
            FeatureError: an outcome or frame that the champion refuses.
        """
        if batch.seq == self._last.seq:
            return self._last
        if not isinstance(batch, LearnerBatch) or batch.seq < self._last.seq:
            raise LinkError(f"expected a learner batch after {self._last.seq}, got {type(batch).__name__} {batch.seq}")
        heard = batch if self.release.is_learning else msgspec.structs.replace(batch, outcomes=(), slices=())
        reply = self.champion.handle(heard)
        theirs, steered = self._challenge(heard)
        steered += self.release.hear(batch.outcomes, batch.ended)
        for command in batch.steering:
            steered += self.release.steer(Act(command.act), command.who, command.why, batch.now)
        shown: tuple[PolicySnapshot, ...] = ()
        if self.release.is_publishing and not self.release.is_broken:
            for policy in theirs:
                steered += self.release.published(policy)
            shown = theirs if self.release.is_publishing else ()
        self._last = msgspec.structs.replace(
            reply,
            policies=(*_labelled(reply.policies, CHAMPION, 0.0), *_labelled(shown, CHALLENGER, self.release.share)),
            steered=tuple(steered),
            release=self.release.status(),
            tactics=reply.tactics,
        )
        return self._last

    def _challenge(self, batch: LearnerBatch) -> tuple[tuple[PolicySnapshot, ...], list[LearnerSteered]]:
        """Let the challenger learn and publish; one that breaks is out, and what it had learned with it."""
        if self.release.is_broken:
            return (), []
        if self.release.phase is Phase.REPLAY:
            batch = msgspec.structs.replace(batch, frames=())
        try:
            return self.challenger.handle(batch).policies, []
        except Exception as exc:
            # Whatever is wrong with a challenger, a defect of ours included, must not stop those who route.
            return (), self.release.failed(batch.now, f"broke: {type(exc).__name__}: {exc}")


def _labelled(policies: tuple[PolicySnapshot, ...], arm: str, share: float) -> tuple[PolicySnapshot, ...]:
    return tuple(msgspec.structs.replace(policy, arm=arm, arm_share=share) for policy in policies)
