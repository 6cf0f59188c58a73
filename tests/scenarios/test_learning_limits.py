"""Limits on learning, and over-booking, in whole runs: kept by every decision, said in it, the same after recovery.

Rule of this file: runs are short, and what is checked is what the host journaled.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest
from small_market import small

from router.allocation.limits import LimitReason
from router.domain.enums import AllocationMode
from router.domain.events import ChildIntended, DecisionMade, Event
from router.domain.messages import HostBatch, HostReply, LearnerReply, Message
from router.domain.scores import PolicySnapshot, RoutingDecision
from router.domain.units import MINUTE
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import ParentState, check_invariants
from router.route import RESTING
from scenarios.assembly import Assembly, make_host_setup, make_impact, make_limits, make_network, make_plan, make_venue
from scenarios.conductor import Conductor
from scenarios.link import LocalLink
from scenarios.policies import make_policy
from scenarios.recorder import Recorder
from scenarios.shells import HostShell, LearnerShell, Shell, VenueShell

POLICY = "censored"


class Day(NamedTuple):
    """What a run's host journaled, what its learner published, and the parent as it ended."""

    decisions: tuple[RoutingDecision, ...]
    children: dict[str, list[ChildIntended]]
    """By decision."""
    policies: tuple[PolicySnapshot, ...]
    parent: ParentState
    recovered: ParentState
    digest: str


class _Link(LocalLink):
    def __init__(self, shells: dict[str, Shell], host: OrderHost) -> None:
        super().__init__(shells)
        self._host = host
        self.events: list[Event] = []
        self.policies: list[PolicySnapshot] = []

    def send(self, to: str, batch: Message) -> None:
        super().send(to, batch)
        reply = self._replies[to]
        if isinstance(reply, HostReply):
            self.events += reply.events
        if isinstance(reply, LearnerReply):
            self.policies += reply.policies
        for state in self._host.parents.values():
            check_invariants(state)
            share = state.parent.max_participation
            if share is not None and isinstance(batch, HostBatch) and batch.is_deciding and batch.market is not None:
                volume = batch.market.volume - state.volume_at_start
                assert state.cum_qty + state.routed_qty <= share * volume


@cache
def day(learning: str = "", order: str = "") -> Day:
    """Run the small market with more keys in its tables `learning` and `orders`."""
    changes = (
        ("standard_qty = 100", f"standard_qty = 100\n{learning}"),
        ("end_s = 300", f"end_s = 300\n{order}"),
    )
    assembly: Assembly = small(1, *changes)
    journal, setup = MemoryJournal(), make_host_setup(assembly)
    host = OrderHost(journal, setup)
    standard = assembly.scenario.file.learning.standard_qty
    shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
    policy = make_policy(assembly, POLICY)
    shells["learner"] = LearnerShell("learner", policy, assembly.specs, standard, make_limits(assembly))
    shells["host-0"] = HostShell(host)
    link = _Link(shells, host)
    recorder = Recorder(assembly.specs, lambda at: "")
    plan = make_plan(assembly, {parent.parent_id: "host-0" for parent in assembly.parents})
    Conductor(plan, link, make_network(assembly), make_impact(assembly), recorder).run()
    again = OrderHost(journal, setup)
    again.recover()
    children: dict[str, list[ChildIntended]] = {}
    for event in link.events:
        if isinstance(event, ChildIntended):
            children.setdefault(event.child.decision_id, []).append(event)
    decisions = tuple(event.decision for event in link.events if isinstance(event, DecisionMade))
    (parent,), (recovered,) = host.parents.values(), again.parents.values()
    return Day(decisions, children, tuple(link.policies), parent, recovered, recorder.digest)


def reasons(run: Day) -> set[str]:
    return {limit.reason for decision in run.decisions for limit in decision.limits}


EVERYTHING = "exploration_budget_bps = 0.02\nprobability_change_max = 0.1\nvenue_share_max = 0.4"
OVERBOOKED = "overbook_max = 1.0\noverfill_penalty = 0.2"


