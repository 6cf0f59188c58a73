"""What an order says of its children, in whole runs: dark pools, their size, the price at which all of it goes at once,
and the terms that its client changes on the way.

Rule of this file: runs are those of the small market, and what is checked is what the host journaled.
"""

from __future__ import annotations

from functools import cache

import pytest
from small_market import scenario, small
from test_learning_limits import Day, day

from router.allocation.exclude import ExclusionReason
from router.domain.enums import ExecInst, OrdStatus, Tactic
from router.domain.errors import ScenarioError
from router.domain.events import ChildIntended
from router.domain.units import SECOND
from scenarios.runner import run

DARK, START = "XDKA", 1_514_903_400 * SECOND


def intents(lived: Day) -> list[ChildIntended]:
    return [event for events in lived.children.values() for event in events]


def reasons(lived: Day, mic: str) -> set[str]:
    return {x.reason for decision in lived.decisions for x in decision.exclusions if x.lane.startswith(mic)}


@pytest.mark.parametrize("order", ['dark = "ONLY"', 'strategy = "dark_only"'])
def test_an_order_for_dark_pools_only_trades_nowhere_else(order: str) -> None:
    lived = day(order=order)
    assert {event.child.mic for event in intents(lived)} == {DARK}
    assert reasons(lived, "XLTA") == {ExclusionReason.NOT_DARK}
    assert lived.recovered == lived.parent


def test_an_order_for_no_dark_pool_trades_in_none() -> None:
    lived = day(order='dark = "NONE"')
    assert DARK not in {event.child.mic for event in intents(lived)}
    assert reasons(lived, DARK) == {ExclusionReason.DARK}
    assert lived.parent.status is OrdStatus.FILLED


@pytest.mark.parametrize("learning", ["", "epsilon = 0.5", "venue_share_max = 0.5"])
@pytest.mark.parametrize("order", ["max_child_qty = 70", 'max_child_qty = 70\noverbook_max = 2.0\nstrategy = "twap"'])
def test_no_child_is_larger_than_its_order_allows(learning: str, order: str) -> None:
    lived = day(learning, order)
    sizes = [event.child.order_qty for event in intents(lived)]
    assert max(sizes) == 70
    assert lived.parent.cum_qty > 1_000
    assert max(qty for decision in lived.decisions for qty in decision.max_qty) <= 70


def test_a_sweep_takes_at_once_by_intermarket_sweep_orders() -> None:
    lived = day(order='strategy = "sweep"')
    taken = [event.child for event in intents(lived) if event.child.tactic is Tactic.TAKE]
    assert taken
    assert all(ExecInst.INTERMARKET_SWEEP in child.exec_inst for child in taken)
    assert {event.child.tactic for event in intents(lived)} <= {Tactic.TAKE, Tactic.QUOTE}
    assert lived.parent.status is OrdStatus.FILLED
    assert lived.parent.done_at - START < 60 * SECOND
    slower = day(order='strategy = "arrival"\nurgency = 1.0')
    assert lived.parent.done_at < slower.parent.done_at


def test_other_strategies_send_no_intermarket_sweep_orders() -> None:
    assert not any(ExecInst.INTERMARKET_SWEEP in event.child.exec_inst for event in intents(day()))


def test_an_order_is_done_at_once_where_its_client_would_have_it_done() -> None:
    patient = day()
    willing = day(order='would_price = "45.00"')
    assert willing.parent.status is OrdStatus.FILLED
    assert willing.parent.done_at - START < 60 * SECOND < patient.parent.done_at - START
    assert willing.recovered == willing.parent


def test_nothing_is_hurried_at_a_price_at_which_the_client_would_not() -> None:
    never = day(order='would_price = "1.00"')
    assert [d.slice_qty for d in never.decisions] == [d.slice_qty for d in day().decisions]
    assert never.parent.done_at == day().parent.done_at


def test_what_is_hurried_pays_no_more_than_the_client_would() -> None:
    would = 400_100
    lived = day(order='would_price = "40.01"\nlimit_price = "41.00"')
    hurried = {d.decision_id for d in lived.decisions if d.slice_qty > 500}
    priced = [e.child for e in intents(lived) if e.child.decision_id in hurried]
    assert priced
    assert all(child.price is not None and child.price <= would for child in priced)


REPLACED = """replace = [
  { at_s = 50, order_qty = 2_000, urgency = 0.9 },
  { at_s = 100, order_qty = 2_500, end_s = 330, limit_price = "41.00" },
]"""


def test_a_replaced_order_is_worked_by_its_new_terms() -> None:
    lived = day(order=REPLACED)
    order = lived.parent.parent
    assert (order.order_qty, order.urgency, order.end_at, order.price) == (2_500, 0.9, START + 330 * SECOND, 410_000)
    assert (lived.parent.status, lived.parent.cum_qty) == (OrdStatus.FILLED, 2_500)
    assert lived.recovered == lived.parent


def test_a_run_counts_what_was_wanted_in_the_end() -> None:
    summary = run(scenario(("end_s = 300", f"end_s = 300\n{REPLACED}")), seed=1)
    assert (summary.order_qty, summary.filled_qty, summary.unfilled_qty) == (2_500, 2_500, 0)


def test_an_order_that_is_replaced_to_what_it_has_is_filled() -> None:
    lived = day(order="replace = [{ at_s = 100, order_qty = 1 }, { at_s = 100.5, order_qty = 3_000 }]")
    assert lived.parent.parent.order_qty == 3_000
    assert lived.parent.status is OrdStatus.FILLED


@cache
def _refusal(order: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        small(1, ("end_s = 300", f"end_s = 300\n{order}"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ('dark = "SOME"', "expected one of ALLOWED, ONLY, NONE, got 'SOME' - at `$.orders[0].dark`"),
        ('strategy = "dark_only"\ndark = "NONE"', "expected one of ALLOWED, ONLY with dark_only, got 'NONE'"),
        ("max_child_qty = -1", "max_child_qty"),
        ("max_child_qty = 5\nmin_qty = 10", "expected 0, or a quantity from min_qty"),
        ('would_price = "dear"', "expected a decimal price, got 'dear' - at `$.orders[0].would_price`"),
        ('would_price = "41.00"\nlimit_price = "40.00"', "expected a price no worse than the limit"),
        ("replace = [{ at_s = 0 }]", "expected a time after start_s, got 0"),
        ('replace = [{ at_s = 1, limit_price = "x" }]', "$.orders[0].replace[0].limit_price"),
        ("replace = [{ at_s = 1, colour = 3 }]", "expected one of the keys at_s, order_qty"),
    ],
)
def test_a_term_that_cannot_be_is_refused_with_its_place(order: str, says: str) -> None:
    assert says in _refusal(order)
