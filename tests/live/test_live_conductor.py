"""A live market is a function of its cuts: played again, or brought back from its log at any moment, it is the same."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from live_material import OPEN_AT, accepted, conductor, order, session

from cluster.live.freezing import frozen, thawed
from cluster.live.log import MarketLog
from cluster.live.session import assembly_of, fresh_link
from router.domain.events import ChildIntended, ChildRejected, ParentDone
from router.domain.facts import (
    CancelAsked,
    Fact,
    HostsSet,
    KillSet,
    RearmAsked,
    ReplaceAsked,
    SessionOpened,
    VenueStateSet,
)
from router.domain.messages import Message
from router.domain.played import Cut, Played
from router.domain.units import MILLISECOND, SECOND
from router.orders.memory_journal import MemoryJournal
from router.orders.venue_gate import facts_of
from scenarios.link import Link
from scenarios.live_conductor import LiveConductor

WINDOWS = 60


def script(opened: SessionOpened) -> dict[int, tuple[Fact, ...]]:
    """What comes in, by window."""
    at = OPEN_AT

    def asked(parent_id: str) -> Fact:
        return CancelAsked(at=at, account="A", parent_id=parent_id, who="bob", reason="client")

    replaced = ReplaceAsked(
        at=at, account="A", parent_id="P3", who="bob", order_qty=200, held_qty=400, held_price=None, held_risk_px=0
    )
    return {
        4: tuple(accepted(order(n, opened, OPEN_AT + SECOND), OPEN_AT + SECOND) for n in range(1, 6)),
        9: (VenueStateSet(at=at, mic="XLTA", state="DISABLED", who="ann", why="test"),),
        14: (asked("P2"), replaced),
        20: (KillSet(at=at, level="SYMBOL", target=opened.symbol, who="ann", why="test"),),
        25: (RearmAsked(at=at, level="SYMBOL", target=opened.symbol, who="ann", why="ok", is_lifted=True),),
        26: tuple(accepted(order(n, opened, OPEN_AT + 3 * SECOND), OPEN_AT + 3 * SECOND) for n in range(6, 9)),
    }


def play(market: LiveConductor, log: MarketLog, opened: SessionOpened, windows: int = WINDOWS) -> list[Played]:
    """Play on to the last window by the script, and return what the desk is told."""
    told = []
    news = script(opened)
    while market.windows < windows:
        facts = tuple(enumerate(news.get(market.windows, ()), start=100 * market.windows))
        if facts:
            until, heard = market.now + 7 * MILLISECOND, facts[-1][0] + 1
            log.cut(Cut(n=market.windows, until=until, heard=heard, facts=facts))
            told.append(market.step(until, heard, facts))
        else:
            told.append(market.step())
    return [played for played in told if played is not None]


def recover(market: LiveConductor, log: MarketLog) -> list[Played]:
    """Go through a log and return what the desk is told again."""
    told = []
    while log.has_past:
        cut = log.take_cut(market.windows)
        told.append(market.step() if cut is None else market.step(cut.until, cut.heard, cut.facts))
    return [played for played in told if played is not None]


def test_same_cuts_give_the_same_session_on_any_number_of_hosts_of_its_parents() -> None:
    sessions = []
    for _ in range(2):
        opened = session()
        assembly = assembly_of(opened, None)
        log = MarketLog(fresh_link(opened, assembly), MemoryJournal())
        sessions.append(play(conductor(opened, assembly, log), log, opened))
    assert sessions[0] == sessions[1]
    events = [event for played in sessions[0] for event in played.events]
    assert sum(isinstance(event, ChildIntended) for event in events) > 10


def scaled(*hosts: int) -> tuple[list[Played], LiveConductor, MarketLog]:
    """A session whose hosts are set before these windows: 3, 12 and 24."""
    opened = session()
    assembly = assembly_of(opened, None)
    log = MarketLog(fresh_link(opened, assembly), MemoryJournal())
    market, told = conductor(opened, assembly, log), []
    for window, number in zip((3, 12, 24), hosts, strict=True):
        told += play(market, log, opened, window)
        fact = HostsSet(at=market.now, hosts=number, who="ann", why="busy")
        told.append(market.step(market.now + MILLISECOND, market.heard + 1, ((market.heard, fact),)))
    told += play(market, log, opened)
    return [played for played in told if played is not None], market, log


def test_on_how_many_hosts_orders_are_spread_shows_nowhere_else() -> None:
    still, one, _ = scaled(2, 2, 2)
    moved, other, _ = scaled(5, 1, 3)
    assert moved == still
    assert {one.plan.host_of[f"P{n}"] for n in range(1, 6)} == {"host-0", "host-1"}
    assert [other.plan.host_of[f"P{n}"] for n in range(1, 9)] == [f"host-{n}" for n in (0, 1, 2, 3, 4, 2, 0, 1)]


def test_a_host_beyond_those_in_use_rests_once_its_last_order_is_over() -> None:
    opened = session()
    market = market_of(opened)
    asked = [accepted(order(n, opened, market.now + SECOND), market.now) for n in (1, 2)]
    fewer = HostsSet(at=market.now, hosts=1, who="ann", why="quiet")
    market.step(market.now + MILLISECOND, 3, tuple(enumerate((*asked, fewer))))
    assert market.idle_hosts == ()
    gone = CancelAsked(at=market.now, account="A", parent_id="P2", who="bob", reason="client")
    market.step(market.now + MILLISECOND, 4, ((3, gone),))
    while market.open_orders == 2:
        market.step()
    # It is owed what its fills were worth up to a minute later.
    over = market.now
    while market.idle_hosts == () and market.now < over + 62 * SECOND:
        market.step()
    assert market.idle_hosts == ("host-1",)


class _Counting:
    """A link that counts what it carries to whom."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.sent: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)

    def send(self, to: str, batch: Message) -> None:
        self.sent[to] += 1
        self._link.send(to, batch)


