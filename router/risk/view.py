"""What the checks look at: the gate's own state, and everything about one request in one place.

Rule of this file: a view is made once a request, so that no check works out again what another one needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from router.domain.enums import OrdType, Side
from router.domain.units import Px, Qty
from router.risk.exposure import Exposure, OpenOrder
from router.risk.kill import KillBoard
from router.risk.limits import RiskLimits
from router.risk.reasons import DenyReason
from router.risk.request import Denial, GateContext, NewParent, Tradable, denial
from router.risk.throttle import RejectBreakers, RepeatedExecutions, ShapeWindow, TokenBuckets

IDS_MAX = 200_000
"""Client order ids that the gate itself remembers; older ones are told by `GateContext.is_id_known`."""


@dataclass(slots=True)
class GateState:
    """Everything the gate remembers."""

    limits: RiskLimits
    instruments: Mapping[str, Tradable]
    board: KillBoard = field(default_factory=KillBoard)
    exposure: Exposure = field(default_factory=Exposure)
    sessions: TokenBuckets = field(default_factory=TokenBuckets)
    cancels: TokenBuckets = field(default_factory=TokenBuckets)
    venues: TokenBuckets = field(default_factory=TokenBuckets)
    executions: RepeatedExecutions = field(default_factory=RepeatedExecutions)
    breakers: RejectBreakers = field(default_factory=RejectBreakers)
    shapes: ShapeWindow = field(default_factory=ShapeWindow)
    ids: dict[tuple[str, str], None] = field(default_factory=dict)
    """(account, client_order_id) of what was accepted, oldest first."""


@dataclass(slots=True)
class View:
    """One request, the facts and limits that hold for it, and how much exposure it would add.

    `venues` are those that list the instrument and that the order allows. `risk_px` is the worst price it is valued at;
    0 without a reference. For a replace, `held` is the order as it is, and what is added is the difference to it when
    the larger of both quantities is left at the worse of both prices: until it is done, the order may be either.
    """

    state: GateState
    request: NewParent
    context: GateContext
    limits: RiskLimits
    instrument: Tradable | None
    venues: tuple[str, ...]
    reference_px: Px
    risk_px: Px
    held: OpenOrder | None
    added_qty: Qty
    added_value: int

    def deny(self, reason: DenyReason, name: str, expected: str, got: object) -> tuple[Denial, ...]:
        """Return one denial of this request."""
        return (denial(reason, name, expected, got, self.request.order_id),)


def view_of(
    state: GateState, request: NewParent, context: GateContext, limits: RiskLimits, held: OpenOrder | None
) -> View:
    """Return what the checks of one request look at; `limits` are those of its account, strategy and symbol."""
    instrument = state.instruments.get(request.symbol)
    reference_px = context.reference_px(request.side)
    risk_px = worst_px(request, reference_px, limits.collar_bps)
    added, added_value = request.qty, request.qty * risk_px
    if held is not None:
        risk_px = max(risk_px, held.risk_px)
        leaves = max(request.qty - held.cum_qty, held.leaves_qty)
        added = leaves - held.leaves_qty
        added_value = leaves * risk_px - held.leaves_qty * held.risk_px
    return View(
        state=state,
        request=request,
        context=context,
        limits=limits,
        instrument=instrument,
        venues=_venues(request, instrument),
        reference_px=reference_px,
        risk_px=risk_px,
        held=held,
        added_qty=added,
        added_value=added_value,
    )


def worst_px(request: NewParent, reference_px: Px, collar_bps: int) -> Px:
    """Return the price an order is valued at: a buy's limit, a sell's limit or the reference if higher; without a
    limit, the reference and the collar on top, rounded up.

    >>> from router.domain.units import px
    >>> ask = dict(principal="p", role="trader", account="A", client_order_id="1", symbol="S", session_id="s")
    >>> buy = NewParent(**ask, side=Side.BUY, qty=1, start_at=0, end_at=1, now=0)
    >>> worst_px(buy, px("100"), 500) == px("105")
    True
    """
    if request.ord_type is OrdType.LIMIT and request.price is not None:
        return request.price if request.side is Side.BUY else max(request.price, reference_px)
    return -(-reference_px * (10_000 + collar_bps) // 10_000)


def _venues(request: NewParent, instrument: Tradable | None) -> tuple[str, ...]:
    if instrument is None:
        return ()
    allow, deny = request.venues_allow, request.venues_deny
    if not allow and not deny:
        return instrument.venues
    return tuple(mic for mic in instrument.venues if (not allow or mic in allow) and mic not in deny)
