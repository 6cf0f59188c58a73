"""A gate over one account, one symbol and two venues, and requests that pass it unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from router.domain.enums import OrdType, Side
from router.domain.units import SECOND, px
from router.risk.gate import RiskGate
from router.risk.limits import limits_from_table
from router.risk.request import GateContext, NewParent, Tradable

NOW = 1_000 * SECOND
MICS = ("XAAA", "XBBB")
BUY, SELL, SHORT = Side.BUY, Side.SELL, Side.SELL_SHORT


def new_gate(**limits: Any) -> RiskGate:
    table = {"principals": {"ann": {"accounts": ["A1", "A2"], "strategies": ["vwap", "twap"]}}, **limits}
    instruments = {
        "ABC": Tradable(symbol="ABC", tick=100, lot=1, venues=MICS),
        "LOT": Tradable(symbol="LOT", tick=100, lot=100, venues=MICS),
    }
    return RiskGate(limits_from_table(table), instruments)


def ask(n: int = 1, **changes: Any) -> NewParent:
    """Return a LIMIT buy of 100 ABC at the offer; `n` makes its id."""
    values: dict[str, Any] = {
        "principal": "ann",
        "role": "trader",
        "account": "A1",
        "client_order_id": f"C{n}",
        "symbol": "ABC",
        "side": BUY,
        "qty": 100,
        "start_at": NOW,
        "end_at": NOW + 60 * SECOND,
        "now": NOW,
        "session_id": "S1",
        "ord_type": OrdType.LIMIT,
        "price": px("40.02"),
        "strategy": "vwap",
    }
    values.update(changes)
    return NewParent(**values)


def market(**changes: Any) -> GateContext:
    """Return a market of 40.00 to 40.02 that trades a million shares a day."""
    values: dict[str, Any] = {
        "bid_px": px("40"),
        "ask_px": px("40.02"),
        "last_px": px("40.01"),
        "at": NOW,
        "adv": 1_000_000,
    }
    values.update(changes)
    return GateContext(**values)
