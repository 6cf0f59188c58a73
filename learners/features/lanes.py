"""What is public of one lane at one moment: the price a fill would have, the size on offer, the features of its own.

Rule of this file: one function per tactic, in a table; a lane that cannot be used now is `UNUSABLE`, never a guess.
It is the plain twin of `lane_kernel`, in ordinary Python; `WAYS` says which tactics the kernel treats alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from learners.features import names
from learners.features.fold import Flags
from learners.features.lane_kernel import ASKS, OWN_FILLS, PEGS, RESTING_QTY_MAX, RESTS, SIZE, TAKES
from router.domain.enums import Tactic
from router.domain.fees import Rates, rates_bps
from router.domain.market import F64, I64
from router.domain.units import Px, Qty


class LaneView(NamedTuple):
    """`px2` is the fill's price in half Px (twice the price, so that a midpoint is whole); `shares` and `is_at_touch`
    are the inputs of the features `size` and `at_touch`."""

    px2: int
    max_qty: Qty
    shares: Qty | None
    is_at_touch: bool | None


UNUSABLE: Final = LaneView(0, 0, None, None)


class VenueView(NamedTuple):
    """One venue that is up, with the consolidated market around it, seen from one side: `near` is the bid for a buy.

    Prices of an empty side are 0. `tiers` are the dealer's (price on our far side, max_qty), best price first;
    `rfq_max_qty` is the largest size for which he answers a request for quote.
    """

    s: int
    tick: Px
    near_px: Px
    near_qty: Qty
    far_px: Px
    far_qty: Qty
    best_near_px: Px
    best_far_px: Px
    tiers: tuple[tuple[Px, Qty], ...]
    rfq_max_qty: Qty = 0


def post_px(s: int, best_near_px: Px, best_far_px: Px, tick: Px) -> Px:
    """Return the price at which a POST lane rests: the consolidated near touch, but always at least one tick inside
    the consolidated far touch, so that a locked or crossed market is never joined on the wrong side.

    The result is on the tick grid, rounded away from the far side. The router prices its children by the same rule.

    >>> post_px(1, 100_00, 102_00, 100), post_px(-1, 102_00, 100_00, 100), post_px(1, 101_00, 101_00, 100)
    (10000, 10200, 10000)
    """
    price = min(best_near_px, best_far_px - tick) if s > 0 else max(best_near_px, best_far_px + tick)
    return price // tick * tick if s > 0 else -(-price // tick) * tick


def _take(view: VenueView) -> LaneView:
    if not view.far_px:
        return UNUSABLE
    is_at_touch = view.s * (view.best_far_px - view.far_px) >= 0
    return LaneView(2 * view.far_px, view.far_qty, view.far_qty, is_at_touch)


def _post(view: VenueView) -> LaneView:
    price = post_px(view.s, view.best_near_px, view.best_far_px, view.tick)
    if price <= 0 or not (view.near_px or view.far_px):
        return UNUSABLE
    is_at_touch = view.near_px > 0 and view.s * (view.near_px - price) >= 0
    return LaneView(2 * price, RESTING_QTY_MAX, view.near_qty if is_at_touch else 0, is_at_touch)


def _mid(view: VenueView) -> LaneView:
    return LaneView(view.best_near_px + view.best_far_px, RESTING_QTY_MAX, None, None)


def _quote(view: VenueView) -> LaneView:
    if not view.tiers and view.rfq_max_qty and view.best_far_px:
        # He is asked, with the consolidated far touch as limit: that is the worst price, and the only public one.
        return LaneView(2 * view.best_far_px, view.rfq_max_qty, view.rfq_max_qty, True)
    if not view.tiers:
        return UNUSABLE
    # The best-priced tier alone: a larger size at its worse price is another matter, that only pressure decides.
    price, size = view.tiers[0]
    return LaneView(2 * price, size, size, view.s * (view.best_far_px - price) >= 0)


VIEWS: Final[dict[Tactic, Callable[[VenueView], LaneView]]] = {
    Tactic.TAKE: _take,
    Tactic.POST: _post,
    Tactic.MID_PEG: _mid,
    Tactic.CONDITIONAL: _mid,
    Tactic.QUOTE: _quote,
    Tactic.AUCTION: _mid,
}
"""The consolidated market must have both sides when these are asked."""

WAYS: Final[dict[Tactic, int]] = {
    Tactic.TAKE: TAKES,
    Tactic.POST: RESTS,
    Tactic.MID_PEG: PEGS,
    Tactic.CONDITIONAL: PEGS,
    Tactic.QUOTE: ASKS,
    Tactic.AUCTION: PEGS,
}
_TACTICS = {way: tactic for tactic, way in reversed(WAYS.items())}


def lane_rows_plain(
    lanes: I64,
    book: I64,
    is_up: Flags,
    terms: I64,
    touch: I64,
    own: F64,
    rates: F64,
    common: F64,
    x: F64,
    bps: F64,
    sizes: I64,
) -> None:
    """Do what `lane_kernel.lane_rows` does."""
    s, mid2, *_ = touch.tolist()
    x[:, :SIZE], x[:, OWN_FILLS + 1] = common[:-1], common[-1]
    for k, (venue, way) in enumerate(lanes.tolist()):
        view = UNUSABLE
        if mid2 and is_up[venue]:
            view = VIEWS[_TACTICS[way]](_venue_view(book[venue].tolist(), terms[venue].tolist(), touch.tolist()))
        share = float(own[venue])
        x[k, SIZE : OWN_FILLS + 1] = names.size(view.shares), names.at_touch(view.is_at_touch), names.own_fills(share)
        micros, on_top = rates[k].tolist()
        bps[0, k] = s * (mid2 - view.px2) / mid2 * 1e4 if view.max_qty else 0.0
        bps[1, k] = rates_bps(Rates(micros, on_top), mid2) if mid2 else 0.0
        sizes[k] = view.max_qty


def _venue_view(quote: list[int], terms: list[int], touch: list[int]) -> VenueView:
    s, _, best_near, best_far = touch
    tick, tier_px, tier_qty, rfq_max_qty = terms
    bid, ask = _usable(quote[1], quote[2]), _usable(quote[3], quote[4])
    near, far = (bid, ask) if s > 0 else (ask, bid)
    tiers = ((tier_px, tier_qty),) if tier_qty else ()
    return VenueView(s, tick, *near, *far, best_near, best_far, tiers, rfq_max_qty)


def _usable(price: Px, qty: Qty) -> tuple[Px, Qty]:
    return (price, qty) if price > 0 and qty > 0 else (0, 0)
