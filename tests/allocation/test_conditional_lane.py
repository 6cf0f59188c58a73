"""The CONDITIONAL lane end to end: from a pool's parameters to lanes, children, invitations, fills and outcomes.

Rule of this file: a run is the smoke scenario with its dark pools changed, in one process.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import msgspec
import pytest

from router.allocation.allocate import Exploration, LaneOffer, allocate
from router.allocation.pricing import child_for
from router.domain.enums import AllocationMode, OrdType, PegPriceType, Side, Tactic, TimeInForce, VenueType
from router.domain.errors import ScenarioError
from router.domain.events import ChildIntended, ChildInvited, ChildReplaced, ChildReplaceRequested, ChildTraded, Event
from router.domain.instruments import FeeSchedule, Lane, Listing, VenueSpec
from router.domain.market import MarketSnapshot
from router.domain.messages import HostBatch, HostReply, Message
from router.domain.orders import ParentOrder
from router.domain.scores import LaneScore
from router.domain.units import SECOND
from scenarios.assembly import assemble, make_impact, make_network, make_plan
from scenarios.conductor import LISTEN_NS, Conductor
from scenarios.link import LocalLink
from scenarios.recorder import Recorder
from scenarios.runner import HOST, local_link
from scenarios.scenario import parse_scenario

TEXT = """
title = "A conditional pool"
description = "One exchange and one pool in which natural interest meets conditional orders alone."
symbol = "COND"
[market]
kind = "synthetic"
start_px = "20.00"
adv = 4_000_000
duration_s = 900
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.7
taker_micros = 3_000
parameters = { kind = "lit" }
[[venues]]
mic = "XDKA"
volume_share = 0.3
[venues.parameters]
kind = "dark"
zero_bin = 0.5
conditional = true
segments = [
    { name = "fast", informed = 0.9, largest_qty = 300 },
    { name = "natural", beta = 0.8, largest_qty = 9_000, patience_ns = 60_000_000_000, conditional = true },
]
[[orders]]
id = "A"
order_qty = 30_000
end_s = 800
min_qty = 200
segments_deny = ["fast"]
[learning]
policy = "volume_proportional"
standard_qty = 500
"""

SPEC = VenueSpec(
    mic="XDKA",
    venue_type=VenueType.DARK_ORDER_BOOK,
    listing=Listing(symbol="ABC", mic="XDKA"),
    fees=FeeSchedule(),
    tactics=(Tactic.MID_PEG, Tactic.CONDITIONAL),
    segments=("fast", "natural"),
)
PARENT = ParentOrder(
    parent_id="P1",
    client_order_id="c1",
    symbol="ABC",
    side=Side.BUY,
    order_qty=5_000,
    start_at=0,
    end_at=900 * SECOND,
    min_qty=300,
    segments_deny=("fast", "elsewhere"),
)


class _Listening(LocalLink):
    """Keeps what the host said, and how long its windows were."""

    def __init__(self, inner: LocalLink) -> None:
        super().__init__(inner._shells)
        self.events: list[Event] = []
        self.outcomes: Counter[str] = Counter()
        self.answered_at_once = 0

    def send(self, to: str, batch: Message) -> None:
        super().send(to, batch)
        reply = self._replies[to]
        if isinstance(batch, HostBatch) and isinstance(reply, HostReply):
            self.events += reply.events
            self.outcomes.update(f"{outcome.lane} {outcome.kind}" for outcome in reply.outcomes)
            asked = {event.cl_ord_id for event in reply.events if isinstance(event, ChildReplaceRequested)}
            commands = {getattr(command, "orig_cl_ord_id", "") for command in reply.commands}
            self.answered_at_once += len(asked & commands)


@cache
def played() -> tuple[_Listening, int]:
    """Run the market once; return what was said and the number of windows."""
    assembly = assemble(parse_scenario(TEXT, "conditional"), 1, None)
    inner = local_link(assembly, "volume_proportional")
    assert isinstance(inner, LocalLink)
    link = _Listening(inner)
    plan = make_plan(assembly, {parent.parent_id: HOST for parent in assembly.parents})
    recorder = Recorder(assembly.specs, lambda at: "")
    conductor = Conductor(plan, link, make_network(assembly), make_impact(assembly), recorder)
    conductor.run()
    return link, conductor.windows


def of(kind: type) -> list[Any]:
    return [event for event in played()[0].events if isinstance(event, kind)]


def test_a_conditional_pool_has_both_lanes_and_names_its_segments() -> None:
    spec = assemble(parse_scenario(TEXT, "conditional"), 1, None).specs[1]
    assert spec.tactics == (Tactic.MID_PEG, Tactic.CONDITIONAL)
    assert spec.segments == ("fast", "natural")
    firm = assemble(parse_scenario(TEXT.replace("\nconditional = true", "\nconditional = false"), "firm"), 1, None)
    assert firm.specs[1].tactics == (Tactic.MID_PEG,)


def test_a_segment_that_no_pool_names_is_refused() -> None:
    scenario = parse_scenario(TEXT.replace('["fast"]', '["slow"]'), "typo", "typo.toml")
    with pytest.raises(ScenarioError, match=r"expected one of fast, natural, got 'slow' - at `\$.orders\[0\]"):
        assemble(scenario, 1, None)


def test_a_conditional_child_rests_at_the_mid_with_its_min_qty_and_without_the_denied() -> None:
    market = MarketSnapshot(at=5, quotes=(), tiers=(), bid_px=400_000, bid_qty=1, ask_px=400_200, ask_qty=1, volume=0)
    child = child_for(Lane("XDKA", Tactic.CONDITIONAL), PARENT, 1_000, market, SPEC, "P1.0", "P1.d0", 10)
    assert (child.ord_type, child.peg_price_type) == (OrdType.PEGGED, PegPriceType.MID_PRICE)
    assert (child.min_qty, child.time_in_force, child.segments_deny) == (300, TimeInForce.GOOD_TILL_DATE, ("fast",))
    elsewhere = msgspec.structs.replace(SPEC, segments=())
    child = child_for(Lane("XDKA", Tactic.CONDITIONAL), PARENT, 1_000, market, elsewhere, "P1.0", "P1.d0", 10)
    assert child.segments_deny == ()


def test_a_conditional_lane_gets_its_min_qty_or_nothing() -> None:
    score = LaneScore(lane="XDKA:CONDITIONAL", p=0.5, mu=500.0)
    offer = LaneOffer(score, 1.0, 0.0, 1, PARENT.min_qty, 10_000)
    for qty, expected in ((299, 0), (300, 300), (1_000, 1_000)):
        split = allocate(qty, [offer], AllocationMode.WATER_FILL, 2.0, Exploration(0.0, 0.0), (0.0, 0.9, 0.0))
        assert split.quantities == (expected,)


def test_the_host_answers_every_invitation_it_can_in_the_batch_that_brings_it() -> None:
    link, _ = played()
    asked = of(ChildReplaceRequested)
    assert len(asked) > 5
    assert link.answered_at_once == len(asked)
    invited = {(event.cl_ord_id, event.at) for event in of(ChildInvited) if event.invited_qty}
    # An invitation reaches us within a window and is answered at its end.
    assert all(any(c == e.cl_ord_id and 0 <= e.at - at <= LISTEN_NS for c, at in invited) for e in asked)
    assert len(of(ChildReplaced)) >= 0.9 * len(asked), "firmed up in time"


def test_firmed_up_children_fill_and_learners_hear_of_it() -> None:
    lanes = {event.cl_ord_id: event.child.lane for event in of(ChildIntended)}
    fills = [event for event in of(ChildTraded) if lanes[event.cl_ord_id] == "XDKA:CONDITIONAL"]
    assert sum(event.last_qty for event in fills) > 1_000
    assert max(event.last_qty for event in fills) > 300, "more than the denied segment ever brings"
    assert played()[0].outcomes["XDKA:CONDITIONAL FILL"] == len(fills)
    # The only firm interest of this pool is denied, so that a firm order meets nobody.
    assert [event for event in of(ChildTraded) if lanes[event.cl_ord_id] == "XDKA:MID_PEG"] == []
