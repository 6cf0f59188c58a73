"""Our own recent fill share at each venue, decayed by event time.

Rule of this file: facts add up in any order (to rounding): a late fact is weighted by its own time, never by when
it came.
"""

from __future__ import annotations

from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import VenueSpec
from router.domain.units import MINUTE, Nanos, Qty

PRIOR_SHARE = 0.5
PRIOR_QTY = 200.0
"""Shares of pretended routing at `PRIOR_SHARE`: one or two small fills must not look like a rule."""


class OwnFills:
    """Keeps per venue the decayed quantities routed and filled.

    >>> from router.domain.enums import Tactic, VenueType
    >>> from router.domain.instruments import FeeSchedule, Listing
    >>> spec = VenueSpec(mic="XDRK", venue_type=VenueType.DARK_ORDER_BOOK, listing=Listing(symbol="ABC", mic="XDRK"),
    ...                  fees=FeeSchedule(), tactics=(Tactic.MID_PEG,))
    >>> own = OwnFills((spec,), half_life_ns=10)
    >>> own.routed(0, "XDRK", 200)
    >>> own.shares(0)
    (0.25,)
    >>> own.filled(0, "XDRK", 200)
    >>> own.shares(0)
    (0.75,)
    """

    def __init__(self, specs: tuple[VenueSpec, ...], half_life_ns: Nanos = 10 * MINUTE) -> None:
        if half_life_ns < 1:
            raise BadInputError(bad_value("OwnFills.half_life_ns", "a span from 1 ns", half_life_ns))
        self._half_life_ns = half_life_ns
        self._index = {spec.mic: i for i, spec in enumerate(specs)}
        self._at: list[Nanos] = [0] * len(specs)
        self._routed = [0.0] * len(specs)
        self._filled = [0.0] * len(specs)

    def routed(self, at: Nanos, mic: str, routed_qty: Qty) -> None:
        """Count `routed_qty` shares sent to `mic` at `at`.

        Raises:
            BadInputError: an unknown venue or a negative quantity.
        """
        self._add(self._routed, at, mic, routed_qty)

    def filled(self, at: Nanos, mic: str, filled_qty: Qty) -> None:
        """Count `filled_qty` shares filled at `mic` at `at`. Raises as `routed`."""
        self._add(self._filled, at, mic, filled_qty)

    def shares(self, now: Nanos) -> tuple[float, ...]:
        """Return filled / routed per venue at `now`, in [0, 1], drawn to `PRIOR_SHARE` by `PRIOR_QTY` shares.

        With no recent fact a share is back at `PRIOR_SHARE`. A fill counts at its own, later time, so that it can
        outweigh what was routed; the share is bounded by 1.
        """
        values = []
        for at, routed, filled in zip(self._at, self._routed, self._filled, strict=True):
            keep = 2.0 ** (-(now - at) / self._half_life_ns) if now > at else 1.0
            share = (filled * keep + PRIOR_SHARE * PRIOR_QTY) / (routed * keep + PRIOR_QTY)
            values.append(share if share < 1.0 else 1.0)
        return tuple(values)

    def _decay(self, span_ns: Nanos) -> float:
        return float(2.0 ** (-span_ns / self._half_life_ns))

    def _add(self, sums: list[float], at: Nanos, mic: str, qty: Qty) -> None:
        i = self._index.get(mic)
        if i is None:
            raise BadInputError(bad_value("OwnFills.mic", f"one of {', '.join(self._index)}", mic))
        if qty < 0:
            raise BadInputError(bad_value("OwnFills.qty", "a quantity from 0", qty))
        if at > self._at[i]:
            keep = self._decay(at - self._at[i])
            self._routed[i] *= keep
            self._filled[i] *= keep
            self._at[i] = at
        sums[i] += qty * self._decay(self._at[i] - at)
