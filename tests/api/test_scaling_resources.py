"""Scaling hosts and draining nodes over HTTP: in which order it is done, what is refused, and who sees by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_desk import JSON, Asked, ServedDesk, ask, until

from cluster.live.embedded import OWN_NODE
from router.domain.errors import BadInputError, JournalError, LinkError
from router.domain.facts import HostsSet, NodeStateSet

SCALE, DRAIN = "/v1/cluster/scale", "/v1/cluster/drain"


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk"))) as served:
        yield served


@pytest.fixture
async def served(module_desk: ServedDesk) -> ServedDesk:
    """The desk, with both nodes open and nothing kept."""
    module_desk.desk.fault = None
    for node in ("node-a", "node-b"):
        assert (await post(module_desk, DRAIN, {"node": node, "state": "open", "why": "anew"})).status == 202
    module_desk.desk.placed.clear()
    return module_desk


async def post(served: ServedDesk, path: str, body: JSON, **options: Any) -> Asked:
    return await ask(served.url, "POST", path, body, **options)


async def recorded(served: ServedDesk, kind: type) -> int:
    async def count() -> int:
        return sum(record.kind == kind.__name__ for record in await served.desk.read(0))

    found = served.wait_for(count())
    assert isinstance(found, int)
    return found


async def cluster(served: ServedDesk) -> JSON:
    answer = await ask(served.url, "GET", "/v1/cluster")
    assert answer.status == 200, answer.body
    return answer.json()


async def test_hosts_are_started_before_anything_is_spread_over_them(served: ServedDesk) -> None:
    before = await recorded(served, HostsSet)
    answer = await post(served, SCALE, {"hosts": 4, "why": "a busy afternoon"}, headers={"X-Anabranch-Name": "olga"})
    assert (answer.status, answer.json()["waits_for"]) == (202, "")
    assert served.desk.placed == [("start_hosts", 4), ("ask", "ScaleHosts", "")]
    assert await recorded(served, HostsSet) == before + 1

    async def is_shown() -> bool:
        found = await cluster(served)
        is_said = (found["hosts_who"], found["hosts_why"]) == ("olga", "a busy afternoon")
        return is_said and found["hosts"] == 4 and found["hosts_since"].endswith("Z")

    assert await until(is_shown)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"hosts": 0, "why": "x"}, "$.hosts"),
        ({"hosts": 65, "why": "x"}, "$.hosts"),
        ({"hosts": "4", "why": "x"}, "$.hosts"),
        ({"hosts": 2.5, "why": "x"}, "$.hosts"),
        ({"hosts": 4}, "$.why"),
        ({"hosts": 4, "why": ""}, "$.why"),
        ({"hosts": 4, "why": " "}, "$.why"),
        ({"hosts": 4, "why": "x", "host": 5}, "$"),
    ],
)
async def test_scaling_that_cannot_be_starts_nothing(served: ServedDesk, body: JSON, pointer: str) -> None:
    refused = await post(served, SCALE, body)
    assert (refused.status, refused.json()["code"]) == (422, "invalid")
    assert [error["pointer"] or "$" for error in refused.json()["errors"]] == [pointer]
    assert served.desk.placed == []


async def test_nothing_is_recorded_when_a_host_does_not_start(served: ServedDesk) -> None:
    before = await recorded(served, HostsSet)
    served.desk.fault = LinkError("expected a host, got none")
    refused = await post(served, SCALE, {"hosts": 6, "why": "x"})
    assert (refused.status, refused.json()["code"], refused.headers["Retry-After"]) == (503, "unavailable", "1")
    assert served.desk.placed == []
    assert await recorded(served, HostsSet) == before


async def test_drained_node_is_recorded_told_and_shown_with_who_and_why(served: ServedDesk) -> None:
    body = {"node": "node-b", "why": "its disk"}
    assert (await post(served, DRAIN, body, headers={"X-Anabranch-Name": "olga"})).status == 202
    assert served.desk.placed == [("ask", "SetNodeState", "DRAINING"), ("set_node", "node-b", True)]

    async def is_shown() -> bool:
        one, other = (await cluster(served))["nodes"]
        said = other["is_draining"], other["state_who"], other["state_why"]
        return said == (True, "olga", "its disk") and one["state_why"] == "anew"

    assert await until(is_shown)
    found = await cluster(served)
    assert [(node["node"], node["address"], node["is_alive"]) for node in found["nodes"]] == [
        ("node-a", "10.0.0.1", True),
        ("node-b", "10.0.0.2", True),
    ]
    assert found["nodes"][0]["actors"] == [actor["name"] for actor in found["actors"]]
    assert {(actor["node_id"], actor["is_resting"]) for actor in found["actors"]} == {(OWN_NODE, False)}
    served.desk.placed.clear()
    assert (await post(served, DRAIN, {**body, "state": "open", "why": "a new disk"})).status == 202
    assert served.desk.placed == [("ask", "SetNodeState", "OPEN"), ("set_node", "node-b", False)]


async def test_unknown_node_is_not_found_and_nothing_is_recorded(served: ServedDesk) -> None:
    before = await recorded(served, NodeStateSet)
    for state in ("drain", "open"):
        refused = await post(served, DRAIN, {"node": "node-c", "state": state, "why": "x"})
        assert (refused.status, refused.json()["code"]) == (404, "not_found")
    assert (served.desk.placed, await recorded(served, NodeStateSet)) == ([], before)


async def test_last_open_node_cannot_be_drained(served: ServedDesk) -> None:
    assert (await post(served, DRAIN, {"node": "node-b", "why": "x"})).status == 202
    assert (await post(served, DRAIN, {"node": "node-b", "why": "again"})).status == 202
    served.desk.placed.clear()
    before = await recorded(served, NodeStateSet)
    refused = await post(served, DRAIN, {"node": "node-a", "why": "x"})
    assert (refused.status, refused.json()["code"]) == (409, "conflict")
    assert (served.desk.placed, await recorded(served, NodeStateSet)) == ([], before)
    assert (await post(served, DRAIN, {"node": "node-a", "state": "open", "why": "it is open"})).status == 202


@pytest.mark.parametrize(
    "body",
    [
        {"node": "", "why": "x"},
        {"node": "n" * 129, "why": "x"},
        {"node": "node-b", "state": "close", "why": "x"},
        {"node": "node-b"},
        {"node": "node-b", "why": " "},
        {"why": "x"},
    ],
)
async def test_drains_that_cannot_be_are_refused(served: ServedDesk, body: JSON) -> None:
    refused = await post(served, DRAIN, body)
    assert (refused.status, refused.json()["code"]) == (422, "invalid")
    assert served.desk.placed == []


@pytest.mark.parametrize("fault", [LinkError("nobody there"), JournalError("disk full")])
async def test_node_that_nobody_could_be_told_of_is_recorded_and_to_be_sent_again(
    served: ServedDesk, fault: Exception
) -> None:
    before = await recorded(served, NodeStateSet)
    served.desk.fault = fault
    refused = await post(served, DRAIN, {"node": "node-b", "why": "x"})
    assert (refused.status, refused.json()["code"], refused.headers["Retry-After"]) == (503, "node_not_told", "1")
    assert await recorded(served, NodeStateSet) == before + 1
    served.desk.fault = None
    assert (await post(served, DRAIN, {"node": "node-b", "why": "x"})).status == 202
    assert served.desk.placed[-1] == ("set_node", "node-b", True)


async def test_node_that_went_since_it_was_looked_at_is_a_conflict(served: ServedDesk) -> None:
    served.desk.fault = BadInputError("expected a node, got none - at node-b")
    refused = await post(served, DRAIN, {"node": "node-b", "why": "x"})
    assert (refused.status, refused.json()["code"]) == (409, "conflict")
    assert refused.json()["detail"].startswith("Recorded")
