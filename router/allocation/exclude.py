"""Which lanes are no candidates for a decision, and why, in coded reasons.

Rule of this file: one small function per reason, in a table whose order is the order of asking; the first reason
that holds is the one recorded. A function returns the detail for people, or None when its reason does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from router.allocation.pricing import asks_for_quote, far_touch, tiers_within
from router.domain.enums import OrdType, SessionState, Side, Tactic, VenueType
from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import Lane, VenueSpec
from router.domain.market import MarketSnapshot, Quote
from router.domain.orders import DARK_ALLOWED, DARK_NONE, DARK_ONLY, ParentOrder
from router.domain.scores import ContextFrame, Exclusion
from router.domain.units import Px, Qty, px_text

_TACTICS = tuple(Tactic)
MIDPOINT_TACTICS = (Tactic.MID_PEG, Tactic.CONDITIONAL)

DISABLED = "DISABLED"
"""Why a venue is unavailable to which a person lets nothing new go."""


class ExclusionReason(StrEnum):
    """Why a lane is no candidate; the value is what decisions and reports show."""

    VENUE_NOT_ALLOWED = "VENUE_NOT_ALLOWED"
    VENUE_DENIED = "VENUE_DENIED"
    NOT_DARK = "NOT_DARK"
    DARK = "DARK"
    SESSION_DOWN = "SESSION_DOWN"
    VENUE_DISABLED = "VENUE_DISABLED"
    VENUE_UNAVAILABLE = "VENUE_UNAVAILABLE"
    TACTIC_NOT_RELEASED = "TACTIC_NOT_RELEASED"
    NO_QUOTE = "NO_QUOTE"
    TRADE_THROUGH = "TRADE_THROUGH"
    PRICE_LIMIT = "PRICE_LIMIT"
    OUTSIDE_LIMIT = "OUTSIDE_LIMIT"
    BELOW_MIN_QTY = "BELOW_MIN_QTY"


class _Venue(NamedTuple):
    """A venue, as one decision sees it."""

    mic: str
    is_dark: bool
    parent: ParentOrder
    quote: Quote | None
    unavailable: Mapping[str, str]


class _Way(NamedTuple):
    """A tactic, as one decision sees it."""

    tactic: Tactic
    released: Container[Tactic]


class _Case(msgspec.Struct, gc=False):
    """A lane whose venue and tactic may be used, as one decision sees it."""

    lane: Lane
    parent: ParentOrder
    max_qty: Qty
    market: MarketSnapshot
    quote: Quote | None
    left_qty: Qty
    spec: VenueSpec

    @property
    def limit(self) -> Px | None:
        return self.parent.price if self.parent.ord_type is OrdType.LIMIT else None


_Said: TypeAlias = tuple[str, str] | None
"""A reason and its detail; None: nothing was found."""

_Checks: TypeAlias = Sequence[tuple[str, Callable[[Any], str | None]]]
"""Reasons with what finds whether each holds."""


def exclusions(
    parent: ParentOrder,
    lanes: tuple[Lane, ...],
    specs: tuple[VenueSpec, ...],
    frame: ContextFrame,
    tactics: Container[Tactic],
    market: MarketSnapshot,
    unavailable: Mapping[str, str],
    left_qty: Qty | None = None,
) -> tuple[Exclusion, ...]:
    """Return one exclusion, with its first reason, for each of `lanes` that may not be used now, in their order.

    `tactics` are those the schedule released, `unavailable` maps a venue to the reason it is out of use, `left_qty`
    is what may still be sent (None: the whole order).

    Raises:
        BadInputError: a lane that is not in `frame` or whose venue is not in `specs`.
    """
    spec_of, names = _spec_of(lanes, specs), _named(lanes)
    terms = _Terms(parent.ord_type is OrdType.LIMIT, parent.min_qty > 0, tuple([t in tactics for t in _TACTICS]))
    quotes = {quote.mic: quote for quote in market.quotes}
    of_venue = [(why.value, check) for why, check, of in VENUE_CHECKS if of(parent, market, unavailable)]
    most = _sizes(frame, names)
    left = parent.order_qty if left_qty is None else left_qty
    ways = _ways(lanes, names, terms)
    found = list(ways.unreleased)
    for k, lane, asked, otherwise in ways.released:
        checks = asked if most[k] >= 1 else otherwise
        if checks:
            case = _Case(lane, parent, most[k], market, quotes.get(lane.mic), left, spec_of[lane.mic])
            said = _first(checks, case)
            found[k] = None if said is None else _excluded(names[k], *said)
    if of_venue:
        for mic in dict.fromkeys([lane.mic for lane in lanes]):
            said = _first(of_venue, _Venue(mic, _is_dark(spec_of[mic]), parent, quotes.get(mic), unavailable))
            if said is not None:
                found = [_excluded(names[k], *said) if lanes[k].mic == mic else one for k, one in enumerate(found)]
    return tuple([one for one in found if one is not None])


_excluded = lru_cache(maxsize=4_096)(Exclusion)
"""Return an exclusion; most of them are those of the decision before."""


@lru_cache(maxsize=64)
def _spec_of(lanes: tuple[Lane, ...], specs: tuple[VenueSpec, ...]) -> dict[str, VenueSpec]:
    """Return the lanes' venues by MIC."""
    known = {spec.mic: spec for spec in specs}
    for lane in lanes:
        if lane.mic not in known:
            raise BadInputError(bad_value("exclusions.lanes", f"lanes of {', '.join(known)}", str(lane)))
    return known


