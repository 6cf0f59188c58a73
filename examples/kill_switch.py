"""Stop trading, see what still stands, and let it go on again once a second person agrees.

Rule of this file: it runs as it stands against a desk in its development mode, where a name is all that a person shows:
`python examples/kill_switch.py http://127.0.0.1:8080`. Elsewhere each person has a key of his own.
"""

from __future__ import annotations

import sys
import uuid

from anabranch import Client, ClientError, DeniedError, OrderBody, UnavailableError, UnknownOutcome
from anabranch.words import KillLevel

TRIES_MAX = 5


def main(url: str) -> list[str]:
    """Kill everything at `url` and re-arm it; return the reasons for which an order was refused in between."""
    with Client(url, name="olga") as olga, Client(url, name="rita") as rita:
        olga.wait_until_ready()
        symbol = olga.cluster().symbols[0]
        kill(olga, "all", "prices look wrong")
        for one in rita.kills().kills:
            print(f"{one.level} stopped at {one.time:%H:%M:%S} by {one.who}: {one.why}")
        reasons = try_an_order(olga, symbol)
        print(f"a new order is refused: {', '.join(reasons)}")
        print("open orders:", sum(1 for _ in rita.orders.list(status="open")))
        asked = olga.rearm("all", "prices are right again")
        print(f"olga asks for it to be lifted: {asked.waits_for}")
        # The kill of all is lifted by two people; the same person asking twice is one.
        rita.rearm("all", "I have looked at them too")
        print("in force now:", [one.level for one in rita.kills().kills])
        return reasons


def kill(client: Client, level: KillLevel, why: str, target: str = "") -> None:
    """Kill until the desk says that it is recorded: killing twice kills once."""
    for n in range(TRIES_MAX):
        try:
            client.kill(level, why, target)
        except (UnknownOutcome, UnavailableError):
            if n == TRIES_MAX - 1:
                raise
        else:
            return


def try_an_order(client: Client, symbol: str) -> list[str]:
    """Return the reasons for which a small order is refused."""
    wanted = OrderBody(
        client_order_id=f"example-{uuid.uuid4().hex[:12]}",
        account="ACME-1",
        symbol=symbol,
        side="buy",
        type="market",
        qty=100,
    )
    try:
        client.orders.submit(wanted)
    except DeniedError as denied:
        return [one.code for one in denied.problem.errors]
    except ClientError as exc:
        return [str(exc)]
    return []


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
