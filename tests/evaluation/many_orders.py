"""A market of many small orders as text, and its runs: one decision an order, so that a log is a sample.

Rule of this file: what a policy does at one decision must not change the contexts of the next, as little as that can be
had in a market: no impact, one slice an order, children that outlive it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from learners.evaluation.rounds import Rounds
from router.orders.host import OrderHost
from router.orders.journal import Journal
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import Assembly, assemble, make_host_setup, make_venue
from scenarios.day import HOST, LEARNER, drive
from scenarios.decision_log import DecisionLog, log_of_journal
from scenarios.link import LocalLink
from scenarios.policies import make_policy
from scenarios.recorder import Recorder
from scenarios.scenario import Scenario, library, parse_scenario
from scenarios.shells import HostShell, LearnerShell, Shell, VenueShell

GAP_S, LIFE_S, QTY = 10, 30, 100

LEARNING = """
[learning]
standard_qty = 100
policy = "river:RandomPolicy"
parameters = { probe_share = 1.0 }

[timing]
window_max_s = 5.0
life_s = 25.0

[impact]
coefficient_bps = 0.0
"""


class Played(NamedTuple):
    """A run: what it was made of, what it recorded and its host's journal."""

    assembly: Assembly
    recorder: Recorder
    journal: Journal

    @property
    def log(self) -> DecisionLog:
        """The run's log, by its journal."""
        return log_of_journal(self.journal, self.assembly)


def many_orders(n: int) -> Scenario:
    """Return `n` orders of one slice each in the smoke market, lanes drawn evenly by the scenario's own policy."""
    smoke = library()["smoke"].read_text(encoding="utf-8")
    market = smoke[: smoke.index("[[orders]]")].replace("duration_s = 360", f"duration_s = {n * GAP_S + 400}")
    orders = [
        f'[[orders]]\nid = "O-{k}"\nside = "{"BUY" if k % 2 else "SELL"}"\norder_qty = {QTY}\n'
        f'start_s = {5 + GAP_S * k}\nend_s = {5 + GAP_S * k + LIFE_S}\nstrategy = "twap"\n'
        f"strategy_parameters = {{ interval_s = {LIFE_S}, completing_s = 0, ahead = 0 }}\n"
        for k in range(n)
    ]
    return parse_scenario(market + "\n".join(orders) + LEARNING, "many_orders", "many_orders.toml")


def play(scenario: Scenario, seed: int, policy: str, journal: Journal | None = None) -> Played:
    """Return a run in this process, its host over `journal`."""
    assembly = assemble(scenario, seed, None)
    shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
    standard = assembly.scenario.file.learning.standard_qty
    shells[LEARNER] = LearnerShell(LEARNER, make_policy(assembly, policy), assembly.specs, standard)
    kept = MemoryJournal() if journal is None else journal
    shells[HOST] = HostShell(OrderHost(kept, make_host_setup(assembly)))
    host_of = {parent.parent_id: HOST for parent in assembly.parents}
    return Played(assembly, drive(assembly, LocalLink(shells), host_of).recorder, kept)


def joined(parts: Sequence[Rounds]) -> Rounds:
    """Return the rounds of several runs as one, their clusters kept apart."""
    apart = [part._replace(cluster=part.cluster + k * 10**9) for k, part in enumerate(parts)]
    return Rounds(*(np.concatenate(columns) for columns in zip(*apart, strict=True)))
