"""A made-up market of 27 lanes, the shape of the recorded day: twelve exchanges, two dark pools, one dealer.

Rule of this file: every draw is keyed, so that each measurement sees the same numbers.
"""

from __future__ import annotations

import numpy as np

from learners.features.market import MarketFeatures
from learners.features.names import FEATURES
from learners.policies.policy import PolicySetup
from router.domain.chance import generator
from router.domain.enums import OutcomeKind, Side, Tactic, VenueType
from router.domain.instruments import FeeSchedule, Listing, VenueSpec, lanes_of
from router.domain.market import I64, DealerTier
from router.domain.scores import ContextFrame, Outcome
from router.domain.units import HOUR, MILLISECOND, SECOND, Nanos

SYMBOL = "MADE"
OPEN_AT: Nanos = 0
CLOSE_AT: Nanos = 6 * HOUR
STANDARD_QTY = 100
LIFE_NS: Nanos = 9_500 * MILLISECOND

_KINDS = (
    ("L", 12, VenueType.CENTRAL_LIMIT_ORDER_BOOK, (Tactic.TAKE, Tactic.POST), 100),
    ("D", 2, VenueType.DARK_ORDER_BOOK, (Tactic.MID_PEG,), 100),
    ("S", 1, VenueType.QUOTE_DRIVEN_MARKET, (Tactic.QUOTE,), 1),
)


def specs() -> tuple[VenueSpec, ...]:
    """Return fifteen venues with 27 lanes."""
    return tuple(
        VenueSpec(
            mic=f"X{letter}{n:02d}",
            venue_type=kind,
            listing=Listing(symbol=SYMBOL, mic=f"X{letter}{n:02d}", tick=tick),
            fees=FeeSchedule(maker_micros=-2_000 + 300 * n, taker_micros=3_000 - 400 * n),
            tactics=tactics,
            is_primary=(letter, n) == ("L", 0),
            volume_share=1 / 15,
        )
        for letter, count, kind, tactics, tick in _KINDS
        for n in range(count)
    )


def market(rows: int = 2_000) -> MarketFeatures:
    """Return the market after so many quotes and prints."""
    venues = specs()
    features = MarketFeatures(venues, SYMBOL, OPEN_AT, CLOSE_AT)
    draw = generator(1, SYMBOL, "quotes")
    lit = [i for i, spec in enumerate(venues) if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK]
    quotes: I64 = np.empty((rows, 6), dtype=np.int64)
    prints: I64 = np.empty((rows, 5), dtype=np.int64)
    mid = 400_000 + 100 * np.cumsum(draw.integers(-1, 2, rows))
    for k in range(rows):
        at, venue, gap = k * 10 * MILLISECOND, lit[int(draw.integers(0, len(lit)))], 100 * int(draw.integers(1, 3))
        sizes = draw.integers(1, 10, 3) * 100
        quotes[k] = (at, venue, mid[k] - gap, sizes[0], mid[k] + gap, sizes[1])
        prints[k] = (at, venue, mid[k] + gap * int(draw.choice([-1, 1])), sizes[2], 0)
    features.advance(quotes, prints, rows * 10 * MILLISECOND)
    dealer = venues[-1].mic
    last = int(mid[-1])
    features.set_tiers(
        [
            DealerTier(mic=dealer, quote_id=f"q{t}", at=0, max_qty=500 * 4**t, bid_px=last - px, ask_px=last + px)
            for t, px in enumerate((60, 90, 150))
        ]
    )
    return features


def frames(n: int) -> list[ContextFrame]:
    """Return the same market at so many moments: no two frames are one object."""
    features, own = market(), (0.5,) * 15
    return [features.frame(20 * SECOND + k * SECOND, Side.BUY, own) for k in range(n)]


def setup() -> PolicySetup:
    """Return what policies of this market are built from."""
    return PolicySetup(
        specs=specs(),
        feature_names=FEATURES,
        standard_qty=STANDARD_QTY,
        standard_life_ns=LIFE_NS,
        seed=1,
        parameters={},
    )


def outcomes(n: int, frame: ContextFrame) -> list[Outcome]:
    """Return so many different outcomes: of three children one fills, one expires, and one markout comes late."""
    lanes = lanes_of(specs())
    x = np.frombuffer(frame.x).reshape(len(lanes), len(FEATURES))
    draw = generator(1, SYMBOL, "outcomes")
    made = []
    for k in range(n):
        i = int(draw.integers(0, len(lanes)))
        fill, markout = k % 3 == 0, k % 3 == 2
        kind = OutcomeKind.MARKOUT if markout else OutcomeKind.FILL if fill else OutcomeKind.EXPIRE
        qty = 100 if fill else 0
        made.append(
            Outcome(
                kind=kind,
                at=20 * SECOND + k * 10 * MILLISECOND,
                parent_id="P1",
                decision_id=f"P1.d{k}",
                cl_ord_id=f"P1.{k}",
                lane=str(lanes[i]),
                side=Side.BUY,
                order_qty=200,
                leaves_qty=0 if markout else 200,
                filled_qty=qty,
                cum_qty=qty,
                age_to_ns=0 if markout else int(draw.integers(1, LIFE_NS)),
                is_final=not markout,
                exec_id=f"e{k}" if fill or markout else "",
                price_bps=0.5,
                horizon_ns=10 * SECOND if markout else 0,
                markout_bps=-0.4 if markout else 0.0,
                x=tuple(x[i].tolist()),
            )
        )
    return made
