"""Deterministic simulation: one number draws a market, its orders and its faults; every book is examined afterwards.

Rule of this file: a failing seed fails again by its number alone, `run_seed(n)`, or by its scenario's text kept in a
file. What is examined: no invariant broken at any event, the journal replays to the live state, an independent auditor
finds nothing, every order ends once the faults heal, and our executions are exactly what the venues say they did.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from router.domain.codec import decode_event
from router.domain.enums import OrdStatus
from router.domain.errors import AnabranchError, InvariantError
from router.domain.events import ChildIntended, ChildTraded, Event, ParentAccepted
from router.domain.instruments import FeeSchedule
from router.domain.messages import Delivered
from router.domain.units import Nanos, seconds
from router.orders import child as child_life_cycle
from router.orders import parent as parent_life_cycle
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import ParentState, check_invariants
from router.risk.facts import Accepted
from router.risk.invariants import audit
from scenarios.assembly import Assembly, assemble, make_host_setup, make_impact, make_network, make_plan
from scenarios.conductor import Conductor
from scenarios.day import HOST
from scenarios.fault_markets import HEAL_S, LATE, draws_of, fault_scenario
from scenarios.fault_rows import FAULT_KINDS, Row, unused
from scenarios.faults import CrashingLink
from scenarios.network import Network
from scenarios.recorder import Recorder
from scenarios.runner import local_link
from scenarios.scenario import Scenario
from scenarios.shells import VenueShell
from scenarios.venue_faults import Wrongness, WrongVenue
from venues.models.fees import charge

CHUNK = 10
"""Seeds that a process takes at once."""

Progress = Callable[[float, str], None]


class Verdict(NamedTuple):
    """What one seed came to. `broken` are sentences, each with its invariant; none, and everything held."""

    seed: int
    faults: dict[str, int]
    """How often each kind of fault happened."""
    child_rows: dict[Row, int]
    parent_rows: dict[Row, int]
    broken: tuple[str, ...]


class SweepReport(NamedTuple):
    """What many seeds came to. Rows are (state, event)."""

    seeds: int
    faults: dict[str, int]
    child_rows: dict[Row, int]
    parent_rows: dict[Row, int]
    never_child: tuple[Row, ...]
    never_parent: tuple[Row, ...]
    never_fault: tuple[str, ...]
    """Kinds of faults that did not happen."""
    violations: dict[int, tuple[str, ...]]


class CountedNetwork(Network):
    """A network that counts the faults that it makes."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.kinds: Counter[str] = Counter()
        self._newest: dict[str, Nanos] = {}

    def _command_faults(self, mic: str, n: int, now: Nanos) -> tuple[bool, bool]:
        lost, repeated = super()._command_faults(mic, n, now)
        self.kinds["command lost"] += lost
        self.kinds["command repeated"] += repeated and not lost
        return lost, repeated

    def _report_faults(self, mic: str, n: int, sent: Nanos) -> list[Nanos]:
        delays = super()._report_faults(mic, n, sent)
        self.kinds["report lost"] += not delays
        self.kinds["report repeated"] += len(delays) > 1
        self.kinds["report late"] += any(delays)
        return delays

    def deliver(self, until: Nanos) -> list[Delivered]:
        """Count reports that others have overtaken."""
        due = super().deliver(until)
        for delivered in due:
            mic, sent = delivered.report.mic, delivered.report.transact_time
            self.kinds["report overtaken"] += sent < self._newest.get(mic, 0)
            self._newest[mic] = max(sent, self._newest.get(mic, 0))
        return due


class AttendedConductor(Conductor):
    """A conductor with a person who looks at suspended orders, and after a while lets them go on."""

    patience_ns: Nanos = 0
    """How long the person looks; 0: there is none."""

    def __init__(self, *arguments: Any, link: CrashingLink) -> None:
        super().__init__(*arguments)
        self.resumed = 0
        self._crashing = link
        self._seen: dict[str, Nanos] = {}

    def play(self, until: Nanos) -> None:
        """Look at what is suspended, and go through the window."""
        for parent_id, state in self._crashing.host.parents.items() if self.patience_ns else ():
            if state.status is not OrdStatus.SUSPENDED:
                self._seen.pop(parent_id, None)
            elif until - self._seen.setdefault(parent_id, until) >= self.patience_ns:
                del self._seen[parent_id]
                self._resumes.append((parent_id, parent_id))
                self.resumed += 1
        super().play(until)


