"""The child order a lane's quantity becomes: type, price, time in force and instructions, per tactic.

Rule of this file: no child is priced beyond its parent's limit, every price is on the venue's tick grid, and rounding
never makes a price worse than the bound it rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.domain.enums import ExecInst, OrdType, PegPriceType, Side, Tactic, TimeInForce
from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import Lane, VenueSpec
from router.domain.market import DealerTier, MarketSnapshot, Quote
from router.domain.orders import SWEEP_STRATEGY, ChildOrder, ParentOrder
from router.domain.units import Nanos, Px, Qty, round_to_tick


class _Request(NamedTuple):
    lane: Lane
    parent: ParentOrder
    qty: Qty
    market: MarketSnapshot
    tick: Px
    cl_ord_id: str
    decision_id: str
    expire_time: Nanos
    rfq_max_qty: Qty
    segments: tuple[str, ...]
    is_near: bool

    @property
    def is_buy(self) -> bool:
        return self.parent.side is Side.BUY

    def child(
        self,
        ord_type: OrdType,
        price: Px | None,
        time_in_force: TimeInForce,
        *,
        qty: Qty | None = None,
        exec_inst: tuple[ExecInst, ...] = (),
        peg: PegPriceType | None = None,
        min_qty: Qty = 0,
        quote_id: str = "",
        segments_deny: tuple[str, ...] = (),
    ) -> ChildOrder:
        is_resting = time_in_force is TimeInForce.GOOD_TILL_DATE
        return ChildOrder(
            cl_ord_id=self.cl_ord_id,
            parent_id=self.parent.parent_id,
            decision_id=self.decision_id,
            symbol=self.parent.symbol,
            mic=self.lane.mic,
            tactic=self.lane.tactic,
            side=self.parent.side,
            order_qty=self.qty if qty is None else qty,
            ord_type=ord_type,
            price=price,
            time_in_force=time_in_force,
            exec_inst=(*exec_inst, ExecInst.CANCEL_ON_CONNECTION_LOSS) if is_resting else exec_inst,
            peg_price_type=peg,
            min_qty=min_qty,
            expire_time=self.expire_time if is_resting else None,
            quote_id=quote_id,
            segments_deny=segments_deny,
        )


def child_for(
    lane: Lane,
    parent: ParentOrder,
    qty: Qty,
    market: MarketSnapshot,
    spec: VenueSpec,
    cl_ord_id: str,
    decision_id: str,
    expire_time: Nanos,
    is_near: bool = False,
) -> ChildOrder:
    """Return the child that trades `qty` of `parent` on `lane`.

    TAKE: LIMIT IOC at the venue's far touch, an intermarket sweep order where the parent sweeps. POST: LIMIT until
    `expire_time`, post-only, at `post_px`. MID_PEG and CONDITIONAL: PEGGED to MID_PRICE until `expire_time`, with the
    parent's min_qty (at most `qty`) and its limit as bound (None without one), opting out of the segments that the
    parent denies and the pool names; with `is_near`, a MID_PEG where the pool has it, PEGGED to PRIMARY instead. QUOTE:
    PREVIOUSLY_QUOTED IOC on the tier within the limit that takes most of `qty`, at equal sizes the best price; its
    `order_qty` is at most that tier's size. At a dealer who streams nothing and answers requests: PREVIOUSLY_QUOTED IOC
    without a quote_id, priced at the consolidated far touch, so that the dealer trades only where he is no worse than
    what is displayed.

    Raises:
        BadInputError: a quantity below 1, or the market has not what the lane needs (a far touch, both sides, a tier
            within the limit, room for a price above 0): `exclusions` would have said so.
    """
    if qty < 1:
        raise BadInputError(bad_value(f"child_for.{lane}", "a quantity from 1", qty))
    tick, asked = spec.listing.tick, spec.rfq_max_qty if asks_for_quote(market, spec) else 0
    near = is_near and spec.has_near_peg and lane.tactic is Tactic.MID_PEG
    request = _Request(lane, parent, qty, market, tick, cl_ord_id, decision_id, expire_time, asked, spec.segments, near)
    return _PRICED[lane.tactic](request)


def post_px(side: Side, bid_px: Px, ask_px: Px, tick: Px) -> Px:
    """Return the price of a resting order: the consolidated near touch, but always at least one tick inside the
    consolidated far touch, so that a locked or crossed market is never joined on the wrong side. On the tick grid,
    rounded away from the far side; lane features price POST by the same rule.

    >>> post_px(Side.BUY, 10_000, 10_200, 100), post_px(Side.SELL, 10_100, 10_100, 100)
    (10000, 10200)
    """
    if side is Side.BUY:
        return round_to_tick(min(bid_px, ask_px - tick), tick, up=False)
    return round_to_tick(max(ask_px, bid_px + tick), tick, up=True)


def bounded_px(side: Side, price: Px, limit: Px | None, tick: Px) -> Px:
    """Return `price` no worse than `limit`, the limit first rounded to the tick on its own safe side.

    >>> bounded_px(Side.BUY, 10_200, 10_150, 100), bounded_px(Side.SELL, 10_000, 10_050, 100)
    (10100, 10100)
    """
    if limit is None:
        return price
    if side is Side.BUY:
        return min(price, round_to_tick(limit, tick, up=False))
    return max(price, round_to_tick(limit, tick, up=True))


def quote_of(market: MarketSnapshot, mic: str) -> Quote | None:
    """Return a venue's quote in the snapshot, or None."""
    return next((quote for quote in market.quotes if quote.mic == mic), None)


