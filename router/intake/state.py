"""Where the desk stands: its orders, its risk gate, and what markets last said.

Rule of this file: state changes in `_take` alone, one fact or event at a time, whether it was just decided or is read
back from the journal; so a desk rebuilt from its journal stands where it stood. Message rates and the shapes of orders
seen are not rebuilt: they start afresh.

What a fact changes is the table `_TAKERS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from router.domain import codec, facts
from router.domain.enums import NodeState
from router.domain.errors import BadInputError, bad_value
from router.domain.events import ChildAcknowledged, ChildRejected, ChildSent, ChildTraded, Event, ParentDone
from router.domain.facts import Fact, account_stream, market_stream
from router.domain.played import Reference
from router.domain.units import Micros, Nanos
from router.intake.book import OrderBook
from router.intake.kept import Kept
from router.intake.telling import TOLD_OF, Teller, Told
from router.orders.journal import Draft, Record
from router.orders.venue_gate import is_refusal
from router.risk.exposure import OpenOrder, terms_px
from router.risk.gate import RiskGate
from router.risk.kill import KillLevel, TradingState, VenueState
from router.risk.limits import RiskLimits, changed
from router.risk.request import GateContext, Tradable

_COUNTED = (ChildSent, ChildAcknowledged, ChildTraded, ChildRejected)
_FACT_KINDS = frozenset(kind.__name__ for kind in facts.Fact.__args__)


class SymbolFacts(NamedTuple):
    """What the desk knows of a symbol before anything happens."""

    tradable: Tradable
    adv: int
    open_at: Nanos
    close_at: Nanos


class DeskState:
    """Everything that answers follow from. `entries` gathers what is decided: (stream, record), in order."""

    def __init__(self, limits: RiskLimits, symbols: Mapping[str, SymbolFacts], approval_above: Micros | None) -> None:
        self.symbols = dict(symbols)
        self.gate = RiskGate(limits, {name: known.tradable for name, known in symbols.items()})
        self.limits = limits
        self.approval_above = approval_above
        self.book = OrderBook()
        self.tellers: Kept[Teller] = Kept(Teller.packed, Teller.unpacked)
        self.references: dict[str, Reference] = {}
        self.windows: dict[str, int] = {}
        """The last window of each symbol that is recorded."""
        self.lifted: dict[tuple[str, str], Nanos] = {}
        """When each kill was last lifted, by (level, target)."""
        self.learners: dict[str, tuple[str, ...]] = {}
        """By symbol, what the learners of its session are called."""
        self.hosts = 0
        """Over how many hosts new orders are spread; 0 before a session."""
        self.draining: dict[str, Nanos] = {}
        """Nodes that nothing of the desk is to live on, and since when."""
        self.entries: list[tuple[str, Draft]] = []

    def decide(self, fact: Fact, correlation_id: str = "") -> None:
        """Decide a fact: it holds here now, and is true for others once it is durable.

        Raises:
            BadInputError: a name that not every journal can keep, such as one with a NUL; nothing was decided.
        """
        payload, stream = codec.encode(fact), _stream_of(fact)
        for text in (stream, correlation_id):
            if not text.isprintable():
                raise BadInputError(bad_value("$", "names of printable characters", text))
        draft = Draft(type(fact).__name__, fact.at, "", payload, correlation_id=correlation_id)
        self.entries.append((stream, draft))
        self._take(fact, correlation_id)

    def apply(self, record: Record) -> None:
        """Take a record of the journal, to stand where the desk stood."""
        if record.kind in _FACT_KINDS:
            self._take(codec.decode(record.payload, facts.Fact), record.correlation_id)  # type: ignore[arg-type]
        elif record.stream.startswith("parent:"):
            event = codec.decode_event(record.payload)
            self.follow(event)
            # What it tells stands in the journal behind it.
            for _ in self.tell(event):
                pass

    def forget_unrecorded(self) -> None:
        """Forget what no record tells: message rates, shapes of orders, what markets said. It starts afresh."""
        self.references.clear()
        self.entries.clear()
        self.gate.forget_unrecorded()

    def venues(self) -> tuple[str, ...]:
        """Return the venues of every symbol."""
        return tuple(dict.fromkeys(mic for known in self.symbols.values() for mic in known.tradable.venues))

    def follow(self, event: Event) -> bool:
        """Let the books follow; the order's end is given back by its fact."""
        if isinstance(event, _COUNTED):
            teller = self.tellers.get(event.parent_id)
            mic = teller.mic_of(event.cl_ord_id) if teller else ""
            if mic:
                self._count(event, mic)
        return False if isinstance(event, ParentDone) else self.gate.follow(event)

    def tell(self, event: Event) -> Iterator[Told]:
        """Yield what the client of an order is told of an event."""
        teller = self.tellers.to_change(event.parent_id) if isinstance(event, TOLD_OF) else None
        return iter(()) if teller is None else teller.tell(event)

    def _count(self, event: Event, mic: str) -> None:
        """Count what goes to a venue and what it says: message rates and the reject breaker go by it."""
        if isinstance(event, ChildSent):
            self.gate.venue_sent(mic, event.at)
        elif isinstance(event, ChildAcknowledged | ChildTraded):
            self.gate.venue_answered(mic)
        elif isinstance(event, ChildRejected) and not is_refusal(event.text):
            self.gate.venue_rejected(mic, event.at)

    def context(self, symbol: str, now: Nanos) -> GateContext:
        """Return what is known of a symbol's market; nothing said is nothing known."""
        reference, known = self.references.get(symbol), self.symbols.get(symbol)
        if reference is None or known is None:
            return GateContext(is_open=known is not None and known.open_at <= now < known.close_at)
        return GateContext(
            bid_px=reference.bid_px,
            ask_px=reference.ask_px,
            last_px=reference.last_px,
            at=reference.at,
            is_halted=reference.is_halted,
            is_open=reference.is_open and now < known.close_at,
            adv=known.adv,
            day_volume=reference.volume,
        )

    def has_price(self, symbol: str, now: Nanos) -> bool:
        """Whether a symbol has a price to hold orders against."""
        reference = self.references.get(symbol)
        is_fresh = reference is not None and now - reference.at <= self.limits.reference_stale_ns
        return is_fresh and reference is not None and bool(reference.bid_px and reference.ask_px)

    def digest(self) -> str:
        """Return the SHA-256 of the orders, the switches, the exposure and where actors may live."""
        state = [(name, msgspec.structs.astuple(entry)) for name, entry in self.book.orders.items()]
        risk = self.gate.board.snapshot(), self.gate.exposure.snapshot()
        parts = (state, *risk, sorted(self.windows.items()), self.hosts, sorted(self.draining.items()))
        return hashlib.sha256(codec.encode(parts)).hexdigest()

    def _take(self, fact: Fact, correlation_id: str) -> None:
        take = _TAKERS.get(type(fact))
        if take is not None:
            take(self, fact, correlation_id)

    def _accepted(self, fact: facts.OrderAccepted, correlation_id: str) -> None:
        self.book.accepted(fact, correlation_id)
        order = fact.order
        self.tellers[fact.parent_id] = Teller(order)
        # Just admitted it is in the books already; read back it is not.
        self.gate.exposure.order_accepted(
            OpenOrder(
                order_id=fact.parent_id,
                account=order.account,
                symbol=order.symbol,
                strategy=order.strategy,
                side=order.side,
                order_qty=order.order_qty,
                risk_px=fact.risk_px,
                price=order.price,
            )
        )

    def _replace_asked(self, fact: facts.ReplaceAsked, correlation_id: str) -> None:
        self.book.asked(fact)
        if fact.held_qty:
            self.gate.exposure.replaced(fact.parent_id, fact.held_qty, fact.held_price, fact.held_risk_px)

    def _replaced(self, fact: facts.OrderReplaced, correlation_id: str) -> None:
        self.book.replaced(fact)
        held = self.gate.exposure.find(fact.parent_id)
        if held is not None:
            risk_px = terms_px(self.book.orders[fact.parent_id].order, held.risk_px)
            self.gate.exposure.replaced(fact.parent_id, fact.order_qty, fact.price, risk_px)

    def _ended(self, fact: facts.OrderEnded, correlation_id: str) -> None:
        self.book.ended(fact)
        self.tellers.settle(fact.parent_id)
        self.gate.exposure.ended(fact.parent_id)

    def _killed(self, fact: facts.KillSet, correlation_id: str) -> None:
        self.gate.board.kill(KillLevel(fact.level), fact.target, fact.who, fact.why, fact.at)

    def _rearmed(self, fact: facts.RearmAsked, correlation_id: str) -> None:
        self.gate.board.rearm(KillLevel(fact.level), fact.target, fact.who, fact.at)
        if fact.is_lifted:
            self.lifted[fact.level, fact.target] = fact.at

    def _venue_set(self, fact: facts.VenueStateSet, correlation_id: str) -> None:
        self.gate.board.set_venue(fact.mic, VenueState(fact.state), fact.who, fact.why, fact.at)

    def _hosts_set(self, fact: facts.HostsSet, correlation_id: str) -> None:
        self.hosts = fact.hosts

    def _node_set(self, fact: facts.NodeStateSet, correlation_id: str) -> None:
        if fact.state == NodeState.DRAINING:
            self.draining.setdefault(fact.node, fact.at)
        else:
            self.draining.pop(fact.node, None)

    def _account_set(self, fact: facts.AccountStateSet, correlation_id: str) -> None:
        self.gate.board.set_account(fact.account, TradingState(fact.state), fact.who, fact.why, fact.at)

    def _limit_set(self, fact: facts.LimitSet, correlation_id: str) -> None:
        self.limits = changed(self.limits, fact.key, limit_value(fact.after))
        self.gate.set_limits(self.limits)

    def _strategy_stopped(self, fact: facts.StrategyStopped, correlation_id: str) -> None:
        self.gate.state.executions.stop(fact.account, fact.strategy, fact.at)

    def _strategy_enabled(self, fact: facts.StrategyReenabled, correlation_id: str) -> None:
        executions = self.gate.state.executions
        # An older journal stopped and enabled a strategy for everybody, whichever account the record named.
        accounts = [account for account, strategy in executions.stopped if strategy == fact.strategy]
        for account in [fact.account] if fact.account in accounts else accounts:
            executions.enable(account, fact.strategy, fact.who, fact.at)

    def _window(self, fact: facts.WindowPlayed, correlation_id: str) -> None:
        self.windows[fact.symbol] = fact.n

    def _session(self, fact: facts.SessionOpened, correlation_id: str) -> None:
        known = self.symbols.get(fact.symbol)
        if known is not None:
            self.symbols[fact.symbol] = known._replace(open_at=fact.open_at, close_at=fact.close_at)
        self.windows[fact.symbol] = -1
        self.learners[fact.symbol] = fact.learners
        self.hosts = fact.hosts


