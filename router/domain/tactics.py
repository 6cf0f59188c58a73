"""How passive a slice may be traded: the styles, the terms of its midpoint children, and what is said about them.

Rule of this file: the space is a table. A style only ever takes lanes away from those that the schedule released, so
that no choice of style can trade where, or more than, the schedule would not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from router.domain.enums import Tactic
from router.domain.instruments import VenueSpec
from router.domain.units import Nanos, Qty

ALL, DARK, POST, REST, TAKE = "all", "dark", "post", "rest", "take"

STYLES: Final[dict[str, tuple[Tactic, ...]]] = {
    ALL: tuple(Tactic),
    DARK: (Tactic.MID_PEG, Tactic.CONDITIONAL),
    POST: (Tactic.POST,),
    REST: (Tactic.POST, Tactic.MID_PEG, Tactic.CONDITIONAL),
    TAKE: (Tactic.TAKE, Tactic.QUOTE),
}
"""Which lanes a style leaves. ALL leaves every one: what the lane policy would do by itself, and the safe default."""

CONTEXT: Final = (
    "bias",
    "spread",
    "imbalance",
    "microprice",
    "volatility",
    "flow",
    "time_of_day",
    "price_signal",
    "pressure",
    "elapsed",
    "slice_size",
)
"""What a style is chosen by. The first eight are features of the frame, 0 where it has them not; `pressure` is the
opportunity over the cost of taking, less 1; `elapsed` the share of the order's life that is over, and `slice_size`
the slice over the largest standard lot, both scaled to about unit size."""

MIN_LOTS: Final = (0, 1, 5)
"""The smallest executions that midpoint children may ask for, in lots: above the lot or two that a ping is."""

SEGMENTS_MAX: Final = 8
"""Segments that the choice looks at, the first in the order of the venues: each is one more number to be learned."""


class Terms(msgspec.Struct, frozen=True, gc=False):
    """On what terms midpoint children trade: the smallest execution in lots, pegged to the near side instead of the
    middle (the price allowance), and a segment of counterparties that they do not trade with ("": none)."""

    min_lots: int = 0
    is_near: bool = False
    deny: str = ""


PLAIN: Final = Terms()
"""The order's own terms."""


class StyleChoice(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One choice of a style, with everything needed to judge another on it.

    `propensity` is the probability of this style with these terms, over its draw. `value_bps` is what the style was
    believed to be worth a share above ALL on plain terms, `spread_bps` the standard deviation of that belief; both 0
    where nothing was chosen, and then `forced` says why in words that begin with a code.
    """

    style: str = ALL
    terms: Terms = PLAIN
    min_qty: Qty = 0
    """The smallest execution that midpoint children ask for, in shares."""
    propensity: float = 1.0
    draw: float = 0.0
    is_probe: bool = False
    value_bps: float = 0.0
    spread_bps: float = 0.0
    forced: str = ""
    version: int = 0
    """Of the snapshot that it was chosen by."""
    take_bps: float = 0.0
    """What taking the cheapest displayed share would have cost then: half the spread and the fee."""
    x: tuple[float, ...] = ()
    """The features of the choice: `CONTEXT`, then `term_names`."""


class SliceRouted(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a learner of styles has to know of a decision, besides the outcomes of its children."""

    decision_id: str
    parent_id: str
    at: Nanos
    qty: Qty
    children: int
    style: str
    x: tuple[float, ...]
    take_bps: float


class TacticSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One published version of what styles are worth a share, as normal beliefs about linear models.

    `version` counts the slices learned from, `mean` is float64 (len(styles), len(names)), `cov` float64
    (len(styles), len(names), len(names)), in C order.
    """

    version: int
    at: Nanos
    styles: tuple[str, ...]
    names: tuple[str, ...]
    mean: bytes
    cov: bytes
    model_digest: str


@lru_cache(maxsize=64)
def segments_of(specs: tuple[VenueSpec, ...]) -> tuple[str, ...]:
    """Return the segments that a choice may deny, by name, each once."""
    names = dict.fromkeys(name for spec in specs for name in spec.segments)
    return tuple(names)[:SEGMENTS_MAX]


def term_names(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the features of terms, in their order.

    >>> term_names(("retail",))
    ('min_lots_1', 'min_lots_5', 'near', 'deny_retail')
    """
    lots = tuple(f"min_lots_{n}" for n in MIN_LOTS if n)
    return (*lots, "near", *(f"deny_{name}" for name in segments))


def term_features(terms: Terms, segments: tuple[str, ...]) -> tuple[float, ...]:
    """Return the features of terms, one for each of `term_names`, 1 where it holds.

    >>> term_features(Terms(5, deny="retail"), ("hedge", "retail"))
    (0.0, 1.0, 0.0, 0.0, 1.0)
    """
    lots = tuple(float(terms.min_lots == n) for n in MIN_LOTS if n)
    return (*lots, float(terms.is_near), *(float(terms.deny == name) for name in segments))
