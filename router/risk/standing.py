"""Checks 10 to 18: what the order adds to what is open, held and sent already.

Rule of this file: a check reads its view and changes nothing. What makes an exposure smaller is never denied for the
exposure's size, so that whoever is over a limit can come back under it.
"""

from __future__ import annotations

from router.domain.enums import OrdType, Side
from router.risk.exposure import ORDERS_MAX, value_micros
from router.risk.limits import ShortSale
from router.risk.reasons import DenyReason
from router.risk.request import Denial
from router.risk.view import View

R = DenyReason
Denials = tuple[Denial, ...]


def open_orders(view: View) -> Denials:
    """Check 10: how many orders are open, and what they are worth together."""
    request, limits, exposure = view.request, view.limits, view.state.exposure
    book, account = exposure.book(request.account, request.symbol), exposure.account(request.account)
    denials: Denials = ()
    if view.held is None:
        counts = (
            (R.OPEN_ORDERS_SYMBOL, book.open_orders, limits.open_orders_symbol_max),
            (R.OPEN_ORDERS_ACCOUNT, account.open_orders, limits.open_orders_account_max),
            (R.OPEN_ORDERS_ALL, len(exposure.orders), ORDERS_MAX),
        )
        for reason, count, most in counts:
            if count >= most:
                denials += view.deny(reason, "account", f"up to {most} open orders", count + 1)
    if view.added_value > 0:
        values = (
            (R.LEAVES_NOTIONAL_SYMBOL, book.leaves_value, limits.leaves_notional_symbol_max),
            (R.LEAVES_NOTIONAL_ACCOUNT, account.leaves_value, limits.leaves_notional_account_max),
        )
        for reason, sides, most in values:
            value = value_micros(sides[0] + sides[1] + view.added_value)
            if value > most:
                denials += view.deny(reason, "qty", f"open orders of up to {most} micros", value)
    return denials


def position(view: View) -> Denials:
    """Check 11: the position once every open order of this side has filled, and none of the other."""
    if view.added_qty <= 0:
        return ()
    request, most = view.request, view.limits.position_max
    book = view.state.exposure.book(request.account, request.symbol)
    if request.side is Side.BUY:
        worst = book.position + book.leaves[0] + view.added_qty
    else:
        worst = book.leaves[1] + view.added_qty - book.position
    if worst > most:
        return view.deny(R.POSITION_MAX, "qty", f"a position up to {most} after all leaves", worst)
    return ()


def credit(view: View) -> Denials:
    """Check 12: gross and net value of the account, each with its worse side filled."""
    if view.added_value <= 0:
        return ()
    request, limits, exposure = view.request, view.limits, view.state.exposure
    book, account = exposure.book(request.account, request.symbol), exposure.account(request.account)
    buys, sells = (view.added_value, 0) if request.side is Side.BUY else (0, view.added_value)
    before = book.gross_with()
    gross = account.gross - before + book.gross_with(buys, sells)
    net, net_before = account.net_with(buys, sells), account.net_with()
    denials: Denials = ()
    if value_micros(gross) > limits.gross_max and gross > account.gross:
        denials = view.deny(R.GROSS_MAX, "qty", f"a gross value up to {limits.gross_max} micros", value_micros(gross))
    if value_micros(net) > limits.net_max and net > net_before:
        denials += view.deny(R.NET_MAX, "qty", f"a net value up to {limits.net_max} micros", value_micros(net))
    return denials


def message_rate(view: View) -> Denials:
    """Check 13: the session's messages, and whether any venue of the order may be sent one."""
    request, limits, state = view.request, view.state.limits, view.state
    if not state.sessions.has(request.session_id, request.now, limits.messages_per_s, limits.messages_burst):
        expected = f"up to {limits.messages_per_s} messages a second"
        return view.deny(R.MESSAGE_RATE_SESSION, "session_id", expected, request.session_id)
    per_s, burst = limits.venue_messages_per_s, limits.venue_messages_burst
    if view.venues and not any(state.venues.has(mic, request.now, per_s, burst) for mic in view.venues):
        return view.deny(R.MESSAGE_RATE_VENUE, "venues_allow", f"up to {per_s} messages a second", view.venues)
    return ()


def repeated_executions(view: View) -> Denials:
    """Check 14: a strategy that was not stopped for this account."""
    account, strategy = view.request.account, view.request.strategy
    if (account, strategy) in view.state.executions.stopped:
        return view.deny(R.REPEATED_EXECUTIONS, "strategy", "a strategy that a person has let go on", strategy)
    return ()


def reject_breakers(view: View) -> Denials:
    """Check 15: some venue of the order that does not reject everything."""
    now, rest_ns = view.request.now, view.state.limits.rejects_probe_ns
    if view.venues and not any(view.state.breakers.allows(mic, now, rest_ns) for mic in view.venues):
        return view.deny(R.REJECT_BREAKER, "venues_allow", "a venue that takes orders", view.venues)
    return ()


def short_sale(view: View) -> Denials:
    """Check 16: short sales are marked, located, allowed, and above the best bid while they are restricted. A replace
    needs a locate for what it adds.

    Source: Regulation SHO, 17 CFR 242.200(g), 242.201 and 242.203(b)(1).
    """
    request, rule = view.request, view.limits.short_sale
    if rule is ShortSale.FREE or request.side is Side.BUY:
        return ()
    if request.side is Side.SELL:
        book = view.state.exposure.book(request.account, request.symbol)
        held = book.position - book.leaves[1]
        if view.added_qty > 0 and view.added_qty > held:
            return view.deny(R.NOT_MARKED_SHORT, "side", f"SELL_SHORT beyond {max(held, 0)} shares", "SELL")
        return ()
    if rule is ShortSale.FORBIDDEN:
        return view.deny(R.SHORT_SALE_FORBIDDEN, "side", "no short sale", str(request.side))
    if not request.is_located and view.added_qty > 0:
        return view.deny(R.NO_LOCATE, "is_located", "a locate", request.is_located)
    bid_px = view.context.bid_px
    is_restricted = request.symbol in view.limits.short_restricted
    if is_restricted and not (request.price is not None and 0 < bid_px < request.price):
        return view.deny(R.SHORT_SALE_RESTRICTED, "price", f"a limit above the best bid {bid_px}", request.price)
    return ()


def self_match(view: View) -> Denials:
    """Check 17: no open order of the account on the other side at a price that this one could trade with."""
    request = view.request
    other = Side.SELL if request.side is Side.BUY else Side.BUY
    theirs = view.state.exposure.most_aggressive(request.account, request.symbol, other)
    if theirs is None:
        return ()
    is_market = request.ord_type is OrdType.MARKET or request.price is None
    if is_market or (request.price is not None and (request.price - theirs) * request.side.sign >= 0):
        return view.deny(R.SELF_MATCH, "side", f"no price through our own {other} at {theirs}", request.price)
    return ()


def replace(view: View) -> Denials:
    """Check 18: the same order but for quantity and price, open, and not below what has been filled."""
    request, held = view.request, view.held
    if held is None:
        return ()
    same = (held.account, held.symbol, held.side, held.strategy)
    asked = (request.account, request.symbol, request.side, request.strategy)
    if same != asked:
        return view.deny(R.NOT_THE_SAME_ORDER, "symbol", " ".join(map(str, same)), " ".join(map(str, asked)))
    least = max(held.cum_qty, 1)
    if request.qty < least:
        return view.deny(R.BELOW_CUM, "qty", f"a quantity from {least}", request.qty)
    return ()
