"""Ready means that an order would be accepted: what is waited for is what an order is denied for, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from live_material import OPEN_AT, OPERATOR, RISK_OFFICER, TRADER, desk, reference, session, submit

from cluster.live.record import Desk
from cluster.live.record_service import RecordService
from router.domain import codec
from router.domain.facts import SessionOpened
from router.domain.requests import (
    Accepted,
    Denied,
    Kill,
    NotReady,
    Rearm,
    ReplaceOrder,
    Request,
    SetAccountState,
    SetLimit,
    SetVenueState,
)
from router.domain.units import MILLISECOND, SECOND, Nanos
from router.intake.intake import Intake
from router.orders.memory_journal import MemoryJournal

NOW = OPEN_AT + 10 * MILLISECOND
MICS = ("XLTA", "XINA", "XDKA", "XSDA")


def ask(intake: Intake, *requests: Request, now: Nanos = NOW) -> object:
    """Return the last answer."""
    return [intake.answer(request, now).answer for request in requests][-1]


def kill(level: str, target: str = "") -> Kill:
    return Kill(principal=OPERATOR, level=level, target=target, why="drill")


def venue(mic: str, state: str) -> SetVenueState:
    return SetVenueState(principal=OPERATOR, mic=mic, state=state, why="drill")


def changed(**changes: object) -> Callable[[Intake, SessionOpened], None]:
    def see(intake: Intake, opened: SessionOpened) -> None:
        intake.see(msgspec.structs.replace(reference(opened, OPEN_AT), **changes))

    return see


def asked(*requests: Request) -> Callable[[Intake, SessionOpened], None]:
    def put(intake: Intake, opened: SessionOpened) -> None:
        ask(intake, *requests)

    return put


def restricted(symbols: str) -> SetLimit:
    return SetLimit(principal=RISK_OFFICER, key="restricted", value=symbols, why="drill")


@pytest.mark.parametrize(
    ("put", "waits_for", "code"),
    [
        (asked(kill("all")), "killed", "KILLED_ALL"),
        (asked(kill("symbol", "SMOK")), "killed symbol SMOK", "KILLED_SYMBOL"),
        (asked(*(venue(mic, "disabled") for mic in MICS)), "no venue of SMOK is enabled", "VENUE_DISABLED"),
        (asked(*(venue(mic, "draining") for mic in MICS)), "no venue of SMOK is enabled", "VENUE_DRAINING"),
        (
            asked(*(venue(mic, "disabled") for mic in MICS[:2]), *(kill("venue", mic) for mic in MICS[2:])),
            "no venue of SMOK is enabled",
            "KILLED_VENUE",
        ),
        (asked(restricted('["SMOK"]')), "restricted SMOK", "RESTRICTED_SYMBOL"),
        (changed(is_halted=True), "halted SMOK", "HALTED"),
        (changed(is_open=False), "session closed", "SESSION_CLOSED"),
    ],
)
def test_what_an_order_is_denied_for_is_waited_for(
    put: Callable[[Intake, SessionOpened], None], waits_for: str, code: str
) -> None:
    opened = session()
    intake = desk(opened)
    assert intake.waits_for(NOW) == ()
    put(intake, opened)
    denied = ask(intake, submit(1, opened))
    assert isinstance(denied, Denied)
    assert denied.denials[0].code == code
    assert intake.waits_for(NOW) == (waits_for,)


@pytest.mark.parametrize(
    "requests",
    [
        (kill("strategy", "vwap"),),
        (kill("account", "Z"),),
        (kill("venue", "XLTA"), *(venue(mic, "disabled") for mic in MICS[1:3])),
        (SetAccountState(principal=OPERATOR, account="Z", state="HALTED", why="drill"),),
        (restricted('["OTHER"]'),),
        (
            kill("symbol", "SMOK"),
            Rearm(principal=OPERATOR, level="symbol", target="SMOK", why="over"),
        ),
        (
            *(venue(mic, "disabled") for mic in MICS),
            venue("XSDA", "enabled"),
        ),
    ],
)
def test_what_stops_some_orders_only_is_not_waited_for(requests: tuple[Request, ...]) -> None:
    opened = session()
    intake = desk(opened)
    ask(intake, *requests)
    assert intake.waits_for(NOW) == ()
    assert isinstance(ask(intake, submit(1, opened)), Accepted)


def test_a_market_that_says_nothing_is_waited_for_and_nothing_is_decided_without_it() -> None:
    opened = session()
    intake = desk(opened)
    late = NOW + 6 * SECOND
    assert intake.waits_for(late) == ("market SMOK",)
    answered = intake.answer(submit(1, opened), late)
    assert (answered.answer, answered.entries) == (
        NotReady(code="NO_MARKET", text="expected the market of SMOK to run, got none now"),
        (),
    )
    intake.see(reference(opened, late))
    assert intake.waits_for(late) == ()
    assert isinstance(ask(intake, submit(1, opened), now=late), Accepted)


async def test_the_record_s_process_says_what_its_intake_waits_for() -> None:
    opened = session()
    record = Desk(desk(opened), MemoryJournal(), lambda: NOW)
    service = RecordService(record)

    async def said() -> object:
        answer = await service.answer("status", b"", lambda topic, body: None)
        return codec.decode(answer, dict)["waits_for"]

    assert await said() == []
    await record.ask(kill("symbol", "SMOK"))
    assert await said() == ["killed symbol SMOK"] == list(record.waits_for())
    await service.close()


def test_a_replace_waits_for_the_market_as_an_order_does() -> None:
    opened = session()
    intake = desk(opened)
    ask(intake, submit(1, opened))
    asked_for = ReplaceOrder(principal=TRADER, parent_id="P1", order_qty=500)
    assert isinstance(ask(intake, asked_for, now=NOW + 6 * SECOND), NotReady)


@pytest.mark.parametrize(
    "changes",
    [{"at": NOW + 6 * SECOND}, {"bid_px": 1_000_100, "ask_px": 999_900}, {"bid_px": 0, "ask_px": 0}],
)
def test_prices_that_a_running_market_has_not_are_a_denial(changes: dict[str, int]) -> None:
    opened = session()
    intake = desk(opened)
    changed(**changes)(intake, opened)
    assert isinstance(ask(intake, submit(1, opened)), Denied)
    assert intake.waits_for(NOW) == ("market SMOK",)


def test_what_is_wrong_with_an_order_is_said_before_a_market_is_waited_for() -> None:
    opened = session()
    intake = desk(opened, qty_max=300)
    ask(intake, kill("symbol", "SMOK"))
    denied = ask(intake, submit(1, opened), now=NOW + 6 * SECOND)
    assert isinstance(denied, Denied)
    assert denied.denials[0].code == "KILLED_SYMBOL"
