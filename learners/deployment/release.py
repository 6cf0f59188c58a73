"""The life of a challenger, from replay to live, as a table; `Release` holds where one is and why.

Rule of this file: a phase changes by a row of `TABLE` and by nothing else, and each change leaves a `LearnerSteered`
with who and why. What changes it are gates, guards and people, each at an event's time.

    REPLAY      it learns and is not asked: can it take what comes?
    SHADOW      it publishes, and nobody uses it: is what it says sane?
    CANARY      a few parents are routed by it, drawn one by one: does it harm?
    HALF        half of them: is it worth having?
    LIVE        all of them; the champion goes on learning, so that the way back is short
    ROLLED_BACK none, until a person promotes it again
    FROZEN      nobody learns; the shares stay as they were
    PINNED      learning goes on; no gate moves the shares
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from learners.deployment.confidence import DifferenceSequence
from learners.deployment.ecusum import FallDetector
from learners.deployment.guards import GuardLimits, Guards
from learners.deployment.tally import ParentValues
from router.domain.errors import ConfigError, bad_value
from router.domain.events import LearnerSteered
from router.domain.messages import ParentEnded, ReleaseStatus
from router.domain.scores import CHALLENGER, Outcome, PolicySnapshot
from router.domain.units import Nanos


class Phase(StrEnum):
    """Where a challenger is."""

    REPLAY = "REPLAY"
    SHADOW = "SHADOW"
    CANARY = "CANARY"
    HALF = "HALF"
    LIVE = "LIVE"
    ROLLED_BACK = "ROLLED_BACK"
    FROZEN = "FROZEN"
    PINNED = "PINNED"


class Act(StrEnum):
    """What moves it. `pass` is a gate's, `alarm` a guard's or a detector's, the others are people's."""

    PASS = "pass"
    ALARM = "alarm"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    PIN = "pin"
    UNPIN = "unpin"


P, A = Phase, Act
ROUTING: Final = (P.CANARY, P.HALF, P.LIVE)
"""Phases in which parents are routed by the challenger."""

TABLE: Final[dict[tuple[Phase, Act], Phase | None]] = {
    (P.REPLAY, A.PASS): P.SHADOW,
    (P.SHADOW, A.PASS): P.CANARY,
    (P.CANARY, A.PASS): P.HALF,
    (P.HALF, A.PASS): P.LIVE,
    (P.REPLAY, A.PROMOTE): P.SHADOW,
    (P.SHADOW, A.PROMOTE): P.CANARY,
    (P.CANARY, A.PROMOTE): P.HALF,
    (P.HALF, A.PROMOTE): P.LIVE,
    (P.ROLLED_BACK, A.PROMOTE): P.SHADOW,  # a person lets it try again, with nothing counted in its favour
    **{(phase, A.ALARM): P.ROLLED_BACK for phase in (P.REPLAY, P.SHADOW, *ROUTING, P.FROZEN, P.PINNED)},
    **{(phase, A.ROLL_BACK): P.ROLLED_BACK for phase in (P.REPLAY, P.SHADOW, *ROUTING, P.FROZEN, P.PINNED)},
    **{(phase, A.FREEZE): P.FROZEN for phase in (P.REPLAY, P.SHADOW, *ROUTING, P.ROLLED_BACK)},
    **{(phase, A.PIN): P.PINNED for phase in (P.SHADOW, *ROUTING)},
    (P.FROZEN, A.UNFREEZE): None,
    (P.PINNED, A.UNPIN): None,
}
"""None as a target: the phase in which it was frozen or pinned."""


class Gate(NamedTuple):
    """What must hold before a phase may be left upwards: outcomes heard in it, parents of each arm, and how far below
    the champion's value the challenger's must be excluded to lie, in bps; the guards have to be quiet besides."""

    outcomes: int = 0
    parents: int = 0
    margin_bps: float | None = None


class ReleasePlan(NamedTuple):
    """How a challenger is released. Shares are of parents; `alpha` is the level of the confidence sequence, `clip_bps`
    bounds what one parent's value counts, `run_length` is how many parents pass on average before a false alarm of the
    detector, which looks for a fall of more than the margin below the champion. `unfilled_bps` is what an ordered share
    costs that was not filled."""

    challenger: str
    start: Phase = P.SHADOW
    canary_share: float = 0.05
    half_share: float = 0.5
    min_outcomes: int = 200
    min_parents: int = 30
    margin_bps: float = 1.0
    clip_bps: float = 20.0
    alpha: float = 0.05
    run_length: float = 10_000.0
    unfilled_bps: float = 10.0
    limits: GuardLimits = GuardLimits()


def gates_of(plan: ReleasePlan) -> dict[Phase, Gate]:
    """Return the gate of each phase that has one: harm is to be excluded first, and half as much of it before LIVE."""
    return {
        P.REPLAY: Gate(outcomes=plan.min_outcomes),
        P.SHADOW: Gate(outcomes=plan.min_outcomes),
        P.CANARY: Gate(parents=plan.min_parents, margin_bps=plan.margin_bps),
        P.HALF: Gate(parents=2 * plan.min_parents, margin_bps=plan.margin_bps / 2.0),
    }


class Release:
    """One challenger on its way. What it is told, it is told in order; all methods return the changes they led to.

    Raises:
        ConfigError: shares, levels or a first phase that cannot be.
    """

    def __init__(self, learner_id: str, plan: ReleasePlan) -> None:
        _check(plan)
        self.learner_id, self.plan = learner_id, plan
        self.phase = plan.start
        self.gates = gates_of(plan)
        self.is_broken = False
        self._within = plan.start
        """The phase whose shares hold: the last one that was neither FROZEN nor PINNED."""
        self._begin()

    @property
    def share(self) -> float:
        """The part of new parents that the challenger routes."""
        shares = {P.CANARY: self.plan.canary_share, P.HALF: self.plan.half_share, P.LIVE: 1.0}
        return shares.get(self._within, 0.0)

    @property
    def is_learning(self) -> bool:
        """Whether outcomes reach the learners."""
        return self.phase is not P.FROZEN

    @property
    def is_publishing(self) -> bool:
        """Whether the challenger is asked what it would do."""
        return self._within not in (P.REPLAY, P.ROLLED_BACK)

    def hear(self, outcomes: Sequence[Outcome], ended: Sequence[ParentEnded] = ()) -> list[LearnerSteered]:
        """Count outcomes of whichever arm, in order, and parents that are over, each in its time among them."""
        steered: list[LearnerSteered] = []
        over = sorted(ended, key=lambda parent: (parent.at, parent.parent_id))
        for outcome in outcomes:
            while over and over[0].at <= outcome.at:
                self.values.ended(over.pop(0))
            steered += self._hear(outcome)
        for parent in over:
            self.values.ended(parent)
        return steered

    def _hear(self, outcome: Outcome) -> list[LearnerSteered]:
        """Count one outcome; parents that have settled by then are valued first."""
        steered = self._settle(outcome.at)
        self.values.hear(outcome)
        self._outcomes += 1
        tripped = self.guards.hear(outcome) if outcome.arm == CHALLENGER else ""
        if tripped:
            steered += self._act(A.ALARM, outcome.at, "guard", tripped)
        return steered + self._look(outcome.at)

    def published(self, snapshot: PolicySnapshot) -> list[LearnerSteered]:
        """Look at what the challenger publishes before anybody uses it."""
        tripped = self.guards.published(snapshot)
        return self._act(A.ALARM, snapshot.at, "guard", tripped) if tripped else []

    def failed(self, at: Nanos, why: str) -> list[LearnerSteered]:
        """The challenger refused what the champion took, or broke: nobody can promote it again."""
        self.is_broken = True
        return self._act(A.ALARM, at, "guard", why)

    def steer(self, act: Act, who: str, why: str, at: Nanos) -> list[LearnerSteered]:
        """Do what a person asks; what the table does not allow changes nothing, and that is recorded too."""
        is_legal = (self.phase, act) in TABLE and act not in (A.PASS, A.ALARM)
        if is_legal and not (self.is_broken and act is A.PROMOTE):
            return self._act(act, at, who, why)
        refused = f"refused in {self.phase}: {why}"
        return [self._event(act, at, who, refused, self.phase)]

    def status(self) -> ReleaseStatus:
        """Return where the release stands, and what its gate still waits for."""
        interval = self.difference.interval
        return ReleaseStatus(
            challenger=self.plan.challenger,
            phase=str(self.phase),
            share=self.share,
            since=self._since,
            outcomes=self._outcomes,
            parents=(self.difference.champion.n, self.difference.challenger.n),
            means_bps=(self.difference.champion.mean, self.difference.challenger.mean),
            difference_bps=(interval.low, interval.high),
            detector=self.detector.statistic,
            lost_bps=self.guards.lost_bps,
            waits_for=self._waits_for(),
        )

    def _begin(self) -> None:
        """Start counting anew."""
        plan = self.plan
        self.values = ParentValues(plan.unfilled_bps)
        self.difference = DifferenceSequence(plan.clip_bps, plan.alpha)
        self.detector = FallDetector(plan.clip_bps, plan.run_length)
        self.guards = Guards(plan.limits)
        self._outcomes = 0
        self._since: Nanos = 0

    def _settle(self, at: Nanos) -> list[LearnerSteered]:
        steered: list[LearnerSteered] = []
        for arm, value in self.values.due(at):
            is_challenger = arm == CHALLENGER
            self.difference.add(is_challenger=is_challenger, value=value)
            if not is_challenger or not self.difference.champion.n:
                continue
            excess = value - self.difference.champion.mean
            self.detector.add(excess + self.plan.margin_bps)
            tripped = self.guards.valued(excess)
            if not tripped and self.detector.is_alarmed:
                tripped = f"value fell by more than {self.plan.margin_bps:g} bps: e-CUSUM {self.detector.statistic:.0f}"
            if tripped:
                steered += self._act(A.ALARM, at, "guard", tripped)
        return steered

    def _look(self, at: Nanos) -> list[LearnerSteered]:
        if self.phase not in self.gates or self._waits_for():
            return []
        low = self.difference.interval.low
        why = f"{self._outcomes} outcomes, guards quiet"
        if self.gates[self.phase].margin_bps is not None:
            champions, challengers = self.difference.champion.n, self.difference.challenger.n
            why = f"{champions} and {challengers} parents, at most {max(-low, 0.0):.2f} bps worse, guards quiet"
        return self._act(A.PASS, at, "gate", why)

    def _waits_for(self) -> str:
        gate = self.gates.get(self.phase)
        if gate is None:
            return ""
        fewest = min(self.difference.champion.n, self.difference.challenger.n)
        low = self.difference.interval.low
        if self._outcomes < gate.outcomes:
            return f"{gate.outcomes - self._outcomes} more outcomes"
        if fewest < gate.parents:
            return f"{gate.parents - fewest} more parents of an arm"
        if gate.margin_bps is not None and low < -gate.margin_bps:
            return f"at most {gate.margin_bps:g} bps worse to be certain; it may be {-low:.2f}"
        return ""

    def _act(self, act: Act, at: Nanos, who: str, why: str) -> list[LearnerSteered]:
        """Take a row of the table; an alarm in a phase without one has been given already."""
        if (self.phase, act) not in TABLE:
            return []
        before, target = self.phase, TABLE[self.phase, act]
        self.phase = self._within if target is None else target
        if self.phase not in (P.FROZEN, P.PINNED):
            self._within = self.phase
        event = self._event(act, at, who, why, before)
        if before is P.ROLLED_BACK and self.phase is P.SHADOW:
            self._begin()
        if target is not None and self.phase not in (P.FROZEN, P.PINNED):
            self._outcomes, self._since = 0, at
        return [event]

    def _event(self, act: Act, at: Nanos, who: str, why: str, before: Phase) -> LearnerSteered:
        interval = self.difference.interval
        return LearnerSteered(
            learner_id=self.learner_id,
            at=at,
            challenger=self.plan.challenger,
            act=str(act),
            who=who,
            why=why,
            before=str(before),
            after=str(self.phase),
            share=self.share,
            parents=(self.difference.champion.n, self.difference.challenger.n),
            difference_bps=(interval.low, interval.high),
        )


def _check(plan: ReleasePlan) -> None:
    if plan.start not in (P.REPLAY, P.SHADOW, P.CANARY):
        raise ConfigError(bad_value("release.start", "REPLAY, SHADOW or CANARY", plan.start))
    if not 0.0 < plan.canary_share <= plan.half_share <= 1.0:
        got = (plan.canary_share, plan.half_share)
        raise ConfigError(bad_value("release.canary_share", "shares above 0 that do not fall", got))
    if plan.margin_bps <= 0.0 or plan.min_parents < 1 or plan.min_outcomes < 1:
        got_all = (plan.margin_bps, plan.min_parents, plan.min_outcomes)
        raise ConfigError(bad_value("release.margin_bps", "a margin above 0 and counts from 1", got_all))
