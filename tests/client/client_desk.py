"""What tests of the client share: orders, quick options, problems as a gateway would pass them on.

Rule of this file: words only; the desk is the served one of the tests of the API.
"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from fault_proxy import REPLY, Fault

from anabranch import ClientOptions, OrderBody

ACCOUNT = "ACME-1"
SYMBOL = "SMOK"
QUICK = ClientOptions(timeout_s=2.0, deadline_s=10.0, backoff_first_s=0.01, backoff_max_s=0.05)

_numbers = itertools.count()


def order(client_order_id: str = "", **changes: Any) -> OrderBody:
    """Return a small order under an id of its own."""
    given: dict[str, Any] = {
        "client_order_id": client_order_id or f"client-{next(_numbers)}",
        "account": ACCOUNT,
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "qty": 100,
        "limit_price": "39.00",
    }
    return OrderBody(**{**given, **changes})


def said(status: int, code: str, **headers: str) -> Fault:
    """Return an answer with a problem."""
    problem = {
        "type": f"/docs#problem-{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": "said by the proxy",
        "instance": "/v1",
        "correlation_id": "c",
        "retry": "later",
    }
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Fault(REPLY, status, (("Content-Type", "application/problem+json"), *named), msgspec.json.encode(problem))
