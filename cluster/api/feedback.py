"""What became of children executed elsewhere: reported, checked, and handed to the learners.

Rule of this file: a learner is shown nothing that could not have been an outcome of ours: lanes that there are,
contexts of their width, ages and quantities that add up, and times of this session.
"""

from __future__ import annotations

from aiohttp import web

from cluster.api.backend import MarketPicture
from cluster.api.decimals import nanos_of, qty_of, time_text
from cluster.api.door import correlation_of, door_of, principal_of
from cluster.api.route_dry_run import lanes_in
from cluster.api.schemas import OutcomeBody, OutcomesBody
from cluster.api.translate import SIDES
from cluster.api.verdicts import missing, respond
from cluster.api.wire import body_of
from router.domain.enums import OutcomeKind
from router.domain.errors import BadInputError, bad_value
from router.domain.requests import ReportOutcomes
from router.domain.scores import Outcome
from router.domain.units import MILLISECOND, Nanos
from router.route import book_side


async def report_outcomes(request: web.Request) -> web.Response:
    """POST /v1/outcomes"""
    body = await body_of(request, OutcomesBody)
    door, principal = door_of(request), principal_of(request)
    picture = door.backend.market(body.symbol)
    if picture is None or not picture.frames:
        return missing(request, f"symbol {body.symbol}")
    lanes, now = lanes_in(picture), (await door.backend.status()).market_at
    asked = ReportOutcomes(
        principal=principal,
        correlation_id=correlation_of(request),
        symbol=body.symbol,
        outcomes=tuple(
            outcome_of(given, f"$.outcomes[{i}]", principal.name, lanes, picture, now)
            for i, given in enumerate(body.outcomes)
        ),
    )
    return respond(request, await door.backend.ask(asked))


def outcome_of(
    given: OutcomeBody, where: str, who: str, lanes: tuple[str, ...], picture: MarketPicture, now: Nanos
) -> Outcome:
    """Return an outcome as learners hear it; its ids stand under the caller's name, so that none is one of ours.

    Raises:
        BadInputError: it could not have been an outcome of ours; names the place.
    """
    order_qty = qty_of(given.qty, f"{where}.qty", 1)
    made = Outcome(
        kind=OutcomeKind(given.kind.upper()),
        at=now if given.time is None else nanos_of(given.time, f"{where}.time"),
        parent_id=f"{who}/{given.reference}",
        decision_id=f"{who}/{given.decision_id}",
        cl_ord_id=f"{who}/{given.child_id}",
        lane=given.lane,
        side=book_side(SIDES[given.side]),
        order_qty=order_qty,
        leaves_qty=qty_of(given.leaves_qty, f"{where}.leaves_qty"),
        filled_qty=qty_of(given.filled_qty, f"{where}.filled_qty"),
        cum_qty=qty_of(given.cum_qty, f"{where}.cum_qty"),
        age_from_ns=round(given.age_from_ms * MILLISECOND),
        age_to_ns=round(given.age_to_ms * MILLISECOND),
        is_final=given.is_final,
        exec_id=given.exec_id,
        price_bps=given.price_bps,
        fee_bps=given.fee_bps,
        horizon_ns=round(given.horizon_ms * MILLISECOND),
        markout_bps=given.markout_bps,
        x=given.context,
    )
    return _checked(made, where, lanes, picture, now)


def _checked(made: Outcome, where: str, lanes: tuple[str, ...], picture: MarketPicture, now: Nanos) -> Outcome:
    """Return an outcome that could have been one of ours."""
    width, first = len(picture.frames[0].names), picture.open_at
    kind, most = made.kind, made.order_qty
    is_fill, is_markout = kind is OutcomeKind.FILL, kind is OutcomeKind.MARKOUT
    times = f"a time from {time_text(first)} to {time_text(now)}"
    rules: tuple[tuple[bool, str, str, object], ...] = (
        (made.lane in lanes, "lane", f"one of {', '.join(lanes)}", made.lane),
        (len(made.x) == width, "context", f"{width} numbers, as the dry run gave them", len(made.x)),
        (first <= made.at <= now, "time", times, time_text(made.at)),
        (made.age_from_ns <= made.age_to_ns, "age_to_ms", "an age from age_from_ms on", made.age_to_ns / MILLISECOND),
        (made.leaves_qty <= most, "leaves_qty", f"a quantity up to {most}", made.leaves_qty),
        (made.cum_qty <= most, "cum_qty", f"a quantity up to {most}", made.cum_qty),
        (made.filled_qty <= made.cum_qty, "filled_qty", f"a quantity up to {made.cum_qty}", made.filled_qty),
        (is_fill == (made.filled_qty > 0), "filled_qty", "a quantity with fill alone", made.filled_qty),
        (is_markout == (made.horizon_ns > 0), "horizon_ms", "a span with markout alone", made.horizon_ns / MILLISECOND),
    )
    for holds, key, expected, got in rules:
        if not holds:
            raise BadInputError(bad_value(f"{where}.{key}", expected, got))
    return made
