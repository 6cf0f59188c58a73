"""`check_venue`: the examiner of venues. A new venue type, synthetic or tape, is done when it passes.

Rule of this file: it knows a venue by `Venue` alone: what it is told, and what it gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from router.domain.enums import ExecType, OrdStatus, TimeInForce, VenueType
from router.domain.errors import VenueProtocolError, bad_value
from router.domain.instruments import VenueSpec
from router.domain.market import PRINT_COLUMNS, QUOTE_COLUMNS, DealerTier
from router.domain.messages import Arrival
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelReplaceRequest
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import SECOND, Nanos, Px
from venues.check_script import Script, script_of
from venues.venue import Venue, VenueOutput

MakeVenue = Callable[[], Venue]
"""Builds the same venue anew, at its opening, each time it is called."""

_CLOSING = (ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED)
_SPLITS = (7, 61)


class _Seen(NamedTuple):
    """Everything a venue said over a span, however the span was split into windows."""

    reports: list[Report]
    quotes: bytes
    prints: bytes
    tiers: tuple[DealerTier, ...]
    events: int


def check_venue(make: MakeVenue, *, open_at: Nanos, close_at: Nanos, price: Px, quote_id: str | None = None) -> None:
    """Examine a venue; `make` builds it anew each time. A lit, dark or dealer script is sent by its `venue_type`.

    Args:
        make: builds the venue at its opening.
        open_at: when the venue opens; the script starts one second later.
        close_at: when it closes and day orders expire; at least 20 s after `open_at`.
        price: a tick-multiple near the market over the first 20 s; the script's passive orders are 5 % away from it.
        quote_id: a dealer quote that stands at `open_at` + 1 s; absent, the dealer's own tiers are read, and one who
            has none, but answers requests for quote, is asked.

    Raises:
        VenueProtocolError: the first rule broken, with what was expected and what came.
    """
    spec = make().spec
    if spec.venue_type is VenueType.QUOTE_DRIVEN_MARKET and quote_id is None:
        at = open_at + SECOND
        quote_id = _quote_id(make, at)
    script = script_of(spec, open_at, close_at, price, quote_id or "")
    whole = _run(make, open_at, close_at + SECOND, script.arrivals, 1)
    for pieces in _SPLITS:
        split = _run(make, open_at, close_at + SECOND, script.arrivals, pieces)
        _same(whole, split, pieces)
    _check_market(spec, whole)
    _check_reports(spec, script, whole.reports)
    _check_windows(make, open_at, close_at, script)


def _expect(holds: bool, where: str, expected: str, got: object) -> None:
    if not holds:
        raise VenueProtocolError(bad_value(where, expected, got))


def _quote_id(make: MakeVenue, at: Nanos) -> str:
    venue = make()
    tiers = venue.advance(at).tiers
    is_asked = venue.spec.rfq_max_qty > 0
    _expect(bool(tiers) or is_asked, "tiers", "a dealer's tiers one second after the opening", tiers)
    return tiers[0].quote_id if tiers else ""


def _windows(open_at: Nanos, end: Nanos, pieces: int) -> list[Nanos]:
    """Return where each window ends; uneven, so that nothing falls on a boundary by design but some things do."""
    span = end - open_at
    cuts = {open_at + span * k * k // (pieces * pieces) for k in range(1, pieces)}
    return [*sorted(cuts), end]


def _run(make: MakeVenue, open_at: Nanos, end: Nanos, arrivals: Sequence[Arrival], pieces: int) -> _Seen:
    venue = make()
    outputs: list[VenueOutput] = []
    last = open_at
    for until in _windows(open_at, end, pieces):
        inside = [a for a in arrivals if last <= a.at < until]
        outputs.append(venue.advance(until, inside))
        last = until
    return _Seen(
        [report for output in outputs for report in output.reports],
        b"".join(np.ascontiguousarray(output.quotes).tobytes() for output in outputs),
        b"".join(np.ascontiguousarray(output.prints).tobytes() for output in outputs),
        outputs[-1].tiers,
        sum(output.events for output in outputs),
    )


def _same(whole: _Seen, split: _Seen, pieces: int) -> None:
    where = f"{pieces} windows against one"
    for ours, theirs in zip(whole.reports, split.reports, strict=False):
        _expect(ours == theirs, where, f"the report {ours}", theirs)
    _expect(len(whole.reports) == len(split.reports), where, f"{len(whole.reports)} reports", len(split.reports))
    _expect(whole.quotes == split.quotes, where, "the same quotes", "others")
    _expect(whole.prints == split.prints, where, "the same prints", "others")
    _expect(whole.tiers == split.tiers, where, f"the tiers {whole.tiers}", split.tiers)
    _expect(whole.events == split.events, where, f"{whole.events} events", split.events)


def _check_market(spec: VenueSpec, seen: _Seen) -> None:
    for data, columns, name in ((seen.quotes, QUOTE_COLUMNS, "quotes"), (seen.prints, PRINT_COLUMNS, "prints")):
        rows = np.frombuffer(data, dtype=np.int64).reshape(-1, len(columns))
        _expect(bool((np.diff(rows[:, 0]) >= 0).all()), name, "rows in order of time", rows[:, 0])
        if name == "prints":
            _expect(bool((rows[:, 1:3] > 0).all()), name, "prices and quantities above 0", rows)
            _expect(bool((np.abs(rows[:, 3]) <= 1).all()), name, "an aggressor of -1, 0 or 1", rows[:, 3])
        else:
            _expect(bool((rows >= 0).all()), name, "nothing below 0", rows)
            _expect(bool(((rows[:, 1] > 0) == (rows[:, 2] > 0)).all()), name, "a bid with a quantity", rows)
            _expect(bool(((rows[:, 3] > 0) == (rows[:, 4] > 0)).all()), name, "an ask with a quantity", rows)
            crossed = (rows[:, 1] >= rows[:, 3]) & (rows[:, 1] > 0) & (rows[:, 3] > 0)
            _expect(not bool(crossed.any()), name, "a book that is never locked or crossed", rows[crossed])
    if spec.venue_type is VenueType.DARK_ORDER_BOOK:
        _expect(not seen.quotes, "quotes", "no quotes of a dark pool", len(seen.quotes))


def _check_reports(spec: VenueSpec, script: Script, reports: list[Report]) -> None:
    times = [report.transact_time for report in reports]
    _expect(times == sorted(times), "reports", "times that never go back", times)
    _expect(all(report.mic == spec.mic for report in reports), "reports", f"mic {spec.mic}", {r.mic for r in reports})
    executions = [r for r in reports if isinstance(r, ExecutionReport)]
    ids = [r.exec_id for r in executions]
    _expect(len(set(ids)) == len(ids), "exec_id", "unique ids", ids)
    sent = [a.command.child for a in script.arrivals if isinstance(a.command, NewOrderSingle)]
    for cl_ord_id, child in {child.cl_ord_id: child for child in sent}.items():
        mine = [r for r in executions if cl_ord_id in (r.cl_ord_id, r.orig_cl_ord_id)]
        _expect(bool(mine), cl_ord_id, "an answer", "silence")
        _check_life(child, mine, script)
    _check_answers(script, reports)


def _check_life(child: ChildOrder, mine: list[ExecutionReport], script: Script) -> None:
    """Check one order's reports: counters, limit price, one end, and when it expired."""
    where = child.cl_ord_id
    cum, paid, ended = 0, 0, False
    for r in mine:
        if r.exec_type is ExecType.ORDER_STATUS:
            _expect(r.cum_qty == cum, where, f"cum_qty {cum} on ORDER_STATUS", r)
            continue
        _expect(not ended, where, "nothing after the order's end", r)
        if r.exec_type is ExecType.REJECTED:
            ended = True
            _expect(r.cum_qty == r.leaves_qty == cum == 0, where, "a REJECTED order without quantities", r)
            continue
        if r.exec_type is ExecType.TRADE:
            cum, paid = cum + r.last_qty, paid + r.last_qty * r.last_px
            _expect(r.last_qty > 0 and r.last_liquidity_ind is not None, where, "a quantity and a liquidity", r)
            limit = script.limits.get(where)
            _expect(limit is None or (limit - r.last_px) * child.side.sign >= 0, where, f"a price within {limit}", r)
            _expect(abs(r.avg_px * cum - paid) * 2 <= cum, where, f"avg_px {paid}/{cum} to the nearest", r)
        _expect(r.cum_qty == cum <= r.order_qty, where, f"cum_qty {cum} up to order_qty", r)
        ended = r.ord_status in (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED)
        _expect(r.leaves_qty == (0 if ended else r.order_qty - cum), where, "leaves = order_qty - cum while open", r)
        _expect((r.ord_status is OrdStatus.FILLED) == (cum == r.order_qty), where, "FILLED exactly when full", r)
        _expect(not (cum and r.ord_status is OrdStatus.NEW), where, "PARTIALLY_FILLED once it traded", r)
        if r.exec_type is ExecType.EXPIRED:
            due = script.expiries.get(where)
            _expect(r.transact_time == due, where, f"expiry at {due}", r)
    _expect(ended, where, "an end by the close", mine[-1])
    last = [r for r in mine if r.exec_type is not ExecType.ORDER_STATUS][-1]
    if child.time_in_force is TimeInForce.FILL_OR_KILL:
        _expect(cum in (0, child.order_qty), where, "all or nothing", cum)
    if where in script.rejects:
        _expect(last.exec_type is ExecType.REJECTED and bool(last.text), where, "REJECTED with a reason", last)
    elif where in script.accepts:
        _expect(last.exec_type is not ExecType.REJECTED, where, "an accepted order", last)


