"""The risk gate: eighteen checks in the order of their numbers, between whoever asks and anything that could be sent.

Rule of this file: `CHECKS` is the gate. `check_*` reads and answers, `admit*` counts and takes exposure in the same
breath, so that between a yes and what it promised nothing else is said yes to. The same calls give the same answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from router.domain.codec import encode
from router.domain.events import ChildTraded, Event
from router.domain.units import Nanos, Px
from router.risk import checks, standing
from router.risk.exposure import Exposure, OpenOrder
from router.risk.kill import KillBoard
from router.risk.limits import RiskLimits, check_limits
from router.risk.reasons import DenyReason
from router.risk.request import CancelParent, Denial, GateContext, NewParent, Tradable, denial
from router.risk.throttle import RejectBreakers, RepeatedExecutions, ShapeWindow, TokenBuckets
from router.risk.view import IDS_MAX, GateState, View, view_of

EFFECTIVE_MAX = 10_000
"""Combinations of account, strategy and symbol whose limits are kept worked out."""

Check = Callable[[View], tuple[Denial, ...]]

CHECKS: tuple[tuple[int, Check], ...] = (
    (1, checks.identity),
    (2, checks.switches),
    (3, checks.schema),
    (4, checks.tradability),
    (5, checks.permissions),
    (6, checks.duplicates),
    (7, checks.size),
    (8, checks.collar),
    (9, checks.volume_share),
    (10, standing.open_orders),
    (11, standing.position),
    (12, standing.credit),
    (13, standing.message_rate),
    (14, standing.repeated_executions),
    (15, standing.reject_breakers),
    (16, standing.short_sale),
    (17, standing.self_match),
    (18, standing.replace),
)
"""Every check with its number, in order. `router.risk.reasons.CHECK_NAMES` says what they are called."""


class RiskGate:
    """One gate over any number of accounts. Who owns it calls it from one place and journals what it admits."""

    def __init__(
        self,
        limits: RiskLimits,
        instruments: Mapping[str, Tradable],
        board: KillBoard | None = None,
        exposure: Exposure | None = None,
    ) -> None:
        self.state = GateState(check_limits(limits), dict(instruments), board or KillBoard(), exposure or Exposure())
        self._effective: dict[tuple[str, str, str], RiskLimits] = {}

    @property
    def board(self) -> KillBoard:
        """The kill switches."""
        return self.state.board

    @property
    def exposure(self) -> Exposure:
        """The books."""
        return self.state.exposure

    def forget_unrecorded(self) -> None:
        """Forget what no event tells: message rates, ids and shapes of orders as they were asked for, and marks."""
        self.state.sessions, self.state.cancels = TokenBuckets(), TokenBuckets()
        self.state.shapes = ShapeWindow()
        self.state.ids.clear()
        self.state.exposure.forget_marks()

    def set_limits(self, limits: RiskLimits) -> None:
        """Let other limits hold from now on; nothing that is open is undone by it.

        Raises:
            ConfigError: limits that cannot be; the old ones hold on.
        """
        self.state.limits = check_limits(limits)
        self._effective.clear()

    def check_new(self, request: NewParent, context: GateContext, *, is_whole: bool = False) -> tuple[Denial, ...]:
        """Return why a new order may not be; nothing: it may. Of the first check that fails, or `is_whole` of all."""
        return self._run(self._view(request, context, None), is_whole)

    def check_replace(
        self, orig_order_id: str, request: NewParent, context: GateContext, *, is_whole: bool = False
    ) -> tuple[Denial, ...]:
        """Return why an open order may not become `request`: checked like new, by the difference to what it is."""
        held = self.state.exposure.orders.get(orig_order_id)
        if held is None:
            reason = DenyReason.UNKNOWN_ORDER
            return (denial(reason, "orig_order_id", "an open order", orig_order_id, request.order_id),)
        return self._run(self._view(request, context, held), is_whole)

    def check_cancel(self, request: CancelParent) -> tuple[Denial, ...]:
        """Return why a cancel may not be: only who asks (1) and a rate of its own (13), so that it gets out when an
        order does not."""
        limits, where = self.state.limits, f"{request.account}:cancel"
        permission = checks.permission_of(limits, request.principal)
        if request.role not in checks.CANCELING_ROLES:
            expected = f"one of {', '.join(checks.CANCELING_ROLES)}"
            return (denial(DenyReason.ROLE_MAY_NOT, "role", expected, request.role, where),)
        if request.role in checks.TRADING_ROLES:
            # Operators and risk officers are known to the doors; they may cancel for everybody.
            if permission is None:
                reason = DenyReason.UNKNOWN_PRINCIPAL
                return (denial(reason, "principal", "one who may trade", request.principal, where),)
            if not checks.may(permission.accounts, request.account):
                reason = DenyReason.ACCOUNT_NOT_PERMITTED
                return (denial(reason, "account", "an account of the principal", request.account, where),)
        per_s, burst = limits.cancels_per_s, limits.cancels_burst
        if not self.state.cancels.has(request.session_id, request.now, per_s, burst):
            reason = DenyReason.MESSAGE_RATE_SESSION
            return (denial(reason, "session_id", f"up to {per_s} cancels a second", request.session_id, where),)
        return ()

    def heed_new(self, request: NewParent, context: GateContext) -> tuple[Denial, ...]:
        """Check a new order that will not be taken, whatever this says, and count its message all the same."""
        denials = self.check_new(request, context)
        self._count_message(request)
        return denials

    def admit_new(self, request: NewParent, context: GateContext) -> tuple[Denial, ...]:
        """Check a new order, count its message, and take its exposure if nothing speaks against it."""
        view = self._view(request, context, None)
        denials = self._run(view, False)
        self._count_message(request)
        if not denials:
            self.state.exposure.order_accepted(
                OpenOrder(
                    order_id=request.order_id,
                    account=request.account,
                    symbol=request.symbol,
                    strategy=request.strategy,
                    side=request.side,
                    order_qty=request.qty,
                    risk_px=view.risk_px,
                    price=request.price,
                )
            )
            self._know(request)
            self.state.shapes.seen(checks.shape_of(view), request.now, view.limits.shape_window_ns)
        return denials

    def admit_replace(self, orig_order_id: str, request: NewParent, context: GateContext) -> tuple[Denial, ...]:
        """Check a replace, count its message, and let the order be what it becomes if nothing speaks against it.

        The books carry the larger quantity at the worse price until the owner tells them by `Exposure.replaced` which
        it is: until then it may be either, and that is also what was checked.
        """
        denials = self.check_replace(orig_order_id, request, context)
        self._count_message(request)
        held = self.state.exposure.orders.get(orig_order_id)
        if not denials and held is not None:
            risk_px = self._view(request, context, held).risk_px
            qty = max(request.qty, held.order_qty)
            self.state.exposure.replaced(orig_order_id, qty, _bolder(request, held), risk_px)
            self._know(request)
        return denials

    def admit_cancel(self, request: CancelParent) -> tuple[Denial, ...]:
        """Check a cancel and count it."""
        denials, limits = self.check_cancel(request), self.state.limits
        self.state.cancels.take(request.session_id, request.now, limits.cancels_per_s, limits.cancels_burst)
        return denials

    def follow(self, event: Event) -> bool:
        """Take what a parent's journaled event means; True when it stopped its strategy for executing too
        often for its account."""
        is_new = self.state.exposure.follow(event)
        if not is_new or not isinstance(event, ChildTraded):
            return False
        order = self.state.exposure.find(event.parent_id)
        limits = self.state.limits
        if order is None:
            return False
        most, window_ns = limits.repeated_executions_max, limits.repeated_executions_ns
        return self.state.executions.executed(order.account, order.strategy, event.at, most, window_ns)

    def worst_px(self, request: NewParent, context: GateContext) -> Px:
        """Return the price that a new order of these terms would be valued at now; 0 without a reference."""
        return self._view(request, context, None).risk_px

    def venue_sent(self, mic: str, now: Nanos, *, is_order: bool = True) -> None:
        """Count a message that left for a venue; an order may be the trial of a venue that rejected too much."""
        limits = self.state.limits
        self.state.venues.take(mic, now, limits.venue_messages_per_s, limits.venue_messages_burst)
        if is_order:
            self.state.breakers.sent(mic, now)

    def venue_rejected(self, mic: str, at: Nanos) -> bool:
        """Count a venue's reject; True when it opens the venue's breaker."""
        return self.state.breakers.rejected(mic, at, self.state.limits.rejects_max)

    def venue_answered(self, mic: str) -> None:
        """Note an acknowledgement or a fill of a venue."""
        self.state.breakers.answered(mic)

    def snapshot(self) -> dict[str, Any]:
        """Return all that the gate remembers as plain data; limits and instruments come from the configuration."""
        state = self.state
        return {
            "board": state.board.snapshot(),
            "exposure": state.exposure.snapshot(),
            "sessions": state.sessions.snapshot(),
            "cancels": state.cancels.snapshot(),
            "venues": state.venues.snapshot(),
            "executions": state.executions.snapshot(),
            "breakers": state.breakers.snapshot(),
            "shapes": state.shapes.snapshot(),
            "ids": [list(key) for key in state.ids],
        }

    @classmethod
    def restore(cls, data: dict[str, Any], limits: RiskLimits, instruments: Mapping[str, Tradable]) -> RiskGate:
        """Return the gate that `snapshot` was taken of."""
        made = cls(limits, instruments, KillBoard.restore(data["board"]), Exposure.restore(data["exposure"]))
        state = made.state
        state.sessions = TokenBuckets.restore(data["sessions"])
        state.cancels = TokenBuckets.restore(data["cancels"])
        state.venues = TokenBuckets.restore(data["venues"])
        state.executions = RepeatedExecutions.restore(data["executions"])
        state.breakers = RejectBreakers.restore(data["breakers"])
        state.shapes = ShapeWindow.restore(data["shapes"])
        state.ids = dict.fromkeys((account, name) for account, name in data["ids"])
        return made

    def digest(self) -> str:
        """Return the SHA-256 of the snapshot."""
        return hashlib.sha256(encode(self.snapshot())).hexdigest()

    def _view(self, request: NewParent, context: GateContext, held: OpenOrder | None) -> View:
        key = request.account, request.strategy, request.symbol
        limits = self._effective.get(key)
        if limits is None:
            if len(self._effective) >= EFFECTIVE_MAX:
                self._effective.clear()
            limits = self._effective[key] = self.state.limits.of(*key)
        return view_of(self.state, request, context, limits, held)

    def _run(self, view: View, is_whole: bool) -> tuple[Denial, ...]:
        found: tuple[Denial, ...] = ()
        for _, check in CHECKS:
            denials = check(view)
            if denials:
                if not is_whole:
                    return denials
                found += denials
        return found

    def _count_message(self, request: NewParent) -> None:
        limits = self.state.limits
        self.state.sessions.take(request.session_id, request.now, limits.messages_per_s, limits.messages_burst)

    def _know(self, request: NewParent) -> None:
        ids = self.state.ids
        ids[request.account, request.client_order_id] = None
        if len(ids) > IDS_MAX:
            del ids[next(iter(ids))]


def _bolder(request: NewParent, held: OpenOrder) -> Px | None:
    """Return the more aggressive of an order's price and the one it is to get: until it has it, it may have either."""
    if request.price is None or held.price is None:
        return None
    return max(request.price, held.price) if request.side.sign > 0 else min(request.price, held.price)
