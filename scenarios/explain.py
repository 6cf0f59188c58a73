"""Why a decision sent what where: the predicted parts of each lane, why a lane got nothing, and what moved it there.

Rule of this file: it explains with the numbers that were logged. What the last outcomes did is found by playing the
policy over the log again, and only where that gives the logged scores back bit for bit is it called exact.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import msgspec

from learners.policies.build import known_policies
from learners.policies.policy import Policy
from router.allocation.allocate import NO_EXPLORATION, allocate
from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import lanes_of
from router.domain.scores import Exclusion, LaneScore, RoutingDecision
from router.domain.tactics import StyleChoice
from router.domain.units import Nanos, Qty
from router.route import FALL_BACK
from scenarios.decision_log import DecisionLog, frame_of
from scenarios.decision_rules import rules_of
from scenarios.judging import acting_marginals, offers_of
from scenarios.lane_reasons import reason_of, water_level
from scenarios.policies import make_policy

MOVES_SHOWN = 8
"""Outcomes named, those that moved most first."""

MOVE_MIN = 5e-4
"""A smaller change of every probability is none: half of a tenth of a percent."""

NEAR_IDS = 5


class LaneStory(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate: what was predicted of it, what it got, and why nothing where that was nothing."""

    lane: str
    p: float
    mu: float
    weight: float
    price_bps: float
    fee_bps: float
    markout_bps: float
    leakage_bps: float
    value_bps: float
    """What a filled share is worth: opportunity + price - fee - markout - leakage."""
    probability: float
    """Share of this slice before lots and probes (DRAW: the chance to be drawn)."""
    propensity: float
    """Chance of a share to go there, over every draw."""
    quantity: Qty
    reason: str
    """A code and its numbers; empty where the lane got something."""


class LaneOut(msgspec.Struct, frozen=True, kw_only=True):
    """A lane that was no candidate."""

    lane: str
    reason: str
    detail: str


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What one outcome did to the probabilities of this decision: the lane that moved most, and how."""

    at: Nanos
    cause: str
    """As publications say it: `FILL XNYS:POST P1.7`."""
    lane: str
    before: float
    after: float
    changes: tuple[tuple[str, float], ...]
    """Every candidate whose probability changed, and by how much."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, explained: what `anabranch explain --json` prints."""

    decision_id: str
    parent_id: str
    at: Nanos
    side: str
    slice_qty: Qty
    policy: str
    policy_version: int
    mode: str
    opportunity_bps: float
    water_level_bps: float | None
    """What the last share sent is worth; None where nothing was poured."""
    propensity: float
    draw: float
    probe_lane: str
    lanes: tuple[LaneStory, ...]
    excluded: tuple[LaneOut, ...]
    limits: tuple[LaneOut, ...]
    """Limits on learning that changed the split; the lane is empty where they speak of all lanes."""
    fall_back: str
    """Why the learner's policy was not used; empty when it was."""
    since: Nanos | None
    """When the parent had last decided; None at its first decision."""
    outcomes_since: int
    moved_by_outcomes: dict[str, float]
    """By candidate, what all outcomes since then did to its probability, in this decision's own context."""
    moves: tuple[Move, ...]
    is_exact: bool
    """Whether the policy, played over the log again, gave the logged scores bit for bit; else there are no moves."""
    style: StyleChoice | None = None
    """How passive it was to be, and why; none where styles are not learned."""


def explain(log: DecisionLog, decision_id: str) -> Explanation:
    """Return why a decision was what it was.

    Raises:
        BadInputError: the log has no such decision; names ids that are near.
    """
    decision = _found(log, decision_id)
    before = [d for d in log.decisions if d.parent_id == decision.parent_id and d.at < decision.at]
    since = before[-1] if before else None
    moves, outcomes, is_exact = _moves(log, decision, since)
    total: dict[str, float] = {}
    for move in moves:
        for lane, change in move.changes:
            total[lane] = total.get(lane, 0.0) + change
    shown = sorted(moves, key=lambda move: (-abs(move.after - move.before), move.at, move.cause))[:MOVES_SHOWN]
    return Explanation(
        decision_id=decision.decision_id,
        parent_id=decision.parent_id,
        at=decision.at,
        side=str(decision.side),
        slice_qty=decision.slice_qty,
        policy=decision.policy,
        policy_version=decision.policy_version,
        mode=str(decision.mode),
        opportunity_bps=decision.opportunity_bps,
        water_level_bps=water_level(decision),
        propensity=decision.propensity,
        draw=decision.draw,
        probe_lane=decision.probe_lane,
        lanes=_stories(decision),
        excluded=_outs(decision.exclusions),
        limits=_outs(decision.limits),
        fall_back=decision.fall_back,
        since=since.at if since else None,
        outcomes_since=outcomes,
        moved_by_outcomes=total,
        moves=tuple(shown),
        is_exact=is_exact,
        style=decision.style,
    )


