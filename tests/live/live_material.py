"""Sessions and desks for tests of the live shell: small, real, and the same each time.

Rule of this file: nothing is pretended; a clock is read only by the desks that run on one.
"""

from __future__ import annotations

import msgspec

from cluster.live.opening import desk_of
from cluster.live.session import assembly_of, conductor_of
from cluster.live.settings import LiveSettings, live_settings
from router.domain.enums import OrdType, Side
from router.domain.facts import Fact, OrderAccepted, SessionOpened
from router.domain.orders import ParentOrder
from router.domain.played import Reference
from router.domain.requests import Principal, SubmitOrder
from router.domain.units import MILLISECOND, SECOND, Nanos, px
from router.intake.intake import Intake
from scenarios.assembly import Assembly
from scenarios.link import Link
from scenarios.live_conductor import LiveConductor
from scenarios.scenario import load_scenario

OPEN_AT: Nanos = 1_700_000_000 * SECOND
TRADER = Principal(name="bob", role="trader", accounts=("A", "B"), session="s1")
OTHER_TRADER = Principal(name="eve", role="trader", accounts=("C",), session="s2")
OPERATOR = Principal(name="ann", role="operator", accounts=("*",))
RISK_OFFICER = Principal(name="joe", role="risk", accounts=("*",))


def session(hosts: int = 2, seed: int = 1) -> SessionOpened:
    """A session of the smallest library market that opens at a fixed time."""
    scenario = load_scenario("smoke")
    opened = SessionOpened(
        at=OPEN_AT,
        symbol=scenario.file.symbol,
        open_at=OPEN_AT,
        close_at=OPEN_AT,
        wall_at=OPEN_AT,
        speed=1.0,
        scenario_name=scenario.name,
        scenario_text=scenario.text,
        scenario_path=str(scenario.path),
        seed=seed,
        policy=scenario.file.learning.policy,
        hosts=hosts,
        build="test",
        tick_ns=5 * MILLISECOND,
        window_ns=250 * MILLISECOND,
        exploration_budget_bps=1.0,
        probability_change_max=0.5,
        venue_share_max=1.0,
        children_per_s=200,
        children_max=100_000,
        venue_messages_per_s=1_000,
    )
    return msgspec.structs.replace(opened, close_at=assembly_of(opened, None).setup.close_at)


def order(n: int, opened: SessionOpened, at: Nanos, qty: int = 400, **terms: object) -> ParentOrder:
    """An order of the session, told apart by its number."""
    base = ParentOrder(
        parent_id=f"P{n}",
        client_order_id=f"c{n}",
        symbol=opened.symbol,
        side=Side.BUY if n % 2 else Side.SELL,
        order_qty=qty,
        start_at=at,
        end_at=at + 60 * SECOND,
        strategy="arrival",
        urgency=0.9,
        account="A",
    )
    return msgspec.structs.replace(base, **terms)


def accepted(placed: ParentOrder, at: Nanos) -> Fact:
    """The fact that the desk took an order."""
    return OrderAccepted(
        at=at, account=placed.account, parent_id=placed.parent_id, order=placed, body_hash="h", who="bob"
    )


def conductor(opened: SessionOpened, assembly: Assembly, link: Link) -> LiveConductor:
    """The session's conductor over a link."""
    return conductor_of(opened, assembly, link)


def settings() -> LiveSettings:
    """The defaults."""
    return live_settings(None)


def desk(opened: SessionOpened, **limits: object) -> Intake:
    """A new desk before a session, with a price to hold orders against."""
    changed = msgspec.structs.replace(settings(), limits=msgspec.structs.replace(settings().limits, **limits))
    made = desk_of(changed, opened, assembly_of(opened, None))
    made.see(reference(opened, OPEN_AT))
    return made


def reference(opened: SessionOpened, at: Nanos) -> Reference:
    """A market of 99.99 to 100.01."""
    return Reference(symbol=opened.symbol, at=at, bid_px=px("99.99"), ask_px=px("100.01"), volume=10_000, is_open=True)


def submit(n: int, opened: SessionOpened, who: Principal = TRADER, qty: int = 400, **terms: object) -> SubmitOrder:
    """A request to work an order."""
    placed = order(n, opened, 0, qty, parent_id="-", end_at=0, side=Side.BUY, **terms)
    return SubmitOrder(principal=who, correlation_id=f"x{n}", order=placed, body_hash=f"hash-{n}-{qty}")


LIMIT = OrdType.LIMIT
