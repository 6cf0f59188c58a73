"""Styles of slices in whole runs: what a choice does to children, when none is made, and that a run repeats to the bit.

Rule of this file: runs are short, and what is checked is what the host journaled.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from small_market import scenario, small

from router.allocation.styles import StyleRule
from router.domain.enums import PegPriceType, Tactic, TimeInForce
from router.domain.events import ChildIntended, DecisionMade, Event
from router.domain.messages import HostReply, LearnerBatch, LearnerReply, Message
from router.domain.orders import ChildOrder
from router.domain.scores import RoutingDecision
from router.domain.tactics import STYLES, StyleChoice
from router.domain.units import SECOND
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.styling import LIVES_LEFT
from scenarios.assembly import make_host_setup, make_impact, make_network, make_plan, make_venue
from scenarios.conductor import Conductor
from scenarios.decision_log import log_of_run
from scenarios.explain import explain
from scenarios.link import LocalLink
from scenarios.policies import make_learner
from scenarios.recorder import Recorder
from scenarios.runner import run
from scenarios.scenario import DAY_OPEN
from scenarios.shells import HostShell, Shell, VenueShell

ON = ("standard_qty = 100", 'standard_qty = 100\ntactics = "on"')
SEGMENTED = 'zero_bin = 0.70, segments = [{ name = "a", share = 1.0 }, { name = "b", share = 1.0, informed = 0.9 }]'
INTERVAL = 'order_qty = 12_000\nstrategy = "twap"\nstrategy_parameters = { interval_s = 3 }'
CHANGES = (ON, ("zero_bin = 0.70", SEGMENTED), ("order_qty = 3_000", INTERVAL))
LIFE = 19 * SECOND // 2
"""How long a resting child of the small market lives."""
BOLD = StyleRule(epsilon=0.7)


class Day(NamedTuple):
    """What a run's host journaled and its learner said, and whether recovery gave the same parent."""

    decisions: tuple[RoutingDecision, ...]
    children: dict[str, list[ChildOrder]]
    """By decision."""
    replies: tuple[LearnerReply, ...]
    batches: tuple[LearnerBatch, ...]
    is_recovered: bool
    digest: str


class _Link(LocalLink):
    """The link of one process, which keeps what hosts recorded and what passed to and from the learner."""

    def __init__(self, shells: dict[str, Shell]) -> None:
        super().__init__(shells)
        self.events: list[Event] = []
        self.learned: list[LearnerReply] = []
        self.batches: list[LearnerBatch] = []

    def send(self, to: str, batch: Message) -> None:
        super().send(to, batch)
        reply = self._replies[to]
        if isinstance(reply, HostReply):
            self.events += reply.events
        if isinstance(reply, LearnerReply) and isinstance(batch, LearnerBatch):
            self.learned.append(reply)
            self.batches.append(batch)


@cache
def day(rule: StyleRule | None = BOLD, order: str = "", learning: str = "") -> Day:
    """Run the small market with styles and further keys of the order and the learning."""
    more = (("end_s = 300", f"end_s = 300\n{order}"), ('tactics = "on"', f'tactics = "on"\n{learning}'))
    assembly = small(1, *CHANGES, *more)
    journal, setup = MemoryJournal(), make_host_setup(assembly)._replace(styles=rule)
    host = OrderHost(journal, setup)
    shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
    shells["learner"] = make_learner(assembly, "learner", "censored")
    shells["host-0"] = HostShell(host)
    link, recorder = _Link(shells), Recorder(assembly.specs, lambda at: "")
    plan = make_plan(assembly, {parent.parent_id: "host-0" for parent in assembly.parents})
    Conductor(plan, link, make_network(assembly), make_impact(assembly), recorder).run()
    again = OrderHost(journal, setup)
    again.recover()
    children: dict[str, list[ChildOrder]] = {}
    for event in link.events:
        if isinstance(event, ChildIntended):
            children.setdefault(event.child.decision_id, []).append(event.child)
    decisions = tuple(event.decision for event in link.events if isinstance(event, DecisionMade))
    is_recovered = again.parents == host.parents
    return Day(decisions, children, tuple(link.learned), tuple(link.batches), is_recovered, recorder.digest)