def _found(log: DecisionLog, decision_id: str) -> RoutingDecision:
    for decision in log.decisions:
        if decision.decision_id == decision_id:
            return decision
    ids = [decision.decision_id for decision in log.decisions]
    near = difflib.get_close_matches(decision_id, ids, NEAR_IDS, 0.0)
    said = f"a decision of this run, such as {', '.join(near)}" if near else "a decision; this run made none"
    raise BadInputError(bad_value("DECISION", said, decision_id))


def _outs(said: Sequence[Exclusion]) -> tuple[LaneOut, ...]:
    return tuple(LaneOut(lane=e.lane, reason=e.reason, detail=e.detail) for e in said)


def _stories(decision: RoutingDecision) -> tuple[LaneStory, ...]:
    propensities = acting_marginals(decision).propensities
    return tuple(
        LaneStory(
            lane=lane,
            p=score.p,
            mu=score.mu,
            weight=score.weight,
            price_bps=decision.price_bps[k],
            fee_bps=decision.fee_bps[k],
            markout_bps=score.markout_bps,
            leakage_bps=score.leakage_bps,
            value_bps=decision.values_bps[k],
            probability=decision.routing_probabilities[k],
            propensity=propensities[k],
            quantity=decision.quantities[k],
            reason=reason_of(decision, k),
        )
        for k, (lane, score) in enumerate(zip(decision.candidates, decision.scores, strict=True))
    )


def _moves(log: DecisionLog, decision: RoutingDecision, since: RoutingDecision | None) -> tuple[list[Move], int, bool]:
    """Return what each outcome since the last decision did, how many there were, and whether the replay is exact."""
    counts = dict(zip((made.decision_id for made in log.decisions), log.known(), strict=True))
    known = counts[decision.decision_id]
    first = min(counts[since.decision_id], known) if since else 0
    if decision.policy == FALL_BACK or decision.policy not in known_policies():
        return [], known - first, False
    policy = make_policy(log.assembly, decision.policy)
    learned, moves = log.learned, []
    policy.learn(learned[:first])
    shares = _shares(log, policy, decision)[0]
    for outcome in learned[first:known]:
        policy.learn((outcome,))
        moved = _shares(log, policy, decision)[0]
        changes = [(lane, b - a) for lane, a, b in zip(decision.candidates, shares, moved, strict=True) if a != b]
        if changes and max(abs(change) for _, change in changes) >= MOVE_MIN:
            k = max(range(len(moved)), key=lambda k: abs(moved[k] - shares[k]))
            cause = f"{outcome.kind} {outcome.lane} {outcome.cl_ord_id}"
            lane = decision.candidates[k]
            moves.append(
                Move(at=outcome.at, cause=cause, lane=lane, before=shares[k], after=moved[k], changes=tuple(changes))
            )
            shares = moved
    is_exact = _shares(log, policy, decision)[1] == list(decision.scores)
    return moves if is_exact else [], known - first, is_exact


def _shares(log: DecisionLog, policy: Policy, decision: RoutingDecision) -> tuple[tuple[float, ...], list[LaneScore]]:
    """Return the share of this slice that each candidate would get now, and the scores that say so."""
    lanes = tuple(str(lane) for lane in lanes_of(log.assembly.specs))
    found = policy.scores(frame_of(decision, lanes, log.assembly.setup.symbol))
    scores = [dict(zip(lanes, found, strict=True))[lane] for lane in decision.candidates]
    offers, rules = offers_of(decision, scores), rules_of(decision)
    made = allocate(
        decision.slice_qty, offers, policy.mode, decision.opportunity_bps, NO_EXPLORATION, (0.0, 0.0, 0.0), rules
    )
    return made.routing_probabilities, scores
