"""FIX enumerations in FIX upper case, and the few of ours beside them.

Rule of this file: a member's value is its name, so that journals and reports can be read by people.
"""

from __future__ import annotations

from enum import StrEnum, auto


class _Upper(StrEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        return name


class Side(_Upper):
    """FIX Side (54)."""

    BUY = auto()
    SELL = auto()
    SELL_SHORT = auto()

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: cost = sign x (px - reference)."""
        return 1 if self is Side.BUY else -1


class OrdType(_Upper):
    """FIX OrdType (40)."""

    MARKET = auto()
    LIMIT = auto()
    PEGGED = auto()
    PREVIOUSLY_QUOTED = auto()


class PegPriceType(_Upper):
    """FIX PegPriceType (1094): PRIMARY is the near side, MARKET the far side."""

    MID_PRICE = auto()
    PRIMARY = auto()
    MARKET = auto()


class TimeInForce(_Upper):
    """FIX TimeInForce (59)."""

    DAY = auto()
    IMMEDIATE_OR_CANCEL = auto()
    FILL_OR_KILL = auto()
    GOOD_TILL_DATE = auto()
    AT_THE_OPENING = auto()
    AT_THE_CLOSE = auto()
    GOOD_FOR_AUCTION = auto()


class ExecInst(_Upper):
    """FIX ExecInst (18), the instructions our venues understand."""

    PARTICIPATE_DO_NOT_INITIATE = auto()
    INTERMARKET_SWEEP = auto()
    CANCEL_ON_CONNECTION_LOSS = auto()


class OrdStatus(_Upper):
    """FIX OrdStatus (39); INTENDED and UNKNOWN are ours and never on the wire."""

    INTENDED = auto()
    PENDING_NEW = auto()
    NEW = auto()
    PARTIALLY_FILLED = auto()
    FILLED = auto()
    PENDING_CANCEL = auto()
    CANCELED = auto()
    PENDING_REPLACE = auto()
    REJECTED = auto()
    EXPIRED = auto()
    SUSPENDED = auto()
    DONE_FOR_DAY = auto()
    UNKNOWN = auto()


class ExecType(_Upper):
    """FIX ExecType (150)."""

    NEW = auto()
    TRADE = auto()
    CANCELED = auto()
    REPLACED = auto()
    REJECTED = auto()
    EXPIRED = auto()
    PENDING_NEW = auto()
    PENDING_CANCEL = auto()
    PENDING_REPLACE = auto()
    TRADE_CANCEL = auto()
    TRADE_CORRECT = auto()
    ORDER_STATUS = auto()
    RESTATED = auto()


class LastLiquidityInd(_Upper):
    """FIX LastLiquidityInd (851)."""

    ADDED = auto()
    REMOVED = auto()
    ROUTED_OUT = auto()
    AUCTION = auto()


class VenueType(_Upper):
    """FIX VenueType (1430)."""

    CENTRAL_LIMIT_ORDER_BOOK = auto()
    DARK_ORDER_BOOK = auto()
    QUOTE_DRIVEN_MARKET = auto()
    AUCTION_DRIVEN_MARKET = auto()


class Tactic(_Upper):
    """How a lane trades; with the venue it names the lane."""

    TAKE = auto()
    POST = auto()
    MID_PEG = auto()
    CONDITIONAL = auto()
    QUOTE = auto()
    AUCTION = auto()


class WorkingState(_Upper):
    """What a parent is doing now; never on the wire and never in `ord_status`."""

    IDLE = auto()
    SWEEPING = auto()
    POSTING = auto()
    PROBING_DARK = auto()
    AWAITING_FIRM_UP = auto()
    COMPLETING = auto()


class OutcomeKind(_Upper):
    """Why a learner hears of a child: what happened to it, or that it is still open."""

    FILL = auto()
    EXPIRE = auto()
    CANCEL = auto()
    REJECT = auto()
    HEARTBEAT = auto()
    MARKOUT = auto()


class SessionState(_Upper):
    """What we know of the link to a venue."""

    UP = auto()
    DOWN = auto()


class NodeState(_Upper):
    """What a node of the cluster is for."""

    OPEN = auto()
    DRAINING = auto()


class AllocationMode(_Upper):
    """How a policy's numbers become quantities."""

    WATER_FILL = auto()
    SPLIT = auto()
    DRAW = auto()
