"""Spot exchanges' websocket messages: Binance, Bitstamp, Coinbase, Gemini, Kraken.

Rule of this file: one function an exchange, named in the table of `venues.feeds.ws_json`; each knows the documented
messages of its exchange and nothing else.
"""

from __future__ import annotations

from typing import Any

from venues.feeds.ws_json_said import BookSaid, Level, Said, TradeSaid, name, number, sided, whole

_SIDES = {"buy": 1, "sell": -1}


def binance(message: Any) -> Said:
    """Read Binance's combined streams: `depth` and `aggTrade`. `m`: the buyer was the maker."""
    if "stream" not in message:
        return "answer to a request"
    data = message["data"]
    kind = data.get("e")
    if kind == "depthUpdate":
        levels = sided(1, data["b"]) + sided(-1, data["a"])
        return [BookSaid(name(data["s"]), False, levels, whole(data["U"]) - 1, whole(data["u"]))]
    if kind == "aggTrade":
        side = 1 if data["m"] else -1
        return [TradeSaid(name(data["s"]), side, number(data["p"]), number(data["q"]), whole(data["a"]))]
    return "candle" if kind == "kline" else "ticker or another stream"


def binance_answer(url: str, message: Any) -> Said:
    """Read a depth snapshot; its symbol stands in the request."""
    path, _, query = url.partition("?")
    if not path.endswith("/depth"):
        return "answer to a request"
    fields = dict(field.partition("=")[::2] for field in query.split("&"))
    levels = sided(1, message["bids"]) + sided(-1, message["asks"])
    return [BookSaid(name(fields["symbol"]), True, levels, 0, whole(message["lastUpdateId"]))]


def bitstamp(message: Any) -> Said:
    """Read Bitstamp's `diff_order_book` and `live_trades`. A trade's type is its taker's: 0 buys, 1 sells."""
    channel, _, symbol = name(message["channel"]).rpartition("_")
    event, data = message["event"], message["data"]
    if event == "data" and channel == "diff_order_book":
        levels = sided(1, data["bids"]) + sided(-1, data["asks"])
        # Books are not counted: the stamp, in microseconds, only tells what a snapshot has already.
        return [BookSaid(name(symbol), False, levels, 0, int(data["microtimestamp"]))]
    if event == "trade" and channel == "live_trades":
        side = {0: -1, 1: 1}[data["type"]]
        return [TradeSaid(name(symbol), side, number(data["price_str"]), number(data["amount_str"]), whole(data["id"]))]
    return "answer to a subscription"


def bitstamp_answer(url: str, message: Any) -> Said:
    """Read an order book; its symbol ends the request."""
    path, _, symbol = url.rstrip("/").rpartition("/")
    if not path.endswith("/order_book"):
        return "answer to a request"
    levels = sided(1, message["bids"]) + sided(-1, message["asks"])
    return [BookSaid(name(symbol), True, levels, 0, int(message["microtimestamp"]))]


def coinbase(message: Any) -> Said:
    """Read Coinbase's `level2` and `matches`. A match's side is its maker's."""
    kind = message["type"]
    if kind == "snapshot":
        levels = sided(1, message["bids"]) + sided(-1, message["asks"])
        return [BookSaid(name(message["product_id"]), True, levels)]
    if kind == "l2update":
        return [BookSaid(name(message["product_id"]), False, _changes(message["changes"]))]
    if kind == "match":
        side, symbol = _SIDES[message["side"]], name(message["product_id"])
        return [TradeSaid(symbol, side, number(message["price"]), number(message["size"]), whole(message["trade_id"]))]
    reasons = {
        "last_match": "trade of before the subscription",
        "ticker": "ticker or another stream",
        "subscriptions": "answer to a subscription",
        "heartbeat": "heartbeat",
    }
    return reasons.get(kind, "another message")


def gemini(message: Any) -> Said:
    """Read Gemini's `l2`: the first message of a symbol is the whole book, and brings its past trades along.

    A trade's side is its taker's.
    """
    kind = message["type"]
    if kind == "l2_updates":
        return [BookSaid(name(message["symbol"]), "trades" in message, _changes(message["changes"]))]
    if kind == "trade":
        side, symbol = -_SIDES[message["side"]], name(message["symbol"])
        px, qty = number(message["price"]), number(message["quantity"])
        return [TradeSaid(symbol, side, px, qty, whole(message["event_id"]))]
    return "heartbeat" if kind == "heartbeat" else "another message"


def kraken(message: Any) -> Said:
    """Read Kraken's `book` and `trade`. A trade's letter is its taker's.

    A book holds the subscribed number of levels: what falls out of them is not taken away, and comes back with the
    level's own quantity.
    """
    if isinstance(message, dict):
        return "heartbeat" if message["event"] == "heartbeat" else "answer to a subscription"
    *parts, channel, pair = message[1:]
    symbol = name(pair)
    if channel == "trade":
        return [
            TradeSaid(symbol, {"b": -1, "s": 1}[trade[3]], number(trade[0]), number(trade[1]), None)
            for trade in parts[0]
        ]
    if not channel.startswith("book"):
        return "ticker or another stream"
    if "as" in parts[0]:
        return [BookSaid(symbol, True, sided(1, parts[0]["bs"]) + sided(-1, parts[0]["as"]))]
    levels: list[Level] = []
    for part in parts:
        levels += sided(1, part.get("b", [])) + sided(-1, part.get("a", []))
    return [BookSaid(symbol, False, levels)]


def _changes(changes: list[Any]) -> list[Level]:
    return [(_SIDES[side], number(px), number(qty)) for side, px, qty in changes]
