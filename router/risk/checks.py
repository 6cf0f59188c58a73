"""Checks 1 to 9: who asks, whether anything may leave, and whether the order is a sound one by itself.

Rule of this file: a check reads its view and changes nothing; what it needs and cannot know is a denial.
"""

from __future__ import annotations

from router.domain.enums import OrdType, Side
from router.domain.errors import BadInputError
from router.domain.ids import check_id
from router.domain.units import PX_MAX, QTY_MAX, Px
from router.risk.exposure import value_micros
from router.risk.kill import TradingState
from router.risk.limits import ANY, Permission, RiskLimits
from router.risk.reasons import DenyReason
from router.risk.request import Denial
from router.risk.view import View

R = DenyReason
Denials = tuple[Denial, ...]

TRADING_ROLES = ("trader",)
"""Who may send and replace orders."""

CANCELING_ROLES = ("trader", "operator", "risk")
"""Who may cancel them."""

_SHARE_PARTS = 1_000_000


def permission_of(limits: RiskLimits, principal: str) -> Permission | None:
    """Return what a principal may do, or what everybody may; None: nothing."""
    found = limits.principals.get(principal)
    return limits.principals.get(ANY) if found is None and principal else found


def may(names: tuple[str, ...], name: str) -> bool:
    """Say whether a permission's names hold this one."""
    return name in names or ANY in names


def identity(view: View) -> Denials:
    """Check 1: a known principal, in a role that may trade, for one of his accounts."""
    request = view.request
    permission = permission_of(view.limits, request.principal)
    if permission is None:
        return view.deny(R.UNKNOWN_PRINCIPAL, "principal", "one who may trade", request.principal)
    if request.role not in TRADING_ROLES:
        return view.deny(R.ROLE_MAY_NOT, "role", f"one of {', '.join(TRADING_ROLES)}", request.role)
    if not request.account or not may(permission.accounts, request.account):
        return view.deny(R.ACCOUNT_NOT_PERMITTED, "account", "an account of the principal", request.account)
    return ()


def switches(view: View) -> Denials:
    """Check 2: nothing that it would pass through is killed or paused, and some venue is left."""
    request, board = view.request, view.state.board
    reason = board.blocks(request.account, request.strategy, request.symbol)
    if reason is not None:
        return view.deny(reason, "account", "what is not killed or halted", str(reason))
    if board.account_state(request.account) is TradingState.REDUCING and not _is_reducing(view):
        return view.deny(R.ACCOUNT_REDUCING, "qty", "an order that makes a position smaller", request.qty)
    blocked = None
    for mic in view.venues:
        blocked = board.blocks("", "", "", mic)
        if blocked is None:
            return ()
    return () if blocked is None else view.deny(blocked, "venues_allow", "a venue that takes orders", view.venues)


def _is_reducing(view: View) -> bool:
    if view.added_qty <= 0:
        return True
    book = view.state.exposure.book(view.request.account, view.request.symbol)
    if view.request.side is Side.BUY:
        return book.position + book.leaves[0] + view.added_qty <= 0
    return book.position - book.leaves[1] - view.added_qty >= 0


def schema(view: View) -> Denials:
    """Check 3: ids that can be ids, times in order, whole positive quantities and prices on lot and tick."""
    request = view.request
    try:
        check_id(request.client_order_id, "client_order_id")
    except BadInputError:
        return view.deny(R.BAD_ID, "client_order_id", "an id", request.client_order_id)
    if not 0 <= request.start_at < request.end_at or request.end_at <= request.now:
        return view.deny(R.BAD_TIME, "end_at", f"a time after {max(request.start_at, request.now)}", request.end_at)
    if type(request.qty) is not int or not 1 <= request.qty <= QTY_MAX:
        return view.deny(R.BAD_QUANTITY, "qty", f"a whole quantity from 1 to {QTY_MAX}", request.qty)
    price, is_limit = request.price, request.ord_type is OrdType.LIMIT
    if request.ord_type not in (OrdType.LIMIT, OrdType.MARKET):
        return view.deny(R.BAD_PRICE, "ord_type", "LIMIT or MARKET", str(request.ord_type))
    if is_limit != (price is not None) or (is_limit and not (type(price) is int and 1 <= price <= PX_MAX)):
        return view.deny(R.BAD_PRICE, "price", f"a price from 1 to {PX_MAX} with LIMIT, none with MARKET", price)
    instrument = view.instrument
    if instrument is None:
        return ()
    if price is not None and price % instrument.tick:
        return view.deny(R.OFF_TICK, "price", f"a multiple of the tick {instrument.tick}", price)
    if request.qty % instrument.lot:
        return view.deny(R.OFF_LOT, "qty", f"a multiple of the lot {instrument.lot}", request.qty)
    return ()