class _Terms(NamedTuple):
    """What of an order and a slice says which checks a lane is asked."""

    has_limit: bool
    has_min_qty: bool
    released: tuple[bool, ...]
    """For each tactic, whether it is released."""


class _Ways(NamedTuple):
    """What lanes are asked: nothing those whose tactic is not released; each other one list where it has something on
    offer, and another where it has not."""

    unreleased: tuple[Exclusion | None, ...]
    """For each lane, why it is out whatever it would be asked."""
    released: tuple[tuple[int, Lane, _Checks, _Checks], ...]
    """The other lanes, each with its place and both its lists."""


@lru_cache(maxsize=256)
def _ways(lanes: tuple[Lane, ...], names: tuple[str, ...], terms: _Terms) -> _Ways:
    """Return what the lanes are asked: the same for most of an order's decisions."""
    released = [tactic for tactic, is_released in zip(Tactic, terms.released, strict=True) if is_released]
    concerned = [
        (reason, check)
        for reason, check, concerns in LANE_CHECKS
        if concerns is _any or (terms.has_limit if concerns is _with_limit else terms.has_min_qty)
    ]
    otherwise = tuple((why.value, check) for why, check in concerned)
    unreleased, ways = [], []
    for k, lane in enumerate(lanes):
        said = _first(_TACTIC_CHECKS, _Way(lane.tactic, released))
        unreleased.append(None if said is None else _excluded(names[k], *said))
        if said is None:
            asked = [(why.value, check) for why, check in concerned if lane.tactic in ONLY_FOR.get(why, tuple(Tactic))]
            ways.append((k, lane, tuple(asked), otherwise))
    return _Ways(tuple(unreleased), tuple(ways))


def _sizes(frame: ContextFrame, names: tuple[str, ...]) -> tuple[Qty, ...]:
    """Return the sizes on offer of the lanes of those names, in their order."""
    if names == frame.lanes:
        return frame.max_qty
    known = dict(zip(frame.lanes, frame.max_qty, strict=True))
    for name in names:
        if name not in known:
            raise BadInputError(bad_value("exclusions.lanes", f"lanes of {', '.join(frame.lanes)}", name))
    return tuple(known[name] for name in names)


@lru_cache(maxsize=64)
def _named(lanes: tuple[Lane, ...]) -> tuple[str, ...]:
    return tuple(str(lane) for lane in lanes)


def _first(checks: _Checks, seen: _Venue | _Way | _Case) -> _Said:
    """Return the first reason that holds, with its detail."""
    for reason, check in checks:
        detail = check(seen)
        if detail is not None:
            return reason, detail
    return None


