"""The read side: what the facts of the journal come to, as far as a door shows it.

Rule of this file: a view changes by `apply` and by nothing else, so that two doors that have read as far show the same.
Memory is bounded: open orders, the last closed ones, and for those before them only where in the journal they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, get_args

from cluster.api.child_watch import KINDS as CHILD_KINDS
from cluster.api.child_watch import ChildWatch
from cluster.api.order_views import OrderBook, OrderView
from router.domain import codec, facts
from router.domain.facts import Fact
from router.intake.state import limit_value
from router.orders.journal import Record
from router.risk.limits import RiskLimits, changed

_FACT: Any = Fact
_KINDS: Final = {kind.__name__ for kind in get_args(Fact)}
"""What is read here; of the events of parents only what `cluster.api.child_watch` keeps, the rest is read when somebody
asks for one parent (`cluster.api.parents`)."""


class Views:
    """What every resource but one parent's details is shown from. `next_offset` is how far the journal was read."""

    def __init__(self, closed_orders_max: int, archive_max: int, limits: RiskLimits | None = None) -> None:
        self.next_offset = 0
        self._awaited: dict[str, list[Callable[[], None]]] = {}
        self.orders = OrderBook(closed_orders_max, archive_max)
        self.children = ChildWatch()
        self.account_seqs: dict[str, int] = {}
        """The next seq of each account's stream."""
        self.kills: dict[tuple[str, str], facts.KillSet] = {}
        self.rearms: dict[tuple[str, str], facts.RearmAsked] = {}
        """By kill, the one who has asked to lift it while a second person is waited for."""
        self.venue_states: dict[str, facts.VenueStateSet] = {}
        self.hosts: facts.HostsSet | None = None
        """The last change of how many hosts new orders of this session are spread over."""
        self.node_states: dict[str, facts.NodeStateSet] = {}
        self.account_states: dict[str, facts.AccountStateSet] = {}
        self.risk = limits or RiskLimits()
        """The limits in force."""
        self.limits: dict[str, facts.LimitSet] = {}
        """The last change of each limit and parameter."""
        self.steered: dict[str, facts.ModelSteered] = {}
        """The last act on each learner."""
        self.frozen: dict[str, bool] = {}
        self.sessions: dict[str, facts.SessionOpened] = {}
        self.windows: dict[str, facts.WindowPlayed] = {}
        """The last window of each symbol."""
        self.probabilities: dict[tuple[str, str], tuple[float, ...]] = {}
        """By symbol and side, the routing probabilities last published."""
        self.stopped: dict[tuple[str, str], facts.StrategyStopped] = {}
        """By account and strategy, what the repeated-execution throttle has stopped."""

    def apply(self, records: Iterable[Record]) -> None:
        """Take records in the order of their offsets; what was taken before changes nothing.

        Raises:
            CodecError: a payload is not what its kind says.
        """
        for record in records:
            if record.offset < self.next_offset:
                continue
            self.next_offset = record.offset + 1
            if record.kind in _KINDS:
                self._take(record, codec.decode(record.payload, _FACT))
            elif record.kind in CHILD_KINDS:
                self.children.apply(record)

    def account_seq(self, account: str) -> int:
        """Return the seq that the account's next record will have: 0 for an account nobody has told anything."""
        return self.account_seqs.get(account, 0)

    def call_when_seen(self, parent_id: str, call: Callable[[], None]) -> None:
        """Call once when the next record about an order was applied; `forget` when it is no longer wanted."""
        self._awaited.setdefault(parent_id, []).append(call)

    def forget(self, parent_id: str, call: Callable[[], None]) -> None:
        """Do not call any more; once called there is nothing to forget."""
        waiting = self._awaited.get(parent_id, [])
        if call in waiting:
            waiting.remove(call)
            if not waiting:
                del self._awaited[parent_id]

    def approvals(self) -> Iterator[OrderView]:
        """Yield the orders that wait for a person, oldest first."""
        return iter(self.orders.waiting.values())

    def _take(self, record: Record, fact: Any) -> None:
        if record.stream.startswith(_ACCOUNT):
            self.account_seqs[record.stream[len(_ACCOUNT) :]] = record.seq + 1
        if isinstance(fact, _ORDER_FACTS):
            self.orders.apply(record.offset, fact)
            if self._awaited:
                for call in self._awaited.pop(fact.parent_id, ()):
                    call()
        else:
            take = _TAKERS.get(type(fact))
            if take is not None:
                take(self, fact)