def run_seed(seed: int) -> Verdict:
    """Run one seed to its end and examine what is left."""
    return run_faults(fault_scenario(seed), seed)


def run_faults(scenario: Scenario, seed: int) -> Verdict:
    """Run a scenario of the sweep, from a seed's number or kept in a file, and examine what is left."""
    assembly = assemble(scenario, seed, None)
    link = local_link(assembly, scenario.file.learning.policy)
    if not isinstance(link, CrashingLink):
        raise InvariantError("expected a scenario with host_crash for the fault sweep, got one without")
    wrong = _misreporting(link, assembly, seed)
    network = make_network(assembly, CountedNetwork)
    plan = make_plan(assembly, {parent.parent_id: HOST for parent in assembly.parents})
    recorder = Recorder(assembly.specs, lambda at: "")
    broken: list[str] = []
    conductor = AttendedConductor(plan, link, network, make_impact(assembly), recorder, link=link)
    conductor.patience_ns = seconds(int(draws_of(seed).g[3] * 20)) if seed % 2 else 0
    try:
        conductor.run()
    except (AnabranchError, KeyError, ValueError, AssertionError) as exc:
        broken.append(f"{type(exc).__name__}: {exc}")
    rows, parent_rows = Counter[Row](), Counter[Row]()
    if not broken:
        broken += _examine(link, assembly, wrong, rows, parent_rows)
    assert isinstance(network, CountedNetwork)
    kinds = network.kinds + sum((venue.kinds for venue in wrong.values()), Counter[str]())
    kinds.update({f"crash at {step}": n for step, n in link.steps_crashed.items()})
    kinds["order resumed by a person"] = conductor.resumed
    kinds.update({broke.__struct_config__.tag: 1 for broke in scenario.file.breaks})  # type: ignore[misc]
    return Verdict(seed, {**kinds}, dict(rows), dict(parent_rows), tuple(broken))


def _misreporting(link: CrashingLink, assembly: Assembly, seed: int) -> dict[str, WrongVenue]:
    """Let venues be wrong about executions, once everything they say arrives."""
    f, g = draws_of(seed).f, draws_of(seed).g
    healed = assembly.setup.open_at + seconds(HEAL_S)
    wrong: dict[str, WrongVenue] = {}
    for spec in assembly.specs:
        shell = link.shells[spec.mic]
        assert isinstance(shell, VenueShell)
        often = 0.3 if g[0] < LATE else 0.15
        wrongness = Wrongness(often * f[0], often * f[1], 0.06 * f[2], again=g[1], refused=0.3 * g[2])
        link.shells[spec.mic] = wrong[spec.mic] = WrongVenue(shell, seed, healed, wrongness)
    return wrong


def _examine(
    link: CrashingLink,
    assembly: Assembly,
    wrong: Mapping[str, WrongVenue],
    rows: Counter[Row],
    parent_rows: Counter[Row],
) -> Iterator[str]:
    events = [(record.offset, decode_event(record.payload)) for record in link.journal.read()]
    states = link.host.parents
    yield from _replay(link.journal, states, assembly)
    yield from _follow(events, rows, parent_rows)
    accepts = [Accepted(parent.parent_id, "") for parent in assembly.parents]
    for found in audit(events, accepts):
        yield f"{found.invariant} at offset {found.offset}: {found.text}"
    for parent in assembly.parents:
        state = states.get(parent.parent_id)
        if state is not None and state.is_open and state.status is not OrdStatus.SUSPENDED:
            yield f"{parent.parent_id}: expected it to end, got {state.status}"
    yield from _against_venues(events, states, assembly, wrong)


def _replay(journal: MemoryJournal, states: Mapping[str, ParentState], assembly: Assembly) -> Iterator[str]:
    """I13: the journal gives the live state, and the state keeps the invariants."""
    again = OrderHost(journal, make_host_setup(assembly))
    again.recover()
    if again.parents != states:
        yield "I13: expected the journal to give the live state, got another"
    for state in states.values():
        try:
            check_invariants(state)
        except InvariantError as exc:
            yield str(exc)


