"""A desk on three nodes is scaled, and a node of it drained, while it trades: no order is lost or doubled.

Rule of this file: every command is run as an operator runs it, on a real Ray of three nodes; nothing is asserted about
time.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster.config import RayOptions
from cluster.live.local_nodes import local_nodes

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
COMMAND_S = 300.0
LOOKS_MAX = 240


class Desk:
    """A configuration, and the commands and requests over it."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.state, self.file = folder / "live", folder / "desk.toml"
        self.file.write_text(
            f"[live]\nhosts = 1\nspeed = 5.0\n[api]\nport = {self.port}\nis_open = true\n", encoding="utf-8"
        )

    def run(self, *arguments: str, has_config: bool = True) -> str:
        """Run a command to its end, which must be good, and return what it says."""
        command = [sys.executable, "-m", "cluster.cli", *arguments]
        command += ["--config", str(self.file)] if has_config else []
        ended = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S)
        assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Ask over HTTP, with POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30.0) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as exc:
            with exc:
                raise AssertionError(f"{path}: {exc.code} {exc.read().decode()}") from None

    def is_ready(self) -> bool:
        """Whether an order would be accepted; who has just moved says that he is not there yet."""
        try:
            return bool(self.ask("/readyz")[1]["is_ready"])
        except AssertionError:
            return False

    def submit(self, name: str, strategy: str = "twap") -> tuple[int, str]:
        """Hand in an order; return the status and the order's id."""
        symbol = self.ask("/v1/cluster")[1]["symbols"][0]
        # Orders of one size, one after the other, are taken for a fault of their sender.
        qty = str(300 + 10 * len(name) + int(name[-1], 36))
        order = {"client_order_id": name, "symbol": symbol, "side": "buy", "type": "market", "qty": qty, "account": "A"}
        status, said = self.ask("/v1/orders", {**order, "routing": {"strategy": strategy}})
        return status, said["order_id"]

    def cluster(self) -> dict[str, Any]:
        """What `status --json` says of the cluster."""
        found: dict[str, Any] = json.loads(self.run("status", "--json"))["cluster"]
        return found

    def actor(self, name: str) -> dict[str, Any]:
        """What it says of one actor."""
        (found,) = [actor for actor in self.cluster()["actors"] if actor["name"] == name]
        return dict(found)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with local_nodes(None, 3, RayOptions()):
        desk = Desk(tmp_path)
        desk.run("up", "--detach", "--address", ray.get_runtime_context().gcs_address)
        try:
            yield desk
        finally:
            desk.run("down")


def wait_for(holds: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    assert any(holds() or pause.wait(1.0) for _ in range(LOOKS_MAX)), what


def test_a_desk_is_scaled_and_a_node_drained_while_orders_are_worked(desk: Desk) -> None:
    before = [desk.submit(f"before-{n}") for n in range(2)]
    assert desk.run("scale", "3", "--why", "a busy day") == "new orders are spread over 3 hosts from now on\n"
    after = [desk.submit(f"after-{n}") for n in range(4)]
    assert [status for status, _ in (*before, *after)] == [201] * 6
    assert desk.ask("/v1/cluster")[1]["hosts_why"] == "a busy day"
    wait_for(lambda: desk.ask("/v1/cluster")[1]["hosts"] == 3, "the market has not heard of it")
    worked = {f"host-{n}" for n in range(3)}
    assert worked <= {actor["name"] for actor in desk.cluster()["actors"] if actor["is_alive"]}

    node = desk.actor("record")["node_id"]
    said = desk.run("drain", node[:12], "--why", "new memory")
    assert said.endswith(f"nothing of the desk lives on {node} any more\n")
    assert "moved record" in said
    wait_for(desk.is_ready, "the desk is not ready")
    # Whoever asks again under the same id has the same order.
    assert [desk.submit(f"after-{n}") for n in range(4)] == [(200, order_id) for _, order_id in after]
    assert desk.submit("moved", "sweep")[0] == 201
    (kept,) = [one for one in desk.cluster()["nodes"] if one["node"] == node]
    assert (kept["is_draining"], kept["actors"]) == (True, [])
    desk.run("drain", node, "--open", "--why", "it is back")

    desk.run("scale", "1", "--why", "a quiet evening")
    wait_for(lambda: _is_filled(desk, "moved"), "the order is not worked")
    for order_id in {order_id for _, order_id in (*before, *after)}:
        _end(desk, order_id)
    wait_for(lambda: all(desk.actor(f"host-{n}")["is_resting"] for n in (1, 2)), "hosts do not rest")
    assert desk.actor("host-0")["is_alive"]
    desk.run("down")
    verified = json.loads(desk.run("verify-replay", str(desk.state / "record.sqlite"), "--json", has_config=False))
    assert (verified["difference"], verified["fills"] > 0) == ("", True)
    # Brought up again it has every host that may be asked for, and lets those rest that have nothing to do.
    desk.run("up", "--detach", "--address", ray.get_runtime_context().gcs_address)
    assert desk.submit("moved", "sweep")[0] == 200
    assert {"host-0", "host-1", "host-2"} <= {actor["name"] for actor in desk.cluster()["actors"]}


def _is_filled(desk: Desk, name: str) -> bool:
    return bool(desk.ask(f"/v1/orders/by_client_order_id/{name}")[1]["status"] == "filled")


def _end(desk: Desk, order_id: str) -> None:
    """Cancel an order and wait for its end."""
    request = urllib.request.Request(f"http://127.0.0.1:{desk.port}/v1/orders/{order_id}", method="DELETE")
    try:
        urllib.request.urlopen(request, timeout=30.0).close()
    except urllib.error.HTTPError as exc:
        # It has ended by itself.
        assert exc.code == 409, exc.read()
        exc.close()
    ended = ("filled", "canceled", "expired", "rejected", "done_for_day")
    wait_for(lambda: desk.ask(f"/v1/orders/{order_id}")[1]["status"] in ended, f"{order_id} does not end")
