"""A venue that is wrong about what it did: it takes executions back, corrects them, and executes more than it was sent.

Rule of this file: a venue that was wrong is wrong consistently: what it took back is in no quantity that it says
afterwards. Every draw is keyed by (seed, venue, execution), so that windows do not matter.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from router.domain.chance import uniforms
from router.domain.enums import ExecType, OrdStatus
from router.domain.messages import Message, VenueBatch, VenueReply
from router.domain.reports import ExecutionReport, Report
from router.domain.units import SECOND, Nanos, Qty
from scenarios.shells import VenueShell

BUST, CORRECT, OVER_FILL = "bust", "correction", "over-fill"

LATER_NS: Nanos = 10 * SECOND
"""The longest that a venue takes to see what it did wrong; mostly it takes much less."""


class WrongVenue:
    """A venue's shell that is wrong about executions from `from_at` on, with these probabilities, and says so later.

    Before that, reports may be lost: an execution that nobody heard of cannot be taken back from anybody.
    """

    def __init__(
        self, shell: VenueShell, seed: int, from_at: Nanos, bust: float, correct: float, over_fill: float
    ) -> None:
        self.shell = shell
        self.kinds: Counter[str] = Counter()
        self.more: dict[str, Qty] = {}
        """By order: what it did beyond what the venue's own book says; less than nothing where it took back."""
        self.executed: Counter[str] = Counter()
        """By order: the quantity executed by the venue's own book."""
        self.paid: Counter[str] = Counter()
        """By order: that quantity times its prices."""
        self._seed, self._from_at = seed, from_at
        self._bounds = (bust, bust + correct, bust + correct + over_fill)
        self._due: list[tuple[Nanos, ExecutionReport]] = []
        self._last: VenueReply | None = None
        self._n = 0

    def handle(self, batch: Message) -> VenueReply:
        """Let the venue answer, and answer with what it makes of that."""
        if self._last is not None and batch.seq == self._last.seq:
            return self._last
        reply = self.shell.handle(batch)
        assert isinstance(batch, VenueBatch)
        due = [wrong for at, wrong in self._due if at < batch.until]
        self._due = [(at, wrong) for at, wrong in self._due if at >= batch.until]
        reports: list[Report] = [self._wrong(report, batch.until - 1) for report in due]
        reports += [self._said(report) for report in reply.reports]
        next_at = min((at + 1 for at, _ in self._due), default=None)
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
        more = self.more.get(report.cl_ord_id, 0)
        if report.exec_type is ExecType.TRADE and report.transact_time >= self._from_at and not more:
            draw, _, wait, _ = uniforms(self._seed, report.mic, report.exec_id, 0)
            if draw < self._bounds[2]:
                self._due.append((report.transact_time + 1 + int(wait**3 * LATER_NS), report))
        return report if not more else msgspec.structs.replace(report, cum_qty=report.cum_qty + more)

    def _wrong(self, traded: ExecutionReport, at: Nanos) -> ExecutionReport:
        draw, share, _, _ = uniforms(self._seed, traded.mic, traded.exec_id, 0)
        name, qty, before = traded.cl_ord_id, traded.last_qty, self.more.get(traded.cl_ord_id, 0)
        if draw < self._bounds[0]:
            kind, exec_type, last_qty, change = BUST, ExecType.TRADE_CANCEL, 0, -qty
        elif draw < self._bounds[1]:
            last_qty = 1 + int(share * qty)
            kind, exec_type, change = CORRECT, ExecType.TRADE_CORRECT, last_qty - qty
        else:
            # More than was left of it, whatever that was.
            last_qty = traded.leaves_qty + 1 + int(share * 100)
            kind, exec_type, change = OVER_FILL, ExecType.TRADE, last_qty
        self.kinds[kind] += 1
        self._n += 1
        self.more[name] = before + change
        return msgspec.structs.replace(
            traded,
            exec_id=f"{traded.mic}-W{self._n}",
            exec_type=exec_type,
            exec_ref_id="" if kind is OVER_FILL else traded.exec_id,
            transact_time=at,
            last_qty=last_qty,
            cum_qty=traded.cum_qty + before + change,
            leaves_qty=0 if kind is OVER_FILL else traded.leaves_qty,
            ord_status=OrdStatus.FILLED if kind is OVER_FILL else traded.ord_status,
        )
