"""What others do because of us: makers pull quotes once we take elsewhere, dealers hedge what they sold us.

Rule of this file: reactions follow from our commands that arrive and from what was executed, and from nothing else, so
that they are the same wherever the venues live. A fade has its own exact time, for it is known before it happens. A
dealer's hedge is known only at the end of the window of the fill: what was due before is done at once then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from router.domain.enums import ExecInst, ExecType, OrdType, Side, TimeInForce, VenueType
from router.domain.instruments import VenueSpec
from router.domain.market import MarketSnapshot, Quote
from router.domain.messages import Arrival, Fade, Hedge
from router.domain.orders import ChildOrder, NewOrderSingle
from router.domain.reports import ExecutionReport
from router.domain.units import Nanos
from venues.models.fade import Fading
from venues.models.hedge import hedge_steps, shared_out
from venues.types.dealer_parameters import DealerParameters

ON_AUCTION = (TimeInForce.AT_THE_OPENING, TimeInForce.AT_THE_CLOSE, TimeInForce.GOOD_FOR_AUCTION)


class _Due(NamedTuple):
    """A reaction on its way; `n` counts them, so that those of one time keep their order."""

    at: Nanos
    n: int
    ripple: Fade | Hedge


class Reactions:
    """The reactions of a run, by the venue where each shows. Without `fading` nobody fades, without `dealers` (by MIC)
    nobody hedges.

    >>> Reactions(()).due("XLTA", 0, 1)
    ()
    """

    def __init__(
        self,
        specs: tuple[VenueSpec, ...],
        fading: Fading | None = None,
        dealers: Mapping[str, DealerParameters] | None = None,
    ) -> None:
        self._fading = fading
        self._dealers = dict(dealers or {})
        lit = [spec for spec in specs if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK]
        self._lit = tuple(spec.mic for spec in lit)
        self._shares = tuple(spec.volume_share for spec in lit)
        self._waiting: dict[str, list[_Due]] = {spec.mic: [] for spec in specs}
        self._n = 0

    @property
    def is_watching(self) -> bool:
        """Whether anybody would react to what is sent."""
        return self._fading is not None

    @property
    def is_idle(self) -> bool:
        """Whether no reaction is on its way."""
        return not any(self._waiting.values())

    def sent(self, arrivals: Iterable[Arrival], market: MarketSnapshot) -> None:
        """Note commands that are on their way: makers elsewhere see it when one that takes arrives. Whether it takes is
        judged by what its venue displayed, as we knew it, when it was sent."""
        if self._fading is None:
            return
        quotes = {quote.mic: quote for quote in market.quotes}
        for arrival in arrivals:
            command = arrival.command
            if isinstance(command, NewOrderSingle) and _takes(command.child, quotes.get(command.mic)):
                child = command.child
                for mic, fade in self._fading.taken(child.cl_ord_id, child.mic, child.side.sign, arrival.at):
                    self._add(mic, fade)

    def executed(self, report: ExecutionReport, sign: int) -> None:
        """Note an execution of ours (a buy has `sign` +1): a dealer takes what he gave us from the lit venues, by
        their public shares of the volume."""
        dealer = self._dealers.get(report.mic)
        if dealer is None or report.exec_type is not ExecType.TRADE:
            return
        # Half a share either way is nobody's information: the share of a fill is rounded to the nearest.
        hedged = round(report.last_qty * dealer.hedge_share)
        for at, qty in hedge_steps(report.transact_time, hedged, dealer.hedge_ns):
            for mic, part in zip(self._lit, shared_out(qty, self._shares), strict=True):
                if part:
                    self._add(mic, Hedge(at, sign, part))

    def due(self, mic: str, now: Nanos, until: Nanos) -> tuple[Fade | Hedge, ...]:
        """Take what happens at a venue in the window [now, until), in order of time; what is overdue happens now."""
        waiting = self._waiting.get(mic)
        if not waiting:
            return ()
        taken = []
        while waiting and waiting[0].at < until:
            ripple = heappop(waiting).ripple
            taken.append(ripple if ripple.at >= now else msgspec.structs.replace(ripple, at=now))
        return tuple(taken)

    def _add(self, mic: str, ripple: Fade | Hedge) -> None:
        self._n += 1
        heappush(self._waiting[mic], _Due(ripple.at, self._n, ripple))


def _takes(child: ChildOrder, quote: Quote | None) -> bool:
    """Whether a child takes what is displayed. Only those at lit venues make anybody fade."""
    rests = ExecInst.PARTICIPATE_DO_NOT_INITIATE in child.exec_inst or child.time_in_force in ON_AUCTION
    if rests or quote is None or child.ord_type not in (OrdType.LIMIT, OrdType.MARKET):
        return False
    px, qty = (quote.ask_px, quote.ask_qty) if child.side is Side.BUY else (quote.bid_px, quote.bid_qty)
    return qty > 0 and (child.price is None or child.side.sign * (child.price - px) >= 0)
