"""Which policy a decision goes by: its arm's, the champion's where a challenger lies, or the static one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from learners.policies.check import example_setup
from router.domain.chance import uniform
from router.domain.enums import AllocationMode, Side
from router.domain.events import ParentAccepted
from router.domain.instruments import lane_names_of
from router.domain.orders import ParentOrder
from router.domain.scores import CHALLENGER, CHAMPION, LaneScore, PolicySnapshot
from router.domain.units import SECOND
from router.orders import parent
from router.orders.parent import ParentState, Used
from router.orders.trust import Chosen, choose, distrust

SPECS = example_setup().specs
LANES = lane_names_of(SPECS)
NOW = 1_000 * SECOND


def state(parent_id: str = "P1", arm: str = "", used: Used | None = None) -> ParentState:
    order = ParentOrder(
        parent_id=parent_id,
        client_order_id=parent_id,
        symbol="ACME",
        side=Side.BUY,
        order_qty=100,
        start_at=0,
        end_at=2 * NOW,
        strategy="arrival",
    )
    made = parent.accepted(ParentAccepted(parent_id=parent_id, at=0, parent=order, arrival_px2=2))
    made.arm, made.used = arm, used
    return made


def published(arm: str = "", policy: str = "censored", **changes: Any) -> PolicySnapshot:
    one = PolicySnapshot(
        learner_id="learner",
        policy=policy,
        policy_version=5,
        at=NOW,
        side=Side.BUY,
        mode=AllocationMode.WATER_FILL,
        scores=tuple(LaneScore(lane=lane, p=0.5, mu=100.0) for lane in LANES),
        routing_probabilities=(1.0, *[0.0] * (len(LANES) - 1)),
        outcomes_applied=5,
        model_digest="five",
        arm=arm,
    )
    return msgspec.structs.replace(one, **changes)


def chosen(of: ParentState, *policies: PolicySnapshot, now: int = NOW) -> Chosen:
    return choose(of, policies, Side.BUY, SPECS, now, 10 * SECOND, 1)


def both(share: float, **changes: Any) -> tuple[PolicySnapshot, PolicySnapshot]:
    return published(CHAMPION), published(CHALLENGER, "uniform", arm_share=share, **changes)


def test_without_a_release_the_learners_policy_is_used() -> None:
    one = published()
    assert chosen(state(), one) == Chosen(one, "")
    assert chosen(state(), published(side=Side.SELL)).fall_back == "LEARNER_LOST: nothing published"


def test_a_parent_without_an_arm_is_drawn_and_the_draw_is_its_own() -> None:
    pair = both(0.3)
    ids = [f"P{n}" for n in range(400)]
    arms = {p: chosen(state(p), *pair).policy.arm for p in ids}
    assert arms == {p: CHALLENGER if uniform(1, p, "arm:uniform", 0) < 0.3 else CHAMPION for p in ids}
    assert 0.2 < list(arms.values()).count(CHALLENGER) / 400 < 0.4


def test_a_parent_keeps_its_arm_while_shares_rise_and_loses_it_when_the_challenger_is_out() -> None:
    assert chosen(state(arm=CHAMPION), *both(1.0)).policy.arm == CHAMPION
    assert chosen(state(arm=CHALLENGER), *both(1e-9)).policy.arm == CHALLENGER
    assert chosen(state(arm=CHALLENGER), *both(0.0)).policy.arm == CHAMPION
    assert chosen(state(arm=CHALLENGER), published(CHAMPION)).policy.arm == CHAMPION


def test_who_cannot_be_trusted_gives_way_to_the_one_below() -> None:
    nan = (LaneScore(lane=LANES[0], p=float("nan")), *published().scores[1:])
    of = state(arm=CHALLENGER)
    assert chosen(of, *both(1.0, scores=nan)) == Chosen(published(CHAMPION), "")
    broken = msgspec.structs.replace(published(CHAMPION), scores=nan)
    found = chosen(of, broken, both(1.0, scores=nan)[1])
    assert found.policy.policy == "fall_back"
    assert found.fall_back == f"LEARNER_LIED: a score of {LANES[0]} is not finite"


def test_a_policy_is_used_until_it_is_stale() -> None:
    assert chosen(state(), published(), now=NOW + 10 * SECOND).fall_back == ""
    late = chosen(state(), published(), now=NOW + 10 * SECOND + 1)
    assert (late.policy.policy, late.fall_back) == ("fall_back", "LEARNER_STALE: 10.0 s old")


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (Used("", "censored", 4, "four"), ""),
        (Used("", "censored", 5, "five"), ""),
        (Used("", "censored", 6, "six"), "LEARNER_LIED: version 5 after 6"),
        (Used("", "censored", 5, "other"), "LEARNER_LIED: two models under version 5"),
        (Used(CHALLENGER, "censored", 6, "six"), ""),
        (Used("", "uniform", 6, "six"), ""),
    ],
)
def test_versions_go_forward_and_name_one_model_each(used: Used, said: str) -> None:
    assert distrust(state(used=used), published(), SPECS, NOW, SECOND) == said


def test_scores_of_other_lanes_are_not_used() -> None:
    fewer = published(scores=published().scores[1:], routing_probabilities=published().routing_probabilities[:-1])
    renamed = (msgspec.structs.replace(published().scores[0], lane="XNIL:TAKE"), *published().scores[1:])
    for bad in (fewer, published(scores=renamed)):
        assert "other lanes" in distrust(state(), bad, SPECS, NOW, SECOND)
