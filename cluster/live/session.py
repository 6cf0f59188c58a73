"""A trading session's parts from the fact that opened it: the same in the process that runs it and in any that plays it
again.

Rule of this file: everything follows from the `SessionOpened` and the recorded data; nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cluster.actors.building import learning_limits
from cluster.live.kept_shells import hosted, recorded
from cluster.live.snapshots import Opening
from router.domain import codec
from router.domain.errors import ConfigError
from router.domain.facts import HostsSet, NodeStateSet, SessionOpened
from router.orders.journal import Record
from router.orders.memory_journal import MemoryJournal
from router.orders.venue_gate import VenueGateLimits
from scenarios.assembly import (
    Assembly,
    assemble,
    make_host_setup,
    make_impact,
    make_network,
    make_plan,
    make_reactions,
    make_venue,
)
from scenarios.day import LEARNER
from scenarios.hosts import HOST, host_names
from scenarios.link import Link, LocalLink
from scenarios.live_conductor import LiveConductor
from scenarios.policies import make_learner
from scenarios.scenario import HostCrash, Scenario, parse_scenario
from scenarios.shells import Shell, VenueShell


def scenario_of(opened: SessionOpened) -> Scenario:
    """Return the scenario whose market the session is.

    Raises:
        ScenarioError: it cannot be used.
    """
    return parse_scenario(opened.scenario_text, opened.scenario_name, opened.scenario_path)


def assembly_of(opened: SessionOpened, data: Path | None) -> Assembly:
    """Return the session's parts, without the orders that the scenario would have worked by itself.

    Raises:
        ScenarioError: values that do not go together.
        ConfigError: the scenario crashes hosts by itself, which is for simulation.
        TapeError: a tape is needed and not there.
    """
    scenario = scenario_of(opened)
    if any(isinstance(broken, HostCrash) for broken in scenario.file.breaks):
        raise ConfigError(f"expected a scenario without host_crash for a live session, got {opened.scenario_name}")
    return assemble(scenario, opened.seed, data, opened.open_at)._replace(limits=learning_limits(opened))


def conductor_of(opened: SessionOpened, assembly: Assembly, link: Link) -> LiveConductor:
    """Return what drives the session over any link."""
    plan = make_plan(assembly, {})
    window_ns = min(plan.window_max_ns, opened.window_ns)
    plan = plan._replace(parents=(), cancels=(), steering=(), window_max_ns=window_ns)
    conductor = LiveConductor(
        plan,
        link,
        make_network(assembly),
        make_impact(assembly),
        make_reactions(assembly),
        opened.hosts,
        make_host_setup(assembly),
        opened.tick_ns,
        VenueGateLimits(opened.children_per_s, opened.children_max, opened.venue_messages_per_s),
    )
    conductor.switches.learners = opened.learners
    return conductor


def link_of(opened: SessionOpened, assembly: Assembly, opening: Callable[[str], Opening]) -> LocalLink:
    """Return a link to every shell of the session in one process, each recovered from the journal of its name.

    Hosts beyond those of the opening come when they are first asked.
    """
    setup = make_host_setup(assembly)
    shells: dict[str, Shell] = {}
    for spec in assembly.specs:
        shells[spec.mic] = recorded(VenueShell(make_venue(assembly, spec.mic)), opening(spec.mic))
    shells[LEARNER] = recorded(make_learner(assembly, LEARNER, opened.policy), opening(LEARNER))
    for name in host_names(opened.hosts):
        shells[name] = hosted(setup, opening(name))
    return LocalLink(shells, lambda name: hosted(setup, opening(name)) if name.startswith(HOST) else None)


def fresh_link(opened: SessionOpened, assembly: Assembly) -> Link:
    """Return a link to new shells in this process, which remember nothing: to play a session again."""
    return link_of(opened, assembly, lambda name: Opening(lambda start: MemoryJournal()))


def hosts_in(opened: SessionOpened, facts: Iterable[Record]) -> int:
    """Return how many hosts a session has had at most, by the records of its desk: each may have an order yet."""
    scaled = (codec.decode(record.payload, HostsSet).hosts for record in facts if record.kind == HostsSet.__name__)
    return max((opened.hosts, *scaled))


def draining_in(facts: Iterable[Record]) -> tuple[str, ...]:
    """Return the nodes that are being drained, by the records of a desk."""
    states: dict[str, str] = {}
    for record in facts:
        if record.kind == NodeStateSet.__name__:
            said = codec.decode(record.payload, NodeStateSet)
            states[said.node] = said.state
    return tuple(node for node, state in states.items() if state == "DRAINING")


def px_unit_of(assembly: Assembly) -> str:
    """Return what a `Px` of the session counts, as decimal text."""
    return "0.0001" if assembly.day is None else assembly.day.px_unit
