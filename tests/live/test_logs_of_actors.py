"""What actors of a live desk log: shells their lives and what they refuse; the record what became of each order."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live_material import OPEN_AT, desk, session, submit

from cluster.actors.process import ShellProcess
from cluster.actors.recipe import Recipe
from cluster.link.answers import FAULT
from cluster.link.frames import read_frame, write_frame
from cluster.live import order_log
from cluster.live.logs import log_path, setup_logs
from router.domain import codec
from router.domain.enums import OrdStatus, OrdType, Side, Tactic
from router.domain.events import (
    ChildAcknowledged,
    ChildIntended,
    ChildLost,
    ChildOut,
    ChildRejected,
    ChildSent,
    ChildTraded,
    Event,
    ParentDone,
)
from router.domain.messages import LearnerBatch
from router.domain.orders import ChildOrder
from router.domain.played import Played
from router.domain.units import SECOND
from scenarios.scenario import load_scenario

NOW = OPEN_AT + SECOND


def recipe(folder: Path, opened: bytes) -> Recipe:
    scenario = load_scenario("smoke")
    return Recipe(
        name="host-0",
        role="host",
        scenario_name=scenario.name,
        scenario_text=scenario.text,
        seed=1,
        policy="censored",
        data=None,
        journal=str(folder / "host-0.sqlite"),
        token="5e" * 32,
        opened=opened,
    )


def lines_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_shell_of_a_live_desk_logs_its_lives_and_what_it_refuses(tmp_path: Path) -> None:
    process = ShellProcess(msgspec.msgpack.encode(recipe(tmp_path, codec.encode(session()))))
    process.ready()
    assert process.handle(codec.encode(LearnerBatch(seq=1, now=NOW, outcomes=(), frames=())))[:1] == FAULT
    address = process.listen("127.0.0.1")
    with socket.create_connection(address) as stranger:
        read_frame(stranger)
        write_frame(stranger, bytes(64))
        assert stranger.recv(1) == b""
    process.close()
    lines = lines_in(log_path(tmp_path, "host-0"))
    assert {line["process"] for line in lines} == {"host-0"}
    said = [(line["level"], line["message"].partition(":")[0]) for line in lines]
    assert said == [
        ("info", "started"),
        ("warning", "a batch came to nothing"),
        ("warning", "a stream was refused"),
        ("info", "closed"),
    ]
    assert (lines[0]["incarnation"], lines[0]["role"]) == (0, "host")


def test_a_shell_of_a_run_has_no_log_of_its_own(tmp_path: Path) -> None:
    process = ShellProcess(msgspec.msgpack.encode(recipe(tmp_path, b"")))
    process.ready()
    process.close()
    assert not log_path(tmp_path, "host-0").exists()


def child(n: int) -> ChildIntended:
    placed = ChildOrder(
        cl_ord_id=f"P1.{n}",
        parent_id="P1",
        decision_id="P1.d0",
        symbol="SMOK",
        mic="XLTA",
        tactic=Tactic.TAKE,
        side=Side.BUY,
        order_qty=100,
        ord_type=OrdType.LIMIT,
        price=1_000_000,
    )
    return ChildIntended(parent_id="P1", at=NOW, cl_ord_id=placed.cl_ord_id, child=placed, mid_routed2=0)


def window(n: int, *events: Event) -> Played:
    return Played(
        symbol="SMOK",
        n=n,
        at=NOW,
        is_cut=False,
        heard=0,
        events=events,
        digest="d",
        policy_version=1,
        model_digest="m",
    )


def about(n: int) -> dict[str, Any]:
    return {"parent_id": "P1", "at": NOW, "cl_ord_id": f"P1.{n}"}


def test_a_window_says_one_line_of_each_order_under_the_id_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    intake = desk(session())
    intake.answer(submit(1, session()), OPEN_AT)
    first = window(0, child(0), ChildSent(**about(0)), ChildAcknowledged(**about(0), order_id="v"), child(1))
    rest = window(
        1,
        ChildTraded(**about(0), exec_id="e", last_qty=100, last_px=1_000_000),
        ChildRejected(**about(1), text="no"),
        ChildOut(**about(1), ord_status=OrdStatus.CANCELED, cum_qty=0),
        ChildLost(**about(1), reason="silence"),
        ParentDone(parent_id="P1", at=NOW, ord_status=OrdStatus.FILLED),
    )
    with caplog.at_level(logging.INFO, logger="anabranch.orders"):
        for played in (first, rest):
            lines = order_log.lines_of(played, intake)
            intake.play(played)
            order_log.say(lines)
    fields: list[Any] = [(getattr(one, "correlation_id", ""), getattr(one, "fields", {})) for one in caplog.records]
    assert [(correlation_id, said["parent_id"]) for correlation_id, said in fields] == [("x1", "P1")] * 2
    assert fields[0][1]["said"] == ["P1.0 sent to XLTA", "P1.0 acknowledged by XLTA"]
    assert fields[1][1]["said"] == [
        "P1.0 filled 100 at XLTA",
        "P1.1 rejected by XLTA: no",
        "P1.1 canceled at XLTA",
        "P1.1 unknown at XLTA: silence",
        "filled",
    ]


def test_a_window_of_thousands_of_events_says_so_many_and_no_more() -> None:
    intake = desk(session())
    intake.answer(submit(1, session()), OPEN_AT)
    logging.getLogger("anabranch.orders").setLevel(logging.INFO)
    try:
        ((_, fields),) = order_log.lines_of(window(0, *[ChildSent(**about(n)) for n in range(1_000)]), intake)
    finally:
        logging.getLogger("anabranch.orders").setLevel(logging.NOTSET)
    said: Any = fields["said"]
    assert (len(said), fields["unsaid"]) == (order_log.SAID_MAX, 1_000 - order_log.SAID_MAX)


def test_nothing_is_made_ready_where_nobody_logs(tmp_path: Path) -> None:
    logs = setup_logs("record", "warning", tmp_path / "record.jsonl")
    try:
        assert order_log.lines_of(window(0, child(0), ChildSent(**about(0))), desk(session())) == []
    finally:
        logs.close()