def _venue_not_allowed(venue: _Venue) -> str | None:
    allowed = venue.parent.venues_allow
    return f"allowed: {', '.join(allowed)}" if allowed and venue.mic not in allowed else None


def _venue_denied(venue: _Venue) -> str | None:
    return "denied by the order" if venue.mic in venue.parent.venues_deny else None


def _is_dark(spec: VenueSpec) -> bool:
    return spec.venue_type is VenueType.DARK_ORDER_BOOK


def _not_dark(venue: _Venue) -> str | None:
    is_out = venue.parent.dark_in_force == DARK_ONLY and not venue.is_dark
    return "the order trades in dark pools only" if is_out else None


def _dark(venue: _Venue) -> str | None:
    is_out = venue.parent.dark_in_force == DARK_NONE and venue.is_dark
    return "the order trades in no dark pool" if is_out else None


def _session_down(venue: _Venue) -> str | None:
    is_down = venue.quote is not None and venue.quote.session is SessionState.DOWN
    return "the link to the venue is down" if is_down else None


def _venue_disabled(venue: _Venue) -> str | None:
    return "a person lets nothing new go there" if venue.unavailable.get(venue.mic) == DISABLED else None


def _venue_unavailable(venue: _Venue) -> str | None:
    return venue.unavailable.get(venue.mic)


def _tactic_not_released(way: _Way) -> str | None:
    return None if way.tactic in way.released else f"{way.tactic} is not released now"


def _no_quote(case: _Case) -> str | None:
    return "no usable quote" if case.max_qty < 1 else None


def _trade_through(case: _Case) -> str | None:
    """A taking lane priced worse than the best displayed elsewhere: order protection (17 CFR 242.611, Regulation NMS).

    A slice larger than the best displayed size takes that first; what it missed is routed again a moment later.
    """
    side, market = case.parent.side, case.market
    best = market.ask_px if side is Side.BUY else market.bid_px
    tactic = case.lane.tactic
    if tactic is Tactic.QUOTE:
        tiers = [t.ask_px if side is Side.BUY else t.bid_px for t in market.tiers if t.mic == case.lane.mic]
        price = (min if side is Side.BUY else max)([px for px in tiers if px], default=0)
    else:
        price = far_touch(case.quote, side) if tactic is Tactic.TAKE else 0
    if price and best and side.sign * (price - best) > 0:
        return _through(price, best)
    return None


@lru_cache(maxsize=1_024)
def _through(price: Px, best: Px) -> str:
    return f"{px_text(price)} would trade through {px_text(best)}"


def _price_limit(case: _Case) -> str | None:
    """A taking lane whose price is beyond the parent's limit. Resting lanes are priced at the limit at worst."""
    if case.limit is None:
        return None
    side = case.parent.side
    if case.lane.tactic is Tactic.QUOTE:
        if asks_for_quote(case.market, case.spec) or tiers_within(case.market, case.lane.mic, side, case.limit):
            return None
        return f"no tier within the limit {px_text(case.limit)}"
    touch = far_touch(case.quote, side) if case.lane.tactic is Tactic.TAKE else 0
    if touch and side.sign * (touch - case.limit) > 0:
        return f"touch {px_text(touch)} beyond the limit {px_text(case.limit)}"
    return None


def _outside_limit(case: _Case) -> str | None:
    """A midpoint lane while the mid is beyond the parent's limit: it would rest where nothing can trade."""
    if case.limit is None or case.lane.tactic not in MIDPOINT_TACTICS:
        return None
    beyond = case.parent.side.sign * (case.market.bid_px + case.market.ask_px - 2 * case.limit) > 0
    return f"mid beyond the limit {px_text(case.limit)}" if beyond else None


def _below_min_qty(case: _Case) -> str | None:
    """A dark lane when less than the parent's min_qty is left, or on offer."""
    if case.lane.tactic not in MIDPOINT_TACTICS:
        return None
    most = min(case.left_qty, case.max_qty, case.parent.max_child_qty or case.max_qty)
    return f"min_qty {case.parent.min_qty} above {most}" if most < case.parent.min_qty else None


