"""A real desk from the command line: what listens, who is told how it is, and how it comes up again.

Rule of this file: every command is run as an operator runs it; the desk is one, as starting it costs most.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from listening import descendants, listeners

from cluster.journal.sqlite import SqliteJournal
from cluster.live.told import is_gone, read_status
from router.domain import codec
from router.domain.facts import LimitSet

pytestmark = pytest.mark.ray

COMMAND_S = 240.0
BACK_S = 90.0
KEYS = """[[keys]]
id = "key-ada"
name = "ada"
role = "trader"
accounts = ["*"]
secret = "0123456789abcdef0123456789abcdef"
"""


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


class Place:
    """A folder with a configuration, and the commands over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "live"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        keys = folder / "keys.toml"
        keys.write_text(KEYS, encoding="utf-8")
        keys.chmod(0o600)
        self.write()

    def write(self, live: str = "hosts = 1", risk: str = "") -> None:
        """Write the configuration; with keys, so that nobody is let in for nothing."""
        text = f'[live]\n{live}\n[api]\nport = {self.port}\nkeys = "keys.toml"\n[risk]\n{risk}\n'
        (self.folder / "desk.toml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> Said:
        """Run a command to its end."""
        command = [sys.executable, "-m", "cluster.cli", *arguments, "--config", str(self.folder / "desk.toml")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S)
        return Said(ended.returncode, ended.stdout, ended.stderr)

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        said = self.run("status", "--json")
        assert said.code == 0, said.err
        report: dict[str, Any] = json.loads(said.out)
        return report

    def actor(self, name: str) -> dict[str, Any]:
        """What it says of one actor."""
        (actor,) = [actor for actor in self.status()["cluster"]["actors"] if actor["name"] == name]
        return dict(actor)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("desk"))
    said = place.run("up", "--detach")
    assert said.code == 0, said.err + (place.state / "up.log").read_text(encoding="utf-8")
    yield place
    if read_status(place.state) is not None:
        place.run("down")


def test_nothing_but_the_door_could_be_reached_from_elsewhere(place: Place) -> None:
    held = read_status(place.state)
    assert held is not None
    found = listeners(held.pid)
    # Ray's own, two of each actor, the door and who tells how the desk is.
    assert len(found) > 20
    assert [listener for listener in found if not listener.is_loopback] == []
    assert place.port in {listener.port for listener in found}


def test_status_needs_no_key_and_tells_of_a_death(place: Place) -> None:
    before = place.actor("learner")
    assert (before["is_alive"], before["incarnation"], before["died_at"]) == (True, 0, None)
    os.kill(before["pid"], signal.SIGKILL)
    deadline = time.monotonic() + BACK_S
    while (after := place.actor("learner"))["pid"] in (0, before["pid"]):
        assert time.monotonic() < deadline, after
    assert (after["is_alive"], after["incarnation"]) == (True, 1)
    assert after["died_at"] is not None
    assert after["why"] == "its process was killed, or ended without a word"
    lines = place.run("status").out.splitlines()
    assert {line.split()[0] for line in lines[4:]} >= {"supervisor", "record", "market", "learner", "host-0", "gateway"}
    (line,) = [line for line in lines if line.split()[0] == "learner"]
    assert line.split()[2:4] == ["up", str(after["pid"])]


def test_a_second_desk_on_the_folder_is_refused_and_harms_nobody(place: Place) -> None:
    said = place.run("up")
    assert said.code == 1
    assert "expected a state folder that nobody holds" in said.err
    assert place.status()["ready"]["is_ready"]


def test_a_desk_comes_up_again_under_changed_limits_and_says_so(place: Place) -> None:
    held = read_status(place.state)
    assert held is not None
    processes = descendants(held.pid)
    assert place.run("down").code == 0
    assert [pid for pid in processes if not is_gone(pid)] == []
    place.write(live="hosts = 1\nspeed = 2.0")
    refused = place.run("up", "--detach")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert refused.err.startswith("error: expected live.speed = 1.0, with which the session in")
    place.write(risk="qty_max = 4321")
    with socket.create_server(("127.0.0.1", place.port)):
        busy = place.run("up")
        assert (busy.code, "Address already in use" in busy.err) == (2, True)
    assert place.run("up", "--detach").code == 0
    assert "note: risk.qty_max is 4321, was 1000000" in (place.state / "up.log").read_text(encoding="utf-8")
    journal = SqliteJournal(place.state / "record.sqlite", is_reader=True)
    facts = [codec.decode(record.payload, LimitSet) for record in journal.read(0, "desk")]
    journal.close()
    assert [(fact.key, fact.after, fact.who) for fact in facts] == [("qty_max", "4321", "configuration file")]
