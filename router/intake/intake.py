"""The desk's one decision maker: takes requests and windows in turn, answers each, and records what it decided.

Rule of this file: an answer is a function of the facts recorded so far and of what the market last said, and it is true
for others only once every entry that came with it is durable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from router.domain import codec, facts
from router.domain.enums import OrdStatus
from router.domain.facts import Fact, parent_stream
from router.domain.played import Played, Reference
from router.domain.requests import Answer, Request
from router.domain.units import Micros, Nanos
from router.intake.approvals import APPROVAL_HANDLERS
from router.intake.book import Entry, OrderBook
from router.intake.controls import CONTROL_HANDLERS
from router.intake.orders import ORDER_HANDLERS, ask_cancel
from router.intake.readiness import waits_for
from router.intake.state import DeskState, SymbolFacts
from router.orders.journal import Draft, Record
from router.risk.gate import RiskGate
from router.risk.limits import RiskLimits

_HANDLERS = {**ORDER_HANDLERS, **APPROVAL_HANDLERS, **CONTROL_HANDLERS}


class Answered(NamedTuple):
    """An answer, true once every entry (stream, record) is durable, in this order and all at once."""

    answer: Answer
    entries: tuple[tuple[str, Draft], ...] = ()


class _Basis(NamedTuple):
    limits: RiskLimits
    symbols: tuple[tuple[str, SymbolFacts], ...]
    approval_above: Micros | None


class Intake:
    """The desk. `approval_above` is the value from which on an order waits for a person; none: only when asked for."""

    def __init__(
        self, limits: RiskLimits, symbols: Mapping[str, SymbolFacts], approval_above: Micros | None = None
    ) -> None:
        self._state = DeskState(limits, symbols, approval_above)

    @property
    def book(self) -> OrderBook:
        """Every order, to look at."""
        return self._state.book

    @property
    def gate(self) -> RiskGate:
        """The risk gate, to look at."""
        return self._state.gate

    @property
    def limits(self) -> RiskLimits:
        """The limits in force."""
        return self._state.limits

    @property
    def hosts(self) -> int:
        """Over how many hosts new orders are spread; 0 before a session."""
        return self._state.hosts

    @property
    def draining(self) -> tuple[str, ...]:
        """The nodes that nothing of the desk is to live on, in the order of their ids."""
        return tuple(sorted(self._state.draining))

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that are traded."""
        return tuple(self._state.symbols)

    def played(self, symbol: str) -> int:
        """Return the last window of a symbol that is recorded; -1 before the first."""
        return self._state.windows.get(symbol, -1)

    def waits_for(self, now: Nanos) -> tuple[str, ...]:
        """Return what keeps an order from being accepted; nothing: one would be, in every symbol."""
        return waits_for(self._state, now)

    def mic_of(self, parent_id: str, cl_ord_id: str) -> str:
        """Return where a child of an open order was sent; empty: nobody knows of it."""
        teller = self._state.tellers.get(parent_id)
        return teller.mic_of(cl_ord_id) if teller else ""

    def see(self, reference: Reference) -> None:
        """Take what the market says: what prices are held against. It is no fact and is not recorded."""
        self._state.references[reference.symbol] = reference
        if reference.bid_px and reference.ask_px:
            self._state.gate.exposure.mark(reference.symbol, (reference.bid_px + reference.ask_px) // 2)

    def answer(self, request: Request, now: Nanos) -> Answered:
        """Decide one request. What it records holds here at once and is true for others once it is durable.

        Raises:
            BadInputError: a request that cannot be; nothing was recorded.
        """
        answer = _HANDLERS[type(request)](self._state, request, now)
        return Answered(answer, self._taken())

    def play(self, played: Played) -> tuple[tuple[str, Draft], ...]:
        """Take a window of a market; one that is recorded already changes nothing."""
        state = self._state
        if played.n <= self.played(played.symbol):
            return ()
        for kill in played.aside:
            # By now it may be known, or people may have lifted it already.
            if kill.at > state.lifted.get((kill.level, kill.target), -1):
                state.decide(kill)
        for changed in played.changed:
            state.decide(changed, state.book.orders[changed.parent_id].correlation_id)
        for event in played.events:
            entry = state.book.orders.get(event.parent_id)
            correlation_id = entry.correlation_id if entry else ""
            draft = Draft(type(event).__name__, played.at, "", codec.encode(event), correlation_id=correlation_id)
            state.entries.append((parent_stream(event.parent_id), draft))
            is_stopping = state.follow(event)
            for told in state.tell(event):
                state.decide(told, correlation_id)
            if is_stopping and entry is not None:
                self._stop(entry, played.at)
        self._expire(played.at)
        state.decide(_window(played))
        return self._taken()

    def record(self, fact: Fact, correlation_id: str = "") -> tuple[tuple[str, Draft], ...]:
        """Record a fact that is nobody's request: a session that opens or closes."""
        self._state.decide(fact, correlation_id)
        return self._taken()

    def apply(self, record: Record) -> None:
        """Take a record of the journal, to stand where the desk stood."""
        self._state.apply(record)

    @classmethod
    def on(cls, basis: bytes) -> Intake:
        """Return a new desk made from what `basis` gave."""
        made = codec.decode(basis, _Basis)
        return cls(made.limits, dict(made.symbols), made.approval_above)

    def basis(self) -> bytes:
        """Return what a desk is made from besides its journal, as bytes: limits, symbols, when a person is asked."""
        state = self._state
        return codec.encode((state.limits, tuple(state.symbols.items()), state.approval_above))

    def forget_unrecorded(self) -> None:
        """Stand as a desk does that was rebuilt from its journal: what is not recorded starts afresh."""
        self._state.forget_unrecorded()

    def digest(self) -> str:
        """Return the SHA-256 of the orders, the switches and the exposure."""
        return self._state.digest()

    def _taken(self) -> tuple[tuple[str, Draft], ...]:
        entries, self._state.entries = tuple(self._state.entries), []
        return entries

    def _expire(self, at: Nanos) -> None:
        """End orders whose time is over before anybody has approved them: the market never had them."""
        for parent_id in tuple(self._state.book.held):
            entry = self._state.book.orders[parent_id]
            if entry.order.end_at <= at:
                ended = facts.OrderEnded(
                    at=at,
                    account=entry.order.account,
                    parent_id=parent_id,
                    ord_status=OrdStatus.EXPIRED,
                    cum_qty=0,
                    reason="nobody approved it in time",
                )
                self._state.decide(ended, entry.correlation_id)

    def _stop(self, entry: Entry, at: Nanos) -> None:
        """An account's strategy executed too often: its open orders end, and none starts before a person says so."""
        account, strategy, why = entry.order.account, entry.order.strategy, "executed too often"
        self._state.decide(facts.StrategyStopped(at=at, account=account, strategy=strategy, why=why))
        for parent_id, other in self._state.book.open(account):
            if other.order.strategy == strategy:
                ask_cancel(self._state, parent_id, other, at, "throttle", why)


def _window(played: Played) -> facts.WindowPlayed:
    return facts.WindowPlayed(
        at=played.at,
        symbol=played.symbol,
        n=played.n,
        is_cut=played.is_cut,
        heard=played.heard,
        digest=played.digest,
        policy_version=played.policy_version,
        model_digest=played.model_digest,
        routing_probabilities=played.routing_probabilities,
        aside=played.aside,
    )
