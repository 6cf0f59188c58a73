"""A release goes by its table: every pair of phase and act, gates, guards, people, and what is counted for whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from learners.deployment.guards import GuardLimits, Guards
from learners.deployment.release import ROUTING, TABLE, Act, Phase, Release, ReleasePlan
from learners.deployment.tally import SETTLE_NS, ParentValues
from router.domain.chance import generator, uniform
from router.domain.enums import AllocationMode, OutcomeKind, Side
from router.domain.errors import ConfigError
from router.domain.events import LearnerSteered
from router.domain.messages import ParentEnded
from router.domain.scores import CHALLENGER, CHAMPION, LaneScore, Outcome, PolicySnapshot
from router.domain.units import SECOND

PLAN = ReleasePlan("censored", min_outcomes=20, min_parents=5, margin_bps=8.0)
FIRST_PHASES = (Phase.REPLAY, Phase.SHADOW, Phase.CANARY)


def release(**changes: Any) -> Release:
    return Release("learner", PLAN._replace(**changes))


def fill(parent: str, at: int, arm: str, price_bps: float = 0.0, **changes: Any) -> Outcome:
    one = Outcome(
        kind=OutcomeKind.FILL,
        at=at,
        parent_id=parent,
        decision_id=f"{parent}.d0",
        cl_ord_id=f"{parent}.0",
        lane="XNYS:POST",
        side=Side.BUY,
        order_qty=100,
        filled_qty=100,
        cum_qty=100,
        is_final=True,
        exec_id=f"{parent}.e",
        price_bps=price_bps,
        arm=arm,
    )
    return msgspec.structs.replace(one, **changes)


def snapshot(*shares: float, **changes: Any) -> PolicySnapshot:
    scores = tuple(LaneScore(lane=f"X{k}:TAKE", p=0.5, mu=100.0) for k in range(len(shares)))
    one = PolicySnapshot(
        learner_id="learner",
        policy="censored",
        policy_version=1,
        at=5,
        side=Side.BUY,
        mode=AllocationMode.WATER_FILL,
        scores=scores,
        routing_probabilities=shares,
        outcomes_applied=1,
        model_digest="d",
    )
    return msgspec.structs.replace(one, **changes)


def work(
    of: Release, parents: int, worth: dict[str, float], first: int = 0, noise: float = 1.0
) -> list[LearnerSteered]:
    """Route parents by the release's own shares, one a minute; return what changed."""
    steered: list[LearnerSteered] = []
    for n in range(first, first + parents):
        at, parent = n * 60 * SECOND, f"P{n}"
        arm = CHALLENGER if uniform(1, parent, "arm", 0) < of.share else CHAMPION
        value = worth[arm] + noise * float(generator(7, parent, "worth").normal())
        steered += of.hear([fill(parent, at, arm, value)], [ParentEnded(parent_id=parent, at=at, order_qty=100)])
    return steered


def test_a_harmless_challenger_comes_to_be_live_by_gates_alone() -> None:
    one = release()
    steered = work(one, 3_000, {CHAMPION: 1.0, CHALLENGER: 1.0})
    assert [(e.before, e.after, e.act, e.who) for e in steered] == [
        ("SHADOW", "CANARY", "pass", "gate"),
        ("CANARY", "HALF", "pass", "gate"),
        ("HALF", "LIVE", "pass", "gate"),
    ]
    assert (one.phase, one.share, one.status().waits_for) == (Phase.LIVE, 1.0, "")
    assert all(e.difference_bps[0] >= -PLAN.margin_bps for e in steered[1:])


def test_a_harmful_challenger_is_rolled_back_from_wherever_it_routes() -> None:
    for start in (Phase.CANARY, Phase.HALF, Phase.LIVE):
        one = release(margin_bps=2.0, limits=GuardLimits(loss_bps=None))
        steered = work(one, 40, {CHAMPION: 1.0, CHALLENGER: 1.0})
        while one.phase is not start:
            one.steer(Act.PROMOTE, "ann", "hurry", 50 * 60 * SECOND)
        steered = work(one, 4_000, {CHAMPION: 1.0, CHALLENGER: -9.0}, first=50)
        assert [e.after for e in steered if e.act == "alarm"] == ["ROLLED_BACK"], start
        assert (one.share, one.phase) == (0.0, Phase.ROLLED_BACK)
        assert "e-CUSUM" in steered[-1].why


def test_losses_stop_a_challenger_before_statistics_do() -> None:
    one = release(start=Phase.CANARY, canary_share=0.5, limits=GuardLimits(loss_bps=30.0))
    steered = work(one, 100, {CHAMPION: 1.0, CHALLENGER: -9.0})
    assert [e.who for e in steered] == ["guard"]
    assert steered[0].why.startswith("lost ")
    assert sum(steered[0].parents) < 20


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("phase", list(Phase))
def test_every_pair_of_phase_and_act_goes_by_the_table(phase: Phase, act: Act) -> None:
    one = release(start=Phase.CANARY)
    one.phase = phase
    steered = one.steer(act, "ann", "a reason", 9)
    is_legal = (phase, act) in TABLE and act not in (Act.PASS, Act.ALARM)
    target = (TABLE[phase, act] or Phase.CANARY) if is_legal else phase
    assert one.phase is target
    assert [(e.before, e.after, e.who, e.at) for e in steered] == [(str(phase), str(target), "ann", 9)]
    assert steered[0].why == ("a reason" if is_legal else f"refused in {phase}: a reason")


