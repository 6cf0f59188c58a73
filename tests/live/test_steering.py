"""What is wanted of a cluster at its own machine goes the way of every request: with a name, a reason, and a record."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_embedded_desk import told, up, wanted

from cluster.journal.sqlite import SqliteJournal
from cluster.live.embedded import OWN_NODE
from cluster.live.session import assembly_of, draining_in, fresh_link, hosts_in
from cluster.live.steering import steer
from cluster.live.told import Steer, Telling, UpStatus, steer_told
from cluster.live.verifying import session_in, verify_session
from router.domain import codec
from router.domain.errors import BadInputError
from router.domain.facts import DESK, HostsSet, NodeStateSet
from router.domain.requests import Answer, Noted
from router.orders.journal import Draft
from router.orders.memory_journal import MemoryJournal


async def test_a_desk_of_one_process_is_scaled_comes_back_so_and_is_the_same_played_again(tmp_path: Path) -> None:
    async with up(tmp_path) as desk:
        await desk.ask(wanted(desk, "one", 400, "twap"))
        assert await steer(desk, Steer(who="ann", why="busy", hosts=3)) == Noted()
        for n in range(3):
            await desk.ask(wanted(desk, f"more-{n}", 50 + n))
        await told(desk, "OrderEnded", 3)
        assert (await desk.status()).hosts == 3
    async with up(tmp_path) as desk:
        status = await desk.status()
        assert status.hosts == 3
        assert {"host-0", "host-1", "host-2"} <= {actor.name for actor in status.actors}
        await desk.ask(wanted(desk, "last", 70))
        await told(desk, "OrderEnded", 4)
    journal = SqliteJournal(tmp_path / "state" / "record.sqlite", is_reader=True)
    opened = session_in(journal)
    assert hosts_in(opened, journal.read(0, DESK)) == 3
    assert [codec.decode(r.payload, HostsSet).who for r in journal.read(0, DESK) if r.kind == "HostsSet"] == [
        "ann (command line)"
    ]
    verified = verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None)
    journal.close()
    assert (verified.difference, verified.fills > 0) == ("", True)
    assert (tmp_path / "state" / "host-2.sqlite").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Steer(who="", why="busy", hosts=2), "expected a name, got '' - at who"),
        (Steer(who="ann", why=" ", hosts=2), "expected a reason, got ' ' - at why"),
        (Steer(who="ann", why="busy", hosts=65), "expected 1 to 64, got 65 - at hosts"),
        (Steer(who="ann", why="busy", node="elsewhere"), f"expected one of {OWN_NODE}, got 'elsewhere' - at node"),
        (Steer(who="ann", why="busy", node=OWN_NODE), "expected another node to move to"),
    ],
)
async def test_what_cannot_be_is_refused_and_not_recorded(tmp_path: Path, asked: Steer, said: str) -> None:
    async with up(tmp_path) as desk:
        with pytest.raises(BadInputError, match=said.replace("(", r"\(")):
            await steer(desk, asked)
        records = await desk.read(0, DESK, 1_000)
        assert [record.kind for record in records if record.kind in ("HostsSet", "NodeStateSet")] == []


async def test_who_holds_the_desk_hands_on_what_is_wanted(tmp_path: Path) -> None:
    seen: list[Steer] = []

    def hand_on(body: bytes) -> bytes:
        seen.append(codec.decode(body, Steer))
        answer: Answer = Noted()
        return codec.encode(answer)

    asked = Steer(who="ann", why="busy", hosts=4)
    with Telling(lambda: (), steer=hand_on) as telling:
        held = UpStatus(
            pid=1,
            url="",
            namespace="",
            symbol="",
            opened_at=0,
            closes_at=0,
            up_since=0,
            build="",
            opened_build="",
            port=telling.port,
            secret=telling.secret,
        )
        assert await asyncio.to_thread(steer_told, held, asked) == Noted()
    assert seen == [asked]


def test_the_nodes_that_people_drain_are_read_from_the_record() -> None:
    journal = MemoryJournal()
    for n, (node, state) in enumerate([("a", "DRAINING"), ("b", "DRAINING"), ("a", "OPEN"), ("c", "OPEN")]):
        fact = NodeStateSet(at=n, node=node, state=state, who="ann", why="test")
        journal.append(DESK, n, [Draft("NodeStateSet", n, "", codec.encode(fact))])
    journal.sync()
    assert draining_in(journal.read(0, DESK)) == ("b",)
