"""A desk on the wall clock: orders are worked, a restart loses nothing, and the session can be played again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from live_material import OPERATOR, TRADER

from cluster.journal.sqlite import SqliteJournal
from cluster.live.embedded import EmbeddedDesk
from cluster.live.session import assembly_of, fresh_link
from cluster.live.settings import LiveSettings, live_settings
from cluster.live.verifying import session_in, verify_session
from router.domain import codec, facts
from router.domain.enums import OrdStatus, Side
from router.domain.orders import ParentOrder
from router.domain.requests import Accepted, CancelOrder, Denied, Kill, Noted, ReplaceOrder, SubmitOrder

WITHIN_S = 60.0


def small_settings(folder: Path) -> LiveSettings:
    """The desk's own market, ten times as fast as the clock."""
    file = folder / "anabranch.toml"
    file.write_text(
        "[live]\nspeed = 10.0\n[risk]\nreference_stale_ns = 600_000_000_000\n[api]\nis_open = true\n", encoding="utf-8"
    )
    return live_settings(file)


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[EmbeddedDesk]:
    """A desk whose journals lie in a folder, once it is ready."""
    desk = EmbeddedDesk(small_settings(folder), None, folder / "state")
    await desk.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            # Every second of the market's time it shows what it would do: something is always about to be recorded.
            async for _ in desk.follow(0):
                if not (await desk.status()).waits_for:
                    break
        yield desk
    finally:
        await desk.stop()


def wanted(desk: EmbeddedDesk, name: str, qty: int = 50, strategy: str = "sweep") -> SubmitOrder:
    """An order for the desk's symbol, by default to be filled at once."""
    placed = ParentOrder(
        parent_id="-",
        client_order_id=name,
        symbol=desk.symbols()[0],
        side=Side.BUY,
        order_qty=qty,
        start_at=0,
        end_at=0,
        strategy=strategy,
        account="A",
    )
    return SubmitOrder(principal=TRADER, correlation_id=f"corr-{name}", order=placed, body_hash=f"{name}/{qty}")


async def told(desk: EmbeddedDesk, kind: str, count: int = 1) -> list[facts.Fact]:
    """What account A was told of a kind, once there is so much of it."""
    found: list[facts.Fact] = []
    seqs: list[int] = []
    async with asyncio.timeout(WITHIN_S):
        async for records in desk.follow(0):
            mine = [record for record in records if record.stream == "account:A"]
            seqs += [record.seq for record in mine]
            found += [codec.decode(record.payload, facts.Fact) for record in mine if record.kind == kind]
            if len(found) >= count:
                break
    assert seqs == list(range(len(seqs)))
    return found


async def test_an_order_is_worked_on_the_clock_and_its_client_is_told(tmp_path: Path) -> None:
    async with up(tmp_path) as desk:
        assert await desk.ask(wanted(desk, "one")) == Accepted(parent_id="P1", is_new=True)
        ended = (await told(desk, "OrderEnded"))[0]
        assert isinstance(ended, facts.OrderEnded)
        assert (ended.ord_status, ended.cum_qty) == (OrdStatus.FILLED, 50)
        executed = await told(desk, "OrderExecuted")
        assert sum(fact.last_qty for fact in executed if isinstance(fact, facts.OrderExecuted)) == 50
        records = await desk.read(0, None, 100_000)
        named = {record.correlation_id for record in records if record.stream in ("account:A", "parent:P1")}
        assert named == {"corr-one"}


async def test_a_restart_loses_nothing_and_the_session_is_the_same_played_again(tmp_path: Path) -> None:
    async with up(tmp_path) as desk:
        await desk.ask(wanted(desk, "one", 500))
        await desk.ask(wanted(desk, "two", 2_000, "twap"))
        assert await desk.ask(ReplaceOrder(principal=TRADER, parent_id="P2", order_qty=1_500)) == Noted()
        await told(desk, "OrderReplaced")
        before = desk.desk.intake.digest()
        size = (await desk.status()).journal_size
    async with up(tmp_path) as desk:
        assert (await desk.status()).journal_size >= size
        assert desk.desk.intake.book.orders["P2"].order.order_qty == 1_500
        assert await desk.ask(wanted(desk, "one", 500)) == Accepted(parent_id="P1", is_new=False)
        assert await desk.ask(wanted(desk, "three")) == Accepted(parent_id="P3", is_new=True)
        await desk.ask(CancelOrder(principal=TRADER, parent_id="P2"))
        await told(desk, "OrderEnded", 3)
        assert before != desk.desk.intake.digest()
    journal = SqliteJournal(tmp_path / "state" / "record.sqlite", is_reader=True)
    opened = session_in(journal)
    verified = verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None)
    assert verified.difference == ""
    assert verified.decisions > 0
    assert verified.fills > 0


async def test_played_again_with_another_policy_it_says_where_it_first_differs(tmp_path: Path) -> None:
    async with up(tmp_path) as desk:
        await desk.ask(wanted(desk, "one"))
        await told(desk, "OrderEnded")
    journal = SqliteJournal(tmp_path / "state" / "record.sqlite", is_reader=True)
    opened = msgspec.structs.replace(session_in(journal), policy="uniform")
    verified = verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None)
    assert verified.difference.startswith("window ")


async def test_a_kill_told_to_the_market_alone_stops_it_and_reaches_the_desk(tmp_path: Path) -> None:
    async with up(tmp_path) as desk:
        await desk.ask(wanted(desk, "one", 5_000, "twap"))
        await desk.kill_now("ALL", "", "ann", "drill")
        ended = (await told(desk, "OrderEnded"))[0]
        assert isinstance(ended, facts.OrderEnded)
        assert ended.ord_status is OrdStatus.CANCELED
        assert isinstance(await desk.ask(wanted(desk, "two")), Denied)
        assert (await desk.status()).waits_for == ("killed",)
        assert await desk.ask(Kill(principal=OPERATOR, level="all", target="", why="again")) == Noted(count=0)
    journal = SqliteJournal(tmp_path / "state" / "record.sqlite", is_reader=True)
    opened = session_in(journal)
    assert verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None).difference == ""
