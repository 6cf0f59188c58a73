"""Whoever owns the state folder learns how every actor lives: without a key, and also while the supervisor is busy."""

from __future__ import annotations

import inspect
import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster.actors import placement
from cluster.actors.lives import Life, Lives
from cluster.actors.node import Node
from cluster.cli import cluster_command
from cluster.cli.cluster_command import still_there
from cluster.cli.desk_status import desk_lines, desk_report
from cluster.live import told
from cluster.live.folder import hold_folder
from cluster.live.logs import last_error, log_path, setup_logs
from cluster.live.process import LiveProcess
from cluster.live.told import Telling, Told, UpStatus, ask_down, ask_told, read_status, write_status
from router.domain import requests
from router.domain.errors import LinkError
from router.domain.units import SECOND

NOW = 1_700_000_000 * SECOND
ALIVE = Life(name="record", role="record", is_alive=True, pid=7, node="127.0.0.1", since=NOW - 90 * SECOND)
BACK = msgspec.structs.replace(
    ALIVE, name="market", role="market", incarnation=2, died_at=NOW - 3_700 * SECOND, why="it was killed"
)


def status(**changes: object) -> UpStatus:
    """A desk that this process holds."""
    made = UpStatus(
        pid=os.getpid(),
        url="http://127.0.0.1:1",
        namespace="n",
        symbol="SMOK",
        opened_at=NOW,
        closes_at=NOW + 3_600 * SECOND,
        up_since=NOW,
        build="anabranch 1 (b)",
        opened_build="anabranch 1 (b)",
        port=1,
        secret="f00d",
    )
    return msgspec.structs.replace(made, **changes)


def test_who_holds_the_desk_tells_how_every_actor_lives() -> None:
    with Telling(lambda: (ALIVE, BACK)) as telling:
        said = ask_told(status(port=telling.port, secret=telling.secret))
        assert said.actors == (ALIVE, BACK)
        assert said.fault == ""
        with pytest.raises(LinkError):
            ask_told(status(port=telling.port, secret="0" * 64))
    with pytest.raises(LinkError, match="expected who holds the desk up to listen"):
        ask_told(status(port=telling.port, secret=telling.secret))


def test_a_supervisor_that_does_not_answer_is_said_beside_what_was_known_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(told, "LIVES_TIMEOUT_S", 0.05)
    busy, faults, go_on = threading.Event(), [LinkError("expected a supervisor, got none")], threading.Event()

    def lives() -> tuple[Life, ...]:
        if busy.is_set():
            go_on.wait(10)
            raise faults[0]
        return (ALIVE,)

    with Telling(lives) as telling:
        at = status(port=telling.port, secret=telling.secret)
        first = ask_told(at)
        busy.set()
        late = ask_told(at)
        go_on.set()
        failed = ask_told(at)
    assert (first.fault, late.fault) == ("", "no word in 0 s")
    assert failed.fault == "expected a supervisor, got none"
    assert first.actors == late.actors == failed.actors
    assert first.at == late.at == failed.at


