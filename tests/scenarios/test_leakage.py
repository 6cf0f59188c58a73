"""What asking a dealer leaks: told once for each request, the same after a crash, and learned where there is some.

Rule of this file: markets are small and made up; what leaks there is the dealer's hedging in thin books.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from small_market import ListeningLink, small

from router.domain.enums import OutcomeKind, Side, Tactic
from router.domain.events import ChildTraded
from router.domain.instruments import VenueSpec
from router.domain.messages import HostBatch
from router.domain.scores import Outcome
from router.domain.units import SECOND
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import make_host_setup, make_impact, make_network, make_plan
from scenarios.conductor import Conductor
from scenarios.decision_log import DecisionLog, log_of_run
from scenarios.history import MidHistory
from scenarios.marks import LEARNER_HORIZONS, Marks
from scenarios.recorder import Recorder
from scenarios.runner import run
from scenarios.scenario import parse_scenario

LANE = "XSDA:QUOTE"
LEAKY = """
title = "A dealer who leaks"
description = "One dealer beside one thin book, in which he hedges all that he gave us, or nothing."
symbol = "LEAK"
seed = 1
[market]
kind = "synthetic"
start_px = "40.00"
adv = 2_000_000
daily_volatility = 0.003
duration_s = 600
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.5
taker_micros = 3_000
[venues.parameters]
kind = "lit"
makers = 1
levels = 4
half_spread_ticks = 2
touch_qty = 200
refresh_ns = 30_000_000_000
informed = 0.0
bursts = 0.0
feedback_m = 0.0
limits_per_trade = 0.2
collar_ticks = 50
[[venues]]
mic = "XSDA"
volume_share = 0.5
[venues.parameters]
kind = "dealer"
hedge_share = SHARE
base_reject = REJECT
hedge_ns = 8_000_000_000
tiers = [{ max_qty = 4_000, half_spread_bps = 0.1 }]
[[orders]]
id = "LEAK-1"
order_qty = 30_000
end_s = 580
strategy = "twap"
[learning]
standard_qty = 800
"""


def _log(folder: Path, hedged: float, seed: int, leakage: float = 1.0, rejected: float = 0.03) -> DecisionLog:
    text = LEAKY.replace("SHARE", str(hedged)).replace("REJECT", str(rejected))
    text += f"parameters = {{ leakage = {leakage} }}\n"
    run(parse_scenario(text, "leaky"), seed=seed, out=folder)
    return log_of_run(folder)


def _leaks(log: DecisionLog) -> list[Outcome]:
    return [o for o in log.outcomes if o.kind is OutcomeKind.MARKOUT and not o.exec_id]


def _believed(log: DecisionLog, lane: str = LANE) -> float:
    return float(np.mean([s.leakage_bps for d in log.decisions for s in d.scores if s.lane == lane]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_dealer_who_hedges_in_thin_books_is_found_out(seed: int, tmp_path: Path) -> None:
    quiet, leaky = _log(tmp_path / "quiet", 0.0, seed), _log(tmp_path / "leaky", 1.0, seed)
    assert _believed(leaky) > 2.0 * _believed(quiet)
    assert _believed(leaky) > 0.5
    assert _believed(leaky, "XLTA:TAKE") == 0.0
    away = [-o.markout_bps for o in _leaks(leaky) if o.horizon_ns == 10 * SECOND]
    # What is believed is of the size of what was seen: a share of the rest pays it for each share asked for.
    assert _believed(leaky) < max(away)


def test_each_request_is_told_of_once_at_each_horizon_filled_or_not(tmp_path: Path) -> None:
    log = _log(tmp_path / "run", 0.0, 1, rejected=0.4)
    ended = {o.cl_ord_id: o for o in log.outcomes if o.is_final and o.lane == LANE}
    told = Counter((o.cl_ord_id, o.horizon_ns) for o in _leaks(log))
    assert set(told.values()) == {1}
    assert {name for name, _ in told} == set(ended)
    assert {horizon for _, horizon in told} == set(LEARNER_HORIZONS)
    assert any(o.cum_qty == 0 for o in ended.values())
    assert all(o.at == ended[o.cl_ord_id].at + o.horizon_ns for o in _leaks(log))
    assert all(0 <= o.leaves_qty <= 30_000 for o in _leaks(log))
    assert all(o.lane == LANE for o in _leaks(log))


def test_without_the_parameter_requests_are_not_told_of_and_nothing_is_believed(tmp_path: Path) -> None:
    log = _log(tmp_path / "run", 1.0, 1, leakage=0.0)
    assert log.outcomes
    assert not _leaks(log)
    assert _believed(log) == 0.0


def test_a_host_that_comes_back_says_the_same_of_requests_and_says_it_once() -> None:
    assembly = small(1, ("standard_qty = 100", "standard_qty = 100\nparameters = { leakage = 1.0 }"))
    link = ListeningLink(assembly, "uniform")
    plan = make_plan(assembly, {parent.parent_id: "host-0" for parent in assembly.parents})
    recorder = Recorder(assembly.specs, lambda at: "")
    Conductor(plan, link, make_network(assembly), make_impact(assembly), recorder).run()
    setup, journal = make_host_setup(assembly), MemoryJournal()
    host, crashes = OrderHost(journal, setup), 0
    for batch in [batch for batch in link.heard if isinstance(batch, HostBatch)]:
        reply = host.handle(batch)
        if any(not mid.exec_id for mid in batch.mids):
            crashes += 1
            host = OrderHost(journal, setup)
            host.recover()
            records = sum(1 for _ in journal.read())
            assert host.handle(batch).outcomes == reply.outcomes
            assert sum(1 for _ in journal.read()) == records
            assert sum(not o.exec_id for o in reply.outcomes if o.kind is OutcomeKind.MARKOUT) >= 1
    assert crashes >= 3


def _ended(at: int, lane: str, is_final: bool = True) -> Outcome:
    return Outcome(
        kind=OutcomeKind.REJECT,
        at=at,
        parent_id="P",
        decision_id="P.d1",
        cl_ord_id="P.1",
        lane=lane,
        side=Side.BUY,
        order_qty=100,
        is_final=is_final,
    )


def _specs() -> tuple[VenueSpec, ...]:
    return small().specs


def test_marks_are_owed_for_fills_and_for_requests_that_ended() -> None:
    history, marks = MidHistory(), Marks(_specs())
    history.extend(np.array([[0, 100, 1, 102, 1]], dtype=np.int64), 200 * SECOND)
    quote = next(str(lane) for spec in _specs() for lane in [f"{spec.mic}:QUOTE"] if Tactic.QUOTE in spec.tactics)
    marks.told([_ended(SECOND, quote), _ended(SECOND, quote, is_final=False), _ended(SECOND, "XLTA:TAKE")])
    fill = ChildTraded(
        parent_id="P", cl_ord_id="P.1", at=2 * SECOND, exec_id="E1", last_qty=1, last_px=100, transacted_at=2 * SECOND
    )
    marks.traded(fill)
    marks.traded(msgspec.structs.replace(fill, exec_id="inferred:1", is_inferred=True))
    due = marks.due(11 * SECOND, history)
    assert [(m.at // SECOND, m.exec_id, m.horizon_ns // SECOND) for m in due] == [
        (2, "", 1),
        (3, "E1", 1),
        (11, "", 10),
    ]
    later = marks.due(100 * SECOND, history)
    assert [(m.at // SECOND, m.exec_id) for m in later] == [(12, "E1"), (61, ""), (62, "E1")]
    assert marks.due(200 * SECOND, history) == []
    silent = Marks(_specs(), is_leakage_told=False)
    silent.told([_ended(SECOND, quote)])
    assert silent.due(200 * SECOND, history) == []