def tradability(view: View) -> Denials:
    """Check 4: an instrument that trades now, somewhere the order allows, at a price within the bands."""
    request, context, instrument = view.request, view.context, view.instrument
    if instrument is None:
        return view.deny(R.UNKNOWN_INSTRUMENT, "symbol", "a known symbol", request.symbol)
    if not view.venues:
        return view.deny(R.NO_VENUE, "venues_allow", f"one of {', '.join(instrument.venues)}", request.venues_allow)
    if context.is_halted:
        return view.deny(R.HALTED, "symbol", "an instrument that is not halted", request.symbol)
    if not context.is_open:
        return view.deny(R.SESSION_CLOSED, "symbol", "an open session", request.symbol)
    if request.price is not None:
        low, high = _band(view)
        if not low <= request.price <= high:
            return view.deny(R.OUTSIDE_BAND, "price", f"a price from {low} to {high}", request.price)
    return ()


def _band(view: View) -> tuple[Px, Px]:
    """Return the lowest and the highest limit price: of the limits, and within the band where there is a price."""
    limits, middle = view.limits, view.context.band_px
    if not middle:
        return limits.price_min, limits.price_max
    wide = limits.price_band_bps * middle // 10_000
    return max(limits.price_min, middle - wide), min(limits.price_max, middle + wide)


def permissions(view: View) -> Denials:
    """Check 5: no restricted symbol, and a strategy that the principal may use."""
    request, limits = view.request, view.limits
    if request.symbol in limits.restricted:
        return view.deny(R.RESTRICTED_SYMBOL, "symbol", "a symbol that is not restricted", request.symbol)
    permission = permission_of(limits, request.principal)
    if permission is None or not may(permission.strategies, request.strategy):
        return view.deny(R.STRATEGY_NOT_PERMITTED, "strategy", "a strategy of the principal", request.strategy)
    return ()


def duplicates(view: View) -> Denials:
    """Check 6: an id the account never used, and not the same order over and over. A replace is no new shape."""
    request, state = view.request, view.state
    if view.context.is_id_known or (request.account, request.client_order_id) in state.ids:
        return view.deny(R.DUPLICATE_ID, "client_order_id", "a new id", request.client_order_id)
    if view.held is None:
        limits = view.limits
        if state.exposure.find(request.order_id) is not None:
            return view.deny(R.DUPLICATE_ID, "parent_id", "a new id", request.order_id)
        window_ns, most = limits.shape_window_ns, limits.shape_repeats_max
        if state.shapes.is_above(shape_of(view), request.now, window_ns, most):
            return view.deny(R.DUPLICATE_SHAPE, "qty", f"up to {most} such orders in {window_ns} ns", request.qty)
    return ()


def shape_of(view: View) -> tuple[str, str, str, int, int]:
    """Return what makes two orders alike."""
    request = view.request
    return request.account, request.symbol, str(request.side), request.qty, request.price or 0


def size(view: View) -> Denials:
    """Check 7: quantity, and notional at the worst price."""
    limits, qty = view.limits, view.request.qty
    denials: Denials = ()
    if qty > limits.qty_max:
        denials = view.deny(R.QTY_MAX, "qty", f"up to {limits.qty_max} shares", qty)
    notional = value_micros(qty * view.risk_px)
    if notional > limits.notional_max:
        denials += view.deny(R.NOTIONAL_MAX, "qty", f"a notional up to {limits.notional_max} micros", notional)
    return denials


def collar(view: View) -> Denials:
    """Check 8: a fresh reference, and a price near it.

    LIMIT is held against the far touch; of MARKET, whose price is the market's, the far touch is held against the last
    trade. Only the expensive side is too far: a patient price cannot cost more than it says.
    """
    request, context, reference = view.request, view.context, view.reference_px
    if reference <= 0:
        return view.deny(R.NO_REFERENCE, "symbol", "a reference price", reference)
    stale_ns = view.limits.reference_stale_ns
    age = request.now - context.at
    if not -stale_ns <= age <= stale_ns:
        return view.deny(R.STALE_REFERENCE, "symbol", f"a reference of the last {stale_ns} ns", age)
    bps = view.limits.collar_bps
    if request.price is not None:
        if (request.price - reference) * request.side.sign * 10_000 > bps * reference:
            return view.deny(R.OUTSIDE_COLLAR, "price", f"within {bps} bps of {reference}", request.price)
    elif context.last_px and abs(reference - context.last_px) * 10_000 > bps * context.last_px:
        return view.deny(R.OUTSIDE_COLLAR, "ord_type", f"a market within {bps} bps of {context.last_px}", reference)
    return ()


def volume_share(view: View) -> Denials:
    """Check 9: the share of an average day's volume, or of today's where that is larger already."""
    basis = max(view.context.adv, view.context.day_volume)
    if view.context.adv < 1:
        return view.deny(R.NO_ADV, "symbol", "an average daily volume", view.context.adv)
    parts = round(view.limits.adv_share_max * _SHARE_PARTS)
    if view.request.qty * _SHARE_PARTS > parts * basis:
        most = parts * basis // _SHARE_PARTS
        return view.deny(R.ADV_SHARE, "qty", f"up to {most} shares of {basis} a day", view.request.qty)
    return ()
