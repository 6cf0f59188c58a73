"""Decide here, execute elsewhere: ask how a slice would be split, execute it yourself, report what became of it.

The orders never leave your own system. The desk says where it would send them, and its learners learn from what you
report: the same outcomes as from its own children, by the same keys.

Rule of this file: it runs as it stands against a desk in its development mode: `python examples/decide_and_report.py
http://127.0.0.1:8080`.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import msgspec

from anabranch import AsyncClient, OutcomeBody, RouteBody
from anabranch.answers import RouteAnswer, RouteChild

SLICES = 5


async def main(url: str) -> tuple[int, int]:
    """Route and report some slices at `url`; return how many outcomes were reported and how many were learnt of."""
    async with AsyncClient(url, name="ada") as client:
        await client.wait_until_ready()
        symbol = (await client.cluster()).symbols[0]
        before, reported = await known(client, symbol), 0
        order_id = f"mine-{uuid.uuid4().hex[:8]}"
        for number in range(SLICES):
            asked = RouteBody(symbol=symbol, side="buy", qty=1_000, urgency=0.8, reference=order_id, decision=number)
            routed = await client.route(asked)
            outcomes = [outcome for child in routed.children for outcome in execute(order_id, routed, child)]
            reported += (await client.report_outcomes(symbol, outcomes)).count
            split = ", ".join(f"{child.qty} {child.lane}" for child in routed.children)
            print(f"{routed.decision_id} by {routed.policy}, version {routed.policy_version}: {split}")
        async with asyncio.timeout(30):
            # The market hands outcomes to its learner with the next window.
            while (learnt := await known(client, symbol) - before) < reported:
                await asyncio.sleep(0.1)
        print(f"{reported} outcomes reported, {learnt} learnt of")
        return reported, learnt


def execute(order_id: str, routed: RouteAnswer, child: RouteChild) -> list[OutcomeBody]:
    """Return what became of a child. Yours goes to a market; this one is filled by half, and the rest is cancelled."""
    filled = child.qty // 2
    fill = OutcomeBody(
        kind="fill",
        reference=order_id,
        decision_id=routed.decision_id,
        child_id=child.child_id,
        lane=child.lane,
        side="buy",
        qty=child.qty,
        exec_id=f"{child.child_id}.1",
        leaves_qty=child.qty,
        filled_qty=filled,
        cum_qty=filled,
        age_to_ms=40.0,
        # Given back as it came: it is what the decision saw, and what the learner learns by.
        context=child.context,
    )
    rest = msgspec.structs.replace(
        fill,
        kind="cancel",
        exec_id="",
        leaves_qty=child.qty - filled,
        filled_qty=0,
        age_from_ms=40.0,
        age_to_ms=900.0,
        is_final=True,
    )
    return [fill, rest] if filled else [msgspec.structs.replace(rest, age_from_ms=0.0)]


async def known(client: AsyncClient, symbol: str) -> int:
    """Return how many outcomes the learner of a symbol has applied."""
    learners = [learner for learner in await client.learners() if learner.symbol == symbol]
    return max((side.outcomes_applied for learner in learners for side in learner.sides), default=0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
