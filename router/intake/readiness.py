"""Whether the desk would take a plain order of somebody now, and what keeps it from that.

Rule of this file: the risk gate's own checks are asked, about an order that nothing but the desk's state could speak
against; what is said here is what an order would be denied for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from router.domain.enums import Side
from router.domain.units import Nanos
from router.intake.state import DeskState
from router.risk import checks, standing
from router.risk.reasons import DenyReason as R
from router.risk.request import Denial, NewParent
from router.risk.view import view_of

_NO_VENUE: Final = "no venue of {} is enabled"

WORDS: Final[dict[R, str]] = {
    R.KILLED_ALL: "killed",
    R.KILLED_SYMBOL: "killed symbol {}",
    R.KILLED_VENUE: _NO_VENUE,
    R.VENUE_DISABLED: _NO_VENUE,
    R.VENUE_DRAINING: _NO_VENUE,
    R.NO_VENUE: "no venue of {} is known",
    R.HALTED: "halted {}",
    R.SESSION_CLOSED: "session closed",
    R.RESTRICTED_SYMBOL: "restricted {}",
    R.NO_REFERENCE: "market {}",
    R.STALE_REFERENCE: "market {}",
    R.NO_ADV: "no average volume of {}",
    R.REJECT_BREAKER: "every venue of {} rejects",
}
"""What is waited for, by why an order would be denied; every other reason is about one order, account or sender."""

AWAY: Final = (R.NO_REFERENCE, R.STALE_REFERENCE)
"""For what an order is denied whose symbol's market is not there."""

_CHECKS: Final = (
    checks.switches,
    checks.tradability,
    checks.permissions,
    checks.collar,
    checks.volume_share,
    standing.reject_breakers,
)


def waits_for(desk: DeskState, now: Nanos) -> tuple[str, ...]:
    """Return what keeps an order from being accepted, of any symbol; nothing: one would be, in every symbol."""
    found = (words for symbol in desk.symbols for words in _of_symbol(desk, symbol, now))
    return tuple(dict.fromkeys(found))


def is_market_away(desk: DeskState, symbol: str, denials: Sequence[Denial], now: Nanos) -> bool:
    """Whether an order was denied only because its market says nothing, or is behind its clock: that passes by itself.

    What a market says has the time of its last window, and a market that runs is never as far behind as that.
    """
    known, reference = desk.symbols.get(symbol), desk.references.get(symbol)
    if known is None or not denials or not all(denial.reason in AWAY for denial in denials):
        return False
    return reference is None or now - reference.at > desk.limits.reference_stale_ns


def _of_symbol(desk: DeskState, symbol: str, now: Nanos) -> list[str]:
    instrument = desk.symbols[symbol].tradable
    asked = NewParent(
        principal="",
        role="",
        account="",
        client_order_id="",
        symbol=symbol,
        side=Side.BUY,
        qty=instrument.lot,
        start_at=now,
        end_at=now + 1,
        now=now,
        session_id="",
        strategy="",
    )
    gate = desk.gate.state
    view = view_of(gate, asked, desk.context(symbol, now), gate.limits.of("", "", symbol), None)
    denials = [denial for check in _CHECKS for denial in check(view)]
    words = [WORDS[denial.reason].format(symbol) for denial in denials if denial.reason in WORDS]
    return words if desk.has_price(symbol, now) else [*words, WORDS[R.STALE_REFERENCE].format(symbol)]