def _follow(events: Iterable[tuple[int, Event]], rows: Counter[Row], parent_rows: Counter[Row]) -> Iterator[str]:
    """Count which rows of the tables were used, and that each execution counts once."""
    states: dict[str, ParentState] = {}
    counted: set[tuple[str, str]] = set()
    for _, event in events:
        if isinstance(event, ParentAccepted):
            states[event.parent_id] = parent_life_cycle.accepted(event)
            continue
        state = states[event.parent_id]
        child = state.children.get(getattr(event, "cl_ord_id", ""))
        if child is not None and (child.status, type(event)) in child_life_cycle.TABLE:
            rows[str(child.status), type(event).__name__] += 1
        if (state.status, type(event)) in parent_life_cycle.TABLE:
            parent_rows[str(state.status), type(event).__name__] += 1
        if isinstance(event, ChildTraded):
            key = (event.cl_ord_id, event.exec_id)
            if key in counted:
                yield f"I4: expected {key} to count once"
            counted.add(key)
        parent_life_cycle.apply(state, event)


def _against_venues(
    events: Iterable[tuple[int, Event]],
    states: Mapping[str, ParentState],
    assembly: Assembly,
    wrong: Mapping[str, WrongVenue],
) -> Iterator[str]:
    """Hold what we believe of every child against its venue: the witness of lost or doubled orders."""
    charged = _charged(events, {spec.mic: spec.fees for spec in assembly.specs})
    for state in states.values():
        for child in state.children.values():
            name, venue = child.child.cl_ord_id, wrong[child.child.mic]
            there, is_amended = venue.executed[name] + venue.more.get(name, 0), name in venue.more
            if child.cum_qty != there:
                yield f"{name}: ours {child.cum_qty}, the venue's {there}"
            if child.status is OrdStatus.REJECTED and venue.executed[name]:
                yield f"{name}: rejected here, executed there"
            if child.inferred or is_amended:
                continue  # its price is an estimate and its fee unknown, until the venue's reports come
            if child.notional != venue.paid[name]:
                yield f"{name}: our notional {child.notional}, the venue's {venue.paid[name]}"
            if child.fee_micros != charged[name]:
                yield f"{name}: our fee {child.fee_micros}, by the venue's schedule {charged[name]}"


def _charged(events: Iterable[tuple[int, Event]], fees_of: Mapping[str, FeeSchedule]) -> Counter[str]:
    """Return what each child's executions cost by its venue's schedule. Venues keep no sum of their fees."""
    charged: Counter[str] = Counter()
    mics: dict[str, str] = {}
    for _, event in events:
        if isinstance(event, ChildIntended):
            mics[event.cl_ord_id] = event.child.mic
        elif isinstance(event, ChildTraded) and event.last_liquidity_ind is not None:
            charged[event.cl_ord_id] += charge(fees_of[mics[event.cl_ord_id]], event.last_qty, event.last_liquidity_ind)
    return charged


def sweep(seeds: Iterable[int], progress: Progress | None = None, processes: int | None = None) -> SweepReport:
    """Run seeds in so many processes (default: one for each core) and add up what they came to."""
    wanted = list(seeds)
    faults, rows, parent_rows = Counter[str](), Counter[Row](), Counter[Row]()
    violations: dict[int, tuple[str, ...]] = {}
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for done, verdict in enumerate(pool.map(run_seed, wanted, chunksize=CHUNK), 1):
            faults.update(verdict.faults)
            rows.update(verdict.child_rows)
            parent_rows.update(verdict.parent_rows)
            if verdict.broken:
                violations[verdict.seed] = verdict.broken
            if progress is not None and done % CHUNK == 0:
                progress(done / len(wanted), f"{done} seeds, {len(violations)} with violations")
    return SweepReport(
        seeds=len(wanted),
        faults=dict(sorted(faults.items())),
        child_rows=dict(sorted(rows.items())),
        parent_rows=dict(sorted(parent_rows.items())),
        never_child=unused(child_life_cycle.TABLE, rows),
        never_parent=unused(parent_life_cycle.TABLE, parent_rows),
        never_fault=tuple(kind for kind in FAULT_KINDS if not faults[kind]),
        violations=violations,
    )
