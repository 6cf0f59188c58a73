"""The same desk with its record on a PostgreSQL server: killed connections included, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)

from live_material import TRADER  # noqa: E402

from benchmarks.postgres_server import PostgresServer, server_programs  # noqa: E402
from cluster.journal.open import open_journal  # noqa: E402
from cluster.live.embedded import EmbeddedDesk  # noqa: E402
from cluster.live.session import assembly_of, fresh_link  # noqa: E402
from cluster.live.settings import live_settings  # noqa: E402
from cluster.live.verifying import session_in, verify_session  # noqa: E402
from router.domain.enums import Side  # noqa: E402
from router.domain.orders import ParentOrder  # noqa: E402
from router.domain.requests import Accepted, SubmitOrder  # noqa: E402

WITHIN_S = 60.0


async def _ready(desk: EmbeddedDesk) -> None:
    async with asyncio.timeout(WITHIN_S):
        async for _ in desk.follow(0):
            if not (await desk.status()).waits_for:
                return


def _wanted(desk: EmbeddedDesk, name: str) -> SubmitOrder:
    placed = ParentOrder(
        parent_id="-",
        client_order_id=name,
        symbol=desk.symbols()[0],
        side=Side.BUY,
        order_qty=50,
        start_at=0,
        end_at=0,
        strategy="sweep",
        account="A",
    )
    return SubmitOrder(principal=TRADER, order=placed, body_hash=name)


async def test_a_desk_on_postgres_comes_back_and_is_the_same_played_again(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'anabranch[postgres]'")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here (Debian: apt-get install postgresql)")
    server = PostgresServer(programs)
    url = f"{server.url}&schema=desk"
    settings = msgspec.structs.replace(live_settings(None), journal_url=url)
    try:
        for name, parent_id in (("one", "P1"), ("two", "P2")):
            desk = EmbeddedDesk(settings, None, tmp_path)
            await desk.start()
            await _ready(desk)
            assert await desk.ask(_wanted(desk, name)) == Accepted(parent_id=parent_id, is_new=True)
            assert await desk.ask(_wanted(desk, "one")) == Accepted(parent_id="P1", is_new=False)
            await desk.stop()
        journal = open_journal(url, is_reader=True)
        opened = session_in(journal)
        verified = verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None)
        journal.close()
        assert verified.difference == ""
        assert verified.windows_recorded > 0
    finally:
        server.close()
