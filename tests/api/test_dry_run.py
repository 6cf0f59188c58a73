"""The dry run splits a slice as an order's would be split: by the same function, on the same market."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_desk import JSON, RISK, ServedDesk, ask

from cluster.api.route_dry_run import parent_of, portion_of
from cluster.api.scenes import Scenes
from cluster.api.schemas import RouteBody
from cluster.api.wire import decode
from router.domain.enums import Side
from router.route import route


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    # A learner that is held back splits by its probabilities, whatever a slice is worth.
    risk = f"{RISK}probability_change_max = 1_000.0\n"
    with ServedDesk(Path(tmp_path_factory.mktemp("desk")), risk=risk) as desk:
        yield desk


async def split(served: ServedDesk, **body: Any) -> JSON:
    answer = await ask(served.url, "POST", "/v1/route", {"symbol": "SMOK", "side": "buy", "qty": "1000"} | body)
    assert answer.status == 200, answer.body
    return answer.json()


def test_split_is_the_routers_own_on_the_same_picture(served: ServedDesk) -> None:
    picture = served.door.backend.market("SMOK")
    assert picture is not None
    data = b'{"symbol":"SMOK","side":"buy","qty":"700","urgency":0.9,"reference":"R1","decision":3}'
    body = decode(data, RouteBody, is_json=True)
    scene = Scenes().of(picture, Side.BUY)
    assert scene is not None
    portion, parent = portion_of(body, scene.taking_bps), parent_of(body, picture)
    routed = route(parent, portion, scene.around, 3, 0, 700)
    assert routed.decision.decision_id == "R1.d3"
    assert routed == route(parent, portion, scene.around, 3, 0, 700)
    assert sum(child.order_qty for child in routed.children) == sum(routed.decision.quantities) <= 700


async def test_children_are_within_the_slice_and_the_lanes_say_so(served: ServedDesk) -> None:
    found = await split(served, urgency=1.0)
    assert 0 < sum(int(child["qty"]) for child in found["children"]) <= 1000
    sent = {lane["lane"]: lane["qty"] for lane in found["lanes"] if lane["qty"] != "0"}
    assert sent == {child["lane"]: child["qty"] for child in found["children"]}
    assert all(len(child["context"]) == 11 for child in found["children"])


async def test_urgent_slice_takes_more_than_a_patient_one(served: ServedDesk) -> None:
    def taken(found: JSON) -> int:
        return sum(int(child["qty"]) for child in found["children"] if child["tactic"] in ("take", "quote"))

    # The market moves, and at some moments a dealer's quote is worth taking however patient one is: the two are
    # compared at one moment, and a pair that a tick of the market came between says nothing.
    pairs = []
    for _ in range(20):
        patient = await split(served, opportunity_bps=0.05, reference="same")
        urgent = await split(served, opportunity_bps=50.0, reference="same")
        pairs += [(taken(patient), taken(urgent))] if patient["time"] == urgent["time"] else []
    assert pairs != []
    assert all(patient < urgent for patient, urgent in pairs), pairs


async def test_venues_that_are_denied_are_excluded_with_the_reason(served: ServedDesk) -> None:
    found = await split(served, venues_deny=["XLTA"], urgency=1.0)
    assert all(child["mic"] != "XLTA" for child in found["children"])
    assert {one["reason"] for one in found["exclusions"] if one["lane"].startswith("XLTA:")} == {"VENUE_DENIED"}


async def test_dark_only_goes_nowhere_else(served: ServedDesk) -> None:
    found = await split(served, dark="only")
    assert {child["mic"] for child in found["children"]} <= {"XDKA"}
    assert {child["mic"] for child in (await split(served, dark="none"))["children"]}.isdisjoint({"XDKA"})


async def test_reasons_are_said_when_asked_for(served: ServedDesk) -> None:
    plain, told = await split(served, qty="100"), await split(served, qty="100", explain=True)
    assert all(not lane["reason"] for lane in plain["lanes"])
    assert all(bool(lane["reason"]) is (lane["qty"] == "0") for lane in told["lanes"])


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"symbol": "NONE"}, 404, None),
        ({"type": "limit"}, 422, "$.limit_price"),
        ({"limit_price": "40.00"}, 422, "$.limit_price"),
        ({"type": "limit", "limit_price": "40.00001"}, 422, "$.limit_price"),
        ({"qty": "0"}, 422, "$.qty"),
        ({"urgency": 2}, 422, "$.urgency"),
        ({"reference": "x" * 37}, 422, "$.reference"),
    ],
)
async def test_what_cannot_be_split_is_refused(
    served: ServedDesk, body: JSON, status: int, pointer: str | None
) -> None:
    request = {"symbol": "SMOK", "side": "buy", "qty": "1000"} | body
    refused = await ask(served.url, "POST", "/v1/route", request)
    assert refused.status == status
    assert [error["pointer"] for error in refused.json()["errors"]] == ([] if pointer is None else [pointer])


async def test_outcomes_of_its_children_teach_the_learner(served: ServedDesk) -> None:
    found = await split(served, urgency=1.0, reference="mine-7")
    child = found["children"][0]
    outcome = {
        "kind": "expire",
        "reference": "mine-7",
        "decision_id": found["decision_id"],
        "child_id": child["child_id"],
        "lane": child["lane"],
        "side": "buy",
        "qty": child["qty"],
        "leaves_qty": child["qty"],
        "age_to_ms": 1000,
        "is_final": True,
        "context": child["context"],
    }
    answer = await ask(served.url, "POST", "/v1/outcomes", {"symbol": "SMOK", "outcomes": [outcome]})
    assert (answer.status, answer.json()["count"]) == (202, 1)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"lane": "XXXX:TAKE"}, "lane"),
        ({"context": [1.0]}, "context"),
        ({"context": [1.0] * 10 + [11.0]}, "context[10]"),
        ({"time": "2020-01-01T00:00:00Z"}, "time"),
        ({"time": "2199-01-01T00:00:00Z"}, "time"),
        ({"age_from_ms": 5}, "age_to_ms"),
        ({"leaves_qty": "101"}, "leaves_qty"),
        ({"filled_qty": "10", "cum_qty": "10"}, "filled_qty"),
        ({"kind": "fill"}, "filled_qty"),
        ({"horizon_ms": 1000}, "horizon_ms"),
    ],
)
async def test_outcomes_that_cannot_be_are_refused(served: ServedDesk, changes: JSON, pointer: str) -> None:
    outcome = {
        "kind": "expire",
        "reference": "mine-8",
        "decision_id": "mine-8.d0",
        "child_id": "mine-8.0",
        "lane": "XLTA:POST",
        "side": "buy",
        "qty": "100",
        "context": [1.0] + [0.0] * 10,
    }
    answer = await ask(served.url, "POST", "/v1/outcomes", {"symbol": "SMOK", "outcomes": [outcome | changes]})
    assert answer.status == 422
    assert answer.json()["errors"][0]["pointer"] == f"$.outcomes[0].{pointer}"
