"""What operators do over HTTP: venues, learners, limits, kills, accounts; and what the desk says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from api_desk import JSON, Asked, ServedDesk, ask, order_body, until

from cluster.api.routes import ROUTES
from cluster.cli.up_command import _wait_ready

MICS = ("XLTA", "XINA", "XDKA", "XSDA")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk"))) as desk:
        yield desk


async def get(served: ServedDesk, path: str) -> JSON:
    answer = await ask(served.url, "GET", path)
    assert answer.status == 200, answer.body
    return answer.json()


async def seen(served: ServedDesk, path: str, holds: Any) -> bool:
    async def look() -> bool:
        return bool(holds(await get(served, path)))

    return bool(await until(look))


async def test_venues_show_their_quotes_and_take_a_state(served: ServedDesk) -> None:
    venues = (await get(served, "/v1/venues"))["venues"]
    assert [venue["mic"] for venue in venues] == ["XLTA", "XINA", "XDKA", "XSDA"]
    assert all(venue["state"] == "enabled" for venue in venues)
    assert float(venues[0]["bid_price"]) < float(venues[0]["ask_price"])
    answer = await ask(served.url, "POST", "/v1/venues/XINA/state", {"state": "drain", "why": "late answers"})
    assert answer.status == 202

    def is_draining(found: JSON) -> bool:
        venue = found["venues"][1]
        return (venue["state"], venue["state_why"]) == ("draining", "late answers")

    assert await seen(served, "/v1/venues", is_draining)
    split = await ask(served.url, "POST", "/v1/route", {"symbol": "SMOK", "side": "buy", "qty": "100", "urgency": 1.0})
    assert all(child["mic"] != "XINA" for child in split.json()["children"])
    await ask(served.url, "POST", "/v1/venues/XINA/state", {"state": "enable", "why": "fine again"})
    assert (await ask(served.url, "POST", "/v1/venues/XNON/state", {"state": "drain", "why": "x"})).status == 404


async def test_learner_is_frozen_and_shows_by_whom(served: ServedDesk) -> None:
    learners = (await get(served, "/v1/learners"))["learners"]
    assert [one["learner_id"] for one in learners] == ["learner"]
    for side in learners[0]["sides"]:
        assert abs(sum(side["routing_probabilities"].values()) - 1.0) < 1e-6
    assert (await ask(served.url, "POST", "/v1/learners/learner/freeze", {"why": "bad feed"})).status == 202
    path = "/v1/learners/learner"
    assert await seen(served, path, lambda one: (one["is_frozen"], one["last_why"]) == (True, "bad feed"))
    assert (await ask(served.url, "POST", f"{path}/melt", {"why": "x"})).status == 404
    assert (await ask(served.url, "POST", "/v1/learners/nobody/freeze", {"why": "x"})).status == 404
    assert (await ask(served.url, "GET", "/v1/learners/nobody")).status == 404


async def test_limit_is_changed_holds_and_is_shown_with_who_and_why(served: ServedDesk) -> None:
    change = {"key": "by_account.SMALL.qty_max", "value": "50", "why": "new client"}
    assert (await ask(served.url, "PATCH", "/v1/parameters", change)).status == 202
    denied = await ask(served.url, "POST", "/v1/orders", order_body("small-1", account="SMALL", qty="51"))
    assert [error["code"] for error in denied.json()["errors"]] == ["QTY_MAX"]

    def is_shown(found: JSON) -> bool:
        rows = {row["key"]: row for row in found["parameters"]}
        row = rows.get("by_account.SMALL.qty_max", {"value": ""})
        return row["value"] == "50" and row["changed_who"] == "development" and row["changed_why"] == "new client"

    assert await seen(served, "/v1/parameters", is_shown)
    assert await seen(served, "/v1/risk/limits", is_shown)


@pytest.mark.parametrize(
    "body",
    [
        {"key": "qty_maxx", "value": "5", "why": "x"},
        {"key": "qty_max", "value": "-5", "why": "x"},
        {"key": "qty_max", "value": "many", "why": "x"},
        {"key": "qty_max", "value": "5", "why": ""},
        {"key": "qty_max", "value": "5"},
    ],
)
async def test_limits_that_cannot_be_are_refused(served: ServedDesk, body: JSON) -> None:
    refused = await ask(served.url, "PATCH", "/v1/parameters", body)
    assert (refused.status, refused.json()["code"]) == (422, "invalid")


async def test_killed_symbol_takes_no_orders_until_it_is_armed_again(served: ServedDesk) -> None:
    kill = {"level": "symbol", "target": "SMOK", "why": "odd prices"}
    assert (await ask(served.url, "POST", "/v1/kill", kill)).status == 202
    denied = await ask(served.url, "POST", "/v1/orders", order_body("killed-1"))
    assert [error["code"] for error in denied.json()["errors"]] == ["KILLED_SYMBOL"]
    assert await seen(served, "/v1/kill", lambda found: [k["target"] for k in found["kills"]] == ["SMOK"])
    assert (await ask(served.url, "POST", "/v1/rearm", kill)).status == 202
    assert await seen(served, "/v1/kill", lambda found: found["kills"] == [])
    assert (await ask(served.url, "POST", "/v1/orders", order_body("killed-1"))).status == 201
    assert (await ask(served.url, "POST", "/v1/rearm", kill)).status == 404


async def ready_in_every_place(served: ServedDesk) -> tuple[bool, tuple[str, ...]]:
    """Return whether the desk is ready, and what it waits for, where all three places that say so agree."""
    answer = await ask(served.url, "GET", "/readyz")
    said, shown = answer.json(), await get(served, "/v1/cluster")
    metric = metrics_in(await ask(served.url, "GET", "/metrics"))["anabranch_ready"]
    assert (said["is_ready"], answer.status) in ((True, 200), (False, 503))
    assert (said["is_ready"], said["waits_for"]) == (shown["is_ready"], shown["waits_for"])
    assert said["is_ready"] is bool(metric) is not bool(said["waits_for"])
    return said["is_ready"], tuple(said["waits_for"])


def metrics_in(answer: Asked) -> dict[str, float]:
    lines = answer.body.decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


@pytest.mark.parametrize(
    ("stops", "lifts", "waits_for", "code"),
    [
        (
            [("POST", "/v1/kill", {"level": "symbol", "target": "SMOK", "why": "x"})],
            [("POST", "/v1/rearm", {"level": "symbol", "target": "SMOK", "why": "x"})],
            "killed symbol SMOK",
            "KILLED_SYMBOL",
        ),
        (
            [("POST", f"/v1/venues/{mic}/state", {"state": "disable", "why": "x"}) for mic in MICS],
            [("POST", f"/v1/venues/{mic}/state", {"state": "enable", "why": "x"}) for mic in MICS],
            "no venue of SMOK is enabled",
            "VENUE_DISABLED",
        ),
        (
            [("PATCH", "/v1/parameters", {"key": "restricted", "value": '["SMOK"]', "why": "x"})],
            [("PATCH", "/v1/parameters", {"key": "restricted", "value": "[]", "why": "x"})],
            "restricted SMOK",
            "RESTRICTED_SYMBOL",
        ),
    ],
)
async def test_desk_that_takes_no_order_is_not_ready_and_says_why(
    served: ServedDesk, stops: list[Any], lifts: list[Any], waits_for: str, code: str
) -> None:
    assert await ready_in_every_place(served) == (True, ())
    for method, path, body in stops:
        assert (await ask(served.url, method, path, body)).status == 202
    assert await ready_in_every_place(served) == (False, (waits_for,))
    denied = await ask(served.url, "POST", "/v1/orders", order_body("not-ready"))
    assert (denied.status, [error["code"] for error in denied.json()["errors"]]) == (422, [code])
    for method, path, body in lifts:
        assert (await ask(served.url, method, path, body)).status == 202
    assert await ready_in_every_place(served) == (True, ())


async def test_desk_that_people_stopped_counts_as_up_and_says_what_they_must_lift(served: ServedDesk) -> None:
    kill = {"level": "symbol", "target": "SMOK", "why": "x"}
    assert await asyncio.to_thread(_wait_ready, served.url) == "ready"
    assert (await ask(served.url, "POST", "/v1/kill", kill)).status == 202
    assert await asyncio.to_thread(_wait_ready, served.url) == "up, and takes no order (killed symbol SMOK)"
    assert (await ask(served.url, "POST", "/v1/rearm", kill)).status == 202


async def test_metrics_tell_of_the_door_s_lag_of_flushes_decisions_and_venues(served: ServedDesk) -> None:
    body = order_body("measured-1", routing={"strategy": "sweep"})
    order_id = (await ask(served.url, "POST", "/v1/orders", body)).json()["order_id"]

    async def is_over() -> bool:
        return (await get(served, f"/v1/orders/{order_id}"))["status"] in ("filled", "expired", "canceled")

    assert await until(is_over)
    found = metrics_in(await ask(served.url, "GET", "/metrics"))
    flushes = {name: value for name, value in found.items() if name.startswith("anabranch_journal_flush_seconds")}
    ends = [value for name, value in flushes.items() if "_bucket" in name]
    assert ends == sorted(ends)
    assert flushes['anabranch_journal_flush_seconds_bucket{le="+Inf"}'] == ends[-1] > 0
    assert flushes["anabranch_journal_flush_seconds_count"] == ends[-1]
    assert flushes["anabranch_journal_flush_seconds_sum"] > 0
    assert found["anabranch_decision_seconds_count"] >= 1
    assert found["anabranch_decision_seconds_sum"] >= 0
    trips = [value for name, value in found.items() if name.startswith("anabranch_venue_round_trip_seconds_count{")]
    assert sum(trips) >= 1
    assert found["anabranch_children_unknown"] == 0
    assert (await get(served, "/v1/kill"))["children_unknown"] == 0
    size = (await get(served, "/v1/cluster"))["journal_size"]
    assert 0 <= found["anabranch_journal_lag_records"] <= size
    assert "anabranch_desk_queue_depth" in found


async def test_kill_of_all_is_lifted_by_two_people(served: ServedDesk) -> None:
    kill = {"level": "all", "why": "drill"}
    assert (await ask(served.url, "POST", "/v1/kill", kill)).status == 202
    assert (await ask(served.url, "GET", "/readyz")).status == 503
    first = await ask(served.url, "POST", "/v1/rearm", kill)
    assert (first.status, first.json()["waits_for"]) == (202, "a second person")
    again = await ask(served.url, "POST", "/v1/rearm", kill)
    assert again.json()["waits_for"] == "a second person"
    assert await seen(served, "/v1/kill", lambda found: found["kills"][0]["rearm_who"] == "development")
    second = await ask(served.url, "POST", "/v1/rearm", kill, headers={"X-Anabranch-Name": "bea"})
    assert (second.status, second.json()["waits_for"]) == (202, "")
    assert (await ask(served.url, "GET", "/readyz")).status == 200


@pytest.mark.parametrize(
    "body", [{"level": "all", "target": "SMOK"}, {"level": "symbol"}, {"level": "floor", "target": "1"}]
)
async def test_kills_of_nothing_are_refused(served: ServedDesk, body: JSON) -> None:
    for path in ("/v1/kill", "/v1/rearm"):
        assert (await ask(served.url, "POST", path, body | {"why": "x"})).status == 422


async def test_halted_account_takes_no_orders(served: ServedDesk) -> None:
    halt = {"state": "halted", "why": "margin"}
    assert (await ask(served.url, "POST", "/v1/accounts/HALT-1/state", halt)).status == 202
    denied = await ask(served.url, "POST", "/v1/orders", order_body("halted-1", account="HALT-1"))
    assert [error["code"] for error in denied.json()["errors"]] == ["ACCOUNT_HALTED"]


async def test_strategy_that_was_not_stopped_cannot_go_on(served: ServedDesk) -> None:
    path = "/v1/accounts/ACME-1/strategies/twap/reenable"
    assert (await ask(served.url, "POST", path, {"why": "looked"})).status == 404


async def test_desk_says_how_it_is(served: ServedDesk) -> None:
    found = await get(served, "/v1/cluster")
    assert found["is_ready"] and found["symbols"] == ["SMOK"]
    assert {"record", "market", "host"} <= {actor["role"] for actor in found["actors"]}
    clock = await get(served, "/v1/clock")
    assert clock["speed"] == 1.0 and clock["market_time"].endswith("Z")
    assert await get(served, "/healthz") == {"status": "ok"}


async def test_every_list_reads_as_message_pack_too(served: ServedDesk) -> None:
    paths = [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path]
    for path in paths:
        route = next(route for route in ROUTES if (route.method, route.path) == ("GET", path))
        if all(answer.kind is None for answer in route.answers):
            continue
        packed = await ask(served.url, "GET", path, headers={"Accept": "application/msgpack"})
        assert packed.headers["Content-Type"] == "application/msgpack", path
        plain = await get(served, path)
        assert msgspec.msgpack.decode(packed.body).keys() == plain.keys()
