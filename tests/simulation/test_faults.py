"""Deterministic simulation: one seed draws the faults, nothing is lost or doubled, and after healing every order ends.

Rule of this file: a failing seed fails again by its number alone: `run_seed(n)`.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import pytest

from router.domain.chance import uniforms
from router.domain.codec import decode_event
from router.domain.enums import OrdStatus
from router.domain.events import ChildIntended, ChildTraded
from router.domain.instruments import FeeSchedule
from router.orders import child as child_table
from router.orders import parent as parent_table
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import check_invariants
from scenarios.assembly import assemble, make_host_setup, make_impact, make_network, make_plan
from scenarios.conductor import Conductor
from scenarios.day import HOST
from scenarios.faults import CrashingLink
from scenarios.recorder import Recorder
from scenarios.runner import local_link
from scenarios.scenario import Scenario, parse_scenario
from venues.models.fees import charge

SEEDS = 300
HEAL_S = 150.0
Four = tuple[float, float, float, float]

NEVER_HIT = {
    ("NEW", "ChildReplaced"): "a status query must be answered before the replace that was sent a second earlier",
    ("PARTIALLY_FILLED", "ChildReplaced"): "as above",
    ("PENDING_CANCEL", "ChildInvited"): "an invitation must leave while our cancel is on its way",
    ("*", "ChildTradeCanceled"): "no simulated venue busts an execution",
    ("*", "ChildTradeCorrected"): "no simulated venue corrects an execution",
    ("REJECTED", "ChildTraded"): "no simulated venue executes what it refused",
    ("PENDING_NEW", "ChildOut"): "an immediate order's acknowledgement must be lost and its end come without a fill",
    (
        "PENDING_CANCEL",
        "ChildAcknowledged",
    ): "a cancel is asked only after an acknowledgement or a fill; a race of three",
    ("PENDING_CANCEL", "ChildRequestRefused"): "a refused cancel finds the order closed, but in a dealer's last look",
}
PARENT_NEVER_HIT = {
    **dict.fromkeys(
        [(state, "ParentSuspended") for state in ("NEW", "PARTIALLY_FILLED", "PENDING_CANCEL")]
        + [("SUSPENDED", event) for event in ("ChildTraded", "ParentCancelRequested", "ParentResumed", "ParentDone")],
        "no simulated venue over-fills",
    ),
    ("CANCELED", "ChildTraded"): "a parent ends only when every child is settled with its venue",
    ("EXPIRED", "ChildTraded"): "as above, but for the real report of an inferred fill",
    ("FILLED", "ChildTraded"): "as above",
}
"""Rows of the child's table that this sweep does not reach, and why. They are covered pair by pair in tests/orders."""


class Verdict(NamedTuple):
    """What one seed came to."""

    seed: int
    faults: dict[str, int]
    rows: dict[tuple[str, str], int]
    parent_rows: dict[tuple[str, str], int]
    open_orders: list[str]
    lost_fills: list[str]
    broken: str


class Draws(NamedTuple):
    """The uniform numbers of one seed, four to a row, from which all of its scenario is made."""

    a: Four
    b: Four
    c: Four
    d: Four


def scenario_of(seed: int) -> Scenario:
    """Draw a small market, its orders and its faults from one seed."""
    draws = Draws(*(uniforms(seed, "simulation", "faults", row) for row in range(4)))
    text = f'title = "faults {seed}"\ndescription = "drawn"\nsymbol = "SIMU"\n'
    market = MARKET if seed % 3 else MARKET.replace("zero_bin", "conditional = true, zero_bin")
    return parse_scenario(text + market + _orders(draws) + _settings(draws) + _breaks(draws), f"faults-{seed}")


MARKET = """
[market]
kind = "synthetic"
start_px = "20.00"
adv = 8_000_000
duration_s = 420
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.5
maker_micros = -2_000
taker_micros = 3_000
parameters = { kind = "lit", refresh_ns = 20_000_000_000, touch_qty = 100 }
latency = { order_response_ns = 40_000_000, jitter_ns = 20_000_000 }
[[venues]]
mic = "XDKA"
volume_share = 0.2
maker_micros = 1_000
taker_micros = 1_000
parameters = { kind = "dark", zero_bin = 0.4 }
[[venues]]
mic = "XSDA"
volume_share = 0.3
taker_micros = 500
parameters = { kind = "dealer", base_reject = 0.2 }
"""


