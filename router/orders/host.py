"""The host loop: decide, journal, sync, and only then perform. The simulator and the Ray actor run this same loop.

Rule of this file: nothing leaves a host before the events that ask for it are durable, and what leaves is a function
of those events alone. Within a batch, events are applied as they are decided (the next report of the batch must see
the last one); that state is private until the sync, and a host whose sync failed refuses everything from then on.

A batch's number tells what became of the reply before it: a higher number vouches that the reply was performed, the
same number means that it was lost, and the same reply is given again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import attrgetter

import msgspec

from router.allocation.limits import Limits
from router.domain import codec
from router.domain.enums import OrdStatus
from router.domain.errors import BadInputError, JournalError, LinkError, bad_value
from router.domain.events import (
    ChildInvited,
    ChildLost,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    MarkoutObserved,
    ParentAccepted,
    ParentCancelRequested,
    ParentDone,
    ParentReplaced,
    ParentResumed,
    ParentSuspended,
)
from router.domain.messages import HostBatch, HostReply
from router.domain.orders import Command, check_parent
from router.domain.reports import ExecutionReport
from router.domain.scores import Outcome
from router.domain.units import Nanos
from router.orders import desk, firm_up, hearing, parent, replacing, saying
from router.orders.desk import HostSetup
from router.orders.journal import Draft, Journal
from router.orders.open_parents import OpenParents
from router.orders.parent import ParentState
from router.schedule.build import build_schedule

_FILLING = (ChildTraded, ChildTradeCorrected, ParentReplaced, ParentResumed)
"""After these a parent may turn out to be filled."""

_ANSWERED = frozenset({ChildInvited, *_FILLING})
"""What a parent may answer though nothing is asked of it."""

_AMENDMENTS = (ChildTradeCanceled, ChildTradeCorrected)

_CANCELABLE = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_REPLACE, OrdStatus.SUSPENDED})

_PARENT_ID = attrgetter("parent_id")


class OrderHost:
    """Carries any number of parents. `probe` is called with the name of each step, for crash tests."""

    def __init__(self, journal: Journal, setup: HostSetup, probe: Callable[[str], None] | None = None) -> None:
        self.setup = setup
        self.parents: dict[str, ParentState] = {}
        self._open = OpenParents(setup)
        self._journal = journal
        self._probe = probe or _unwatched
        self._seq = -1
        self._is_fenced = False
        self._glances: dict[str, desk.Glance | None] = {}
        """What the parents that were due after the last batch heard were going to do."""
        self._now: Nanos = 0
        self._reply: HostReply
        self._begin(-1)

    def handle(self, batch: HostBatch) -> HostReply:
        """Hear or decide one batch and return what is to be performed, durably recorded.

        Raises:
            BadInputError: an order among `accepts` that cannot be, or reasons that are not one for each cancel; nothing
                of the batch was done.
            LinkError: a batch from the past; nothing of it was done.
            JournalError: the journal refused; the host is fenced and must be rebuilt from it.
        """
        if self._is_fenced:
            raise JournalError("expected a host whose journal accepts records, got a fenced one")
        if batch.seq == self._seq:
            if self._is_looking(batch) != self._reply.is_looking:
                # A host that came back knows the reply from its journal, and this from the batch.
                self._reply = msgspec.structs.replace(self._reply, is_looking=not self._reply.is_looking)
            return self._reply
        if batch.seq < self._seq:
            # Its reply was vouched for or given up long ago: performing it now would perform it twice.
            raise LinkError(f"expected a host batch after {self._seq}, got {type(batch).__name__} {batch.seq}")
        for order in batch.accepts:
            # Before anything is recorded: a bad order is the client's fault and must not take this host with it.
            check_parent(order)
            build_schedule(order.strategy, order.strategy_parameters)
        if batch.cancel_reasons and len(batch.cancel_reasons) != len(batch.cancels):
            raise BadInputError(
                bad_value("$.cancel_reasons", f"{len(batch.cancels)} or none", len(batch.cancel_reasons))
            )
        self._is_fenced = True
        self._now = batch.now
        self._begin(batch.seq)
        self._vouch(batch)
        if batch.is_deciding:
            self._decide(batch)
        else:
            self._hear(batch)
        self._probe("decided")
        self._write()
        self._reply = self._say(self._is_looking(batch))
        self._is_fenced = False
        self._probe("performing")
        return self._reply

    def recover(self, start: int = 0) -> None:
        """Rebuild every parent by applying the journal, and with it the reply to the last batch.

        A host that stands already where the records before offset `start` left it applies those after it.
        """
        self._is_fenced = False
        for record in self._journal.read(start):
            seq = int(record.causation_id)
            if seq != self._seq:
                self._begin(seq)
            self._record(codec.decode_event(record.payload))
            self._now = record.at
        self._reply = self._say()

    def _begin(self, seq: int) -> None:
        self._seq = seq
        self._cause = str(seq)
        self._events: list[Event] = []
        self._commands: list[Command] = []
        self._outcomes: list[Outcome] = []
        self._reply = HostReply(seq=seq, commands=(), outcomes=(), events=(), wakes=(), open_children=0)

    def _record(self, event: Event) -> None:
        """Apply one event and note what follows from it outside; it is journaled with its batch, and performed after
        the sync."""
        self._events.append(event)
        if isinstance(event, ParentAccepted):
            state = self.parents[event.parent_id] = parent.accepted(event)
            self._open.note(state, event)
            return
        state, kind = self.parents[event.parent_id], type(event)
        self._open.note(state, event)
        if kind not in saying.TOLD:
            parent.apply(state, event)
            command = saying.command_of(state, event) if kind in saying.ASKED else None
            if command is not None:
                self._commands.append(command)
            return
        child = state.children.get(getattr(event, "cl_ord_id", ""))
        was_open, watched = (child.is_open, child.watched_age) if child else (True, 0)
        parent.apply(state, event)
        outcome = saying.outcome_of(state, event, was_open, watched)
        if outcome is not None:
            self._outcomes.append(outcome)

    def _write(self) -> None:
        """Append the batch's events, stream by stream in the order decided, and make them durable."""
        now, cause = self._now, self._cause
        for parent_id, events in groupby(self._events, key=_PARENT_ID):
            stream = f"parent:{parent_id}"
            drafts = [Draft(type(event).__name__, now, cause, event) for event in events]
            self._journal.append(stream, self._journal.next_seq(stream), drafts)
            self._probe("appended")
        if self._events:
            self._journal.sync()
        self._probe("synced")

    def _is_looking(self, batch: HostBatch) -> bool:
        """Whether a parent that is due may route in the market of what was heard.

        It follows from the state after the batch, so that a host that came back from its journal says the same.
        """
        if batch.is_deciding:
            return False
        due = {parent_id: self.parents[parent_id] for parent_id in self._open.due(batch.now)}
        self._glances = dict.fromkeys(due)
        if batch.market is not None:
            for parent_id, state in due.items():
                self._glances[parent_id] = desk.glance(state, batch.now, batch.market, self.setup)
        return any(known is None or known.may_route for known in self._glances.values())

    def _say(self, is_looking: bool = False) -> HostReply:
        self._open.settle()
        return HostReply(
            seq=self._seq,
            commands=tuple(self._commands),
            outcomes=tuple(self._outcomes),
            events=tuple(self._events),
            wakes=self._open.wakes(),
            open_children=self._open.children,
            is_listening=self._open.is_listening,
            is_looking=is_looking,
        )

    def _vouch(self, batch: HostBatch) -> None:
        """Settle what became of the children intended in the last reply."""
        for child_id, state in self._open.unsent():
            parent_id, child = state.parent.parent_id, state.children[child_id]
            if batch.is_restart:
                reason = "restart between intent and send"
                self._record(ChildLost(parent_id=parent_id, cl_ord_id=child_id, at=batch.now, reason=reason))
            else:
                self._record(ChildSent(parent_id=parent_id, cl_ord_id=child_id, at=child.intended_at))

    def _hear(self, batch: HostBatch) -> None:
        for order in batch.accepts:
            if order.parent_id not in self.parents:
                px2 = batch.market.bid_px + batch.market.ask_px if batch.market and batch.market.mid else 0
                volume = batch.market.volume if batch.market else 0
                self._record(
                    ParentAccepted(
                        parent_id=order.parent_id,
                        at=batch.now,
                        parent=order,
                        arrival_px2=px2,
                        market_volume=volume,
                    )
                )
        for n, parent_id in enumerate(batch.cancels):
            self._cancel(parent_id, batch.cancel_reasons[n] if batch.cancel_reasons else "client")
        for delivered in batch.reports:
            report = delivered.report
            child_id = report.cl_ord_id
            if not isinstance(report, ExecutionReport) or report.orig_cl_ord_id:
                child_id = report.orig_cl_ord_id
            state = self.parents.get(child_id.rpartition(".")[0])
            if state is not None:
                self._take_in(state, hearing.hear(state, report, delivered.at))
        self._change(batch)
        for mid in batch.mids:
            self._record(
                MarkoutObserved(
                    parent_id=mid.parent_id,
                    at=mid.at,
                    cl_ord_id=mid.cl_ord_id,
                    exec_id=mid.exec_id,
                    horizon_ns=mid.horizon_ns,
                    mid2=mid.mid2,
                )
            )

    def _take_in(self, state: ParentState, events: list[Event]) -> None:
        """Record what a report means, and answer it."""
        # An execution that was amended before it came is answered as what it is by now.
        is_amended = len(events) > 1 and isinstance(events[-1], _AMENDMENTS)
        for event in events:
            self._record(event)
            if not is_amended:
                self._react(state, event)
        if is_amended:
            self._react(state, events[-1])

    def _cancel(self, parent_id: str, reason: str) -> None:
        state = self.parents.get(parent_id)
        if state is None or state.status not in _CANCELABLE:
            return
        for refused in replacing.stopped(state, self._now, f"cancelled by {reason}"):
            self._record(refused)
        self._record(ParentCancelRequested(parent_id=parent_id, at=self._now, reason=reason))

    def _change(self, batch: HostBatch) -> None:
        """Hear what clients and people want changed, after all that venues have said."""
        for request in batch.replaces:
            state = self.parents.get(request.parent_id)
            if state is not None:
                for event in replacing.asked(state, request, self._now):
                    self._record(event)
                    self._react(state, event)
        for parent_id in batch.resumes:
            state = self.parents.get(parent_id)
            if state is not None and state.status is OrdStatus.SUSPENDED:
                resumed = ParentResumed(parent_id=parent_id, at=self._now)
                self._record(resumed)
                self._react(state, resumed)
        if batch.cleared_venues:
            elsewhere = {spec.mic: True for spec in self.setup.specs if spec.mic not in batch.cleared_venues}
            for parent_id in self._open.names():
                for cancel in hearing.cancels(self.parents[parent_id], self._now, elsewhere):
                    self._record(cancel)

    def _react(self, state: ParentState, event: Event) -> None:
        """Answer an invitation, stop a parent that a venue over-filled, give one its new terms, close one that is
        filled."""
        kind = type(event)
        if kind not in _ANSWERED and state.replacing is None and state.status is not OrdStatus.PENDING_CANCEL:
            return
        if isinstance(event, ChildInvited):
            mic = state.children[event.cl_ord_id].child.mic
            lot = next((spec.listing.lot for spec in self.setup.specs if spec.mic == mic), 1)
            for answer in firm_up.answer(state, event, self._now, lot):
                self._record(answer)
        elif isinstance(event, (ChildTraded, ChildTradeCorrected)):
            self._check_over(state, event)
        may_be_filled = isinstance(event, _FILLING)
        for answer in replacing.answered(state, event, event.at):
            self._record(answer)
            may_be_filled = True
        if may_be_filled and state.is_open and state.cum_qty >= state.parent.order_qty and not state.live:
            self._record(ParentDone(parent_id=event.parent_id, at=event.at, ord_status=OrdStatus.FILLED))
        elif state.status is OrdStatus.PENDING_CANCEL and not state.live:
            # Its client waits for the end, and nothing that could still happen is waited for. What was over-filled is
            # filled, whatever else was taken back at last.
            is_full = state.cum_qty >= state.parent.order_qty
            ended = OrdStatus.FILLED if is_full else OrdStatus.CANCELED
            self._record(ParentDone(parent_id=event.parent_id, at=event.at, ord_status=ended))

    def _check_over(self, state: ParentState, event: ChildTraded | ChildTradeCorrected) -> None:
        child = state.children[event.cl_ord_id]
        # A fill after the venue's own end of the child may have been routed again meanwhile: that stops the parent too.
        is_over = child.cum_qty > child.whole_qty or state.unrouted_qty < 0
        if is_over and state.is_open and state.status is not OrdStatus.SUSPENDED:
            reason = f"over-filled by {event.cl_ord_id}"
            for refused in replacing.stopped(state, event.at, reason):
                self._record(refused)
            self._record(ParentSuspended(parent_id=event.parent_id, at=event.at, reason=reason))

    def _decide(self, batch: HostBatch) -> None:
        if batch.market is None:
            return
        setup = self.setup if batch.learning is None else self.setup._replace(limits=Limits(*batch.learning))
        for parent_id in self._open.due(batch.now):
            known = self._glances.get(parent_id)
            desk.wake(self.parents[parent_id], batch, batch.market, setup, self._record, known)


def _unwatched(step: str) -> None:
    """Nobody looks on."""
