"""Over how many hosts orders are spread and which nodes are drained is recorded with who and why, and stands again."""

from __future__ import annotations

import msgspec
import pytest
from live_material import OPEN_AT, OPERATOR, desk, session

from cluster.live.freezing import frozen, thawed
from router.domain import codec, facts
from router.domain.errors import BadInputError
from router.domain.requests import HOSTS_MAX, NODE_MAX, Answer, Noted, Request, ScaleHosts, SetNodeState
from router.intake.intake import Intake
from router.orders.journal import Draft, Record
from router.orders.memory_journal import MemoryJournal

NOW = OPEN_AT + 1


class Recorded:
    """A desk in a session, with its journal."""

    def __init__(self) -> None:
        self.opened = session()
        self.intake = desk(self.opened)
        self.journal = MemoryJournal()
        self._append(self.intake.record(self.opened))

    def ask(self, request: Request) -> Answer:
        answered = self.intake.answer(request, NOW)
        self._append(answered.entries)
        return answered.answer

    def rebuilt(self) -> Intake:
        again = desk(self.opened)
        for record in self.journal.read():
            again.apply(record)
        return again

    def said(self) -> list[facts.Fact]:
        return [_fact(record) for record in self.journal.read(0, facts.DESK)]

    def _append(self, entries: tuple[tuple[str, Draft], ...]) -> None:
        for stream, draft in entries:
            self.journal.append(stream, self.journal.next_seq(stream), [draft])
        self.journal.sync()


def _fact(record: Record) -> facts.Fact:
    return codec.decode(record.payload, facts.Fact)  # type: ignore[arg-type]


def scale(hosts: int, why: str = "a busy afternoon") -> ScaleHosts:
    return ScaleHosts(principal=OPERATOR, correlation_id="cor-1", hosts=hosts, why=why)


def node(name: str, state: str = "DRAINING", why: str = "its disk") -> SetNodeState:
    return SetNodeState(principal=OPERATOR, correlation_id="cor-2", node=name, state=state, why=why)


def test_the_session_says_how_many_hosts_there_are_until_somebody_changes_it() -> None:
    desk_ = Recorded()
    assert desk_.intake.hosts == desk_.opened.hosts == 2
    assert desk_.ask(scale(5)) == Noted()
    assert desk_.said() == [facts.HostsSet(at=NOW, hosts=5, who="ann", why="a busy afternoon")]
    assert [record.correlation_id for record in desk_.journal.read(0, facts.DESK)] == ["cor-1"]
    assert desk_.intake.hosts == 5
    assert (desk_.ask(scale(1)), desk_.intake.hosts) == (Noted(), 1)


def test_a_node_is_drained_and_opened_again_with_who_and_why() -> None:
    desk_ = Recorded()
    assert desk_.ask(node("n2")) == desk_.ask(node("n1", "draining")) == Noted()
    assert desk_.intake.draining == ("n1", "n2")
    assert desk_.ask(node("n2", "open", "a new disk")) == Noted()
    assert desk_.intake.draining == ("n1",)
    assert desk_.said()[1:] == [
        facts.NodeStateSet(at=NOW, node="n1", state="DRAINING", who="ann", why="its disk"),
        facts.NodeStateSet(at=NOW, node="n2", state="OPEN", who="ann", why="a new disk"),
    ]
    assert desk_.ask(node("never drained", "OPEN")) == Noted()


@pytest.mark.parametrize("hosts", [1, HOSTS_MAX])
def test_bounds_of_hosts_are_within(hosts: int) -> None:
    desk_ = Recorded()
    assert (desk_.ask(scale(hosts)), desk_.intake.hosts) == (Noted(), hosts)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (scale(0), "expected 1 to 64, got 0 - at hosts"),
        (scale(-1), "expected 1 to 64, got -1 - at hosts"),
        (scale(HOSTS_MAX + 1), "expected 1 to 64, got 65 - at hosts"),
        (scale(3, " "), "expected a reason, got ' ' - at why"),
        (node(""), "expected an id of 1 to 128 characters, got '' - at node"),
        (node("n" * (NODE_MAX + 1)), "expected an id of 1 to 128 characters, got 'nnn"),
        (node("n1", "CLOSED"), "expected one of OPEN, DRAINING, got 'CLOSED' - at state"),
        (node("n1", why=""), "expected a reason, got '' - at why"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing_behind(request_: Request, said: str) -> None:
    desk_ = Recorded()
    before = desk_.intake.digest()
    with pytest.raises(BadInputError) as caught:
        desk_.ask(request_)
    assert str(caught.value).startswith(said)
    assert (desk_.said(), desk_.intake.digest()) == ([], before)


def test_a_desk_rebuilt_from_its_journal_or_a_snapshot_stands_where_it_stood() -> None:
    desk_ = Recorded()
    seen = {desk_.intake.digest()}
    for request_ in (scale(7), node("n1"), node("n2"), node("n1", "OPEN"), scale(3)):
        desk_.ask(request_)
        assert desk_.rebuilt().digest() == desk_.intake.digest()
        seen.add(desk_.intake.digest())
    assert len(seen) == 6
    for again in (desk_.rebuilt(), thawed(frozen(desk_.intake, {}, {}), {}, {})):
        assert (again.hosts, again.draining, again.digest()) == (3, ("n2",), desk_.intake.digest())


def test_a_node_drained_twice_is_drained_since_the_first_time() -> None:
    desk_ = Recorded()
    desk_.ask(node("n1"))
    once = desk_.intake.digest()
    desk_.intake.answer(node("n1"), NOW + 5)
    assert desk_.intake.digest() == once


def test_a_new_session_begins_with_its_own_hosts() -> None:
    desk_ = Recorded()
    desk_.ask(scale(7))
    desk_.intake.record(msgspec.structs.replace(desk_.opened, hosts=4))
    assert desk_.intake.hosts == 4