def _orders(draws: Draws) -> str:
    a, b, c, d = draws
    return f"""
[[orders]]
id = "A"
side = "BUY"
order_qty = {100 + int(a[0] * 3000)}
max_child_qty = {int(d[3] * 1000) if d[3] > 0.5 else 0}
end_s = 200
{_replaces(draws) if d[0] < 0.6 else ""}
{f"cancel_s = {1 + int(c[3] ** 2 * 190)}" if a[3] < 0.35 else ""}
strategy_parameters = {{ interval_s = 5 }}
[[orders]]
id = "B"
side = "SELL"
order_qty = {1 + int(a[1] * 900)}
start_s = 10
end_s = {60 + int(a[2] * 100)}
strategy = "{("twap", "arrival", "pov", "vwap")[int(a[3] * 4)]}"
urgency = {b[0]:.2f}
limit_price = "{19.98 if b[1] < 0.5 else 18.0}"
replace = [{f'{{ at_s = {12 + int(d[1] * 60)}, limit_price = "20.01" }}' if d[2] < 0.3 else ""}]
"""


def _replaces(draws: Draws) -> str:
    """Return what the client of order A wants changed: another quantity, then a limit and a later end."""
    a, d = draws.a, draws.d
    qty, at = 1 + int(d[1] * (100 + a[0] * 3000) * 1.2), 1 + int(d[2] * 150)
    later = f'{{ at_s = {at + 20}, limit_price = "{19.9 + 0.2 * d[0]:.2f}", end_s = 210 }}'
    return f"replace = [{{ at_s = {at}, order_qty = {qty} }}, {later}]"


def _settings(draws: Draws) -> str:
    b = draws.b
    return f"""
[learning]
policy = "{("censored", "volume_proportional", "uniform")[int(b[2] * 3)]}"
standard_qty = 100
[timing]
window_max_s = 5.0
life_s = {(4.5, 60.0)[int(b[3] * 2)]}
answer_timeout_s = 1.0
grace_s = 200
"""


def _breaks(draws: Draws) -> str:
    a, b, c, _ = draws
    outage = f"""
[[breaks]]
kind = "outage"
venue = "{("XLTA", "XDKA", "XSDA")[int(c[0] * 3)]}"
from_s = {20 + int(c[1] * 80)}
to_s = {110 + int(c[2] * 30)}
"""
    return f"""
[[breaks]]
kind = "unreliable"
to_s = {HEAL_S}
lose_report = {0.3 * a[0]:.3f}
lose_command = {0.2 * a[1]:.3f}
repeat_report = {0.3 * a[2]:.3f}
repeat_command = {0.3 * a[3]:.3f}
delay_report = {0.4 * b[0]:.3f}
delay_max_s = 8.0
[[breaks]]
kind = "host_crash"
to_s = {HEAL_S}
probability = {0.03 * b[1]:.4f}
lose_reply = {b[2]:.2f}
{outage if c[3] < 0.6 else ""}
"""


def run_seed(seed: int) -> Verdict:
    """Run one seed to its end and examine what is left."""
    assembly = assemble(scenario_of(seed), seed, None)
    link = local_link(assembly, assembly.scenario.file.learning.policy)
    assert isinstance(link, CrashingLink)
    rows, parent_rows, undo = _count_rows()
    plan = make_plan(assembly, {parent.parent_id: HOST for parent in assembly.parents})
    conductor = Conductor(
        plan, link, make_network(assembly), make_impact(assembly), Recorder(assembly.specs, lambda at: "")
    )
    broken = ""
    try:
        conductor.run()
        _check_replay(link.journal, link.host, assembly)
    except Exception as exc:
        broken = f"{type(exc).__name__}: {exc}"
    finally:
        undo()
    states = link.host.parents
    open_orders = [name for name, state in states.items() if state.is_open]
    faults = {"crashes": link.crashes, **{f"crash at {k}": v for k, v in link.steps_crashed.items()}}
    lost = _against_venues(link, states, assembly.specs) if not broken else []
    missing = [p.parent_id for p in assembly.parents if p.parent_id not in states]
    return Verdict(seed, faults, dict(rows), dict(parent_rows), open_orders + missing, lost, broken)


def _count_rows():  # type: ignore[no-untyped-def]
    """Count which rows of the tables are used, by listening at the tables themselves."""
    rows: Counter[tuple[str, str]] = Counter()
    parent_rows: Counter[tuple[str, str]] = Counter()
    kept = child_table.TABLE, parent_table.TABLE
    child_table.TABLE = _Counting(kept[0], rows)
    parent_table.TABLE = _Counting(kept[1], parent_rows)

    def undo() -> None:
        child_table.TABLE, parent_table.TABLE = kept

    return rows, parent_rows, undo


class _Counting(dict):  # type: ignore[type-arg]
    def __init__(self, table: dict, counter: Counter) -> None:  # type: ignore[type-arg]
        super().__init__(table)
        self._counter = counter

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        value = super().__getitem__(key)
        self._counter[str(key[0]), key[1].__name__] += 1
        return value


