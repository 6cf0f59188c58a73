"""A venue that is wrong about what it did: it takes executions back, corrects them, changes its mind about that,
executes more than it was sent, and executes what it refused.

Rule of this file: a venue that was wrong is wrong consistently: what it took back is in no quantity that it says
afterwards. Every draw is keyed by (seed, venue, execution), so that windows do not matter.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import NamedTuple

import msgspec

from router.domain.chance import uniforms
from router.domain.enums import ExecType, OrdStatus
from router.domain.messages import Message, VenueBatch, VenueReply
from router.domain.orders import ChildOrder, NewOrderSingle
from router.domain.reports import ExecutionReport, Report
from router.domain.units import SECOND, Nanos, Px, Qty
from scenarios.shells import VenueShell

BUST, CORRECT, OVER_FILL = "bust", "correction", "over-fill"
AGAIN, REFUSED = "second amendment", "execution of what was refused"
KINDS = (BUST, CORRECT, OVER_FILL, AGAIN, REFUSED)

LATER_NS: Nanos = 10 * SECOND
"""The longest that a venue takes to see what it did wrong; mostly it takes much less."""

AGAIN_NS: Nanos = 4 * SECOND
"""The least time between two amendments of one execution: no link is late enough to bring them out of order."""


class Wrongness(NamedTuple):
    """With which probability a venue is wrong about an execution: takes it back, corrects it, executes more; changes
    an amendment again; executes an order that it refused."""

    bust: float = 0.0
    correct: float = 0.0
    over_fill: float = 0.0
    again: float = 0.0
    refused: float = 0.0


class _Due(NamedTuple):
    """What a venue is going to say at a time, about an execution or a refusal of its own."""

    at: Nanos
    kind: str
    about: ExecutionReport


class WrongVenue:
    """A venue's shell that is wrong about executions from `from_at` on, and says so later.

    Before that, reports may be lost: an execution that nobody heard of cannot be taken back from anybody.
    """

    def __init__(self, shell: VenueShell, seed: int, from_at: Nanos, wrongness: Wrongness) -> None:
        self.shell = shell
        self.kinds: Counter[str] = Counter()
        self.more: dict[str, Qty] = {}
        """By order: what it did beyond what the venue's own book says; less than nothing where it took back."""
        self.executed: Counter[str] = Counter()
        """By order: the quantity executed by the venue's own book."""
        self.paid: Counter[str] = Counter()
        """By order: that quantity times its prices."""
        self._seed, self._from_at, self._wrongness = seed, from_at, wrongness
        self._due: list[_Due] = []
        self._stands: dict[str, Qty] = {}
        """By execution that was amended: what it is by now."""
        self._sent: dict[str, ChildOrder] = {}
        self._before: dict[str, bool] = {}
        """Orders that executed while reports may be lost: what more of them would hide what is missing."""
        self._last: VenueReply | None = None
        self._until: Nanos = 0
        """The end of the last window: what is said in the next one is said after it."""
        self._n = 0

    def handle(self, batch: Message) -> VenueReply:
        """Let the venue answer, and answer with what it makes of that."""
        if self._last is not None and batch.seq == self._last.seq:
            return self._last
        reply = self.shell.handle(batch)
        assert isinstance(batch, VenueBatch)
        for arrival in batch.arrivals:
            if isinstance(arrival.command, NewOrderSingle):
                self._sent.setdefault(arrival.command.child.cl_ord_id, arrival.command.child)
        due = [wrong for wrong in self._due if wrong.at < batch.until]
        self._due = [wrong for wrong in self._due if wrong.at >= batch.until]
        # In the order of the venue's clock: a report counts what was amended before it, and nothing that comes later.
        said: list[tuple[Nanos, _Due | Report]] = [(max(wrong.at, self._until), wrong) for wrong in due]
        said += [(report.transact_time, report) for report in reply.reports]
        said.sort(key=itemgetter(0))
        reports = [self._wrong(item, at) if isinstance(item, _Due) else self._said(item) for at, item in said]
        self._until = batch.until
        next_at = min((wrong.at + 1 for wrong in self._due), default=None)
        if reply.next_at is not None and (next_at is None or reply.next_at < next_at):
            next_at = reply.next_at
        self._last = msgspec.structs.replace(reply, reports=tuple(reports), next_at=next_at)
        return self._last

    def _said(self, report: Report) -> Report:
        """Return a report with the quantities as they are; an execution may turn out to be wrong later."""
        if not isinstance(report, ExecutionReport):
            return report
        if report.exec_type is ExecType.TRADE:
            self.executed[report.cl_ord_id] += report.last_qty
            self.paid[report.cl_ord_id] += report.last_qty * report.last_px
            if report.transact_time < self._from_at:
                self._before[report.cl_ord_id] = True
        more = self.more.get(report.cl_ord_id, 0)
        if report.transact_time >= self._from_at and not more and report.cl_ord_id not in self._before:
            self._consider(report)
        return report if not more else msgspec.structs.replace(report, cum_qty=report.cum_qty + more)

    def _consider(self, report: ExecutionReport) -> None:
        """Be wrong about an execution, or about a refusal, with the chances that there are."""
        bust, correct, over_fill, _, refused = self._wrongness
        draw, _, wait, _ = uniforms(self._seed, report.mic, report.exec_id, 0)
        kind = ""
        if report.exec_type is ExecType.TRADE and draw < bust + correct + over_fill:
            kind = BUST if draw < bust else CORRECT if draw < bust + correct else OVER_FILL
        elif report.exec_type is ExecType.REJECTED and draw < refused and report.cl_ord_id in self._sent:
            kind = REFUSED
        if kind:
            self._due.append(_Due(report.transact_time + 1 + int(wait**3 * LATER_NS), kind, report))

    def _wrong(self, wrong: _Due, at: Nanos) -> ExecutionReport:
        """Return what the venue says now of an execution or a refusal."""
        about, kind = wrong.about, wrong.kind
        _, share, wait, again = uniforms(self._seed, about.mic, about.exec_id, 1 if kind is AGAIN else 0)
        self.kinds[kind] += 1
        if kind is OVER_FILL or kind is REFUSED:
            said = self._executed(kind, about, share, at)
        else:
            said = self._amended(kind, about, share, at)
        later = at + 1 + int(wait**3 * LATER_NS)
        if kind is REFUSED:
            self._due.append(_Due(later, AGAIN, said))
        elif kind in (BUST, CORRECT) and again < self._wrongness.again:
            # What was taken back may be given again, once everybody has heard that it was taken back.
            self._due.append(_Due(later + AGAIN_NS, AGAIN, about))
        return said

    def _executed(self, kind: str, about: ExecutionReport, share: float, at: Nanos) -> ExecutionReport:
        """Return an execution that nobody asked for."""
        child, before = self._sent[about.cl_ord_id], self.more.get(about.cl_ord_id, 0)
        # More than was left of it, whatever that was; or some of what was refused.
        qty = about.leaves_qty + 1 + int(share * 100) if kind is OVER_FILL else 1 + int(share * child.order_qty)
        px: Px = about.last_px if kind is OVER_FILL else child.price or self.shell.venue.spec.listing.tick
        self.more[about.cl_ord_id] = before + qty
        return msgspec.structs.replace(
            about,
            exec_id=self._next_id(about.mic),
            exec_type=ExecType.TRADE,
            ord_status=OrdStatus.FILLED,
            transact_time=at,
            last_qty=qty,
            last_px=px,
            cum_qty=about.cum_qty + before + qty,
            leaves_qty=0,
        )

    def _amended(self, kind: str, about: ExecutionReport, share: float, at: Nanos) -> ExecutionReport:
        """Return a bust or a correction."""
        name, stands = about.cl_ord_id, self._stands.get(about.exec_id, about.last_qty)
        before = self.more.get(name, 0)
        is_bust = kind is BUST or (kind is AGAIN and share < 0.5)
        qty = 0 if is_bust else 1 + int(share * about.last_qty)
        self._stands[about.exec_id] = qty
        self.more[name] = before + qty - stands
        return msgspec.structs.replace(
            about,
            exec_id=self._next_id(about.mic),
            exec_type=ExecType.TRADE_CANCEL if is_bust else ExecType.TRADE_CORRECT,
            exec_ref_id=about.exec_id,
            transact_time=at,
            last_qty=qty,
            cum_qty=self.executed[name] + self.more[name],
        )

    def _next_id(self, mic: str) -> str:
        self._n += 1
        return f"{mic}-W{self._n}"
