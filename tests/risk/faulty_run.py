"""A small market in which reports and commands are lost, repeated and late, a venue drops out and the host crashes."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from router.domain.codec import decode_event
from router.domain.enums import SessionState
from router.domain.events import Event, ParentReplaced
from router.domain.messages import HostBatch, HostReply, Message
from router.domain.orders import Command, ParentOrder
from router.orders.venue_gate import VenueGate, facts_of
from scenarios.assembly import assemble, make_impact, make_network, make_plan
from scenarios.conductor import Conductor
from scenarios.day import HOST
from scenarios.faults import CrashingLink
from scenarios.link import Link
from scenarios.recorder import Recorder
from scenarios.runner import local_link
from scenarios.scenario import parse_scenario

FAULTY = """
title = "faults"
description = "reports and commands are lost, repeated and late, a venue drops out, the host crashes"
symbol = "SIMU"
[market]
kind = "synthetic"
start_px = "20.00"
adv = 8_000_000
duration_s = 300
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.6
parameters = { kind = "lit", refresh_ns = 20_000_000_000, touch_qty = 100 }
[[venues]]
mic = "XDKA"
volume_share = 0.4
parameters = { kind = "dark", zero_bin = 0.4 }
[[orders]]
id = "A"
side = "BUY"
order_qty = 1_500
end_s = 200
replace = [{ at_s = 60, order_qty = 1_200 }, { at_s = 100, order_qty = 1_800, limit_price = "20.05" }]
strategy_parameters = { interval_s = 5 }
[[orders]]
id = "B"
side = "SELL"
order_qty = 700
start_s = 10
end_s = 90
strategy = "twap"
limit_price = "19.98"
[learning]
policy = "volume_proportional"
[timing]
window_max_s = 5.0
answer_timeout_s = 1.0
grace_s = 200
[[breaks]]
kind = "unreliable"
to_s = 150
lose_report = 0.2
lose_command = 0.1
repeat_report = 0.3
delay_report = 0.3
delay_max_s = 8.0
[[breaks]]
kind = "host_crash"
to_s = 150
probability = 0.02
lose_reply = 0.5
[[breaks]]
kind = "outage"
venue = "XLTA"
from_s = 40
to_s = 60
"""


class GatedLink:
    """A run's link with the second gate beside it: the gate hears and admits what passes, and changes nothing."""

    def __init__(self, link: Link, parents: tuple[ParentOrder, ...], mics: tuple[str, ...]) -> None:
        self._link = link
        self.gate = VenueGate(mics)
        self.refused: list[str] = []
        self.commands: list[tuple[int, Command]] = []
        self._now = 0
        for parent in parents:
            assert self.gate.open_parent(facts_of(parent, "A1")) is None

    def send(self, to: str, batch: Message) -> None:
        if isinstance(batch, HostBatch):
            self._now = batch.now
            for delivered in batch.reports:
                self.gate.hear(delivered.report)
            for quote in batch.market.quotes if batch.market is not None and batch.is_deciding else ():
                change = self.gate.close_venue if quote.session is SessionState.DOWN else self.gate.open_venue
                change(quote.mic, "SESSION_DOWN")
        self._link.send(to, batch)

    def receive(self) -> dict[str, Message]:
        replies = self._link.receive()
        for reply in replies.values():
            if not isinstance(reply, HostReply):
                continue
            for event in reply.events:
                if isinstance(event, ParentReplaced):
                    assert self.gate.open_parent(facts_of(event.parent, "A1")) is None
            for command in reply.commands:
                self.commands.append((self._now, command))
                refused = self.gate.admit(command, self._now)
                self.refused += [refused] if refused is not None else []
        return replies

    def close(self) -> None:
        self._link.close()


class FaultyRun(NamedTuple):
    """What is left of a run."""

    events: tuple[tuple[int, Event], ...]
    """The host's journal."""
    gated: GatedLink
    parents: tuple[ParentOrder, ...]
    crashes: int


@cache
def faulty_run(seed: int) -> FaultyRun:
    """Run the faulty scenario to its end."""
    assembly = assemble(parse_scenario(FAULTY, "faults"), seed, None)
    link = local_link(assembly, assembly.scenario.file.learning.policy)
    assert isinstance(link, CrashingLink)
    gated = GatedLink(link, tuple(assembly.parents), tuple(spec.mic for spec in assembly.specs))
    plan = make_plan(assembly, {parent.parent_id: HOST for parent in assembly.parents})
    recorder = Recorder(assembly.specs, lambda at: "")
    Conductor(plan, gated, make_network(assembly), make_impact(assembly), recorder).run()
    events = tuple((record.offset, decode_event(record.payload)) for record in link.journal.read())
    return FaultyRun(events, gated, tuple(assembly.parents), link.crashes)