_Concerns: TypeAlias = Callable[[ParentOrder, MarketSnapshot, Mapping[str, str]], bool]


def _any(parent: ParentOrder, market: MarketSnapshot, unavailable: Mapping[str, str]) -> bool:
    return True


def _with_limit(parent: ParentOrder, market: MarketSnapshot, unavailable: Mapping[str, str]) -> bool:
    return parent.ord_type is OrdType.LIMIT


def _with_min_qty(parent: ParentOrder, market: MarketSnapshot, unavailable: Mapping[str, str]) -> bool:
    return parent.min_qty > 0


def _with_any_down(parent: ParentOrder, market: MarketSnapshot, unavailable: Mapping[str, str]) -> bool:
    down = SessionState.DOWN
    return bool([quote for quote in market.quotes if quote.session is down])


def _with_dark_wish(parent: ParentOrder, market: MarketSnapshot, unavailable: Mapping[str, str]) -> bool:
    return parent.dark_in_force != DARK_ALLOWED


VENUE_CHECKS: tuple[tuple[ExclusionReason, Callable[[_Venue], str | None], _Concerns], ...] = (
    (ExclusionReason.VENUE_NOT_ALLOWED, _venue_not_allowed, lambda parent, market, _: bool(parent.venues_allow)),
    (ExclusionReason.VENUE_DENIED, _venue_denied, lambda parent, market, _: bool(parent.venues_deny)),
    (ExclusionReason.NOT_DARK, _not_dark, _with_dark_wish),
    (ExclusionReason.DARK, _dark, _with_dark_wish),
    (ExclusionReason.SESSION_DOWN, _session_down, _with_any_down),
    (ExclusionReason.VENUE_DISABLED, _venue_disabled, lambda parent, market, unavailable: bool(unavailable)),
    (ExclusionReason.VENUE_UNAVAILABLE, _venue_unavailable, lambda parent, market, unavailable: bool(unavailable)),
)
"""What takes out all the lanes of a venue, asked once for each, with the decisions that it can concern at all."""

TACTIC_CHECKS: tuple[tuple[ExclusionReason, Callable[[_Way], str | None], _Concerns], ...] = (
    (ExclusionReason.TACTIC_NOT_RELEASED, _tactic_not_released, _any),
)
"""What takes out all the lanes of a tactic, asked once for each."""

_TACTIC_CHECKS = tuple((reason.value, check) for reason, check, _ in TACTIC_CHECKS)

LANE_CHECKS: tuple[tuple[ExclusionReason, Callable[[_Case], str | None], _Concerns], ...] = (
    (ExclusionReason.NO_QUOTE, _no_quote, _any),
    (ExclusionReason.TRADE_THROUGH, _trade_through, _any),
    (ExclusionReason.PRICE_LIMIT, _price_limit, _with_limit),
    (ExclusionReason.OUTSIDE_LIMIT, _outside_limit, _with_limit),
    (ExclusionReason.BELOW_MIN_QTY, _below_min_qty, _with_min_qty),
)
"""What takes out one lane, where its venue and its tactic may be used."""

TAKING = (Tactic.TAKE, Tactic.QUOTE)

ONLY_FOR: dict[ExclusionReason, tuple[Tactic, ...]] = {
    # Without anything on offer every check is asked.
    ExclusionReason.NO_QUOTE: (),
    ExclusionReason.TRADE_THROUGH: TAKING,
    ExclusionReason.PRICE_LIMIT: TAKING,
    ExclusionReason.OUTSIDE_LIMIT: MIDPOINT_TACTICS,
    ExclusionReason.BELOW_MIN_QTY: MIDPOINT_TACTICS,
}
"""The tactics whose lanes a reason can hold for, where it cannot for all; lanes of others are not asked."""

CHECKS = (*VENUE_CHECKS, *TACTIC_CHECKS, *LANE_CHECKS)
"""Every reason and its check, in the order of asking."""