_ACCOUNT: Final = facts.account_stream("")
_ORDER_FACTS: Final = (
    facts.OrderAccepted,
    facts.ApprovalJudged,
    facts.CancelAsked,
    facts.ReplaceAsked,
    facts.OrderReplaced,
    facts.OrderExecuted,
    facts.ExecutionBusted,
    facts.OrderSuspended,
    facts.OrderResumed,
    facts.OrderEnded,
)


def _kill(views: Views, fact: facts.KillSet) -> None:
    views.kills[fact.level, fact.target] = fact
    views.rearms.pop((fact.level, fact.target), None)


def _rearm(views: Views, fact: facts.RearmAsked) -> None:
    place = fact.level, fact.target
    if fact.is_lifted:
        views.kills.pop(place, None)
        views.rearms.pop(place, None)
    elif place in views.kills:
        views.rearms[place] = fact


def _venue(views: Views, fact: facts.VenueStateSet) -> None:
    views.venue_states[fact.mic] = fact


def _hosts(views: Views, fact: facts.HostsSet) -> None:
    views.hosts = fact


def _node(views: Views, fact: facts.NodeStateSet) -> None:
    views.node_states[fact.node] = fact


def _account(views: Views, fact: facts.AccountStateSet) -> None:
    views.account_states[fact.account] = fact


def _limit(views: Views, fact: facts.LimitSet) -> None:
    views.limits[fact.key] = fact
    if fact.key.partition(".")[0] in RiskLimits.__struct_fields__:
        views.risk = changed(views.risk, fact.key, limit_value(fact.after))


def _steer(views: Views, fact: facts.ModelSteered) -> None:
    views.steered[fact.learner_id] = fact
    if fact.act in ("freeze", "unfreeze"):
        views.frozen[fact.learner_id] = fact.act == "freeze"


def _session(views: Views, fact: facts.SessionOpened) -> None:
    views.sessions[fact.symbol] = fact
    views.hosts = None


def _window(views: Views, fact: facts.WindowPlayed) -> None:
    views.windows[fact.symbol] = fact
    for side, probabilities in fact.routing_probabilities:
        views.probabilities[fact.symbol, side] = probabilities


def _closed(views: Views, fact: facts.SessionClosed) -> None:
    views.sessions.pop(fact.symbol, None)


def _stop(views: Views, fact: facts.StrategyStopped) -> None:
    views.stopped[fact.account, fact.strategy] = fact


def _reenable(views: Views, fact: facts.StrategyReenabled) -> None:
    if views.stopped.pop((fact.account, fact.strategy), None) is None:
        # An older journal stopped and enabled a strategy for everybody, whichever account the record named.
        for place in [place for place in views.stopped if place[1] == fact.strategy]:
            del views.stopped[place]


_TAKERS: Final[dict[type, Callable[[Views, Any], None]]] = {
    facts.KillSet: _kill,
    facts.RearmAsked: _rearm,
    facts.VenueStateSet: _venue,
    facts.HostsSet: _hosts,
    facts.NodeStateSet: _node,
    facts.AccountStateSet: _account,
    facts.LimitSet: _limit,
    facts.ModelSteered: _steer,
    facts.SessionOpened: _session,
    facts.WindowPlayed: _window,
    facts.SessionClosed: _closed,
    facts.StrategyStopped: _stop,
    facts.StrategyReenabled: _reenable,
}


def accounts_seen(views: Views, accounts: Sequence[str]) -> tuple[str, ...]:
    """Return the accounts behind `accounts` of a principal: "*" is every account that has a stream."""
    return tuple(sorted(views.account_seqs)) if "*" in accounts else tuple(accounts)