def choice_of(decision: RoutingDecision) -> StyleChoice:
    assert decision.style is not None
    return decision.style


def test_off_asks_nobody_and_says_nothing() -> None:
    off = scenario(("standard_qty = 100", 'standard_qty = 100\ntactics = "off"'))
    assert run(off, seed=1).digest == run(scenario(), seed=1).digest


def test_a_run_with_styles_repeats_to_the_bit_and_a_parent_recovers() -> None:
    first, second = day(), day.__wrapped__()
    assert first.digest == second.digest
    assert first.is_recovered


def test_children_stay_within_their_style_and_its_terms() -> None:
    styles: dict[str, None] = {}
    for decision in day().decisions:
        choice = choice_of(decision)
        styles[choice.style] = None
        for child in day().children.get(decision.decision_id, []):
            assert child.tactic in STYLES[choice.style]
            if child.tactic is Tactic.MID_PEG:
                assert child.min_qty == min(choice.min_qty, child.order_qty)
                near = PegPriceType.PRIMARY if choice.terms.is_near else PegPriceType.MID_PRICE
                assert child.peg_price_type is near
                assert child.segments_deny == ((choice.terms.deny,) if choice.terms.deny else ())
    assert {"all", "dark", "post", "take"} <= set(styles)


def test_terms_of_every_kind_were_traded_on() -> None:
    tried = [choice_of(decision).terms for decision in day().decisions]
    assert any(terms.min_lots for terms in tried)
    assert any(terms.is_near for terms in tried)
    assert any(terms.deny for terms in tried)


def test_no_style_is_chosen_when_the_order_is_pressed_or_its_end_is_near() -> None:
    decisions = day().decisions
    late = [d for d in decisions if d.at >= DAY_OPEN + 300 * SECOND - LIVES_LEFT * LIFE]
    forced = [choice_of(decision) for decision in decisions if choice_of(decision).forced]
    assert {choice.forced.split(":")[0] for choice in forced} >= {"PRESSED", "NEAR_END"}
    for choice in forced:
        assert (choice.style, choice.propensity, choice.min_qty) == ("all", 1.0, 0)
    assert late
    assert all(choice_of(decision).forced for decision in late)


@pytest.mark.parametrize(("order", "code"), [("is_single_lane = true", "ONE_LANE"), ("urgency = 1.0", "PRESSED")])
def test_orders_that_leave_no_choice_say_so(order: str, code: str) -> None:
    codes = {choice_of(decision).forced.split(":")[0] for decision in day(BOLD, order).decisions}
    assert code in codes


def test_an_order_with_a_budget_for_exploration_makes_no_probe_of_a_style() -> None:
    run_with_budget = day(BOLD, "", "exploration_budget_bps = 5.0")
    assert not any(choice_of(decision).is_probe for decision in run_with_budget.decisions)


def test_the_learner_hears_of_every_slice_once_and_publishes_what_it_learned() -> None:
    heard = [routed.decision_id for batch in day().batches for routed in batch.slices]
    assert heard == [decision.decision_id for decision in day().decisions]
    published = [reply.tactics for reply in day().replies if reply.tactics is not None]
    assert len(published) == len(day().replies)
    versions = [snapshot.version for snapshot in published]
    assert versions == sorted(versions)
    assert versions[-1] == len(heard)


def test_the_whole_order_is_filled_whatever_styles_do() -> None:
    summary = run(scenario(*CHANGES), seed=2)
    plain = run(scenario(*CHANGES[1:]), seed=2)
    assert summary.filled_qty == plain.filled_qty == summary.order_qty


def test_a_decision_says_in_its_explanation_in_which_style_it_was_made(tmp_path: Path) -> None:
    run(scenario(*CHANGES), seed=3, out=tmp_path / "run")
    log = log_of_run(tmp_path / "run")
    for decision in log.decisions[::20]:
        story = explain(log, decision.decision_id)
        assert story.style == decision.style
        assert story.style is not None


def test_immediate_styles_take_on_pace() -> None:
    taking = [decision for decision in day().decisions if choice_of(decision).style == "take"]
    sent = [child for decision in taking for child in day().children.get(decision.decision_id, [])]
    assert taking
    assert sent
    assert all(child.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL for child in sent)
