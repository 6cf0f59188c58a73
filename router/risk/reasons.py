"""Why the risk gate denies: one code for each way to fail one of its eighteen checks.

Rule of this file: a code never changes its meaning, since clients and journals hold it; its check and its sentence
stand beside it, and the page on risk is made of them.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import NamedTuple

CHECK_NAMES: dict[int, str] = {
    1: "principal, role and account",
    2: "kill and pause states",
    3: "schema, positive values, tick and lot",
    4: "instrument known and listed, not halted, session open, price band",
    5: "restricted list and permission",
    6: "duplicate id, duplicate shape",
    7: "maximum quantity and notional",
    8: "price collar against a fresh reference",
    9: "share of the average daily volume",
    10: "open orders and leaves notional",
    11: "position after all leaves fill",
    12: "credit, gross and net",
    13: "message rate per session and venue",
    14: "repeated executions",
    15: "consecutive rejects of venues",
    16: "short-sale mark and locate",
    17: "self-match",
    18: "replace, like new by difference",
}
"""The checks by their numbers, which are their order."""


class DenyReason(StrEnum):
    """A coded reason; `REASONS` has its check and its sentence."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        return name

    UNKNOWN_PRINCIPAL = auto()
    ROLE_MAY_NOT = auto()
    ACCOUNT_NOT_PERMITTED = auto()
    KILLED_ALL = auto()
    KILLED_ACCOUNT = auto()
    KILLED_STRATEGY = auto()
    KILLED_SYMBOL = auto()
    KILLED_VENUE = auto()
    ACCOUNT_HALTED = auto()
    ACCOUNT_REDUCING = auto()
    VENUE_DISABLED = auto()
    VENUE_DRAINING = auto()
    BAD_ID = auto()
    BAD_TIME = auto()
    BAD_QUANTITY = auto()
    BAD_PRICE = auto()
    OFF_TICK = auto()
    OFF_LOT = auto()
    UNKNOWN_INSTRUMENT = auto()
    NO_VENUE = auto()
    HALTED = auto()
    SESSION_CLOSED = auto()
    OUTSIDE_BAND = auto()
    RESTRICTED_SYMBOL = auto()
    STRATEGY_NOT_PERMITTED = auto()
    DUPLICATE_ID = auto()
    DUPLICATE_SHAPE = auto()
    QTY_MAX = auto()
    NOTIONAL_MAX = auto()
    NO_REFERENCE = auto()
    STALE_REFERENCE = auto()
    OUTSIDE_COLLAR = auto()
    NO_ADV = auto()
    ADV_SHARE = auto()
    OPEN_ORDERS_SYMBOL = auto()
    OPEN_ORDERS_ACCOUNT = auto()
    OPEN_ORDERS_ALL = auto()
    LEAVES_NOTIONAL_SYMBOL = auto()
    LEAVES_NOTIONAL_ACCOUNT = auto()
    POSITION_MAX = auto()
    GROSS_MAX = auto()
    NET_MAX = auto()
    MESSAGE_RATE_SESSION = auto()
    MESSAGE_RATE_VENUE = auto()
    REPEATED_EXECUTIONS = auto()
    REJECT_BREAKER = auto()
    SHORT_SALE_FORBIDDEN = auto()
    NOT_MARKED_SHORT = auto()
    NO_LOCATE = auto()
    SHORT_SALE_RESTRICTED = auto()
    SELF_MATCH = auto()
    UNKNOWN_ORDER = auto()
    NOT_THE_SAME_ORDER = auto()
    BELOW_CUM = auto()


class Reason(NamedTuple):
    """The number of the check that a code belongs to, and what the code says."""

    check: int
    sentence: str


_R = DenyReason