def test_what_is_frozen_or_pinned_goes_on_where_it_was() -> None:
    for stop, go in ((Act.FREEZE, Act.UNFREEZE), (Act.PIN, Act.UNPIN)):
        one = release(start=Phase.CANARY)
        one.steer(stop, "ann", "a look", 1)
        assert one.share == PLAN.canary_share
        assert one.is_learning is (stop is Act.PIN)
        assert work(one, 200, {CHAMPION: 0.0, CHALLENGER: 0.0}) == []
        one.steer(go, "ann", "enough", 2)
        assert one.phase is Phase.CANARY


def test_no_row_of_the_table_leads_up_by_more_than_a_phase() -> None:
    order = [Phase.ROLLED_BACK, *(p for p in Phase if p in (*FIRST_PHASES, *ROUTING) and p is not Phase.REPLAY)]
    for (phase, act), target in TABLE.items():
        if act in (Act.PASS, Act.PROMOTE) and phase is not Phase.REPLAY:
            assert order.index(target or phase) == order.index(phase) + 1


def test_a_challenger_that_tries_again_has_nothing_counted_in_its_favour() -> None:
    one = release(start=Phase.CANARY, canary_share=0.5)
    work(one, 30, {CHAMPION: 0.0, CHALLENGER: 0.0})
    one.steer(Act.ROLL_BACK, "ann", "a doubt", 1)
    one.steer(Act.PROMOTE, "bob", "no doubt", 2)
    assert (one.phase, one.status().parents) == (Phase.SHADOW, (0, 0))


def test_what_a_challenger_publishes_is_looked_at_before_anybody_uses_it() -> None:
    nan = LaneScore(lane="X0:TAKE", p=float("nan"))
    over = LaneScore(lane="X0:TAKE", p=1.5)
    for bad, said in (
        (snapshot(1.0, scores=(nan,)), "not finite"),
        (snapshot(1.0, scores=(over,)), "cannot be: p 1.5"),
        (snapshot(0.4, 0.4), "sum to 0.8"),
        (snapshot(1.5, -0.5), "no split"),
        (snapshot(1.0, scores=()), "1 probabilities for 0 lanes"),
    ):
        one = release()
        steered = one.published(bad)
        assert (one.phase, one.share) == (Phase.ROLLED_BACK, 0.0)
        assert said in steered[0].why
        assert one.published(bad) == []
    assert release().published(snapshot(0.5, 0.5)) == []


def test_a_jump_and_rejects_trip_their_guards() -> None:
    guards = Guards(GuardLimits(reject_share=0.5, children=4, jump=0.5))
    assert guards.published(snapshot(0.9, 0.1)) == ""
    assert guards.published(snapshot(0.5, 0.5)) == ""
    assert guards.published(snapshot(0.0, 1.0, side=Side.SELL)) == ""
    assert "jumped by 1.00" in guards.published(snapshot(1.0, 0.0, side=Side.SELL))
    kinds = [OutcomeKind.FILL, *[OutcomeKind.REJECT] * 3]
    said = [guards.hear(fill(f"P{n}", n, CHALLENGER, kind=kind)) for n, kind in enumerate(kinds)]
    assert said == ["", "", "", "reject rate 75% of 4 children"]


def test_a_parent_counts_once_with_its_markout_when_it_has_settled() -> None:
    values = ParentValues(unfilled_bps=10.0)
    values.hear(fill("P1", 0, CHAMPION, price_bps=-2.0, fee_bps=0.5))
    values.ended(ParentEnded(parent_id="P1", at=5, order_qty=200))
    mark = fill("P1", 10, CHAMPION, kind=OutcomeKind.MARKOUT, horizon_ns=10 * SECOND, markout_bps=3.0)
    values.hear(mark)
    assert values.due(SETTLE_NS) == []
    # Half was filled, at 3.0 - 0.5; the other half cost 10.
    assert values.due(SETTLE_NS + 5) == [(CHAMPION, (2.5 - 10.0) / 2)]
    values.hear(mark)
    values.ended(ParentEnded(parent_id="P1", at=6, order_qty=200))
    assert values.due(10 * SETTLE_NS) == []


def test_batches_do_not_show_in_what_a_release_decides() -> None:
    outcomes = [fill(f"P{n}", n * SECOND, CHALLENGER if n % 3 == 0 else CHAMPION, n % 5) for n in range(2_000)]
    ends = [ParentEnded(parent_id=o.parent_id, at=o.at, order_qty=100) for o in outcomes]
    told = []
    for step in (1, 7, 2_000):
        one = release(start=Phase.CANARY, margin_bps=3.0)
        steered: list[LearnerSteered] = []
        for k in range(0, len(outcomes), step):
            steered += one.hear(outcomes[k : k + step], ends[k : k + step])
        told.append((steered, one.status()))
    assert [e.after for e in told[0][0]] == ["HALF", "LIVE"]
    assert told[0] == told[1] == told[2]


def test_plans_that_cannot_be_are_refused() -> None:
    for changes in ({"start": Phase.LIVE}, {"canary_share": 0.0}, {"half_share": 0.01}, {"margin_bps": 0.0}):
        with pytest.raises(ConfigError):
            release(**changes)
