"""The desk's one decision maker: takes requests in turn, answers each, and records what it decided.

Rule of this file: an answer is a function of the facts recorded so far and of what the market last said. State changes
in `_take` alone, one fact or event at a time, whether it was just decided or is read back from the journal; so a desk
rebuilt from its journal stands where it stood. Message rates and shapes seen are not rebuilt: they start afresh.

What a request does is the table `_HANDLERS`; what a fact changes is the table `_TAKERS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from router.domain import codec, facts
from router.domain.enums import OrdStatus
from router.domain.errors import BadInputError, bad_value
from router.domain.events import Event, ParentDone
from router.domain.facts import Fact, account_stream, market_stream, parent_stream
from router.domain.orders import check_parent
from router.domain.played import Played, Reference
from router.domain.requests import (
    Accepted,
    Answer,
    CancelAll,
    CancelOrder,
    Conflicting,
    Denial,
    Denied,
    JudgeApproval,
    Kill,
    Noted,
    NotFound,
    Principal,
    Rearm,
    ReenableStrategy,
    ReplaceOrder,
    ReportOutcomes,
    Request,
    SetAccountState,
    SetLimit,
    SetVenueState,
    SteerModel,
    SubmitOrder,
)
from router.domain.units import Micros, Nanos, Px
from router.intake.book import Entry, OrderBook
from router.intake.telling import Teller
from router.orders.journal import Draft, Record
from router.risk.exposure import OpenOrder
from router.risk.gate import RiskGate
from router.risk.kill import Act, KillLevel, TradingState, VenueState
from router.risk.limits import RiskLimits, changed
from router.risk.request import CancelParent, GateContext, NewParent, Tradable
from router.risk.request import Denial as GateDenial
from router.schedule.build import build_schedule

_FACT_KINDS = frozenset(kind.__name__ for kind in facts.Fact.__args__)


class SymbolFacts(NamedTuple):
    """What the desk knows of a symbol before anything happens."""

    tradable: Tradable
    adv: int
    open_at: Nanos
    close_at: Nanos


class Answered(NamedTuple):
    """An answer, true once every entry (stream, record) is durable, in this order and all at once."""

    answer: Answer
    entries: tuple[tuple[str, Draft], ...] = ()


class Intake:
    """The desk. `approval_above` is the value from which on an order waits for a person; none: only when asked for."""

    def __init__(
        self, limits: RiskLimits, symbols: Mapping[str, SymbolFacts], approval_above: Micros | None = None
    ) -> None:
        self._symbols = dict(symbols)
        self._gate = RiskGate(limits, {name: known.tradable for name, known in symbols.items()})
        self._limits = limits
        self._approval_above = approval_above
        self.book = OrderBook()
        self._tellers: dict[str, Teller] = {}
        self._references: dict[str, Reference] = {}
        self._played: dict[str, int] = {}
        self._entries: list[tuple[str, Draft]] = []

    @property
    def limits(self) -> RiskLimits:
        """The limits in force."""
        return self._limits

    @property
    def gate(self) -> RiskGate:
        """The risk gate, to look at."""
        return self._gate

    def played(self, symbol: str) -> int:
        """Return the last window of a symbol that is recorded; -1 before the first."""
        return self._played.get(symbol, -1)

    def has_price(self, symbol: str, now: Nanos) -> bool:
        """Whether a symbol has a price to hold orders against."""
        reference = self._references.get(symbol)
        is_fresh = reference is not None and now - reference.at <= self._limits.reference_stale_ns
        return is_fresh and reference is not None and bool(reference.bid_px and reference.ask_px)

    def see(self, reference: Reference) -> None:
        """Take what the market says: what prices are held against. It is no fact and is not recorded."""
        self._references[reference.symbol] = reference
        if reference.bid_px and reference.ask_px:
            self._gate.exposure.mark(reference.symbol, (reference.bid_px + reference.ask_px) // 2)

    def answer(self, request: Request, now: Nanos) -> Answered:
        """Decide one request. What it records holds here at once and is true for others once it is durable.

        Raises:
            BadInputError: a request that cannot be; nothing was recorded.
        """
        self._entries = []
        answer = _HANDLERS[type(request)](self, request, now)
        return Answered(answer, tuple(self._entries))

    def play(self, played: Played) -> tuple[tuple[str, Draft], ...]:
        """Take a window of a market; one that is recorded already changes nothing."""
        self._entries = []
        if played.n <= self.played(played.symbol):
            return ()
        for event in played.events:
            entry = self.book.orders.get(event.parent_id)
            correlation_id = entry.correlation_id if entry else ""
            draft = Draft(type(event).__name__, played.at, "", codec.encode(event), correlation_id=correlation_id)
            self._entries.append((parent_stream(event.parent_id), draft))
            is_stopping = self._follow(event)
            teller = self._tellers.get(event.parent_id)
            if teller is not None:
                for told in teller.tell(event):
                    self._decide(told, correlation_id)
            if is_stopping and entry is not None:
                self._stop(entry, played.at)
        self._decide(
            facts.WindowPlayed(
                at=played.at,
                symbol=played.symbol,
                n=played.n,
                is_cut=played.is_cut,
                heard=played.heard,
                digest=played.digest,
                policy_version=played.policy_version,
                model_digest=played.model_digest,
                routing_probabilities=played.routing_probabilities,
            )
        )
        return tuple(self._entries)

    def record(self, fact: Fact, correlation_id: str = "") -> tuple[tuple[str, Draft], ...]:
        """Record a fact that is nobody's request: a session that opens or closes."""
        self._entries = []
        self._decide(fact, correlation_id)
        return tuple(self._entries)

    def apply(self, record: Record) -> None:
        """Take a record of the journal, to stand where the desk stood."""
        if record.kind in _FACT_KINDS:
            self._take(codec.decode(record.payload, facts.Fact), record.correlation_id)  # type: ignore[arg-type]
        elif record.stream.startswith("parent:"):
            event = codec.decode_event(record.payload)
            self._follow(event)
            teller = self._tellers.get(event.parent_id)
            if teller is not None:
                # What it tells stands in the journal behind it.
                for _ in teller.tell(event):
                    pass

    def digest(self) -> str:
        """Return the SHA-256 of the orders, the switches and the exposure."""
        state = [(name, msgspec.structs.astuple(entry)) for name, entry in self.book.orders.items()]
        parts = (state, self._gate.board.snapshot(), self._gate.exposure.snapshot(), sorted(self._played.items()))
        return hashlib.sha256(codec.encode(parts)).hexdigest()

    # facts

    def _decide(self, fact: Fact, correlation_id: str = "") -> None:
        stream = _stream_of(fact)
        payload = codec.encode(fact)
        self._entries.append((stream, Draft(type(fact).__name__, fact.at, "", payload, correlation_id=correlation_id)))
        self._take(fact, correlation_id)

    def _take(self, fact: Fact, correlation_id: str) -> None:
        take = _TAKERS.get(type(fact))
        if take is not None:
            take(self, fact, correlation_id)

    def _accepted(self, fact: facts.OrderAccepted, correlation_id: str) -> None:
        self.book.accepted(fact, correlation_id)
        order = fact.order
        self._tellers[fact.parent_id] = Teller(order)
        # Just admitted it is in the books already; read back it is not.
        self._gate.exposure.order_accepted(
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

    def _replaced(self, fact: facts.OrderReplaced, correlation_id: str) -> None:
        self.book.replaced(fact)
        self._tellers[fact.parent_id].replaced(fact.order_qty)
        held = self._gate.exposure.find(fact.parent_id)
        if held is not None:
            self._gate.exposure.replaced(fact.parent_id, fact.order_qty, fact.price, held.risk_px)

    def _ended(self, fact: facts.OrderEnded, correlation_id: str) -> None:
        self.book.ended(fact)
        self._gate.exposure.ended(fact.parent_id)

    def _killed(self, fact: facts.KillSet, correlation_id: str) -> None:
        self._gate.board.kill(KillLevel(fact.level), fact.target, fact.who, fact.why, fact.at)

    def _rearmed(self, fact: facts.RearmAsked, correlation_id: str) -> None:
        self._gate.board.rearm(KillLevel(fact.level), fact.target, fact.who, fact.at)

    def _venue_set(self, fact: facts.VenueStateSet, correlation_id: str) -> None:
        self._gate.board.set_venue(fact.mic, VenueState(fact.state), fact.who, fact.why, fact.at)

    def _account_set(self, fact: facts.AccountStateSet, correlation_id: str) -> None:
        self._gate.board.set_account(fact.account, TradingState(fact.state), fact.who, fact.why, fact.at)

    def _limit_set(self, fact: facts.LimitSet, correlation_id: str) -> None:
        self._limits = changed(self._limits, fact.key, _value(fact.after))
        self._gate.set_limits(self._limits)

    def _strategy_stopped(self, fact: facts.StrategyStopped, correlation_id: str) -> None:
        self._gate.state.executions.stopped.setdefault(fact.strategy, fact.at)

    def _strategy_enabled(self, fact: facts.StrategyReenabled, correlation_id: str) -> None:
        self._gate.state.executions.enable(fact.strategy, fact.who, fact.at)

    def _window(self, fact: facts.WindowPlayed, correlation_id: str) -> None:
        self._played[fact.symbol] = fact.n

    def _session(self, fact: facts.SessionOpened, correlation_id: str) -> None:
        known = self._symbols.get(fact.symbol)
        if known is not None:
            self._symbols[fact.symbol] = known._replace(open_at=fact.open_at, close_at=fact.close_at)
        self._played[fact.symbol] = -1

    def _follow(self, event: Event) -> bool:
        """Let the books follow; the order's end is given back by its fact."""
        return False if isinstance(event, ParentDone) else self._gate.follow(event)

    def _stop(self, entry: Entry, at: Nanos) -> None:
        """A strategy executed too often: its open orders are ended, and none of it starts before a person says so."""
        strategy, why = entry.order.strategy, "executed too often"
        self._decide(facts.StrategyStopped(at=at, account=entry.order.account, strategy=strategy, why=why))
        for parent_id, other in self.book.open():
            if other.order.strategy == strategy:
                self._ask_cancel(parent_id, other, at, "throttle", why)

    # requests

    def _submit(self, request: SubmitOrder, now: Nanos) -> Answer:
        who, order = request.principal, request.order
        if not who.may_act_for(order.account):
            text = bad_value("account", f"an account of {who.name}", order.account)
            return Denied(denials=(Denial(check=1, code="ACCOUNT_NOT_PERMITTED", text=text, field="account"),))
        known = self.book.by_client.get((order.account, order.client_order_id))
        if known is not None:
            return self._again(request, known)
        parent_id = f"P{len(self.book.orders) + 1}"
        session = self._symbols.get(order.symbol)
        order = msgspec.structs.replace(
            order,
            parent_id=parent_id,
            start_at=max(order.start_at, now),
            end_at=order.end_at or (session.close_at if session else now + 1),
        )
        wish = _wish(order, who, now, is_located=request.is_located)
        denials = self._gate.admit_new(wish, self._context(order.symbol, now))
        if denials:
            return self._deny(request, denials, now)
        try:
            check_parent(order, "$")
            build_schedule(order.strategy, order.strategy_parameters)
        except BadInputError:
            self._gate.exposure.ended(parent_id)
            self._gate.state.ids.pop((order.account, order.client_order_id), None)
            raise
        held = self._gate.exposure.find(parent_id)
        risk_px: Px = held.risk_px if held else 0
        approval_id = f"A-{parent_id}" if request.is_manual or self._is_large(order.order_qty, risk_px) else ""
        self._decide(
            facts.OrderAccepted(
                at=now,
                account=order.account,
                parent_id=parent_id,
                order=order,
                body_hash=request.body_hash,
                who=who.name,
                approval_id=approval_id,
                risk_px=risk_px,
            ),
            request.correlation_id,
        )
        return Accepted(parent_id=parent_id, is_new=True, approval_id=approval_id)

    def _again(self, request: SubmitOrder, parent_id: str) -> Answer:
        """Answer a client's id that is there already: the same order, or another one under its id."""
        entry = self.book.orders[parent_id]
        if entry.body_hash == request.body_hash:
            return Accepted(parent_id=parent_id, is_new=False, approval_id=entry.approval_id)
        text = bad_value("client_order_id", "an id of no other order", request.order.client_order_id)
        return Conflicting(code="DUPLICATE_CLIENT_ORDER_ID", text=text, parent_id=parent_id)

    def _is_large(self, qty: int, risk_px: Px) -> bool:
        return self._approval_above is not None and qty * risk_px * 100 >= self._approval_above

    def _deny(self, request: SubmitOrder, denials: Sequence[GateDenial], now: Nanos) -> Denied:
        said = tuple(_said(denial) for denial in denials)
        order = request.order
        self._decide(
            facts.OrderDenied(
                at=now,
                account=order.account,
                client_order_id=order.client_order_id,
                who=request.principal.name,
                denials=said,
            ),
            request.correlation_id,
        )
        return Denied(denials=said)

    def _found(self, who: Principal, parent_id: str) -> Entry | None:
        entry = self.book.orders.get(parent_id)
        if entry is None or not (who.role in _SEEING_ALL or who.may_act_for(entry.order.account)):
            return None
        return entry

    def _cancel(self, request: CancelOrder, now: Nanos) -> Answer:
        entry = self._found(request.principal, request.parent_id)
        if entry is None:
            return NotFound(what=f"order {request.parent_id}")
        denials = self._gate.admit_cancel(_cancel_of(request.principal, entry.order.account, now))
        if denials:
            return Denied(denials=tuple(_said(denial) for denial in denials))
        if entry.ended is not None:
            text = f"expected an open order, got one that is {entry.ended} - at {request.parent_id}"
            return Conflicting(code="ORDER_IS_OVER", text=text, parent_id=request.parent_id)
        self._ask_cancel(request.parent_id, entry, now, request.principal.name, request.reason)
        return Noted()

    def _ask_cancel(self, parent_id: str, entry: Entry, now: Nanos, who: str, reason: str) -> None:
        """Record that an order is to end; one that waits for approval was never worked and ends here."""
        account, correlation_id = entry.order.account, entry.correlation_id
        if entry.approval_id:
            ended = facts.OrderEnded(
                at=now, account=account, parent_id=parent_id, ord_status=OrdStatus.CANCELED, cum_qty=0, reason=reason
            )
            self._decide(ended, correlation_id)
        elif not entry.is_canceling:
            self._decide(
                facts.CancelAsked(at=now, account=account, parent_id=parent_id, who=who, reason=reason),
                correlation_id,
            )

    def _cancel_all(self, request: CancelAll, now: Nanos) -> Answer:
        who, count = request.principal, 0
        for parent_id, entry in self.book.open(request.account, request.symbol):
            if self._found(who, parent_id) is not None:
                self._ask_cancel(parent_id, entry, now, who.name, request.reason)
                count += 1
        return Noted(count=count)

    def _replace(self, request: ReplaceOrder, now: Nanos) -> Answer:
        entry = self._found(request.principal, request.parent_id)
        if entry is None:
            return NotFound(what=f"order {request.parent_id}")
        if entry.ended is not None or entry.is_canceling or entry.is_replacing or entry.approval_id:
            state = entry.ended or ("waiting for approval" if entry.approval_id else "being changed")
            text = f"expected an order that can be replaced, got one that is {state} - at {request.parent_id}"
            return Conflicting(code="ORDER_IS_OVER" if entry.ended else "ORDER_IS_BUSY", text=text)
        terms = {
            name: value
            for name in ("order_qty", "price", "end_at", "urgency", "max_participation")
            if (value := getattr(request, name)) is not None
        }
        order = check_parent(msgspec.structs.replace(entry.order, **terms), "$")
        wish = _wish(order, request.principal, now, client_order_id=f"{order.client_order_id[:40]}/r{now}"[:48])
        denials = self._gate.admit_replace(request.parent_id, wish, self._context(order.symbol, now))
        if denials:
            return Denied(denials=tuple(_said(denial) for denial in denials))
        self._decide(
            facts.ReplaceAsked(
                at=now, account=order.account, parent_id=request.parent_id, who=request.principal.name, **terms
            ),
            entry.correlation_id,
        )
        return Noted()

    def _kill(self, request: Kill, now: Nanos) -> Answer:
        level = _member(KillLevel, request.level, "level")
        if bool(request.target) == (level is KillLevel.ALL):
            raise BadInputError(bad_value("target", "none with ALL and one with every other level", request.target))
        if not request.why.strip():
            raise BadInputError(bad_value("why", "a reason", request.why))
        fact = facts.KillSet(at=now, level=level, target=request.target, who=request.principal.name, why=request.why)
        self._decide(fact, request.correlation_id)
        return Noted(count=sum(1 for _ in self.book.open()))

    def _rearm(self, request: Rearm, now: Nanos) -> Answer:
        level, who = _member(KillLevel, request.level, "level"), request.principal.name
        if (level, request.target) not in {(kill.level, kill.target) for kill in self._gate.board.kills()}:
            return NotFound(what=f"kill of {level} {request.target}".strip())
        is_lifted = self._gate.board.rearm(level, request.target, who, now).act is Act.REARMED
        fact = facts.RearmAsked(
            at=now, level=level, target=request.target, who=who, why=request.why, is_lifted=is_lifted
        )
        self._decide(fact, request.correlation_id)
        return Noted(waits_for="" if is_lifted else "a second person")

    def _set_venue(self, request: SetVenueState, now: Nanos) -> Answer:
        state = _member(VenueState, request.state, "state")
        if not any(request.mic in known.tradable.venues for known in self._symbols.values()):
            return NotFound(what=f"venue {request.mic}")
        who = request.principal.name
        self._decide(
            facts.VenueStateSet(at=now, mic=request.mic, state=state, who=who, why=_why(request.why)),
            request.correlation_id,
        )
        return Noted()

    def _set_account(self, request: SetAccountState, now: Nanos) -> Answer:
        state, who = _member(TradingState, request.state, "state"), request.principal.name
        self._decide(
            facts.AccountStateSet(at=now, account=request.account, state=state, who=who, why=_why(request.why)),
            request.correlation_id,
        )
        return Noted()

    def _steer(self, request: SteerModel, now: Nanos) -> Answer:
        self._decide(
            facts.ModelSteered(
                at=now,
                learner_id=request.learner_id,
                act=request.act,
                who=request.principal.name,
                why=_why(request.why),
            ),
            request.correlation_id,
        )
        return Noted()

    def _set_limit(self, request: SetLimit, now: Nanos) -> Answer:
        before = _limit_text(self._limits, request.key)
        changed(self._limits, request.key, _value(request.value))
        self._decide(
            facts.LimitSet(
                at=now,
                key=request.key,
                before=before,
                after=request.value,
                who=request.principal.name,
                why=_why(request.why),
            ),
            request.correlation_id,
        )
        return Noted()

    def _reenable(self, request: ReenableStrategy, now: Nanos) -> Answer:
        if request.strategy not in self._gate.state.executions.stopped:
            return NotFound(what=f"stopped strategy {request.strategy}")
        self._decide(
            facts.StrategyReenabled(
                at=now,
                account=request.account,
                strategy=request.strategy,
                who=request.principal.name,
                why=_why(request.why),
            ),
            request.correlation_id,
        )
        return Noted()

    def _judge(self, request: JudgeApproval, now: Nanos) -> Answer:
        parent_id = request.approval_id.removeprefix("A-")
        entry = self._found(request.principal, parent_id)
        if entry is None or not entry.approval_id:
            return NotFound(what=f"approval {request.approval_id}")
        who, order = request.principal.name, entry.order
        if who == entry.who:
            return Conflicting(
                code="OWN_ORDER", text="expected another person than who sent the order", parent_id=parent_id
            )
        reason = self._gate.board.blocks(order.account, order.strategy, order.symbol)
        if request.is_approved and reason is not None:
            return Denied(denials=(Denial(check=2, code=reason, text="expected nothing killed or halted"),))
        self._decide(
            facts.ApprovalJudged(
                at=now,
                account=order.account,
                parent_id=parent_id,
                approval_id=request.approval_id,
                is_approved=request.is_approved,
                who=who,
                why=request.why,
            ),
            entry.correlation_id,
        )
        if not request.is_approved:
            ended = facts.OrderEnded(
                at=now,
                account=order.account,
                parent_id=parent_id,
                ord_status=OrdStatus.REJECTED,
                cum_qty=0,
                reason=f"not approved by {who}",
            )
            self._decide(ended, entry.correlation_id)
        return Noted()

    def _outcomes(self, request: ReportOutcomes, now: Nanos) -> Answer:
        if request.symbol not in self._symbols:
            return NotFound(what=f"symbol {request.symbol}")
        self._decide(
            facts.OutcomesReported(
                at=now, symbol=request.symbol, who=request.principal.name, outcomes=request.outcomes
            ),
            request.correlation_id,
        )
        return Noted(count=len(request.outcomes))

    def _context(self, symbol: str, now: Nanos) -> GateContext:
        """Return what is known of a symbol's market; nothing said is nothing known."""
        reference, known = self._references.get(symbol), self._symbols.get(symbol)
        if reference is None or known is None:
            return GateContext(is_open=known is not None and known.open_at <= now < known.close_at)
        return GateContext(
            bid_px=reference.bid_px,
            ask_px=reference.ask_px,
            at=reference.at,
            is_halted=reference.is_halted,
            is_open=reference.is_open and now < known.close_at,
            adv=known.adv,
            day_volume=reference.volume,
        )


_SEEING_ALL = ("operator", "risk")
"""Roles that may end and judge orders of every account."""


def _wish(
    order: Any, who: Principal, now: Nanos, *, is_located: bool = True, client_order_id: str | None = None
) -> NewParent:
    return NewParent(
        principal=who.name,
        role=who.role,
        account=order.account,
        client_order_id=client_order_id or order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        qty=order.order_qty,
        start_at=order.start_at,
        end_at=order.end_at,
        now=now,
        session_id=who.session or who.name,
        ord_type=order.ord_type,
        price=order.price,
        strategy=order.strategy,
        is_located=is_located,
        venues_allow=order.venues_allow,
        venues_deny=order.venues_deny,
        parent_id=order.parent_id,
    )


def _cancel_of(who: Principal, account: str, now: Nanos) -> CancelParent:
    return CancelParent(principal=who.name, role=who.role, account=account, session_id=who.session or who.name, now=now)


def _said(denial: GateDenial) -> Denial:
    return Denial(check=denial.check, code=denial.reason, text=denial.message, field=denial.field)


def _member(kind: Any, text: str, where: str) -> Any:
    """Return the member of an enumeration that `text` names."""
    try:
        return kind(text.upper())
    except ValueError:
        raise BadInputError(bad_value(where, f"one of {', '.join(kind)}", text)) from None


def _why(why: str) -> str:
    if not why.strip():
        raise BadInputError(bad_value("why", "a reason", why))
    return why


def _value(text: str) -> Any:
    """Return a limit's value from its text: a number where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _limit_text(limits: RiskLimits, key: str) -> str:
    value = msgspec.to_builtins(limits)
    for part in key.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def _stream_of(fact: Fact) -> str:
    if isinstance(fact, facts.OrderDenied):
        return facts.DESK
    if isinstance(fact, facts.WindowPlayed | facts.SessionOpened | facts.SessionClosed | facts.OutcomesReported):
        return market_stream(fact.symbol)
    parent_id = getattr(fact, "parent_id", "")
    return account_stream(fact.account) if parent_id else facts.DESK  # type: ignore[union-attr]


_HANDLERS: dict[type, Callable[[Intake, Any, Nanos], Answer]] = {
    SubmitOrder: Intake._submit,
    CancelOrder: Intake._cancel,
    CancelAll: Intake._cancel_all,
    ReplaceOrder: Intake._replace,
    Kill: Intake._kill,
    Rearm: Intake._rearm,
    SetVenueState: Intake._set_venue,
    SetAccountState: Intake._set_account,
    SteerModel: Intake._steer,
    SetLimit: Intake._set_limit,
    ReenableStrategy: Intake._reenable,
    JudgeApproval: Intake._judge,
    ReportOutcomes: Intake._outcomes,
}

_TAKERS: dict[type, Callable[[Intake, Any, str], None]] = {
    facts.OrderAccepted: Intake._accepted,
    facts.ApprovalJudged: lambda desk, fact, _: desk.book.judged(fact),
    facts.CancelAsked: lambda desk, fact, _: desk.book.asked(fact),
    facts.ReplaceAsked: lambda desk, fact, _: desk.book.asked(fact),
    facts.OrderReplaced: Intake._replaced,
    facts.OrderExecuted: lambda desk, fact, _: desk.book.executed(fact),
    facts.ExecutionBusted: lambda desk, fact, _: desk.book.executed(fact),
    facts.OrderSuspended: lambda desk, fact, _: desk.book.suspended(fact),
    facts.OrderEnded: Intake._ended,
    facts.KillSet: Intake._killed,
    facts.RearmAsked: Intake._rearmed,
    facts.VenueStateSet: Intake._venue_set,
    facts.AccountStateSet: Intake._account_set,
    facts.LimitSet: Intake._limit_set,
    facts.StrategyStopped: Intake._strategy_stopped,
    facts.StrategyReenabled: Intake._strategy_enabled,
    facts.WindowPlayed: Intake._window,
    facts.SessionOpened: Intake._session,
}
"""What each fact changes; the others change nothing here."""
