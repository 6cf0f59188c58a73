"""Judge a policy by what another one logged: the policy is played over the log, and its choices set beside those made.

Rule of this file: at each decision the judged policy knows the outcomes that the acting one knew, and no other; it
learns from what the acting one's children met, in the order in which that was heard.

What is judged is the value of a share of a slice, in bps: over the fills of a lane's child, quantity sent there x
(opportunity of that decision - fee + markout at ten seconds); a fill whose markout never came counts its price
improvement, as in `learners.policies.rewards`. What is sent nowhere brings 0. That reward is taken to be the same for
each share of a child, so that quantity is a feature of the reward model, and that decisions would have come in the
same contexts, which a policy that fills sooner would have changed: read an estimate as "at the next decision", not as
"over the day".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from learners.evaluation.rounds import Rounds
from learners.evaluation.verdict import Judgement, judge
from learners.policies.policy import Policy
from learners.policies.rewards import MARKOUT_HORIZON
from router.allocation.allocate import NO_EXPLORATION, Exploration, LaneOffer, Rules
from router.allocation.limits import NO_BUDGET
from router.allocation.marginal import Marginals, marginals
from router.domain.enums import AllocationMode, OutcomeKind
from router.domain.errors import RunError, bad_value
from router.domain.instruments import lanes_of
from router.domain.market import F64
from router.domain.scores import LaneScore, RoutingDecision
from router.domain.units import MINUTE
from scenarios.decision_log import DecisionLog, context_of, frame_of
from scenarios.decision_rules import rules_of
from scenarios.policies import make_policy

OPPORTUNITY_BPS = 5.0
"""Scale of the opportunity as a feature of the reward model, and of its logarithm."""


def judge_policy(log: DecisionLog, policy: str) -> Judgement:
    """Return what the log says of the policy of that name.

    Raises:
        ConfigError: no such policy, or parameters that it cannot have.
        RunError: the log holds no decision.
    """
    return judge(rounds_of(log, make_policy(log.assembly, policy)))


def rounds_of(log: DecisionLog, policy: Policy) -> Rounds:
    """Return the log as rounds for the estimators, `policy` learning along.

    A decision at which there was nothing worth sending counts: what either policy would have sent then is in it.

    Raises:
        RunError: the log holds no decision.
    """
    assembly = log.assembly
    lanes = tuple(str(lane) for lane in lanes_of(assembly.specs))
    rewards = rewards_of(log)
    standard = float(assembly.scenario.file.learning.standard_qty)
    made: list[_Row] = []
    told, learned = log.learned, 0
    for decision, count in zip(log.decisions, log.known(), strict=True):
        known = max(count, learned)
        policy.learn(told[learned:known])
        learned = known
        scores = dict(zip(lanes, policy.scores(frame_of(decision, lanes, assembly.setup.symbol)), strict=True))
        own = [scores[lane] for lane in decision.candidates]
        judged = marginals_of(decision, own, policy.mode, _rules_for(policy, decision))
        acting = acting_marginals(decision)
        if decision.slice_qty > 0:
            made.append(_row(decision, lanes, acting, judged, rewards, standard))
    if not made:
        raise RunError(bad_value("log", "a decision about a slice", "none"))
    columns = [np.array(column) for column in zip(*made, strict=True)]
    return Rounds(*columns)


def acting_marginals(decision: RoutingDecision) -> Marginals:
    """Return how likely a share was to go to each candidate at this decision."""
    return marginals_of(decision, decision.scores, asked_mode(decision), rules_of(decision))


def asked_mode(decision: RoutingDecision) -> AllocationMode:
    """Return the mode of the policy that acted, which is not that of the decision where a rule put another in its
    place: policies that give no weights fill by water."""
    has_weights = any(score.weight > 0.0 for score in decision.scores)
    return decision.mode if has_weights else AllocationMode.WATER_FILL


def marginals_of(
    decision: RoutingDecision, scores: Sequence[LaneScore], mode: AllocationMode, rules: Rules
) -> Marginals:
    """Return how likely a share was to go to each candidate, had a policy with these scores decided.

    Only a policy that fills by water probes, as in `router.route`.
    """
    exploration = Exploration(*decision.exploration) if mode is AllocationMode.WATER_FILL else NO_EXPLORATION
    offers = offers_of(decision, scores)
    return marginals(decision.slice_qty, offers, mode, decision.opportunity_bps, exploration, rules)


def offers_of(decision: RoutingDecision, scores: Sequence[LaneScore]) -> list[LaneOffer]:
    """Return what was public of the candidates beside these scores."""
    public = zip(decision.price_bps, decision.fee_bps, decision.lots, decision.min_qty, decision.max_qty, strict=True)
    return [LaneOffer(score, *row) for score, row in zip(scores, public, strict=True)]


def _rules_for(policy: Policy, decision: RoutingDecision) -> Rules:
    """Return the rules of a decision for another policy: the order's and the venues', with this one's own tails.

    What a limit on learning allowed the acting policy that moment follows from its own past: it binds no other.
    """
    edges = tuple(getattr(policy, "size_edges", ()))
    return rules_of(decision)._replace(size_edges=edges, slowed=(), static=(), budget=NO_BUDGET)


def rewards_of(log: DecisionLog) -> dict[tuple[str, str], float]:
    """Return what each child brought in all, in share-bps, by decision and lane."""
    opportunity = {decision.decision_id: decision.opportunity_bps for decision in log.decisions}
    markouts = {
        (outcome.cl_ord_id, outcome.exec_id): outcome.markout_bps
        for outcome in log.outcomes
        if outcome.kind is OutcomeKind.MARKOUT and outcome.horizon_ns == MARKOUT_HORIZON
    }
    brought: dict[tuple[str, str], float] = {}
    for fill in log.outcomes:
        if fill.filled_qty > 0 and fill.kind is not OutcomeKind.MARKOUT:
            key = fill.decision_id, fill.lane
            after = markouts.get((fill.cl_ord_id, fill.exec_id), fill.price_bps)
            value = opportunity[fill.decision_id] - fill.fee_bps + after
            brought[key] = brought.get(key, 0.0) + fill.filled_qty * value
    return brought


class _Row(NamedTuple):
    """One decision in the columns of `Rounds`, in their order."""

    context: F64
    target_context: F64
    logged: F64
    target: F64
    taken: F64
    reward: F64
    weight: float
    cluster: int


def _row(
    decision: RoutingDecision,
    lanes: tuple[str, ...],
    acting: Marginals,
    judged: Marginals,
    rewards: dict[tuple[str, str], float],
    standard: float,
) -> _Row:
    place = [lanes.index(lane) for lane in decision.candidates]
    logged, target, taken, reward, part = np.zeros((5, len(lanes)))
    logged[place], target[place], part[place] = acting.propensities, judged.propensities, judged.parts
    taken[place] = np.array(decision.quantities) / max(decision.slice_qty, sum(decision.quantities))
    for k, lane, qty in zip(place, decision.candidates, decision.quantities, strict=True):
        if qty > 0:
            reward[k] = rewards.get((decision.decision_id, lane), 0.0) / qty
    x = np.zeros((len(lanes), len(decision.context_names)))
    x[:, 0] = 1.0
    x[place] = context_of(decision)
    press = np.full(len(lanes), np.log1p(max(decision.opportunity_bps, 0.0) / OPPORTUNITY_BPS))
    size = decision.slice_qty / standard
    return _Row(
        context=np.column_stack((x, press, np.log1p(taken * size))),
        target_context=np.column_stack((x, press, np.log1p(part * size))),
        logged=logged,
        target=target,
        taken=taken,
        reward=reward,
        weight=float(decision.slice_qty),
        cluster=decision.at // MINUTE,
    )