def test_what_clears_a_venue_wakes_nobody_who_has_nothing_there() -> None:
    opened = session()
    assembly = assembly_of(opened, None)
    counting = _Counting(fresh_link(opened, assembly))
    market = conductor(opened, assembly, counting)  # type: ignore[arg-type]
    for _ in range(4):
        market.step()
    one = accepted(order(1, opened, market.now + SECOND), market.now)
    fewer = HostsSet(at=market.now, hosts=1, who="ann", why="quiet")
    market.step(market.now + MILLISECOND, 2, tuple(enumerate((one, fewer))))
    before = counting.sent["host-0"]
    closed = VenueStateSet(at=market.now, mic="XLTA", state="DISABLED", who="ann", why="test")
    market.step(market.now + MILLISECOND, 3, ((2, closed),))
    assert counting.sent["host-0"] == before + 1
    assert counting.sent["host-1"] == 0


class _Cut(Exception):
    """The market's process is gone."""


class _Dying:
    """A link whose owner dies at its n-th answer."""

    def __init__(self, link: Link, after: int) -> None:
        self._link, self._left = link, after

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)

    def receive(self) -> object:
        answers = self._link.receive()
        self._left -= bool(answers)
        if self._left < 0:
            raise _Cut
        return answers


@pytest.mark.parametrize("after", [0, 1, 2, 5, 11, 23, 37, 52, 70, 85])
def test_a_market_killed_between_two_answers_comes_back_as_it_would_have_been(after: int) -> None:
    opened = session()
    assembly = assembly_of(opened, None)
    whole_log = MarketLog(fresh_link(opened, assembly), MemoryJournal())
    whole = play(conductor(opened, assembly, whole_log), whole_log, opened)

    shells, journal = fresh_link(opened, assembly), MemoryJournal()
    first = MarketLog(_Dying(shells, after), journal)  # type: ignore[arg-type]
    with pytest.raises(_Cut):
        play(conductor(opened, assembly, first), first, opened)
    journal.crash()
    second = MarketLog(shells, journal)
    market = conductor(opened, assembly, second)
    again = recover(market, second)
    again += play(market, second, opened)
    assert again == whole