def _check_replay(journal: MemoryJournal, host: OrderHost, assembly) -> None:  # type: ignore[no-untyped-def]
    """Replaying the journal gives the live state, and the state keeps the invariants."""
    again = OrderHost(journal, make_host_setup(assembly))
    again.recover()
    assert again.parents == host.parents, "replayed state differs from the live one"
    for state in host.parents.values():
        check_invariants(state)
    counted: set[tuple[str, str]] = set()
    for record in journal.read():
        event = decode_event(record.payload)
        if isinstance(event, ChildTraded):
            key = (event.cl_ord_id, event.exec_id)
            assert key not in counted, f"I4: {key} counted twice"
            counted.add(key)


def _against_venues(link: CrashingLink, states, specs) -> list[str]:  # type: ignore[no-untyped-def]
    """Compare what we believe of every child with what its venue holds: the witness of lost or doubled orders."""
    faults = []
    charged = _charged(link.journal, {spec.mic: spec.fees for spec in specs})
    for state in states.values():
        for child in state.children.values():
            name = child.child.cl_ord_id
            venue = link._shells[child.child.mic].venue
            desk = getattr(venue, "desk", None) or venue._desk  # tape venues name it otherwise
            held = desk.orders.get(name)
            there, paid = (held.cum_qty, held.paid) if held is not None else (0, 0)
            if child.cum_qty != there:
                faults.append(f"{name}: ours {child.cum_qty}, the venue's {there}")
            if child.status is OrdStatus.REJECTED and there:
                faults.append(f"{name}: rejected here, executed there")
            if child.inferred:
                continue  # its price is an estimate and its fee unknown, until the venue's reports come
            if child.notional != paid:
                faults.append(f"{name}: our notional {child.notional}, the venue's {paid}")
            if child.fee_micros != charged[name]:
                faults.append(f"{name}: our fee {child.fee_micros}, by the venue's schedule {charged[name]}")
    return faults


def _charged(journal: MemoryJournal, fees_of: dict[str, FeeSchedule]) -> Counter[str]:
    """Return what each child's executions cost by its venue's schedule. Venues keep no sum of their fees."""
    charged: Counter[str] = Counter()
    mics: dict[str, str] = {}
    for record in journal.read():
        event = decode_event(record.payload)
        if isinstance(event, ChildIntended):
            mics[event.cl_ord_id] = event.child.mic
        elif isinstance(event, ChildTraded) and not event.is_inferred:
            assert event.last_liquidity_ind is not None
            fees = fees_of[mics[event.cl_ord_id]]
            charged[event.cl_ord_id] += charge(fees, event.last_qty, event.last_liquidity_ind)
    return charged


def _run_all(seeds: range) -> list[Verdict]:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_seed, seeds, chunksize=10))


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> list[Verdict]:
    factor = 10 if request.config.getoption("--slow") else 1
    return _run_all(range(SEEDS * factor))


def test_no_seed_breaks_an_invariant_or_the_replay(verdicts: list[Verdict]) -> None:
    assert [(v.seed, v.broken) for v in verdicts if v.broken] == []


def test_after_healing_every_order_ends(verdicts: list[Verdict]) -> None:
    assert [(v.seed, v.open_orders) for v in verdicts if v.open_orders] == []


def test_our_fills_are_exactly_the_venues(verdicts: list[Verdict]) -> None:
    assert [(v.seed, v.lost_fills) for v in verdicts if v.lost_fills] == []


def test_every_step_of_the_host_loop_was_crashed_at(verdicts: list[Verdict]) -> None:
    steps = {name for v in verdicts for name in v.faults if name.startswith("crash at")}
    assert steps == {f"crash at {step}" for step in ("decided", "appended", "synced", "performing")}


def test_rows_that_the_sweep_never_hits_are_explained(
    verdicts: list[Verdict], capsys: pytest.CaptureFixture[str]
) -> None:
    hit = {row for v in verdicts for row in v.rows}
    never = sorted({(str(s), e.__name__) for s, e in child_table.TABLE} - hit)
    with capsys.disabled():
        print(f"\nfault sweep: {len(verdicts)} seeds, {sum(v.faults['crashes'] for v in verdicts)} crashes")
        for row in never:
            print(f"  never hit: {row[0]} x {row[1]}: {_why(row) or 'UNEXPLAINED'}")
        parents = {row for v in verdicts for row in v.parent_rows}
        never_parent = sorted({(str(s), e.__name__) for s, e in parent_table.TABLE} - parents)
        for row in never_parent:
            print(f"  never hit (parent): {row[0]} x {row[1]}: {PARENT_NEVER_HIT.get(row, 'UNEXPLAINED')}")
    assert [row for row in never_parent if row not in PARENT_NEVER_HIT] == []
    assert [row for row in never if not _why(row)] == []


def _why(row: tuple[str, str]) -> str:
    return NEVER_HIT.get(row) or NEVER_HIT.get(("*", row[1])) or ""