def _check_answers(script: Script, reports: list[Report]) -> None:
    """Check what requests were answered: duplicates, unknown orders, cancels and replaces."""
    for cl_ord_id, copies in script.copies.items():
        mine = [r for r in reports if isinstance(r, ExecutionReport) and r.cl_ord_id == cl_ord_id]
        status = [r for r in mine if r.exec_type is ExecType.ORDER_STATUS]
        _expect(len(status) >= copies, cl_ord_id, f"{copies} answers ORDER_STATUS to its copies", len(status))
        _expect(len({r.order_id for r in mine}) == 1, cl_ord_id, "one order", {r.order_id for r in mine})
    refused = {r.cl_ord_id: r for r in reports if isinstance(r, OrderCancelReject)}
    for request_id in script.refused_requests:
        _expect(request_id in refused, request_id, "an OrderCancelReject", sorted(refused))
        _expect(bool(refused[request_id].text), request_id, "a reason", refused[request_id])
    for cl_ord_id in script.unknown:
        found = [r for r in reports if isinstance(r, ExecutionReport) and r.cl_ord_id == cl_ord_id]
        good = [r for r in found if r.exec_type is ExecType.ORDER_STATUS and r.ord_status is OrdStatus.REJECTED]
        _expect(len(good) == 1 and good[0].text == "unknown order", cl_ord_id, "ORDER_STATUS unknown order", found)
    for cl_ord_id in script.canceled:
        found = [r for r in reports if isinstance(r, ExecutionReport) and r.cl_ord_id == cl_ord_id]
        ends = [r for r in found if r.exec_type in _CLOSING or r.ord_status is OrdStatus.FILLED]
        _expect(bool(ends) and ends[0].transact_time <= script.canceled[cl_ord_id], cl_ord_id, "out by then", found)
    answered = {report.cl_ord_id for report in reports}
    for arrival in script.arrivals:
        if isinstance(arrival.command, OrderCancelReplaceRequest):
            request_id = arrival.command.cl_ord_id
            _expect(request_id in answered, request_id, "an answer to a replace", "silence")


def _check_windows(make: MakeVenue, open_at: Nanos, close_at: Nanos, script: Script) -> None:
    """Check that a window's output lies in the window, and that `next_at` never lies in the past."""
    venue = make()
    last = open_at
    for until in _windows(open_at, close_at + SECOND, 23):
        output = venue.advance(until, [a for a in script.arrivals if last <= a.at < until])
        for r in output.reports:
            _expect(last <= r.transact_time < until, "transact_time", f"a time in [{last}, {until})", r)
        for rows, name in ((output.quotes, "quotes"), (output.prints, "prints")):
            inside = bool(((rows[:, 0] >= last) & (rows[:, 0] < until)).all())
            _expect(inside, name, f"rows in [{last}, {until})", rows[:, 0])
        _expect(output.next_at is None or output.next_at >= until, "next_at", f"from {until}", output.next_at)
        last = until
