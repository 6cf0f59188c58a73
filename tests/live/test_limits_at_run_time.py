"""Limits on learning and of the second gate change while a session runs: recorded, heard, and played again alike."""

from __future__ import annotations

from typing import Any

import pytest
from desk_and_market import Live, live, of_kind
from live_material import OPERATOR, TRADER, order

from cluster.live.session import assembly_of, fresh_link
from cluster.live.verifying import verify_session
from router.domain.enums import Side
from router.domain.errors import ConfigError
from router.domain.events import ChildRejected, DecisionMade
from router.domain.facts import LimitSet
from router.domain.requests import Noted, SetLimit, SubmitOrder
from router.domain.units import SECOND
from scenarios.live_switches import Bounds

KEYS = {
    "exploration_budget_bps": "0.25",
    "probability_change_max": "0.1",
    "venue_share_max": "0.4",
    "children_per_s": "50",
    "children_max": "20",
    "venue_messages_per_s": "300",
}


def limit(made: Live, key: str, value: str) -> object:
    return made.ask(SetLimit(principal=OPERATOR, key=key, value=value, why="a drill"))


def submit(made: Live, n: int, **terms: Any) -> None:
    now = made.market.now
    placed = order(n, made.opened, now, **{"parent_id": "-", "side": Side.BUY, "end_at": now + 60 * SECOND, **terms})
    made.ask(SubmitOrder(principal=TRADER, correlation_id="x", order=placed, body_hash=f"h{n}"))


def bounds_of(made: Live) -> Bounds:
    return made.market.switches.bounds


@pytest.mark.parametrize(("key", "value"), KEYS.items())
def test_each_limit_is_recorded_with_who_and_why_and_holds_in_the_market(key: str, value: str) -> None:
    made = live()
    assert limit(made, key, value) == Noted()
    (fact,) = of_kind(made, LimitSet)
    assert (fact.key, fact.after, fact.who, fact.why) == (key, value, "ann", "a drill")
    assert fact.before != value
    learning, gate = bounds_of(made)
    assert str(getattr(learning if key in learning._fields else gate, key)) == value
    assert str(getattr(made.desk.limits, key)) == value


def test_limit_that_cannot_be_is_refused_and_reaches_no_market() -> None:
    made = live()
    with pytest.raises(ConfigError, match="venue_share_max"):
        limit(made, "venue_share_max", "1.5")
    assert bounds_of(made).learning.venue_share_max == 1.0
    assert not of_kind(made, LimitSet)


def test_limit_that_concerns_no_market_changes_nothing_there() -> None:
    made = live()
    before = bounds_of(made)
    limit(made, "qty_max", "900")
    assert bounds_of(made) == before
    assert made.market.switches.learning is None


def test_share_of_a_venue_holds_from_the_next_decision() -> None:
    made = live()
    submit(made, 1, order_qty=3_000)
    made.go_on(made.market.now + 2 * SECOND)
    before = len(of_kind(made, DecisionMade))
    limit(made, "venue_share_max", "0.3")
    submit(made, 2, order_qty=3_000)
    made.go_on(made.market.now + 10 * SECOND)
    decisions = [event.decision for event in of_kind(made, DecisionMade)]
    assert max(_largest_share(decision) for decision in decisions[:before]) > 0.3
    assert max(_largest_share(d) for d in decisions[before:] if d.parent_id == "P2") <= 0.3


def _largest_share(decision: Any) -> float:
    by_venue: dict[str, int] = {}
    for lane, qty in zip(decision.candidates, decision.quantities, strict=True):
        mic = lane.partition(":")[0]
        by_venue[mic] = by_venue.get(mic, 0) + qty
    return max(by_venue.values(), default=0) / decision.slice_qty


def test_nothing_is_given_up_once_the_budget_is_none() -> None:
    made = live()
    limit(made, "exploration_budget_bps", "0")
    for n in range(1, 4):
        submit(made, n, order_qty=1_000 + n)
    made.go_on(made.market.now + 20 * SECOND)
    decisions = [event.decision for event in of_kind(made, DecisionMade)]
    assert len(decisions) > 5
    assert all(decision.given_up == 0.0 for decision in decisions)


def test_published_probabilities_stand_still_once_they_may_not_move() -> None:
    made = live()
    submit(made, 1, order_qty=2_000)
    made.go_on(made.market.now + 5 * SECOND)
    limit(made, "probability_change_max", "0")
    made.go_on(made.market.now + 2 * SECOND)
    still = {policy.side: policy.routing_probabilities for policy in made.market.policies}
    submit(made, 2, order_qty=2_000, side=Side.BUY)
    made.go_on(made.market.now + 20 * SECOND)
    assert {policy.side: policy.routing_probabilities for policy in made.market.policies} == still
    assert any(policy.is_slowed for policy in made.market.policies)
    limit(made, "probability_change_max", "100")
    made.go_on(made.market.now + 5 * SECOND)
    assert {policy.side: policy.routing_probabilities for policy in made.market.policies} != still


def test_second_gate_refuses_the_child_that_is_one_too_many_from_then_on() -> None:
    made = live()
    submit(made, 1, order_qty=3_000)
    made.go_on(made.market.now + 3 * SECOND)
    assert not _refused(made)
    limit(made, "children_max", "1")
    made.go_on(made.market.now + 20 * SECOND)
    assert _refused(made)
    assert all(text.startswith("TOO_MANY: expected up to 1 children") for text in _refused(made))


def _refused(made: Live) -> list[str]:
    return [event.text for event in of_kind(made, ChildRejected) if event.text.startswith("TOO_")]


def test_session_with_changed_limits_is_the_same_when_it_is_played_again() -> None:
    made = live()
    submit(made, 1, order_qty=2_000)
    made.go_on(made.market.now + 3 * SECOND)
    for key, value in KEYS.items():
        limit(made, key, value)
    submit(made, 2, order_qty=2_000)
    made.go_on(made.market.now + 10 * SECOND)
    again = fresh_link(made.opened, assembly_of(made.opened, None))
    found = verify_session(made.record, made.opened, again, None)
    assert found.difference == ""
    assert found.decisions > 2


def test_market_and_desk_that_come_back_hold_the_limits_as_they_were() -> None:
    made = live()
    for key, value in KEYS.items():
        limit(made, key, value)
    submit(made, 1, order_qty=2_000)
    made.go_on(made.market.now + 2 * SECOND)
    again = made.killed()
    assert bounds_of(again) == bounds_of(made)
    limit(again, "venue_share_max", "0.5")
    assert bounds_of(again).learning == bounds_of(made).learning._replace(venue_share_max=0.5)
