"""What operators see: metrics as Prometheus reads them, logs as one line of JSON each, and no secret in either."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import msgspec
import pytest
from door_kit import SECRETS, opened, signed
from prometheus_client.parser import text_string_to_metric_families

from cluster.api.backend import ActorStatus, DeskStatus, NodeStatus
from cluster.api.metrics import DoorMetrics
from cluster.live.logs import setup_logs
from router.domain.errors import ConfigError


def samples(text: bytes) -> dict[str, float]:
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def test_requests_are_counted_by_route_and_status(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        for name in ("ada", "ada", "rob"):
            await door.ask(name, "POST", "/v1/orders")
        for path in ("/nowhere/1", "/nowhere/2"):
            await door.ask("ada", "GET", path)
        found = samples((await door.ask("olga", "GET", "/metrics"))[1])
    name = "anabranch_http_requests_total"
    assert found[name + "[('method', 'POST'), ('route', '/v1/orders'), ('status', '201')]"] == 2
    assert found[name + "[('method', 'POST'), ('route', '/v1/orders'), ('status', '403')]"] == 1
    assert found[name + "[('method', 'GET'), ('route', 'none'), ('status', '404')]"] == 2
    assert found["anabranch_http_refusals_total[('code', 'forbidden'), ('rate_class', 'orders')]"] == 1
    assert found["anabranch_ready[]"] == 0


def test_dead_actor_is_not_shown_as_alive() -> None:
    metrics = DoorMetrics()
    actors = tuple(ActorStatus(name=name, role="host", incarnation=2, is_alive=True) for name in ("h0", "h1"))
    status = DeskStatus(
        waits_for=(), market_at=5, wall_at=5, speed=1.0, journal_size=7, actors=actors,
        metrics={"flush seconds": 0.5},
    )  # fmt: skip
    metrics.desk(status, [])
    found = samples(metrics.text())
    assert found["anabranch_actor_incarnation[('name', 'h1'), ('role', 'host')]"] == 2
    assert found["anabranch_desk_flush_seconds[]"] == 0.5
    metrics.desk(DeskStatus(waits_for=("x",), market_at=5, wall_at=5, speed=1.0, journal_size=7), [])
    found = samples(metrics.text())
    assert not any(name.startswith("anabranch_actor_up") for name in found)


def test_resting_host_is_no_dead_one_and_nodes_are_shown_while_they_are_there() -> None:
    metrics = DoorMetrics()
    rests = ActorStatus(name="host-3", role="host", incarnation=1, is_alive=False, is_resting=True)
    nodes = (NodeStatus(node="n1", address="a"), NodeStatus(node="n2", address="b", is_alive=False, is_draining=True))
    status = DeskStatus(
        waits_for=(), market_at=5, wall_at=5, speed=1.0, journal_size=7, actors=(rests,), hosts=3,
        nodes=nodes,
    )  # fmt: skip
    metrics.desk(status, [])
    found = samples(metrics.text())
    assert not any(name.startswith("anabranch_actor_up") for name in found)
    assert found["anabranch_hosts[]"] == 3
    for node, is_up, is_draining in (("n1", 1, 0), ("n2", 0, 1)):
        label = f"[('node', '{node}')]"
        assert (found[f"anabranch_node_up{label}"], found[f"anabranch_node_draining{label}"]) == (is_up, is_draining)
    metrics.desk(msgspec.structs.replace(status, nodes=nodes[:1]), [])
    assert "anabranch_node_up[('node', 'n2')]" not in samples(metrics.text())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"X-Correlation-Id": "order-7"}, "order-7"),
        ({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, "ab" * 16),
        ({"X-Correlation-Id": "x" * 49}, None),
        ({"traceparent": f"00-{'0' * 32}-{'cd' * 8}-01"}, None),
    ],
)
async def test_correlation_id_comes_back(tmp_path: Path, given: dict[str, str], expected: str | None) -> None:
    async with opened(tmp_path) as door, door.client.get(door.url("/healthz"), headers=given) as answer:
        found = answer.headers["X-Correlation-Id"]
    assert found == expected if expected else len(found) == 16


async def test_log_has_one_line_a_request_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "door.log"
    logs = setup_logs("gateway", "info", path)
    try:
        async with opened(tmp_path) as door:
            headers = {"X-Correlation-Id": "cor-9"}
            await door.ask("ada", "POST", "/v1/orders?token=abcdef", b"{}", **headers)
            await door.ask("ada", "GET", "/v1/fail", **headers)
            async with door.client.post(door.url("/v1/session"), headers=signed("ada", "POST", "/v1/session")):
                cookie = next(iter(door.client.cookie_jar)).value
        logging.getLogger("x").warning("got X-Anabranch-Signature: %s\nand more", "f00d" * 16)
        logging.getLogger("x").warning("login", extra={"fields": {"password": "hunter2", "n": 5}})
    finally:
        logs.close()
        logs.close()
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert [(line["path"], line["status"], line["who"]) for line in requests] == [
        ("/v1/orders", 201, "ada"),
        ("/v1/fail", 500, "ada"),
        ("/v1/session", 201, ""),
    ]
    assert {line["process"] for line in lines} == {"gateway"}
    failed = next(line for line in lines if "ZeroDivisionError" in line.get("error", ""))
    assert failed["correlation_id"] == "cor-9"
    for secret in (*SECRETS.values(), cookie, "hunter2", "f00d", "abcdef"):
        assert secret not in text


def test_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.level"):
        setup_logs("x", "loud")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"log\.path"):
        setup_logs("x", path=tmp_path / "file" / "x.log")
