"""While the market comes back an order is certainly not accepted, and a client sends it again under the same id."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from api_desk import ServedDesk, ask, order_body, until
from client_desk import QUICK, order

from anabranch import AsyncClient
from router.domain.played import Reference
from router.domain.units import SECOND

OLD = 120 * SECOND
"""Further back than the tests' desk lets a reference be."""


class Away:
    """A market whose words are old, as they are while it comes back; it goes on when it is told to."""

    def __init__(self, served: ServedDesk) -> None:
        self._intake, self._served = served.desk.desk.intake, served
        self._see = served.desk.desk.see
        served.desk.desk.see = self._aged  # type: ignore[method-assign]

    def _aged(self, reference: Reference) -> None:
        self._see(msgspec.structs.replace(reference, at=reference.at - OLD))

    def come_back(self) -> None:
        self._served.desk.desk.see = self._see  # type: ignore[method-assign]


async def refused_once(served: ServedDesk, away: Away) -> None:
    """Let the market come back once it has kept an order from being accepted."""

    async def is_refused() -> bool:
        found = (await ask(served.url, "GET", "/metrics")).body.decode()
        return 'route="/v1/orders",status="503"} 2.0' in found

    assert await until(is_refused)
    away.come_back()


async def test_order_without_a_market_is_answered_for_later_and_the_client_sends_it_again(tmp_path: Path) -> None:
    with ServedDesk(tmp_path) as served:
        away = Away(served)

        async def is_away() -> bool:
            return (await ask(served.url, "GET", "/readyz")).status == 503

        assert await until(is_away)
        assert (await ask(served.url, "GET", "/readyz")).json()["waits_for"] == ["market SMOK"]
        refused = await ask(served.url, "POST", "/v1/orders", order_body("away-1"))
        said = refused.json()
        assert (refused.status, said["code"], said["retry"]) == (503, "not_ready", "later")
        assert refused.headers["Retry-After"] == "1"
        assert [error["code"] for error in said["errors"]] == ["NO_MARKET"]
        batch = await ask(served.url, "POST", "/v1/orders/batch", {"orders": [order_body("away-2")]})
        assert [one["problem"]["code"] for one in batch.json()["results"]] == ["not_ready"]
        async with AsyncClient(served.url, options=QUICK) as client:
            accepted, _ = await asyncio.gather(client.orders.submit(order("away-1")), refused_once(served, away))
        assert (accepted.client_order_id, accepted.status) == ("away-1", "new")
        listed = (await ask(served.url, "GET", "/v1/orders")).json()["orders"]
        assert [one["client_order_id"] for one in listed] == ["away-1"]
