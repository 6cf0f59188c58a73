"""The call auction of the naive book: its price, and who trades with whom.

Rule of this file: every candidate price is tried in full; see `venues.book.auction` for the rules.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.domain.units import Px, Qty
from venues.book.book import Indication
from venues.book.naive_ladder import Ladder, Order
from venues.book.words import WHAT_AUCTION


def indication(ladders: list[Ladder], reference: Px, step: Px) -> Indication:
    """Return what an uncross would do."""
    sides = [_side(ladders, 0), _side(ladders, 1)]
    prices = sorted({order.px for side in sides for order in side if order.px})
    is_candidate = reference > 0 and reference % step == 0
    if is_candidate and (not prices or prices[0] < reference < prices[-1]):
        prices = sorted({*prices, reference})
    best, best_rank = Indication(0, 0, 0), (0, 0, 0, 0)
    for px in prices:
        demand = sum(order.leaves for order in sides[0] if not order.px or order.px >= px)
        supply = sum(order.leaves for order in sides[1] if order.px <= px)
        volume = min(demand, supply)
        rank = (-volume, abs(demand - supply), abs(px - reference) if reference else 0, px)
        if volume and (not best.volume or rank < best_rank):
            best, best_rank = Indication(px, volume, demand - supply), rank
    return best


def auction_trades(ladders: list[Ladder], px: Px, volume: Qty) -> Iterator[tuple[Order, Order, tuple[int, ...]]]:
    """Yield (buy, sell, row of output) in priority until `volume` has traded."""
    buys, sells = iter(_side(ladders, 0)), iter(_side(ladders, 1))
    buy_left = sell_left = 0
    while volume:
        if not buy_left:
            buy = next(buys)
            buy_left = buy.leaves
        if not sell_left:
            sell = next(sells)
            sell_left = sell.leaves
        qty = min(volume, buy_left, sell_left)
        volume, buy_left, sell_left = volume - qty, buy_left - qty, sell_left - qty
        yield buy, sell, (sell.oid, buy.oid, px, qty, 0, WHAT_AUCTION)


def _side(ladders: list[Ladder], is_sell: int) -> list[Order]:
    """Return one side in priority: price, then displayed, auction-only, hidden, then time."""
    kinds = [ladders[kind + is_sell] for kind in (0, 4, 2)]
    keys = sorted({key for ladder in kinds for key in ladder.keys})
    levels = [ladder.levels[key] for key in keys for ladder in kinds if key in ladder.levels]
    return [order for level in levels for order in level.queue.values()]
