"""Hand in an order, follow it on the stream, and ask afterwards what it cost.

Rule of this file: it runs as it stands against a desk in its development mode: `python examples/submit_and_follow.py
http://127.0.0.1:8080`. With a key: `Client(url, Key("desk-1", secret))`.
"""

from __future__ import annotations

import sys
import uuid

from anabranch import Client, Event, OrderBody, RoutingBlock, Snapshot, UnknownOutcome
from anabranch.answers import Order, Tca
from anabranch.events import OrderEnded, OrderExecuted

ACCOUNT = "ACME-1"


def main(url: str) -> Tca:
    """Trade a few hundred shares at `url` and return what they cost."""
    with Client(url, name="ada") as client:
        client.wait_until_ready()
        symbol = client.cluster().symbols[0]
        # An order that is marketable: at most half a per cent beyond the best offer.
        ask = min(venue.ask_price for venue in client.venues() if venue.symbol == symbol and venue.ask_price)
        wanted = OrderBody(
            client_order_id=f"example-{uuid.uuid4().hex[:12]}",
            account=ACCOUNT,
            symbol=symbol,
            side="buy",
            type="limit",
            qty=300,
            limit_price=round(ask * 1005 / 1000, 2),
            routing=RoutingBlock(strategy="sweep", urgency=1.0),
        )
        # The stream first: whatever happens to the order then, it is heard.
        with client.stream(accounts=[ACCOUNT]) as stream:
            order = hand_in(client, wanted)
            print(f"{order.order_id} is durable, {order.qty} {symbol} at {order.limit_price} or better")
            for told in stream:
                if isinstance(told, Snapshot):
                    continue
                if told_of(told, order) and isinstance(told.data, OrderEnded):
                    break
        for execution in client.orders.executions(order.order_id):
            print(f"  {execution.qty} at {execution.price} on {execution.mic}, fee {execution.fee}")
        cost = client.orders.tca(order.order_id)
        print(f"arrival {cost.arrival_price}, average {cost.average_price}, slippage {cost.arrival_slippage_bps} bps")
        return cost


def hand_in(client: Client, wanted: OrderBody) -> Order:
    """Hand in an order; where nobody knows what became of it, ask, and hand the very same order in again."""
    try:
        return client.orders.submit(wanted, deadline_s=10.0)
    except UnknownOutcome:
        return client.orders.resolve(wanted.client_order_id, wanted.account) or client.orders.submit(wanted)


def told_of(event: Event, order: Order) -> bool:
    """Print an event of the order; return whether it is of it."""
    if getattr(event.data, "order_id", "") != order.order_id:
        return False
    if isinstance(event.data, OrderExecuted):
        print(f"  seq {event.seq}: {event.data.qty} at {event.data.price}, {event.data.leaves_qty} left")
    else:
        print(f"  seq {event.seq}: {event.event}")
    return True


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