@pytest.mark.parametrize("learning", ["", EVERYTHING])
@pytest.mark.parametrize("order", ["", OVERBOOKED])
def test_a_parent_under_limits_is_the_same_after_recovery(learning: str, order: str) -> None:
    run = day(learning, order)
    assert run.recovered == run.parent
    assert run.parent.cum_qty <= run.parent.parent.order_qty


def test_without_limits_nothing_is_said_of_them() -> None:
    run = day()
    assert reasons(run) == set()
    assert {decision.given_up for decision in run.decisions} == {0.0}
    assert day(order="overbook_max = 0.0").digest == run.digest


def test_an_order_never_gives_up_more_than_its_budget() -> None:
    probed = day("exploration_budget_bps = 1000.0\nepsilon = 0.5")
    spent = probed.parent.given_up
    assert spent == sum(decision.given_up for decision in probed.decisions) > 0.0
    assert not any(decision.limits for decision in probed.decisions)
    budget_bps = spent / probed.parent.parent.order_qty / 3.0
    run = day(f"exploration_budget_bps = {budget_bps!r}\nepsilon = 0.5")
    assert LimitReason.EXPLORATION_BUDGET in reasons(run)
    assert run.parent.given_up <= budget_bps * run.parent.parent.order_qty + 1e-6
    for decision in run.decisions:
        stopped = any(limit.reason == LimitReason.EXPLORATION_BUDGET for limit in decision.limits)
        assert not stopped or (decision.probe_lane, decision.propensity) == ("", 1.0)


def test_no_venue_gets_more_than_its_share_of_a_slice() -> None:
    run = day("venue_share_max = 0.4")
    assert LimitReason.VENUE_SHARE in reasons(run)
    for decision in run.decisions:
        at: dict[str, int] = {}
        for child in run.children.get(decision.decision_id, []):
            at[child.child.mic] = at.get(child.child.mic, 0) + child.child.order_qty
        assert all(qty <= 0.4 * decision.slice_qty + 1e-6 for qty in at.values())


def test_published_probabilities_move_no_faster_than_they_may() -> None:
    run = day("probability_change_max = 0.1")
    last = run.policies[0]
    for policy in run.policies:
        most = 0.1 * (policy.at - last.at) / MINUTE
        moved = zip(policy.routing_probabilities, last.routing_probabilities, strict=True)
        assert all(abs(now - before) <= most + 1e-9 for now, before in moved)
        assert sum(policy.routing_probabilities) == pytest.approx(1.0)
        last = policy
    assert any(policy.is_slowed for policy in run.policies)
    assert LimitReason.PROBABILITY_CHANGE in reasons(run)
    slowed = [decision for decision in run.decisions if decision.limits]
    assert {(decision.mode, decision.acted) for decision in slowed} == {
        (AllocationMode.WATER_FILL, AllocationMode.SPLIT)
    }


def test_over_booking_posts_more_than_the_slice_where_it_rests_and_never_more_than_the_order() -> None:
    run = day(order=OVERBOOKED)
    over = [decision for decision in run.decisions if sum(decision.quantities) > decision.slice_qty]
    assert over
    for decision in over:
        assert sum(decision.quantities) <= 2.0 * decision.slice_qty
        firm = sum(
            child.child.order_qty for child in run.children[decision.decision_id] if child.child.tactic not in RESTING
        )
        assert firm <= decision.slice_qty
    assert run.parent.cum_qty + run.parent.routed_qty <= run.parent.parent.order_qty


def test_over_booking_keeps_the_cap_on_participation() -> None:
    # The link checks it at every decision.
    run = day(order="overbook_max = 5.0\noverfill_penalty = 0.0\nmax_participation = 0.1")
    assert any(sum(decision.quantities) > decision.slice_qty for decision in run.decisions)


def test_an_order_of_single_lanes_sends_each_slice_to_one_of_them() -> None:
    run = day(order="is_single_lane = true")
    assert run.decisions
    assert all(sum(qty > 0 for qty in decision.quantities) <= 1 for decision in run.decisions)
    assert {decision.probe_lane for decision in run.decisions} == {""}
    assert run.parent.cum_qty > 0
