"""A dry run's terms made ready on one scene: the router's arrays, and every word of the answer that no slice changes.

Rule of this file: nothing is kept of a slice. What is said is what `cluster.api.route_dry_run.routed_said` says.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from cluster.api.answers import LaneSaid, RouteAnswer, RouteChild
from cluster.api.backend import MarketPicture
from cluster.api.decimals import px_text, time_text
from cluster.api.forms import NUMBERS, TEXTS, array_of, filled, pieces_of
from cluster.api.order_details import exclusions_said
from cluster.api.wire import encode
from router.domain import ids
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.units import Qty
from router.prepared import Prepared, Split, prepared
from router.route import Surroundings


@lru_cache(maxsize=1_024)
def lower(text: str) -> str:
    """Return a word of ours as clients read it."""
    return text.lower()


def child_said(child: ChildOrder, context: tuple[float, ...], unit: str) -> RouteChild:
    """Return a child as the caller is told of it."""
    return RouteChild(
        child_id=child.cl_ord_id,
        mic=child.mic,
        tactic=lower(child.tactic),
        lane=child.lane,
        qty=str(child.order_qty),
        type=lower(child.ord_type),
        limit_price=None if child.price is None else px_text(child.price, unit),
        time_in_force=lower(child.time_in_force),
        min_qty=str(child.min_qty),
        context=context,
    )


class MarketSaid(NamedTuple):
    """What an answer says of the market."""

    time: str
    bid_price: str | None
    ask_price: str | None


def market_said(picture: MarketPicture) -> MarketSaid:
    """Return what an answer says of a picture."""
    market, unit = picture.market, picture.px_unit
    bid = px_text(market.bid_px, unit) if market.bid_px else None
    ask = px_text(market.ask_px, unit) if market.ask_px else None
    return MarketSaid(time_text(picture.at), bid, ask)


class _Forms(NamedTuple):
    """What is ready in one media type."""

    lanes: list[tuple[bytes, ...]]
    children: dict[tuple[int, int], tuple[bytes, ...]]
    """By lane and class of its quantity."""
    exclusions: msgspec.Raw


class Ready:
    """Terms on a scene, ready for slices."""

    def __init__(self, prepared: Prepared, picture: MarketPicture) -> None:
        self._prepared = prepared
        self._picture = picture
        self._market = market_said(picture)
        self._mode = lower(prepared.acted)
        self._sizes = [prepared.sizes(k) for k in range(len(prepared.columns.names))]
        self._forms: dict[str, _Forms] = {}

    def answer(self, reference: str, decision: int, qty: Qty, opportunity_bps: float, media: str) -> bytes | None:
        """Return the answer to a slice in a media type; None where it is for `router.route.route` to say."""
        split = self._prepared.split(reference, decision, qty, opportunity_bps)
        if split is None:
            return None
        policy, around, market = self._prepared.around.policy, self._prepared.around, self._market
        forms = self._forms.get(media) or self._made(media)
        said: Any = RouteAnswer(
            decision_id=ids.decision_id(reference, decision),
            symbol=self._picture.symbol,
            time=market.time,
            policy=policy.policy,
            policy_version=policy.policy_version,
            fall_back=around.fall_back,
            mode=self._mode,
            opportunity_bps=opportunity_bps,
            propensity=split.propensity,
            bid_price=market.bid_price,
            ask_price=market.ask_price,
            children=cast("Any", self._children(split.quantities, reference, forms, media)),
            lanes=cast("Any", self._lanes(split, forms, media)),
            exclusions=cast("Any", forms.exclusions),
        )
        return encode(said, media)

    def _made(self, media: str) -> _Forms:
        columns = self._prepared.columns.lists()
        lanes = [
            LaneSaid(
                lane=lane,
                qty=TEXTS[0],
                probability=NUMBERS[0],
                value_bps=NUMBERS[1],
                p=p,
                mu=mu,
                price_bps=price,
                fee_bps=fee,
                markout_bps=markout,
                leakage_bps=leakage,
                weight=weight,
                reason="",
            )
            for lane, p, mu, markout, leakage, price, fee, weight in zip(*columns, strict=True)
        ]
        blanks = (TEXTS[0], *NUMBERS)
        excluded = msgspec.Raw(encode(exclusions_said(self._prepared.excluded), media))
        made = self._forms[media] = _Forms([pieces_of(lane, blanks, media) for lane in lanes], {}, excluded)
        return made

    def _lanes(self, split: Split, forms: _Forms, media: str) -> msgspec.Raw:
        texts = filled([str(qty) for qty in split.quantities], media)
        numbers = filled([*split.routing_probabilities, *split.values_bps], media)
        parts: list[bytes] = []
        for (a, b, c, d), qty, share, value in zip(forms.lanes, texts, numbers, numbers[len(texts) :], strict=False):
            parts += (a, qty, b, share, c, value, d)
        return array_of(parts, len(texts), media)

    def _children(self, quantities: list[Qty], reference: str, forms: _Forms, media: str) -> msgspec.Raw:
        values: list[str] = []
        pieces: list[tuple[bytes, ...]] = []
        for k, qty in enumerate(quantities):
            if qty > 0:
                sizes = self._sizes[k]
                size = bisect_left(sizes, qty)
                # A dealer is asked for no more than he offers.
                asked = qty if not sizes or size < len(sizes) else sizes[-1]
                values += (ids.cl_ord_id(reference, len(pieces)), str(asked))
                pieces.append(forms.children.get((k, size)) or self._child(k, size, qty, forms, media))
        texts = filled(values, media) if values else []
        parts: list[bytes] = []
        for (a, b, c), child_id, text in zip(pieces, texts[::2], texts[1::2], strict=True):
            parts += (a, child_id, b, text, c)
        return array_of(parts, len(pieces), media)

    def _child(self, k: int, size: int, qty: Qty, forms: _Forms, media: str) -> tuple[bytes, ...]:
        said = child_said(self._prepared.child(k, qty), self._prepared.columns.contexts[k], self._picture.px_unit)
        blank = msgspec.structs.replace(said, child_id=TEXTS[0], qty=TEXTS[1])
        made = forms.children[k, size] = pieces_of(blank, TEXTS, media)
        return made


def ready(parent: ParentOrder, around: Surroundings, picture: MarketPicture) -> Ready | None:
    """Return terms made ready; None as `router.prepared.prepared`."""
    found = prepared(parent, around)
    return None if found is None else Ready(found, picture)
