"""A client of the kill drill: hands in, changes and ends orders while processes die; silence is no answer to it.

Rule of this file: an order goes out again under its own id until the desk has answered it; only what was answered 201
or 200 counts as acknowledged. The stream is followed from where it was left, and what it told is kept.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import aiohttp

from benchmarks.kill_drill import ACCOUNT, SYMBOL
from router.domain.chance import uniforms

TRY_S = 5.0
AGAIN_S = 0.1
WORKERS = 5
GIVE_UP_S = 120.0
_FAULTS = (aiohttp.ClientError, TimeoutError, OSError)


class Refused(Exception):
    """An answer that sending the same again does not change."""


class Drill:
    """A desk's client. `seed` draws what it does, and for which of `accounts`; the first one has most of the orders."""

    def __init__(self, url: str, seed: int, accounts: tuple[str, ...] = (ACCOUNT,)) -> None:
        self.url, self._seed, self.accounts = url, seed, accounts
        self.acknowledged: dict[str, str] = {}
        """The order that each client's id was acknowledged as."""
        self.contradicted: list[str] = []
        """Ids that were acknowledged as two different orders."""
        self.refused: dict[str, str] = {}
        self.cancels = self.replaces = self.tries = self.stops = 0
        self.told: dict[str, list[dict[str, Any]]] = {account: [] for account in accounts}
        """By account the events of its stream, as they came."""
        self._live: list[str] = []
        self._number = 0

    async def __aenter__(self) -> Drill:
        timeout = aiohttp.ClientTimeout(total=TRY_S)
        self._http = aiohttp.ClientSession(self.url, timeout=timeout)
        self._tasks: list[asyncio.Task[None]] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.rest()
        await self._http.close()

    def go(self) -> None:
        """Begin to trade, and to follow the stream."""
        self._tasks = [asyncio.create_task(self._trade(n)) for n in range(WORKERS)]
        self._tasks += [asyncio.create_task(self._follow(account)) for account in self.accounts]

    async def rest(self) -> None:
        """Begin nothing new; what is under way is answered first, but for the stream."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def order(self, client_order_id: str, **changes: Any) -> str:
        """Hand an order in until it is acknowledged, and return the desk's id of it.

        Raises:
            Refused: the desk does not want it.
        """
        body = {
            "client_order_id": client_order_id,
            "account": ACCOUNT,
            "symbol": SYMBOL,
            "side": "buy",
            "type": "market",
            "qty": "100",
            "routing": {"strategy": "sweep", "urgency": 1.0},
        } | changes
        said = await self._until_answered("POST", "/v1/orders", body, client_order_id)
        first = self.acknowledged.setdefault(client_order_id, said["order_id"])
        if first != said["order_id"]:
            self.contradicted.append(client_order_id)
        return first

    async def is_worked(self, order_id: str) -> bool:
        """Whether an order has left for a venue, or has ended."""
        with suppress(*_FAULTS, ValueError, KeyError):
            async with self._http.get(f"/v1/orders/{order_id}/children") as answer:
                if answer.status == 200 and (await answer.json())["children"]:
                    return True
        return False

    async def is_ready(self) -> bool:
        """Whether the desk says that it would accept an order."""
        with suppress(*_FAULTS):
            async with self._http.get("/readyz") as answer:
                return answer.status == 200
        return False

    async def end_all(self) -> None:
        """Ask for the end of every open order, and return when none is left.

        Raises:
            TimeoutError: some stay open.
        """
        async with asyncio.timeout(GIVE_UP_S):
            for account in self.accounts:
                await self._until_answered("DELETE", f"/v1/orders?account={account}", None, "")
            while (await self._until_answered("GET", "/v1/orders?status=open&limit=1", None, ""))["orders"]:
                await asyncio.sleep(AGAIN_S)

    async def filled(self) -> dict[str, int]:
        """Return the executed quantity of every order as the desk tells it."""
        found: dict[str, int] = {}
        cursor = ""
        while True:
            page = await self._until_answered("GET", f"/v1/orders?limit=500{cursor}", None, "")
            found |= {order["order_id"]: int(order["cum_qty"]) for order in page["orders"]}
            if page["next"] is None:
                return found
            cursor = f"&after={page['next']}"

    async def hear_all(self) -> None:
        """Follow the stream to where the desk is now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                await asyncio.gather(*(self._follow(account) for account in self.accounts))

    async def ask(self, method: str, path: str, body: Any) -> Any:
        """Ask for something until it is answered, and return the answer.

        Raises:
            Refused: it is refused.
        """
        return await self._until_answered(method, path, body, "")

    async def _until_answered(self, method: str, path: str, body: Any, client_order_id: str) -> Any:
        while True:
            self.tries += 1
            with suppress(*_FAULTS):
                async with self._http.request(method, path, json=body) as answer:
                    if answer.status < 300:
                        return await answer.json()
                    text = await answer.text()
                    if answer.status in (400, 401, 403, 404, 409, 422):
                        self.refused[client_order_id or path] = f"{answer.status} {text[:300]}"
                        raise Refused(text)
            await asyncio.sleep(AGAIN_S)

    async def _trade(self, worker: int) -> None:
        turn = 0
        while True:
            turn += 1
            a, b, c, d = uniforms(self._seed, "drill", f"worker-{worker}", turn)
            with suppress(Refused):
                if a < 0.6 or not self._live:
                    await self._submit(f"d{worker}-{turn}", b, c)
                else:
                    order_id = self._live[int(b * len(self._live))]
                    await (self._cancel(order_id) if a < 0.85 else self._replace(order_id, c))
            await asyncio.sleep(0.05 + 0.3 * d)

    async def _submit(self, client_order_id: str, b: float, c: float) -> None:
        strategy = ("arrival", "liquidity_seeking", "twap", "sweep", "pov")[int(b * 5)]
        # One order in three is of the second account, where there is one.
        account = self.accounts[int(int(c * 1e6) % 3 == 0 and len(self.accounts) > 1)]
        self._number += 1
        order_id = await self.order(
            client_order_id,
            account=account,
            # What is not held cannot be sold: there are more buys than sells.
            side="buy" if self._number % 3 else "sell",
            qty=str(1 + int(c * 2_000)),
            routing={"strategy": strategy, "urgency": round(b, 2)},
        )
        self._live = [*self._live[-9:], order_id]

    async def _cancel(self, order_id: str) -> None:
        self._live.remove(order_id)
        self.cancels += 1
        await self._until_answered("DELETE", f"/v1/orders/{order_id}", None, "")

    async def _replace(self, order_id: str, c: float) -> None:
        self.replaces += 1
        await self._until_answered("PATCH", f"/v1/orders/{order_id}", {"qty": str(500 + int(c * 2_000))}, "")

    async def _follow(self, account: str) -> None:
        """Hear an account's stream from where it was left, over whatever breaks it."""
        told = self.told[account]
        while True:
            after = told[-1]["seq"] if told else -1
            with suppress(*_FAULTS, ValueError):
                async with self._http.ws_connect(f"/v1/stream?accounts={account}&after={after}") as stream:
                    async for message in stream:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            said = json.loads(message.data)
                            if said["type"] == "event":
                                told.append(said)
            await asyncio.sleep(AGAIN_S)