def far_touch(quote: Quote | None, side: Side) -> Px:
    """Return the price at which `side` can take at once from this venue; 0 when that side is empty."""
    if quote is None:
        return 0
    price, qty = (quote.ask_px, quote.ask_qty) if side is Side.BUY else (quote.bid_px, quote.bid_qty)
    return price if price > 0 and qty > 0 else 0


def tiers_within(market: MarketSnapshot, mic: str, side: Side, limit: Px | None) -> tuple[DealerTier, ...]:
    """Return a dealer's usable tiers no worse than `limit` (None: any), best price first, then largest."""

    def price(tier: DealerTier) -> Px:
        return tier.ask_px if side is Side.BUY else tier.bid_px

    usable = [t for t in market.tiers if t.mic == mic and t.max_qty > 0 and price(t) > 0]
    within = [t for t in usable if limit is None or side.sign * (price(t) - limit) <= 0]
    return tuple(sorted(within, key=lambda t: (side.sign * price(t), -t.max_qty)))


def asks_for_quote(market: MarketSnapshot, spec: VenueSpec) -> bool:
    """Return whether a dealer is asked for a quote: he answers requests, and streams nothing that could be taken."""
    return spec.rfq_max_qty > 0 and not any(tier.mic == spec.mic and tier.max_qty > 0 for tier in market.tiers)


def _take(request: _Request) -> ChildOrder:
    side, tick = request.parent.side, request.tick
    touch = far_touch(quote_of(request.market, request.lane.mic), side)
    if not touch:
        raise BadInputError(bad_value(f"child_for.{request.lane}", "a quote on the far side", "none"))
    price = bounded_px(side, round_to_tick(touch, tick, up=request.is_buy), request.parent.price, tick)
    is_sweep = request.parent.strategy == SWEEP_STRATEGY
    inst = (ExecInst.INTERMARKET_SWEEP,) if is_sweep else ()
    return request.child(OrdType.LIMIT, _positive(price, request), TimeInForce.IMMEDIATE_OR_CANCEL, exec_inst=inst)


def _post(request: _Request) -> ChildOrder:
    side, market = request.parent.side, request.market
    if not market.bid_px or not market.ask_px:
        raise BadInputError(bad_value(f"child_for.{request.lane}", "a market with both sides", "one or none"))
    price = post_px(side, market.bid_px, market.ask_px, request.tick)
    price = bounded_px(side, price, request.parent.price, request.tick)
    return request.child(
        OrdType.LIMIT,
        _positive(price, request),
        TimeInForce.GOOD_TILL_DATE,
        exec_inst=(ExecInst.PARTICIPATE_DO_NOT_INITIATE,),
    )


def _peg(request: _Request) -> ChildOrder:
    limit = request.parent.price
    price = None if limit is None else _positive(round_to_tick(limit, request.tick, up=not request.is_buy), request)
    return request.child(
        OrdType.PEGGED,
        price,
        TimeInForce.GOOD_TILL_DATE,
        peg=PegPriceType.PRIMARY if request.is_near else PegPriceType.MID_PRICE,
        min_qty=min(request.parent.min_qty, request.qty),
        segments_deny=tuple(name for name in request.segments if name in request.parent.segments_deny),
    )


def _auction(request: _Request) -> ChildOrder:
    limit = request.parent.price
    if limit is None:
        return request.child(OrdType.MARKET, None, TimeInForce.AT_THE_CLOSE)
    price = _positive(round_to_tick(limit, request.tick, up=not request.is_buy), request)
    return request.child(OrdType.LIMIT, price, TimeInForce.AT_THE_CLOSE)


def _quote(request: _Request) -> ChildOrder:
    parent, qty = request.parent, request.qty
    if request.rfq_max_qty:
        return _request_for_quote(request)
    tiers = tiers_within(request.market, request.lane.mic, parent.side, parent.price)
    if not tiers:
        raise BadInputError(bad_value(f"child_for.{request.lane}", "a dealer tier within the limit", "none"))
    tier = max(tiers, key=lambda t: min(t.max_qty, qty))
    return request.child(
        OrdType.PREVIOUSLY_QUOTED,
        tier.ask_px if request.is_buy else tier.bid_px,
        TimeInForce.IMMEDIATE_OR_CANCEL,
        qty=min(qty, tier.max_qty),
        quote_id=tier.quote_id,
    )


def _request_for_quote(request: _Request) -> ChildOrder:
    market = request.market
    touch = market.ask_px if request.is_buy else market.bid_px
    if not touch:
        raise BadInputError(bad_value(f"child_for.{request.lane}", "a market with a far side", "none"))
    return request.child(
        OrdType.PREVIOUSLY_QUOTED,
        _positive(bounded_px(request.parent.side, touch, request.parent.price, 1), request),
        TimeInForce.IMMEDIATE_OR_CANCEL,
        qty=min(request.qty, request.rfq_max_qty),
    )


def _positive(price: Px, request: _Request) -> Px:
    if price < 1:
        raise BadInputError(bad_value(f"child_for.{request.lane}.price", "a price from 1", price))
    return price


_PRICED: dict[Tactic, Callable[[_Request], ChildOrder]] = {
    Tactic.TAKE: _take,
    Tactic.POST: _post,
    Tactic.MID_PEG: _peg,
    Tactic.CONDITIONAL: _peg,
    Tactic.QUOTE: _quote,
    Tactic.AUCTION: _auction,
}
