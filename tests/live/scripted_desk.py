"""A short session with something of everything in it, for a desk in steps.

Rule of this file: what is asked depends on the window's number alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)

from live_material import OPERATOR, RISK_OFFICER, TRADER, desk, submit  # noqa: E402

from benchmarks.stepped_desk import SteppedDesk  # noqa: E402
from cluster.live.snapshots import Rhythm  # noqa: E402
from router.domain.facts import SessionOpened  # noqa: E402
from router.domain.requests import CancelOrder, Kill, Rearm, ReplaceOrder, Request, SetLimit  # noqa: E402
from router.domain.units import Nanos  # noqa: E402

STEPS = 90


def scripted(opened: SessionOpened, folder: Path, rhythm: Rhythm) -> SteppedDesk:
    """Return a life of the desk of the session in a folder."""
    script = _script(opened)

    def asks(n: int, now: Nanos) -> Sequence[Request]:
        return script.get(n, ())

    return SteppedDesk(opened, desk(opened), folder, rhythm, asks)


def _script(opened: SessionOpened) -> dict[int, tuple[Request, ...]]:
    def orders(*numbers: int) -> tuple[Request, ...]:
        return tuple(submit(n, opened, qty=300 + 100 * n, strategy="twap" if n % 2 else "arrival") for n in numbers)

    return {
        4: orders(1, 2, 3),
        12: (CancelOrder(principal=TRADER, parent_id="P2"),),
        15: (ReplaceOrder(principal=TRADER, parent_id="P1", order_qty=350),),
        22: (SetLimit(principal=RISK_OFFICER, key="qty_max", value="100000", why="test"), *orders(4)),
        30: (Kill(principal=OPERATOR, level="strategy", target="twap", why="drill"),),
        36: (
            Rearm(principal=OPERATOR, level="strategy", target="twap", why="over"),
            Rearm(principal=RISK_OFFICER, level="strategy", target="twap", why="over"),
        ),
        40: orders(5, 6, 7),
        60: orders(8),
    }
