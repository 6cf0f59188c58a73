"""The venues of a recorded day: their public specs, and the one place that builds each kind.

Rule of this file: a spec holds what was public before the day: fee schedules and long-run shares, never the tape's.

Fees approximate the schedules that exchanges published for early 2018, base tier, shares above one dollar: maker
rebates of 20 to 21 cents a hundred shares against takers of 27.5 to 30, three inverted exchanges (taker rebates), flat
fees at IEX and NYSE American. Dark pools and the dealer charge what brokers report as typical. `XDKA`, `XDKB` and
`XSDP` are made-up codes for pools known only by their prints. The stock is listed on the New York Stock Exchange
(its auctions print there), so XNYS is the primary.
"""

from __future__ import annotations

from router.domain.enums import Tactic, VenueType
from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from venues.feeds.taq import TaqDay
from venues.types.tape_dark import TapeDarkParams, TapeDarkVenue
from venues.types.tape_dealer import DealerTape, TapeDealerVenue
from venues.types.tape_dealer_quotes import TapeDealerParams, dealer_quotes, ladder_of
from venues.types.tape_lit import TapeLitParams, TapeLitVenue
from venues.venue import Venue

PRIMARY = "XNYS"

TapeParams = TapeLitParams | TapeDarkParams | TapeDealerParams

_LIT, _DARK, _DEALER = (
    VenueType.CENTRAL_LIMIT_ORDER_BOOK,
    VenueType.DARK_ORDER_BOOK,
    VenueType.QUOTE_DRIVEN_MARKET,
)

_TACTICS = {_LIT: (Tactic.TAKE, Tactic.POST), _DARK: (Tactic.MID_PEG,), _DEALER: (Tactic.QUOTE,)}

_PUBLIC = (
    (_LIT, "XNYS", -1_400, 2_750, 0.22),
    (_LIT, "XNAS", -2_000, 3_000, 0.12),
    (_LIT, "ARCX", -2_000, 3_000, 0.08),
    (_LIT, "BATS", -2_000, 3_000, 0.07),
    (_LIT, "EDGX", -2_000, 3_000, 0.06),
    (_LIT, "BATY", 1_800, -1_000, 0.045),
    (_LIT, "XBOS", 2_000, -600, 0.03),
    (_LIT, "EDGA", 500, -200, 0.02),
    (_LIT, "IEXG", 900, 900, 0.025),
    (_LIT, "XPSX", -2_000, 2_900, 0.008),
    (_LIT, "XCHI", -2_000, 3_000, 0.005),
    (_LIT, "XASE", 200, 200, 0.003),
    (_DARK, "XDKA", 1_000, 1_000, 0.08),
    (_DARK, "XDKB", 1_000, 1_000, 0.02),
    (_DEALER, "XSDP", 0, 0, 0.1),
)
"""Kind, MIC, maker and taker fee in micros a share, long-run share of consolidated volume in listed stocks."""


def tape_specs(day: TaqDay) -> tuple[VenueSpec, ...]:
    """Return the specs of the twelve exchanges, two dark pools and one dealer of a day, the largest exchange first.

    Only the day's symbol is used. The dealer quotes in steps of 0.0001, pools trade at the midpoint, exchanges step
    by a cent.
    """
    return tuple(
        VenueSpec(
            mic=mic,
            venue_type=kind,
            listing=Listing(symbol=day.symbol, mic=mic, tick=1 if kind is _DEALER else 100, lot=1),
            fees=FeeSchedule(maker_micros=maker, taker_micros=taker),
            tactics=_TACTICS[kind],
            is_primary=mic == PRIMARY,
            volume_share=share,
        )
        for kind, mic, maker, taker, share in _PUBLIC
    )


def build_tape_venue(spec: VenueSpec, day: TaqDay, params: TapeParams | None = None, seed: int = 0) -> Venue:
    """Return the tape venue of a spec; None stands for the default parameters of its kind.

    Raises:
        BadInputError: the day has no such venue, or the parameters are of another kind.
    """
    known = day.quotes if spec.venue_type is _LIT else day.pools
    if spec.mic not in known:
        raise BadInputError(bad_value("spec.mic", f"a venue on the tape ({', '.join(known)})", spec.mic))
    if spec.venue_type is _LIT and isinstance(params, TapeLitParams | None):
        return TapeLitVenue(spec, day, params, seed)
    if spec.venue_type is _DARK and isinstance(params, TapeDarkParams | None):
        return TapeDarkVenue(spec, day, params, seed)
    if spec.venue_type is _DEALER and isinstance(params, TapeDealerParams | None):
        prints = day.pools[spec.mic]
        quotes, touch = dealer_quotes(day.nbbo, prints, params or TapeDealerParams())
        tape = DealerTape(quotes, ladder_of(quotes, touch), prints, day.open_at, day.close_at)
        return TapeDealerVenue(spec, tape, params)
    raise BadInputError(bad_value(f"venue {spec.mic}", f"tape parameters for {spec.venue_type}", type(params).__name__))