def test_the_secret_is_in_the_folder_for_its_owner_alone(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    for _ in range(2):
        write_status(tmp_path, status())
    with hold_folder(tmp_path):
        assert read_status(tmp_path) == status()
    file = tmp_path / told.STATUS_FILE
    assert {found.name for found in tmp_path.iterdir()} == {file.name, "lock"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_status_of_a_process_that_is_gone_is_none(tmp_path: Path) -> None:
    with hold_folder(tmp_path):
        write_status(tmp_path, status(pid=2**22 + 1))
        assert read_status(tmp_path) is None
        (tmp_path / told.STATUS_FILE).write_text('{"pid": 1}')
        assert read_status(tmp_path) is None


def test_a_status_that_a_killed_desk_left_names_nobody_though_its_number_lives_again(tmp_path: Path) -> None:
    write_status(tmp_path, status())
    # Asked to end, it would be this process.
    assert ask_down(tmp_path) is None
    with hold_folder(tmp_path):
        assert read_status(tmp_path) == status()


def test_lines_tell_each_actors_process_life_and_last_death() -> None:
    ready = {"is_ready": False, "waits_for": ["market SMOK"]}
    lines = list(desk_lines(status(opened_build="anabranch 0 (a)"), ready, Told(actors=(ALIVE, BACK), at=NOW), NOW))
    assert lines[:3] == [
        "http://127.0.0.1:1: waits for market SMOK",
        "SMOK, a session from 2023-11-14T22:13:20Z to 2023-11-14T23:13:20Z;"
        f" held by process {os.getpid()} since 2023-11-14T22:13:20Z",
        "anabranch 1 (b); opened by anabranch 0 (a)",
    ]
    assert [line.split() for line in lines[-2:]] == [
        ["record", "record", "up", "7", "127.0.0.1", "1m30s", "0", "-", "-"],
        ["market", "market", "up", "7", "127.0.0.1", "1m30s", "2", "1h01m", "ago", "it", "was", "killed"],
    ]


def test_lines_tell_of_nodes_where_there_are_several_and_of_hosts_that_rest() -> None:
    resting = Life(name="host-1", role="host", is_resting=True)
    nodes = (
        Node(node="a1", address="10.0.0.1", actors=("record", "market")),
        Node(node="b2", address="10.0.0.2", is_draining=True),
    )
    lines = list(desk_lines(status(), {"is_ready": True}, Told(actors=(ALIVE, resting), at=NOW, nodes=nodes), NOW))
    assert [line.split() for line in lines[-4:]] == [
        ["host-1", "host", "rests", "-", "-", "-", "0", "-", "-"],
        ["node", "address", "state", "actors"],
        ["a1", "10.0.0.1", "open", "record,", "market"],
        ["b2", "10.0.0.2", "drained", "-"],
    ]
    report = desk_report(status(), {"is_ready": True}, Told(actors=(), at=NOW, nodes=nodes))
    assert [node["is_draining"] for node in report["cluster"]["nodes"]] == [False, True]


def test_the_command_takes_as_many_hosts_as_the_record_does() -> None:
    assert cluster_command.HOSTS_MAX == requests.HOSTS_MAX == placement.HOSTS_MAX


def test_who_moves_has_left_a_node_when_he_lives_elsewhere_or_rests() -> None:
    def life(name: str, **said: Any) -> Life:
        return Life(name=name, role="host", **said)

    actors = (
        life("moved", is_alive=True, node_id="b2"),
        life("rests", is_resting=True),
        life("coming"),
        life("new", is_alive=True, node_id="a1"),
    )
    told = Told(actors=actors, at=NOW, nodes=(Node(node="a1", address="10.0.0.1", actors=("new",)),))
    assert still_there(told, "a1", {"moved", "rests", "coming"}) == {"coming", "new"}


def test_the_report_for_programs_has_everything_but_the_secret() -> None:
    report = desk_report(status(), {"is_ready": True}, Told(actors=(BACK,), at=NOW))
    assert "f00d" not in str(report)
    (actor,) = report["cluster"]["actors"]
    assert (actor["incarnation"], actor["pid"], actor["died_at"]) == (2, 7, "2023-11-14T21:11:40Z")
    assert report["desk"]["build"] == "anabranch 1 (b)"


def test_ray_gives_each_call_of_a_live_process_a_thread_so_that_one_that_closes_answers_its_health() -> None:
    # One coroutine, were it a private one, and Ray would run all of its calls on one loop.
    assert inspect.getmembers(LiveProcess, inspect.iscoroutinefunction) == []


def test_a_life_keeps_what_ended_the_one_before_it() -> None:
    times = iter(range(1, 10))
    lives = Lives(lambda: next(times))
    lives.wanted("host-0", "host")
    lives.started("host-0", 11, "127.0.0.1")
    assert lives.died("host-0", 1, "a\n  long story") == 2
    (dead,) = lives.all()
    assert (dead.is_alive, dead.pid, dead.why) == (False, 0, "a long story")
    lives.started("host-0", 12, "127.0.0.1")
    (again,) = lives.all()
    assert (again.is_alive, again.pid, again.incarnation, again.since, again.died_at) == (True, 12, 1, 3, 2)
    lives.failed("host-0", "it cannot be")
    lives.failed("nobody", "unheard of")
    assert [(life.name, life.is_alive, life.why) for life in lives.all()] == [("host-0", False, "it cannot be")]


def test_the_last_words_of_a_process_are_read_from_its_log(tmp_path: Path) -> None:
    path = log_path(tmp_path, "market")
    assert last_error(path) == ""
    logs = setup_logs("market", path=path)
    log = logging.getLogger("anabranch.live")
    log.info("started")
    log.error("the market cannot go on: a\ntape ended")
    logs.close()
    with path.open("a") as file:
        file.write('{"level": "err')
    assert last_error(path) == "the market cannot go on: a\ntape ended"
    logs = setup_logs("market", path=path)
    log.info("started")
    logs.close()
    assert last_error(path) == ""
