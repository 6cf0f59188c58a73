"""A day in the life of a host: the batches that a real run over a bad link gives it, recorded once.

Rule of this file: batches and replies are as they were; tests feed them to hosts of their own.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from router.domain.messages import HostBatch, HostReply, Message
from router.orders.desk import HostSetup
from router.orders.host import OrderHost
from router.orders.journal import Draft, Record
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import assemble, make_host_setup, make_impact, make_network, make_plan, make_venue
from scenarios.conductor import Conductor
from scenarios.link import LocalLink
from scenarios.policies import make_policy
from scenarios.recorder import Recorder
from scenarios.scenario import parse_scenario
from scenarios.shells import HostShell, LearnerShell, Shell, VenueShell

TEXT = """
title = "A bad link"
description = "Two parents, a lit and a conditional dark venue, reports and commands lost, repeated and late."
symbol = "HOST"
seed = 3
[market]
kind = "synthetic"
start_px = "20.00"
adv = 6_000_000
duration_s = 90
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.7
parameters = { kind = "lit" }
[[venues]]
mic = "XDKA"
volume_share = 0.3
[venues.parameters]
kind = "dark"
zero_bin = 0.0
bin_ns = 1_000_000_000
conditional = true
firm_up_ns = 6_000_000_000
segments = [{ name = "a" }, { name = "b", conditional = true }]
[[orders]]
id = "A"
order_qty = 6_000
end_s = 60
[[orders]]
id = "B"
side = "SELL"
order_qty = 700
start_s = 5
end_s = 50
cancel_s = 40
strategy = "twap"
[learning]
policy = "volume_proportional"
standard_qty = 100
[timing]
window_max_s = 5.0
life_s = 6.0
answer_timeout_s = 1.0
grace_s = 30
[[breaks]]
kind = "unreliable"
to_s = 70
lose_report = 0.15
lose_command = 0.1
repeat_report = 0.2
repeat_command = 0.2
delay_report = 0.3
delay_max_s = 4.0
[[breaks]]
kind = "outage"
venue = "XDKA"
from_s = 15
to_s = 25
"""


class Day(NamedTuple):
    """What a host was asked and what it answered."""

    setup: HostSetup
    batches: tuple[HostBatch, ...]
    replies: tuple[HostReply, ...]
    sizes: tuple[int, ...]
    """How many records its journal held after each batch."""
    records: tuple[Record, ...]


class _Listening(LocalLink):
    def __init__(self, shells: dict[str, Shell], journal: MemoryJournal) -> None:
        super().__init__(shells)
        self.journal = journal
        self.heard: list[tuple[HostBatch, HostReply, int]] = []

    def send(self, to: str, batch: Message) -> None:
        super().send(to, batch)
        reply = self._replies[to]
        if isinstance(batch, HostBatch) and isinstance(reply, HostReply):
            self.heard.append((batch, reply, sum(1 for _ in self.journal.read())))


REPLACES = """
replace = [
  { at_s = 6, order_qty = 7_000, urgency = 0.9 },
  { at_s = 12, order_qty = 1_500 },
  { at_s = 26, order_qty = 5_000, limit_price = "20.00" },
  { at_s = 40, order_qty = 1 },
  { at_s = 45, limit_price = "19.90", end_s = 62 },
]
"""


def day() -> Day:
    """Return the day of the scenario above."""
    return _lived(TEXT)


def changing_day() -> Day:
    """Return the same day with a client who changes his mind about the first order."""
    return _lived(TEXT.replace("end_s = 60\n", f"end_s = 60\n{REPLACES}", 1))


@cache
def _lived(text: str) -> Day:
    """Run a scenario once and return what its host heard and said."""
    assembly = assemble(parse_scenario(text, "bad_link"), 3, None)
    setup, journal = make_host_setup(assembly), MemoryJournal()
    shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
    shells["learner"] = LearnerShell("learner", make_policy(assembly, "volume_proportional"), assembly.specs, 100)
    shells["host-0"] = HostShell(OrderHost(journal, setup))
    link = _Listening(shells, journal)
    plan = make_plan(assembly, {parent.parent_id: "host-0" for parent in assembly.parents})
    recorder = Recorder(assembly.specs, lambda at: "")
    Conductor(plan, link, make_network(assembly), make_impact(assembly), recorder).run()
    batches, replies, sizes = zip(*link.heard, strict=True)
    return Day(setup, batches, replies, sizes, tuple(journal.read()))


def journal_of(records: tuple[Record, ...]) -> MemoryJournal:
    """Return a journal that holds `records`, durably."""
    journal = MemoryJournal()
    for r in records:
        journal.append(r.stream, r.seq, [Draft(r.kind, r.at, r.causation_id, r.payload, r.version)])
    journal.sync()
    return journal