def limit_value(text: str) -> Any:
    """Return a limit's value from its text: a number where it is one, a list or a table where it is one as JSON; no
    text takes an override away.

    >>> limit_value("50"), limit_value('["ABC"]'), limit_value("FREE"), limit_value("")
    (50, ['ABC'], 'FREE', None)
    """
    if not text:
        return None
    if text[0] in "[{":
        try:
            return msgspec.json.decode(text)
        except msgspec.MsgspecError:
            return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _stream_of(fact: Fact) -> str:
    """Return where a fact stands: what has an account is told to its owner, in the order of that stream."""
    if isinstance(fact, facts.WindowPlayed | facts.SessionOpened | facts.SessionClosed | facts.OutcomesReported):
        return market_stream(fact.symbol)
    account = getattr(fact, "account", "")
    return account_stream(account) if account else facts.DESK


_TAKERS: dict[type, Callable[[DeskState, Any, str], None]] = {
    facts.OrderAccepted: DeskState._accepted,
    facts.ApprovalJudged: lambda desk, fact, _: desk.book.judged(fact),
    facts.CancelAsked: lambda desk, fact, _: desk.book.asked(fact),
    facts.ReplaceAsked: DeskState._replace_asked,
    facts.OrderReplaced: DeskState._replaced,
    facts.OrderExecuted: lambda desk, fact, _: desk.book.executed(fact),
    facts.ExecutionBusted: lambda desk, fact, _: desk.book.executed(fact),
    facts.OrderSuspended: lambda desk, fact, _: desk.book.suspended(fact),
    facts.OrderResumed: lambda desk, fact, _: desk.book.suspended(fact),
    facts.OrderEnded: DeskState._ended,
    facts.KillSet: DeskState._killed,
    facts.RearmAsked: DeskState._rearmed,
    facts.VenueStateSet: DeskState._venue_set,
    facts.HostsSet: DeskState._hosts_set,
    facts.NodeStateSet: DeskState._node_set,
    facts.AccountStateSet: DeskState._account_set,
    facts.LimitSet: DeskState._limit_set,
    facts.StrategyStopped: DeskState._strategy_stopped,
    facts.StrategyReenabled: DeskState._strategy_enabled,
    facts.WindowPlayed: DeskState._window,
    facts.SessionOpened: DeskState._session,
}
"""What each fact changes; the others change nothing here."""
