"""A desk that fails is answered for by the table of problems: what was certainly not done, and what nobody knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_desk import ServedDesk, ask, order_body

from cluster.api.problems import TABLE
from cluster.live.embedded import EmbeddedDesk
from router.domain.errors import JournalBusyError, JournalError, LinkError, StaleWriterError, UnknownOutcomeError
from router.domain.requests import Answer, Request


class FaultyDesk:
    """The desk, with a fault that can be put before its answers."""

    def __init__(self, desk: EmbeddedDesk) -> None:
        self._desk = desk
        self.fault: Exception | None = None
        self.is_after = False
        """Whether the request is done before the fault."""
        self.killed: list[tuple[str, str]] = []
        for name in ("read", "follow", "market", "now", "symbols", "nodes"):
            setattr(self, name, getattr(desk, name))

    async def ask(self, request: Request) -> Answer:
        if self.fault is not None and not self.is_after:
            raise self.fault
        answer = await self._desk.ask(request)
        if self.fault is not None:
            raise self.fault
        return answer

    async def status(self) -> object:
        if self.fault is not None:
            raise self.fault
        return await self._desk.status()

    async def kill_now(self, level: str, target: str, who: str, why: str) -> None:
        self.killed.append((level, target))
        await self._desk.kill_now(level, target, who, why)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedDesk, FaultyDesk]]:
    made: list[FaultyDesk] = []

    def wrap(desk: EmbeddedDesk) -> FaultyDesk:
        made.append(FaultyDesk(desk))
        return made[0]

    with ServedDesk(Path(tmp_path_factory.mktemp("desk")), wrap=wrap) as served:  # type: ignore[arg-type]
        yield served, made[0]


@pytest.fixture
def failing(both: tuple[ServedDesk, FaultyDesk]) -> Iterator[Callable[[Exception, bool], ServedDesk]]:
    served, faulty = both

    def fail(fault: Exception, is_after: bool = False) -> ServedDesk:
        faulty.fault, faulty.is_after = fault, is_after
        return served

    yield fail
    faulty.fault = None


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (LinkError("the record is gone"), "unavailable"),
        (JournalError("disk full"), "journal_refuses"),
        (StaleWriterError("newer epoch"), "journal_refuses"),
        (JournalBusyError("too much waits"), "busy"),
        (UnknownOutcomeError("lost on its way"), "unknown"),
        (KeyError("secret of ours"), "internal"),
    ],
)
async def test_fault_is_the_problem_of_the_table(
    failing: Callable[[Exception, bool], ServedDesk], fault: Exception, code: str
) -> None:
    served = failing(fault, False)
    refused = await ask(served.url, "POST", "/v1/orders", order_body(f"fault-{code}"))
    said = refused.json()
    assert (refused.status, said["code"], said["retry"]) == (TABLE[code].status, code, TABLE[code].retry)
    assert ("Retry-After" in refused.headers) is (TABLE[code].retry == "later")
    assert said["correlation_id"] == refused.headers["X-Correlation-ID"]
    assert str(fault) not in refused.body.decode()


async def test_order_of_which_nobody_knows_is_found_by_sending_it_again(
    both: tuple[ServedDesk, FaultyDesk], failing: Callable[[Exception, bool], ServedDesk]
) -> None:
    served = failing(UnknownOutcomeError("no answer"), True)
    assert (await ask(served.url, "POST", "/v1/orders", order_body("unknown-1"))).status == 504
    both[1].fault = None
    assert (await ask(served.url, "POST", "/v1/orders", order_body("unknown-1"))).status == 200


async def test_batch_tells_the_fault_of_each_order(failing: Callable[[Exception, bool], ServedDesk]) -> None:
    served = failing(LinkError("gone"), False)
    answer = await ask(served.url, "POST", "/v1/orders/batch", {"orders": [order_body("b1"), order_body("b2")]})
    assert [result["problem"]["code"] for result in answer.json()["results"]] == ["unavailable", "unavailable"]


async def test_our_own_fault_is_logged_with_its_correlation_and_tells_nothing(
    failing: Callable[[Exception, bool], ServedDesk], caplog: pytest.LogCaptureFixture
) -> None:
    served = failing(ZeroDivisionError("in a place of ours"), False)
    with caplog.at_level(logging.ERROR, logger="anabranch.api"):
        refused = await ask(served.url, "DELETE", "/v1/orders/P1", headers={"X-Correlation-ID": "look-for-me"})
    assert (refused.status, refused.json()["correlation_id"]) == (500, "look-for-me")
    assert "Traceback" not in refused.body.decode() and "place of ours" not in refused.body.decode()
    logged = [record for record in caplog.records if record.exc_info]
    assert [getattr(record, "correlation_id", "") for record in logged] == ["look-for-me"]


async def test_kill_works_with_a_dead_journal_and_says_that_it_was_not_recorded(
    both: tuple[ServedDesk, FaultyDesk], failing: Callable[[Exception, bool], ServedDesk]
) -> None:
    served = failing(JournalError("dead"), False)
    refused = await ask(served.url, "POST", "/v1/kill", {"level": "symbol", "target": "NONE", "why": "drill"})
    assert (refused.status, refused.json()["code"]) == (503, "kill_not_recorded")
    assert both[1].killed == [("SYMBOL", "NONE")]


async def test_desk_out_of_reach_is_not_ready_and_alive(failing: Callable[[Exception, bool], ServedDesk]) -> None:
    served = failing(LinkError("gone"), False)
    ready = await ask(served.url, "GET", "/readyz")
    assert (ready.status, ready.json()["is_ready"]) == (503, False)
    assert (await ask(served.url, "GET", "/healthz")).status == 200
    assert (await ask(served.url, "GET", "/v1/cluster")).json()["code"] == "unavailable"
