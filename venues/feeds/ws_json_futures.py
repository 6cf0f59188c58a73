"""Derivatives exchanges' websocket messages: Bybit, Deribit.

Rule of this file: one function an exchange, named in the table of `venues.feeds.ws_json`; each knows the documented
messages of its exchange and nothing else.
"""

from __future__ import annotations

from typing import Any

from venues.feeds.ws_json_said import BookSaid, Level, Said, TradeSaid, name, number, whole

_SIDES = {"Buy": 1, "Sell": -1, "buy": 1, "sell": -1}


def bybit(message: Any) -> Said:
    """Read Bybit's `orderBookL2_25` and `trade` (v2). A trade's side is its taker's; its id is text.

    Levels that leave the best 25 are deleted by the exchange, and inserted when they return.
    """
    topic, _, symbol = message.get("topic", "").rpartition(".")
    if not topic:
        return "answer to a subscription"
    data = message["data"]
    if topic == "trade":
        return [
            TradeSaid(name(one["symbol"]), -_SIDES[one["side"]], number(one["price"]), number(one["size"]), None)
            for one in data
        ]
    if not topic.startswith("orderBook"):
        return "ticker or another stream"
    if message["type"] == "snapshot":
        # Linear contracts wrap the list, inverse ones do not.
        rows = data["order_book"] if isinstance(data, dict) else data
        return [BookSaid(name(symbol), True, [_level(row) for row in rows])]
    levels = [(side, px, "0") for side, px, _ in (_level(row, is_deleted=True) for row in data["delete"])]
    return [BookSaid(name(symbol), False, levels + [_level(row) for row in (*data["update"], *data["insert"])])]


def deribit(message: Any) -> Said:
    """Read Deribit's `book.*.raw` and `trades.*.raw`. A trade's direction is its taker's, its number `trade_seq`."""
    if message.get("method") != "subscription":
        return "answer to a request"
    channel, data = message["params"]["channel"], message["params"]["data"]
    if channel.startswith("book."):
        levels: list[Level] = [
            (side, number(px), "0" if action == "delete" else number(qty))
            for side, rows in ((1, data["bids"]), (-1, data["asks"]))
            for action, px, qty in rows
        ]
        symbol, last = name(data["instrument_name"]), whole(data["change_id"])
        if data["type"] == "snapshot":
            return [BookSaid(symbol, True, levels, 0, last)]
        return [BookSaid(symbol, False, levels, whole(data["prev_change_id"]), last)]
    if channel.startswith("trades."):
        return [
            TradeSaid(
                name(one["instrument_name"]),
                -_SIDES[one["direction"]],
                number(one["price"]),
                number(one["amount"]),
                whole(one["trade_seq"]),
            )
            for one in data
        ]
    return "ticker or another stream"


def _level(row: Any, is_deleted: bool = False) -> Level:
    return _SIDES[row["side"]], number(row["price"]), "0" if is_deleted else number(row["size"])
