"""Our orders in the words of a lit book: flags, displays and minimums; what this kind of venue refuses, and why.

Rule of this file: pure translation; what rests where is the book's affair.
"""

from __future__ import annotations

from router.domain.enums import ExecInst, OrdType, PegPriceType, TimeInForce
from router.domain.orders import ChildOrder
from router.domain.units import Px, Qty
from venues.book.words import (
    ALL,
    AUCTION_ONLY,
    HIDDEN,
    IMMEDIATE,
    ISO,
    LEVELS_MAX,
    MIN_TOTAL,
    PEG_MARKET,
    PEG_MID,
    PEG_PRIMARY,
    POST,
    SELL,
    SLICES_MAX,
)
from venues.types.desk import HeldOrder

AUCTIONS = (TimeInForce.AT_THE_OPENING, TimeInForce.AT_THE_CLOSE, TimeInForce.GOOD_FOR_AUCTION)
"""Times in force that trade in an auction and nowhere else."""

PEG_LEVELS = 1_024
"""Grid steps that a peg may stand from what it is pegged to: the dense range of the smallest book always holds them."""

FAR_LEVELS = LEVELS_MAX // 4
"""Grid steps from the market at which an order may rest: with room for the other side to do the same."""

_PEGS = {
    PegPriceType.MID_PRICE: PEG_MID,
    PegPriceType.PRIMARY: PEG_PRIMARY,
    PegPriceType.MARKET: PEG_MARKET,
}


def is_post_only(child: ChildOrder) -> bool:
    """Whether it may never trade on entry."""
    return ExecInst.PARTICIPATE_DO_NOT_INITIATE in child.exec_inst


def refusal(child: ChildOrder, step: Px) -> str:
    """Return why no lit book takes `child`, or ""; `step` is the book's grid."""
    is_peg = child.ord_type is OrdType.PEGGED
    is_auction = child.time_in_force in AUCTIONS
    is_immediate = child.time_in_force in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
    display = child.display_qty
    offset_max = PEG_LEVELS * step
    rests = not (is_immediate or is_auction)
    is_unseen = is_peg or display == 0
    can_post = child.ord_type is OrdType.LIMIT and rests and display != 0
    checks = (
        (child.ord_type is not OrdType.PREVIOUSLY_QUOTED, f"unsupported ord_type {child.ord_type}"),
        (not is_peg or child.peg_price_type in _PEGS, "expected a peg_price_type with PEGGED"),
        (not is_peg or child.time_in_force is not TimeInForce.FILL_OR_KILL, "no FILL_OR_KILL with PEGGED"),
        (not is_peg or not is_auction, "no PEGGED in an auction"),
        (is_peg or not child.peg_offset, "peg_offset only with PEGGED"),
        (child.peg_offset % step == 0, f"expected a peg_offset in steps of {step}, got {child.peg_offset}"),
        (abs(child.peg_offset) <= offset_max, f"expected a peg_offset up to {offset_max}, got {child.peg_offset}"),
        (is_unseen or is_immediate or not child.min_qty, "min_qty only with PEGGED, hidden or immediate orders"),
        (display is None or display >= 0, f"expected a display_qty from 0, got {display}"),
        (not (is_auction and is_unseen), "no hidden orders in an auction"),
        (not is_post_only(child) or can_post, "post only needs a displayed LIMIT that rests"),
    )
    return next((text for holds, text in checks if not holds), "")


def refusal_of_terms(child: ChildOrder, order_qty: Qty, price: Px | None, center: Px, step: Px) -> str:
    """Return why no lit book can hold `child` at this quantity and price (None: as it is), or "".

    `center` is where the market is: the range of prices that a book keeps dense lies about it.
    """
    if child.display_qty and order_qty > child.display_qty * SLICES_MAX:
        return f"display_qty: at most {SLICES_MAX} refreshes"
    if price is None or child.time_in_force in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL):
        return ""
    if child.ord_type is OrdType.PEGGED:
        # A limit ahead of the market does not bind; one far behind it is where the peg would stand.
        away, most = child.side.sign * (center - price), PEG_LEVELS * step
    else:
        away, most = abs(price - center), FAR_LEVELS * step
    return f"expected a price within {most} of {center}, got {price}" if away > most else ""


def flags_of(order: HeldOrder) -> int:
    """Return the book's flags for an order."""
    child = order.child
    flags = SELL if order.sign < 0 else 0
    if ExecInst.INTERMARKET_SWEEP in child.exec_inst:
        flags |= ISO
    if child.time_in_force in AUCTIONS:
        return flags | AUCTION_ONLY
    if child.ord_type is OrdType.PEGGED and child.peg_price_type is not None:
        flags |= _PEGS[child.peg_price_type]
    elif child.display_qty == 0 and not order.is_immediate:
        flags |= HIDDEN
    if is_post_only(child):
        flags |= POST
    if child.time_in_force is TimeInForce.FILL_OR_KILL:
        flags |= IMMEDIATE | ALL
    elif order.is_immediate or child.ord_type is OrdType.MARKET:
        flags |= IMMEDIATE
    return flags | MIN_TOTAL if child.min_qty and flags & IMMEDIATE and child.ord_type is not OrdType.PEGGED else flags


def display_of(order: HeldOrder) -> Qty:
    """Return what an iceberg shows at a time, 0 for an order that shows all or nothing of itself."""
    child = order.child
    shown = child.display_qty
    can_show = child.ord_type is OrdType.LIMIT and not order.is_immediate and child.time_in_force not in AUCTIONS
    return shown if can_show and shown is not None and 0 < shown < order.leaves_qty else 0
