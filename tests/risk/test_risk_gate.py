"""The gate says yes to a sound order, and each way to be unsound has its code, its check and its place in the order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from risk_material import BUY, MICS, NOW, SELL, SHORT, ask, market, new_gate

from router.domain.enums import OrdStatus, OrdType, Tactic, VenueType
from router.domain.events import ChildTraded, ParentDone, ParentReplaced
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.orders import ParentOrder
from router.domain.units import SECOND, px
from router.risk.gate import CHECKS, RiskGate
from router.risk.kill import KillLevel, TradingState, VenueState
from router.risk.limits import changed
from router.risk.reasons import CHECK_NAMES, REASONS, DenyReason
from router.risk.request import CancelParent, Denial, GateContext, NewParent, tradables

R = DenyReason
Case = Callable[[], tuple[Denial, ...]]
MONEY = 1_000_000


def new(request: NewParent, context: GateContext | None = None, **limits: object) -> Case:
    return lambda: new_gate(**limits).check_new(request, context or market())


def killed(level: KillLevel, target: str, **changes: object) -> Case:
    def case() -> tuple[Denial, ...]:
        gate = new_gate()
        targets = MICS if level is KillLevel.VENUE else (target,)
        for name in targets:
            gate.board.kill(level, name, "olga", "test", NOW)
        return gate.check_new(ask(**changes), market())

    return case


def paused(venue: VenueState | None = None, account: TradingState | None = None) -> Case:
    def case() -> tuple[Denial, ...]:
        gate = new_gate()
        for mic in MICS if venue else ():
            gate.board.set_venue(mic, venue or VenueState.ENABLED, "olga", "test", NOW)
        if account:
            gate.board.set_account("A1", account, "olga", "test", NOW)
        return gate.check_new(ask(), market())

    return case


def after(first: NewParent, second: NewParent, **limits: object) -> Case:
    def case() -> tuple[Denial, ...]:
        gate = new_gate(**limits)
        assert gate.admit_new(first, market()) == ()
        return gate.check_new(second, market())

    return case


def stopped() -> tuple[Denial, ...]:
    gate = new_gate(repeated_executions_max=1)
    gate.state.executions.executed("A1", "vwap", NOW, 1, SECOND)
    gate.state.executions.executed("A1", "vwap", NOW, 1, SECOND)
    return gate.check_new(ask(), market())


def rejecting() -> tuple[Denial, ...]:
    gate = new_gate(rejects_max=1)
    for mic in MICS:
        gate.venue_rejected(mic, NOW)
    return gate.check_new(ask(), market())


def busy_venues() -> tuple[Denial, ...]:
    gate = new_gate(venue_messages_per_s=1, venue_messages_burst=1)
    for mic in MICS:
        gate.venue_sent(mic, NOW)
    return gate.check_new(ask(), market())


def held(second: NewParent, cum_qty: int = 0) -> Case:
    def case() -> tuple[Denial, ...]:
        gate = new_gate()
        assert gate.admit_new(ask(1), market()) == ()
        if cum_qty:
            gate.exposure.filled("A1:C1", "XAAA", "E1", cum_qty, px("40"))
        return gate.check_replace("A1:C1", second, market())

    return case


def market_order(n: int = 1, **changes: object) -> NewParent:
    return ask(n, ord_type=OrdType.MARKET, price=None, **changes)


CASES: dict[DenyReason, Case] = {
    R.UNKNOWN_PRINCIPAL: new(ask(principal="eve")),
    R.ROLE_MAY_NOT: new(ask(role="read_only")),
    R.ACCOUNT_NOT_PERMITTED: new(ask(account="A9")),
    R.KILLED_ALL: killed(KillLevel.ALL, ""),
    R.KILLED_ACCOUNT: killed(KillLevel.ACCOUNT, "A1"),
    R.KILLED_STRATEGY: killed(KillLevel.STRATEGY, "vwap"),
    R.KILLED_SYMBOL: killed(KillLevel.SYMBOL, "ABC"),
    R.KILLED_VENUE: killed(KillLevel.VENUE, ""),
    R.ACCOUNT_HALTED: paused(account=TradingState.HALTED),
    R.ACCOUNT_REDUCING: paused(account=TradingState.REDUCING),
    R.VENUE_DISABLED: paused(venue=VenueState.DISABLED),
    R.VENUE_DRAINING: paused(venue=VenueState.DRAINING),
    R.BAD_ID: new(ask(client_order_id="no spaces")),
    R.BAD_TIME: new(ask(end_at=NOW)),
    R.BAD_QUANTITY: new(ask(qty=0)),
    R.BAD_PRICE: new(ask(price=None)),
    R.OFF_TICK: new(ask(price=px("40.0001"))),
    R.OFF_LOT: new(ask(symbol="LOT", qty=150)),
    R.UNKNOWN_INSTRUMENT: new(ask(symbol="ZZZ")),
    R.NO_VENUE: new(ask(venues_deny=MICS)),
    R.HALTED: new(ask(), market(is_halted=True)),
    R.SESSION_CLOSED: new(ask(), market(is_open=False)),
    R.OUTSIDE_BAND: new(ask(), price_band_bps=2),
    R.RESTRICTED_SYMBOL: new(ask(), restricted=["ABC"]),
    R.STRATEGY_NOT_PERMITTED: new(ask(strategy="arrival")),
    R.DUPLICATE_ID: after(ask(1), ask(1, qty=5)),
    R.DUPLICATE_SHAPE: after(ask(1), ask(2), shape_repeats_max=1),
    R.QTY_MAX: new(ask(), qty_max=99),
    R.NOTIONAL_MAX: new(ask(), notional_max=4_002 * MONEY - 1),
    R.NO_REFERENCE: new(ask(), market(bid_px=0, ask_px=0, last_px=0)),
    R.STALE_REFERENCE: new(ask(), market(at=NOW - 5 * SECOND - 1)),
    R.OUTSIDE_COLLAR: new(ask(price=px("42.03"))),
    R.NO_ADV: new(ask(), market(adv=0)),
    R.ADV_SHARE: new(ask(), market(adv=399)),
    R.OPEN_ORDERS_SYMBOL: after(ask(1), ask(2, qty=5), open_orders_symbol_max=1),
    R.OPEN_ORDERS_ACCOUNT: after(ask(1), ask(2, symbol="LOT"), open_orders_account_max=1),
    R.LEAVES_NOTIONAL_SYMBOL: after(ask(1), ask(2, qty=5), leaves_notional_symbol_max=4_002 * MONEY),
    R.LEAVES_NOTIONAL_ACCOUNT: after(ask(1), ask(2, qty=5), leaves_notional_account_max=4_002 * MONEY),
    R.POSITION_MAX: after(ask(1), ask(2, qty=1), position_max=100),
    R.GROSS_MAX: after(ask(1), ask(2, qty=1), gross_max=4_002 * MONEY),
    R.NET_MAX: after(ask(1), ask(2, qty=1), net_max=4_002 * MONEY),
    R.MESSAGE_RATE_SESSION: after(ask(1), ask(2, qty=1), messages_per_s=1, messages_burst=1),
    R.MESSAGE_RATE_VENUE: busy_venues,
    R.REPEATED_EXECUTIONS: stopped,
    R.REJECT_BREAKER: rejecting,
    R.SHORT_SALE_FORBIDDEN: new(ask(side=SHORT, price=px("40"), is_located=True), short_sale="FORBIDDEN"),
    R.NOT_MARKED_SHORT: new(ask(side=SELL, price=px("40"))),
    R.NO_LOCATE: new(ask(side=SHORT, price=px("40"))),
    R.SHORT_SALE_RESTRICTED: new(ask(side=SHORT, price=px("40"), is_located=True), short_restricted=["ABC"]),
    R.SELF_MATCH: after(ask(1), ask(2, side=SHORT, is_located=True, price=px("40.02"))),
    R.UNKNOWN_ORDER: lambda: new_gate().check_replace("A1:C9", ask(2), market()),
    R.NOT_THE_SAME_ORDER: held(ask(2, strategy="twap")),
    R.BELOW_CUM: held(ask(2, qty=39), cum_qty=40),
}
"""For each code a request that is denied with it, and with nothing else."""

UNREACHED = {R.OPEN_ORDERS_ALL: "needs 200,000 open orders"}


def test_sound_order_passes_every_check() -> None:
    assert new_gate().check_new(ask(), market(), is_whole=True) == ()


@pytest.mark.parametrize("reason", list(CASES), ids=str)
def test_each_way_to_be_unsound_is_denied_by_its_code(reason: DenyReason) -> None:
    denials = CASES[reason]()
    assert [denial.reason for denial in denials] == [reason]
    assert denials[0].check == REASONS[reason].check
    assert denials[0].message.startswith("expected ")
    assert denials[0].message.endswith(f".{denials[0].field}")


def test_every_code_has_a_case_and_every_check_a_code() -> None:
    assert set(CASES) | set(UNREACHED) == set(DenyReason) == set(REASONS)
    assert {reason.check for reason in REASONS.values()} == set(CHECK_NAMES) == set(range(1, 19))
    assert [number for number, _ in CHECKS] == list(CHECK_NAMES)


def test_first_failing_check_answers_and_whole_answers_with_all_in_order() -> None:
    gate = new_gate(qty_max=10, notional_max=1)
    bad = ask(symbol="ABC", price=px("50"))
    assert [d.reason for d in gate.check_new(bad, market())] == [R.QTY_MAX, R.NOTIONAL_MAX]
    whole = gate.check_new(bad, market(adv=0, is_halted=True), is_whole=True)
    assert [d.check for d in whole] == sorted(d.check for d in whole)
    assert [d.reason for d in whole] == [R.HALTED, R.QTY_MAX, R.NOTIONAL_MAX, R.OUTSIDE_COLLAR, R.NO_ADV]


def test_checking_changes_nothing() -> None:
    gate = new_gate()
    gate.admit_new(ask(1), market())
    before = gate.digest()
    for n in (1, 2):
        gate.check_new(ask(n, qty=n), market(), is_whole=True)
        gate.check_replace("A1:C1", ask(3, qty=50), market())
    assert gate.digest() == before


def test_two_orders_cannot_both_take_the_last_unit() -> None:
    gate = new_gate(position_max=150)
    assert gate.admit_new(ask(1, qty=100), market()) == ()
    assert [d.reason for d in gate.admit_new(ask(2, qty=51), market())] == [R.POSITION_MAX]
    assert gate.admit_new(ask(3, qty=50), market()) == ()
    gate.exposure.ended("A1:C1")
    assert gate.admit_new(ask(4, qty=100), market()) == ()


def test_who_is_over_a_limit_may_come_back_under_it() -> None:
    gate = new_gate()
    assert gate.admit_new(ask(1), market()) == ()
    gate.exposure.filled("A1:C1", "XAAA", "E1", 100, px("40"))
    gate.exposure.ended("A1:C1")
    for key in ("gross_max", "net_max", "position_max"):
        gate.set_limits(changed(gate.state.limits, key, 1))
    sell = ask(2, side=SELL, price=px("40"))
    assert gate.check_new(sell, market(), is_whole=True) == ()
    assert {d.reason for d in gate.check_new(ask(3), market(), is_whole=True)} == {
        R.POSITION_MAX,
        R.GROSS_MAX,
        R.NET_MAX,
    }


def test_reducing_account_may_only_make_its_position_smaller() -> None:
    gate = new_gate()
    gate.admit_new(ask(1), market())
    gate.exposure.filled("A1:C1", "XAAA", "E1", 100, px("40"))
    gate.exposure.ended("A1:C1")
    gate.board.set_account("A1", TradingState.REDUCING, "olga", "late", NOW)
    assert gate.admit_new(ask(2, side=SELL, qty=60, price=px("40")), market()) == ()
    assert [d.reason for d in gate.check_new(ask(3, side=SELL, qty=41, price=px("40")), market())] == [
        R.ACCOUNT_REDUCING
    ]
    assert gate.check_new(ask(3, side=SELL, qty=40, price=px("40")), market()) == ()


def test_one_venue_left_is_enough() -> None:
    gate = new_gate(rejects_max=1)
    gate.board.kill(KillLevel.VENUE, "XAAA", "olga", "slow", NOW)
    assert gate.check_new(ask(), market()) == ()
    assert [d.reason for d in gate.check_new(ask(venues_allow=("XAAA",)), market())] == [R.KILLED_VENUE]


def test_market_order_is_held_to_the_last_trade_and_valued_with_the_collar() -> None:
    gate = new_gate()
    assert gate.admit_new(market_order(), market()) == ()
    assert gate.exposure.orders["A1:C1"].risk_px == px("42.021")
    wide = market(ask_px=px("45"))
    assert [d.reason for d in gate.check_new(market_order(2), wide)] == [R.OUTSIDE_COLLAR]
    crossed = market(bid_px=px("41"))
    assert [d.reason for d in gate.check_new(market_order(2), crossed)] == [R.NO_REFERENCE]


def test_reference_from_the_future_is_stale_too() -> None:
    late = market(at=NOW + 5 * SECOND + 1)
    assert [d.reason for d in new_gate().check_new(ask(), late)] == [R.STALE_REFERENCE]


def test_denied_messages_count_for_the_rate_and_cancels_have_their_own() -> None:
    gate = new_gate(messages_per_s=1, messages_burst=2, cancels_per_s=1, cancels_burst=1)
    for n in range(2):
        assert [d.reason for d in gate.admit_new(ask(n, qty=0), market())] == [R.BAD_QUANTITY]
    assert [d.reason for d in gate.admit_new(ask(3), market())] == [R.MESSAGE_RATE_SESSION]
    cancel = CancelParent(principal="ann", role="trader", account="A1", session_id="S1", now=NOW)
    assert gate.admit_cancel(cancel) == ()
    assert [d.reason for d in gate.admit_cancel(cancel)] == [R.MESSAGE_RATE_SESSION]


@pytest.mark.parametrize(
    ("principal", "role", "account", "reasons"),
    [
        ("ann", "trader", "A1", []),
        ("ann", "trader", "A9", [R.ACCOUNT_NOT_PERMITTED]),
        ("eve", "trader", "A1", [R.UNKNOWN_PRINCIPAL]),
        ("eve", "read_only", "A1", [R.ROLE_MAY_NOT]),
        ("olga", "operator", "A1", []),
        ("rick", "risk", "A9", []),
    ],
)
def test_cancels_are_asked_only_who_sends_them(
    principal: str, role: str, account: str, reasons: list[DenyReason]
) -> None:
    gate = new_gate()
    gate.board.kill(KillLevel.ALL, "", "olga", "test", NOW)
    cancel = CancelParent(principal=principal, role=role, account=account, session_id="S2", now=NOW)
    assert [d.reason for d in gate.check_cancel(cancel)] == reasons


def test_replace_is_checked_by_its_difference() -> None:
    gate = new_gate(position_max=150, open_orders_symbol_max=1, qty_max=1_000)
    assert gate.admit_new(ask(1, qty=100), market()) == ()
    assert [d.reason for d in gate.check_replace("A1:C1", ask(2, qty=151), market())] == [R.POSITION_MAX]
    assert gate.admit_replace("A1:C1", ask(2, qty=150), market()) == ()
    assert gate.exposure.book("A1", "ABC").leaves == [150, 0]
    assert [d.reason for d in gate.check_replace("A1:C1", ask(2, qty=120), market())] == [R.DUPLICATE_ID]


def test_replace_to_less_holds_what_was_until_it_is_done() -> None:
    gate = new_gate(position_max=100)
    gate.admit_new(ask(1, qty=100), market())
    assert gate.admit_replace("A1:C1", ask(2, qty=40), market()) == ()
    assert [d.reason for d in gate.check_new(ask(3, qty=1), market())] == [R.POSITION_MAX]
    gate.exposure.replaced("A1:C1", 40, px("40.02"), px("40.02"))
    assert gate.check_new(ask(3, qty=60), market()) == ()


def test_replace_is_valued_at_the_worse_price_until_it_is_done() -> None:
    gate = new_gate()
    gate.admit_new(ask(1), market())
    assert gate.admit_replace("A1:C1", ask(2, price=px("40")), market()) == ()
    assert gate.exposure.account("A1").leaves_value == [100 * px("40.02"), 0]
    assert gate.exposure.most_aggressive("A1", "ABC", BUY) == px("40.02")


def test_replace_that_adds_nothing_passes_whatever_the_position() -> None:
    gate = new_gate()
    gate.admit_new(ask(1), market())
    for key in ("position_max", "gross_max", "net_max", "leaves_notional_symbol_max"):
        gate.set_limits(changed(gate.state.limits, key, 1))
    assert gate.check_replace("A1:C1", ask(2, qty=50, price=px("40")), market(), is_whole=True) == ()


def test_day_that_trades_more_than_usual_carries_more() -> None:
    assert new_gate().check_new(ask(), market(adv=1, day_volume=400)) == ()


def test_self_match_looks_at_prices_of_what_is_open() -> None:
    gate = new_gate(short_sale="FREE")
    gate.admit_new(ask(1, price=px("39.90")), market())
    gate.admit_new(ask(2, price=px("39.95"), qty=90), market())
    assert gate.check_new(ask(3, side=SELL, price=px("39.96")), market()) == ()
    at_best = ask(3, side=SELL, price=px("39.95"))
    assert [d.reason for d in gate.check_new(at_best, market())] == [R.SELF_MATCH]
    gate.exposure.ended("A1:C2")
    assert gate.check_new(at_best, market()) == ()
    other_account = ask(3, side=SELL, account="A2", price=px("39.90"))
    assert gate.check_new(other_account, market()) == ()


def test_fills_by_events_move_the_books_and_stop_a_strategy() -> None:
    gate = new_gate(repeated_executions_max=2)
    gate.admit_new(ask(1, parent_id="P1"), market())
    stops = [gate.follow(_fill(n)) for n in (1, 2, 2, 3)]
    assert stops == [False, False, False, True]
    gate.follow(ParentDone(parent_id="P1", at=NOW, ord_status=OrdStatus.CANCELED))
    assert gate.exposure.book("A1", "ABC").position == 30
    assert gate.exposure.book("A1", "ABC").leaves == [0, 0]
    assert [d.reason for d in gate.check_new(ask(2), market())] == [R.REPEATED_EXECUTIONS]
    gate.state.executions.enable("A1", "vwap", "olga", NOW)
    assert gate.check_new(ask(2), market()) == ()


def test_new_terms_by_event_are_what_the_books_carry() -> None:
    gate = new_gate()
    gate.admit_new(ask(1, parent_id="P1"), market())
    gate.admit_replace("P1", ask(2, qty=60, price=px("40"), parent_id="P1"), market())
    assert gate.exposure.account("A1").leaves_value == [100 * px("40.02"), 0]
    terms = ParentOrder(
        parent_id="P1",
        client_order_id="C2",
        symbol="ABC",
        side=BUY,
        order_qty=60,
        start_at=NOW,
        end_at=NOW + SECOND,
        ord_type=OrdType.LIMIT,
        price=px("40"),
    )
    gate.follow(ParentReplaced(parent_id="P1", at=NOW, request_id="P1.r0", parent=terms))
    assert gate.exposure.account("A1").leaves_value == [60 * px("40"), 0]


def test_parent_id_that_was_used_is_a_duplicate_whatever_the_clients_id() -> None:
    gate = new_gate()
    gate.admit_new(ask(1, parent_id="P1"), market())
    assert [d.reason for d in gate.check_new(ask(2, parent_id="P1"), market())] == [R.DUPLICATE_ID]
    assert [d.reason for d in gate.check_new(ask(3), market(is_id_known=True))] == [R.DUPLICATE_ID]


def test_gate_comes_back_from_its_snapshot_and_answers_as_before() -> None:
    gate = new_gate(shape_repeats_max=2)
    gate.admit_new(ask(1, parent_id="P1"), market())
    gate.admit_new(ask(2), market())
    gate.follow(_fill(1))
    gate.venue_rejected("XAAA", NOW)
    gate.board.kill(KillLevel.SYMBOL, "LOT", "olga", "test", NOW)
    again = RiskGate.restore(gate.snapshot(), gate.state.limits, gate.state.instruments)
    assert again.digest() == gate.digest()
    for request in (ask(1), ask(3), ask(4, qty=5), ask(5, symbol="LOT")):
        assert again.check_new(request, market(), is_whole=True) == gate.check_new(request, market(), is_whole=True)


def test_tradables_have_the_finest_steps_of_their_listings() -> None:
    def spec(mic: str, tick: int, lot: int) -> VenueSpec:
        return VenueSpec(
            mic=mic,
            venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
            listing=Listing(symbol="ABC", mic=mic, tick=tick, lot=lot),
            fees=FeeSchedule(),
            tactics=(Tactic.TAKE,),
        )

    known = tradables([spec("XAAA", 100, 10), spec("XBBB", 50, 100)])["ABC"]
    assert (known.tick, known.lot, known.venues) == (50, 10, ("XAAA", "XBBB"))


def _fill(n: int) -> ChildTraded:
    return ChildTraded(parent_id="P1", at=NOW + n, cl_ord_id="P1.0", exec_id=f"E{n}", last_qty=10, last_px=px("40.02"))


def test_buys_and_sells_are_sides_of_the_same_account() -> None:
    gate = new_gate(short_sale="FREE", net_max=4_002 * MONEY, gross_max=8_004 * MONEY)
    assert gate.admit_new(ask(1), market()) == ()
    assert gate.admit_new(ask(2, side=SELL, price=px("40.03"), qty=90), market()) == ()
    assert [d.reason for d in gate.check_new(ask(3, side=BUY, qty=1), market())] == [R.NET_MAX]
