"""What the gate is asked and what it answers: requests, what is known of the market at that moment, denials.

Rule of this file: frozen values only. What a request says is what somebody wants; what a context says is a fact.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from router.domain.enums import OrdType, Side
from router.domain.errors import bad_value
from router.domain.instruments import VenueSpec
from router.domain.units import Nanos, Px, Qty
from router.risk.reasons import DenyReason, check_of


class NewParent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A client's wish for a new parent order, or for what an open one is to become, with who asks."""

    principal: str
    role: str
    account: str
    client_order_id: str
    symbol: str
    side: Side
    qty: Qty
    start_at: Nanos
    end_at: Nanos
    now: Nanos
    session_id: str
    ord_type: OrdType = OrdType.MARKET
    price: Px | None = None
    strategy: str = "liquidity_seeking"
    is_located: bool = False
    """Whether a SELL_SHORT has its locate."""
    venues_allow: tuple[str, ...] = ()
    venues_deny: tuple[str, ...] = ()
    parent_id: str = ""
    """Ours, where it is known; events name the order by it."""

    @property
    def order_id(self) -> str:
        """The id under which the books carry the order."""
        return self.parent_id or f"{self.account}:{self.client_order_id}"


class CancelParent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Somebody's wish to end an order."""

    principal: str
    role: str
    account: str
    session_id: str
    now: Nanos


class GateContext(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is known of an instrument when a request comes. A price or a volume of 0 is not known."""

    bid_px: Px = 0
    ask_px: Px = 0
    last_px: Px = 0
    at: Nanos = 0
    """When bid, ask and last were so."""
    is_halted: bool = False
    is_open: bool = True
    """Whether the session is open for this instrument."""
    adv: Qty = 0
    day_volume: Qty = 0
    is_id_known: bool = False
    """Whether the record of all orders has this account's client_order_id, from before the gate's own memory."""

    def reference_px(self, side: Side) -> Px:
        """Return the price that an order is held against: the far touch, else the last, else the near touch; 0: none.

        >>> GateContext(bid_px=99, ask_px=101).reference_px(Side.BUY), GateContext(last_px=100).reference_px(Side.SELL)
        (101, 100)
        """
        if 0 < self.ask_px < self.bid_px:
            return 0
        far, near = (self.ask_px, self.bid_px) if side is Side.BUY else (self.bid_px, self.ask_px)
        return far or self.last_px or near

    @property
    def band_px(self) -> Px:
        """What a band lies around: the last trade, before the first one the mid or the side there is; 0: nothing.

        >>> GateContext(bid_px=99, ask_px=101, last_px=98).band_px, GateContext(bid_px=99, ask_px=101).band_px
        (98, 100)
        """
        if self.last_px or not (self.bid_px and self.ask_px):
            return self.last_px or self.bid_px or self.ask_px
        return (self.bid_px + self.ask_px) // 2


class Tradable(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An instrument as the gate knows it: in which steps it trades, and where."""

    symbol: str
    tick: Px = 100
    lot: Qty = 1
    venues: tuple[str, ...] = ()


class Denial(msgspec.Struct, frozen=True, gc=False):
    """One reason why a request is denied: a code, its check, the field it is about, and words for people."""

    reason: DenyReason
    check: int
    field: str
    message: str


def denial(reason: DenyReason, field: str, expected: str, got: object, where: str) -> Denial:
    """Return a denial with a message as all of ours read.

    >>> denial(DenyReason.QTY_MAX, "qty", "up to 100", 200, "A1:C7").message
    'expected up to 100, got 200 - at A1:C7.qty'
    """
    return Denial(reason, check_of(reason), field, bad_value(f"{where}.{field}", expected, got))


def tradables(specs: Iterable[VenueSpec]) -> dict[str, Tradable]:
    """Return what the venues list: by symbol, with the finest tick and lot that any of them takes."""
    found: dict[str, Tradable] = {}
    for spec in specs:
        listing = spec.listing
        known = found.get(listing.symbol, Tradable(symbol=listing.symbol, tick=listing.tick, lot=listing.lot))
        found[listing.symbol] = Tradable(
            symbol=listing.symbol,
            tick=min(known.tick, listing.tick),
            lot=min(known.lot, listing.lot),
            venues=(*known.venues, spec.mic),
        )
    return found
