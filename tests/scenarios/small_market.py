"""A small market as text, for tests that change one thing in it.

Rule of this file: `text` refuses a change that changes nothing, so that a test cannot pass for want of its fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.domain.messages import HostBatch, LearnerBatch, Message
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import check_invariants
from scenarios.assembly import Assembly, assemble, make_host_setup, make_venue
from scenarios.link import LocalLink
from scenarios.policies import make_policy
from scenarios.report.reading import RunData
from scenarios.scenario import Scenario, library, parse_scenario
from scenarios.shells import HostShell, LearnerShell, Shell, VenueShell

Played = Callable[..., RunData]
"""A run of a library scenario, by name, seed and, if not the scenario's own, policy."""

SMOKE = library()["smoke"].read_text(encoding="utf-8")


def text(*changes: tuple[str, str]) -> str:
    """Return the smoke scenario with each (old, new) replaced once."""
    out = SMOKE
    for old, new in changes:
        assert old in out, f"expected {old!r} in the scenario"
        out = out.replace(old, new, 1)
    return out


def with_part(part: str) -> str:
    """Return the smoke scenario with a further part in front of what must hold."""
    return text(("[holds]", f"{part}\n[holds]"))


def scenario(*changes: tuple[str, str]) -> Scenario:
    """Return the changed smoke scenario, checked."""
    return parse_scenario(text(*changes), "small", "small.toml")


def small(seed: int = 1, *changes: tuple[str, str]) -> Assembly:
    """Return the changed smoke scenario, made concrete."""
    return assemble(scenario(*changes), seed, None)


class ListeningLink(LocalLink):
    """The link of one process, which keeps every batch and checks I1..I8 on every host after each."""

    def __init__(self, assembly: Assembly, policy: str, hosts: Iterable[str] = ("host-0",)) -> None:
        shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
        standard = assembly.scenario.file.learning.standard_qty
        shells["learner"] = LearnerShell("learner", make_policy(assembly, policy), assembly.specs, standard)
        self.hosts = {name: OrderHost(MemoryJournal(), make_host_setup(assembly)) for name in hosts}
        shells |= {name: HostShell(host) for name, host in self.hosts.items()}
        self.heard: list[HostBatch | LearnerBatch] = []
        super().__init__(shells)

    def send(self, to: str, batch: Message) -> None:
        super().send(to, batch)
        if isinstance(batch, HostBatch | LearnerBatch):
            self.heard.append(batch)
        for host in self.hosts.values():
            for state in host.parents.values():
                check_invariants(state)