@pytest.mark.parametrize(("after", "every"), [(60, 9)])
def test_a_market_comes_back_the_same_from_any_snapshot_and_the_tail_of_its_log(after: int, every: int) -> None:
    opened = session()
    assembly = assembly_of(opened, None)
    whole_log = MarketLog(fresh_link(opened, assembly), MemoryJournal())
    whole = play(conductor(opened, assembly, whole_log), whole_log, opened)

    shells, journal = fresh_link(opened, assembly), MemoryJournal()
    first = MarketLog(_Dying(shells, after), journal)  # type: ignore[arg-type]
    kept: list[tuple[int, int, bytes]] = []
    dying, told = conductor(opened, assembly, first), []
    with pytest.raises(_Cut):
        while True:
            if dying.windows % every == 0:
                first.settle()
                kept.append((first.size, len(told), frozen(dying, {"log": first}, {})))
            told += play(dying, first, opened, dying.windows + 1)
    journal.crash()
    for size, known, state in kept[:: max(len(kept) // 3, 1)]:
        # The shells stand where they stood when the market died: each continuation needs its own.
        link, past = fresh_link(opened, assembly), MemoryJournal()
        ahead = MarketLog(_Dying(link, after), past)  # type: ignore[arg-type]
        with pytest.raises(_Cut):
            play(conductor(opened, assembly, ahead), ahead, opened)
        past.crash()
        log = MarketLog(link, past, size)
        market = thawed(state, {"log": log}, {})
        assert [*told[:known], *recover(market, log), *play(market, log, opened)] == whole


def test_a_killed_symbol_ends_its_orders_and_no_child_leaves_before_it_is_rearmed() -> None:
    opened = session()
    assembly = assembly_of(opened, None)
    log = MarketLog(fresh_link(opened, assembly), MemoryJournal())
    told = play(conductor(opened, assembly, log), log, opened)
    killed = [played for played in told if 20 < played.n < 25]
    assert not [event for played in killed for event in played.events if isinstance(event, ChildIntended)]
    events = [event for played in told if played.n < 40 for event in played.events]
    ended = {event.parent_id for event in events if isinstance(event, ParentDone)}
    assert {"P1", "P2", "P3", "P4", "P5"} <= ended


def test_the_second_gate_keeps_a_host_from_sending_more_than_the_desk_took_in() -> None:
    opened = session()
    assembly = assembly_of(opened, None)
    log = MarketLog(fresh_link(opened, assembly), MemoryJournal())
    market = conductor(opened, assembly, log)
    for _ in range(4):
        market.step()
    placed = order(1, opened, market.now + SECOND, qty=5_000)
    told = [market.step(market.now + MILLISECOND, 1, ((0, accepted(placed, market.now)),))]
    # The host works 5,000 shares; from here on the desk is taken to have accepted one.
    market.gate.open_parent(facts_of(msgspec.structs.replace(placed, order_qty=1)))
    told += [market.step() for _ in range(30)]
    windows = [played for played in told if played is not None]
    refused = [reason for played in windows for _, reason in played.refused]
    assert any(reason.startswith("OVER_PARENT") for reason in refused)
    assert any(isinstance(event, ChildRejected) for played in windows for event in played.events)


def market_of(opened: SessionOpened) -> LiveConductor:
    """A market after its first windows."""
    assembly = assembly_of(opened, None)
    market = conductor(opened, assembly, MarketLog(fresh_link(opened, assembly), MemoryJournal()))
    for _ in range(4):
        market.step()
    return market


def kill(at: int, level: str = "ALL", target: str = "") -> KillSet:
    return KillSet(at=at, level=level, target=target, who="ann", why="drill")


def test_an_order_that_is_not_due_yet_can_be_ended() -> None:
    opened = session()
    market = market_of(opened)
    late = order(1, opened, market.now + 3_600 * SECOND)
    asked = CancelAsked(at=market.now, account="A", parent_id="P1", who="bob", reason="client")
    told = [market.step(market.now + MILLISECOND, 1, ((0, accepted(late, market.now)),))]
    told += [market.step(market.now + MILLISECOND, 2, ((1, asked),))]
    told += [market.step() for _ in range(3)]
    assert any(isinstance(event, ParentDone) for played in told if played for event in played.events)
    assert market.open_orders == 0


def test_an_order_that_comes_while_everything_is_killed_is_ended_and_sends_nothing() -> None:
    opened = session()
    market = market_of(opened)
    market.step(market.now + MILLISECOND, 1, ((-1, kill(market.now)),))
    told = [market.step(market.now + MILLISECOND, 2, ((1, accepted(order(1, opened, market.now), market.now)),))]
    told += [market.step() for _ in range(5)]
    events = [event for played in told if played for event in played.events]
    assert not any(isinstance(event, ChildIntended) for event in events)
    assert any(isinstance(event, ParentDone) for event in events)


def test_a_kill_that_comes_after_people_have_lifted_it_stops_nothing() -> None:
    opened = session()
    market = market_of(opened)
    lifted = RearmAsked(at=market.now + 5, level="ALL", target="", who="ann", why="ok", is_lifted=True)
    market.step(market.now + MILLISECOND, 1, ((0, lifted),))
    market.step(market.now + MILLISECOND, 1, ((-1, kill(lifted.at - 1)),))
    told = [market.step(market.now + MILLISECOND, 2, ((1, accepted(order(1, opened, market.now), market.now)),))]
    told += [market.step() for _ in range(5)]
    assert any(isinstance(event, ChildIntended) for played in told if played for event in played.events)


def test_a_fact_heard_again_gives_no_second_order() -> None:
    opened = session()
    market = market_of(opened)
    fact = (0, accepted(order(1, opened, market.now), market.now))
    market.step(market.now + MILLISECOND, 1, (fact,))
    market.step(market.now + MILLISECOND, 1, (fact,))
    assert market.open_orders == 1
