"""Which published policy a parent's decision goes by: its arm's, and the static one when a learner cannot be trusted.

Rule of this file: a choice follows from the parent's own record and from what was published, so that a host that comes
back from its journal chooses as it would have; why the learner was not used is said in words that begin with a code.

    LEARNER_LOST    nothing was published for this side
    LEARNER_STALE   the last publication is older than `HostSetup.stale_ns`
    LEARNER_LIED    numbers that cannot be, other lanes, a version that went back, or two models under one version
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.chance import uniform
from router.domain.enums import Side
from router.domain.instruments import VenueSpec, lane_names_of
from router.domain.score_table import names_of
from router.domain.scores import CHALLENGER, PolicySnapshot
from router.domain.snapshot import fault_of
from router.domain.units import SECOND, Nanos
from router.orders.parent import ParentState
from router.route import fall_back_policy


class Chosen(NamedTuple):
    """The policy to decide by, and why it is not the learner's; empty when it is."""

    policy: PolicySnapshot
    fall_back: str


def choose(
    state: ParentState,
    policies: tuple[PolicySnapshot, ...],
    side: Side,
    specs: tuple[VenueSpec, ...],
    now: Nanos,
    stale_ns: Nanos,
    seed: int,
) -> Chosen:
    """Return what a parent decides by at `now`, among what learners published, champions first.

    A challenger that cannot be trusted gives way to the champion, a champion to the static policy.
    """
    mine = [policy for policy in policies if policy.side is side]
    reason = "" if mine else "LEARNER_LOST: nothing published"
    for policy in sorted(mine, key=lambda policy: policy.arm != CHALLENGER) if len(mine) > 1 else mine:
        if policy.arm == CHALLENGER and not _is_drawn(state, policy, seed):
            continue
        reason = distrust(state, policy, specs, now, stale_ns)
        if not reason:
            return Chosen(policy, "")
    return Chosen(fall_back_policy(specs, side, now), reason)


def _is_drawn(state: ParentState, challenger: PolicySnapshot, seed: int) -> bool:
    """A parent keeps the arm that it began with, as long as the challenger routes at all."""
    if challenger.arm_share <= 0.0:
        return False
    if state.arm:
        return state.arm == CHALLENGER
    return uniform(seed, state.parent.parent_id, f"arm:{challenger.policy}", 0) < challenger.arm_share


def distrust(
    state: ParentState, policy: PolicySnapshot, specs: tuple[VenueSpec, ...], now: Nanos, stale_ns: Nanos
) -> str:
    """Return why this parent must not go by a snapshot; empty when it may."""
    if now - policy.at > stale_ns:
        return f"LEARNER_STALE: {(now - policy.at) / SECOND:.1f} s old"
    fault = fault_of(policy)
    if fault:
        return f"LEARNER_LIED: {fault}"
    lanes = lane_names_of(specs)
    theirs = names_of(policy)
    if theirs != lanes:
        return f"LEARNER_LIED: {len(theirs)} other lanes"
    used = state.used
    if used is None or used.arm != policy.arm or used.policy != policy.policy:
        return ""
    if policy.policy_version < used.version:
        return f"LEARNER_LIED: version {policy.policy_version} after {used.version}"
    if policy.policy_version == used.version and policy.model_digest != used.model_digest:
        return f"LEARNER_LIED: two models under version {used.version}"
    return ""