REASONS: dict[DenyReason, Reason] = {
    _R.UNKNOWN_PRINCIPAL: Reason(1, "Nobody of that name may trade."),
    _R.ROLE_MAY_NOT: Reason(1, "The role may not send this message."),
    _R.ACCOUNT_NOT_PERMITTED: Reason(1, "The principal may not trade this account."),
    _R.KILLED_ALL: Reason(2, "Everything is killed."),
    _R.KILLED_ACCOUNT: Reason(2, "The account is killed."),
    _R.KILLED_STRATEGY: Reason(2, "The strategy is killed."),
    _R.KILLED_SYMBOL: Reason(2, "The symbol is killed."),
    _R.KILLED_VENUE: Reason(2, "Every venue that the order allows is killed, or paused."),
    _R.ACCOUNT_HALTED: Reason(2, "The account is HALTED."),
    _R.ACCOUNT_REDUCING: Reason(2, "The account is REDUCING, and the order could add to a position."),
    _R.VENUE_DISABLED: Reason(2, "Every venue that the order allows is disabled."),
    _R.VENUE_DRAINING: Reason(2, "Every venue that the order allows is draining or otherwise paused."),
    _R.BAD_ID: Reason(3, "An id is empty, too long, or has other characters than ids have."),
    _R.BAD_TIME: Reason(3, "The order does not end after it starts, or has ended already."),
    _R.BAD_QUANTITY: Reason(3, "The quantity is not a positive whole number in range."),
    _R.BAD_PRICE: Reason(3, "LIMIT has no price in range, MARKET has one, or the type is neither."),
    _R.OFF_TICK: Reason(3, "The price is between two ticks."),
    _R.OFF_LOT: Reason(3, "The quantity is no multiple of the lot."),
    _R.UNKNOWN_INSTRUMENT: Reason(4, "The symbol is not known."),
    _R.NO_VENUE: Reason(4, "No venue that lists the instrument is allowed by the order."),
    _R.HALTED: Reason(4, "The instrument is halted."),
    _R.SESSION_CLOSED: Reason(4, "The session is not open."),
    _R.OUTSIDE_BAND: Reason(4, "The limit price is outside the band around the last trade, or the limits."),
    _R.RESTRICTED_SYMBOL: Reason(5, "The symbol is on the restricted list."),
    _R.STRATEGY_NOT_PERMITTED: Reason(5, "The principal may not use this strategy."),
    _R.DUPLICATE_ID: Reason(6, "The account has used this client_order_id before."),
    _R.DUPLICATE_SHAPE: Reason(6, "The same order under other ids came too often within the window."),
    _R.QTY_MAX: Reason(7, "The quantity is above the maximum."),
    _R.NOTIONAL_MAX: Reason(7, "The notional at the worst price is above the maximum."),
    _R.NO_REFERENCE: Reason(8, "There is no reference price, or it is crossed."),
    _R.STALE_REFERENCE: Reason(8, "The reference price is too old, or from the future."),
    _R.OUTSIDE_COLLAR: Reason(8, "The price, or the market's for a MARKET order, is too far from the reference."),
    _R.NO_ADV: Reason(9, "The average daily volume is not known."),
    _R.ADV_SHARE: Reason(9, "The quantity is too large a share of a day's volume."),
    _R.OPEN_ORDERS_SYMBOL: Reason(10, "The account has too many open orders in the symbol."),
    _R.OPEN_ORDERS_ACCOUNT: Reason(10, "The account has too many open orders."),
    _R.OPEN_ORDERS_ALL: Reason(10, "There are too many open orders in all for the gate to carry."),
    _R.LEAVES_NOTIONAL_SYMBOL: Reason(10, "The account's open orders in the symbol would be worth too much."),
    _R.LEAVES_NOTIONAL_ACCOUNT: Reason(10, "The account's open orders would be worth too much."),
    _R.POSITION_MAX: Reason(11, "If every open order filled, the position would pass its limit."),
    _R.GROSS_MAX: Reason(12, "If the worse sides filled, the gross value would pass the credit."),
    _R.NET_MAX: Reason(12, "If one side filled, the net value would pass the credit."),
    _R.MESSAGE_RATE_SESSION: Reason(13, "The session sends faster than it may."),
    _R.MESSAGE_RATE_VENUE: Reason(13, "Every venue that the order allows has had its messages for now."),
    _R.REPEATED_EXECUTIONS: Reason(14, "The account's strategy executed too often and waits for a named person."),
    _R.REJECT_BREAKER: Reason(15, "Every venue that the order allows rejected too often in a row."),
    _R.SHORT_SALE_FORBIDDEN: Reason(16, "The account may not sell short."),
    _R.NOT_MARKED_SHORT: Reason(16, "It could sell more than the position and must be marked SELL_SHORT."),
    _R.NO_LOCATE: Reason(16, "A short sale needs a locate."),
    _R.SHORT_SALE_RESTRICTED: Reason(16, "While short sales are restricted they need a limit above the best bid."),
    _R.SELF_MATCH: Reason(17, "It could trade with an open order of the same account."),
    _R.UNKNOWN_ORDER: Reason(18, "No open order of that id."),
    _R.NOT_THE_SAME_ORDER: Reason(18, "A replace changes quantity and price only."),
    _R.BELOW_CUM: Reason(18, "The new quantity is below what has been filled."),
}
"""Every code with its check; a test holds that none is missing and each check has one."""


def check_of(reason: DenyReason) -> int:
    """Return the number of the check that a reason belongs to.

    >>> check_of(DenyReason.STALE_REFERENCE)
    8
    """
    return REASONS[reason].check
