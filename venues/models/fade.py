"""Quotes that fade: once we take at one lit venue, makers at others pull part of what they show against us.

Rule of this file: who reacts, and when, follows from (seed, order, venue that sees it) alone, never from what else is
going on. So an order that reaches all venues at the same time meets what was displayed, and one that comes later does
not (van Kervel, "Competition for order flow with fast and slow traders", Review of Financial Studies 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from router.domain.chance import uniforms
from router.domain.messages import Fade
from router.domain.units import MICROSECOND, SECOND, Nanos
from venues.models.ranges import check_ranges


class FadeParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Makers elsewhere pull `share` of what they show, `reaction_ns` and an exponential of mean `jitter_ns` after the
    take arrives; `correlation` is the chance that those of any one other venue do so at all."""

    share: float = 0.0
    reaction_ns: Nanos = 500 * MICROSECOND
    jitter_ns: Nanos = 200 * MICROSECOND
    correlation: float = 0.6

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("share", 0.0, 1.0),
            ("reaction_ns", 1, 60 * SECOND),
            ("jitter_ns", 0, 60 * SECOND),
            ("correlation", 0.0, 1.0),
        )
        check_ranges(self, ranges)


class Fading:
    """The makers of all lit venues, and what each of them does about our takes elsewhere.

    >>> fading = Fading(1, ("XLTA", "XLTB"), FadeParameters(share=0.5, jitter_ns=0, correlation=1.0))
    >>> fading.taken("P1.1", "XLTA", 1, 1_000_000)
    [('XLTB', Fade(at=1500000, sign=1, share=0.5))]
    """

    def __init__(self, seed: int, lit: Sequence[str], params: FadeParameters) -> None:
        self._seed, self._lit, self._params = seed, tuple(lit), params

    def taken(self, cl_ord_id: str, mic: str, sign: int, at: Nanos) -> list[tuple[str, Fade]]:
        """Return who fades, in the order of the venues, after an order that takes at `mic` at `at`; a buy has `sign`
        +1. Nobody does where `mic` is no lit venue."""
        params = self._params
        if not params.share or mic not in self._lit:
            return []
        fades = []
        for other in self._lit:
            if other != mic:
                joins, late, _, _ = uniforms(self._seed, f"{mic}>{other}", f"fade/{cl_ord_id}", 0)
                if joins < params.correlation:
                    delay = params.reaction_ns + int(-math.log1p(-late) * params.jitter_ns)
                    fades.append((other, Fade(at + delay, sign, params.share)))
        return fades
