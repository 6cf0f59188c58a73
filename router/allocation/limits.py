"""Limits on what a learner may change: how much it may cost to explore, how fast its probabilities may move, and how
much of an order one venue may get.

Three limits, all off by default:

    exploration budget    a decision may not give up more than its parent has left of it, whatever is drawn
    change of probability  what is published moves towards what the policy wants no faster than so much a minute
    share of a venue       of each slice, and of what the parent has executed, working and about to route

The budget is that of a client's day and is kept order by order: every order may spend `exploration_budget_bps` of its
own quantity, so that the orders of a client and day together keep theirs wherever they are worked, and what is left
follows from an order's own journaled decisions. What counts as spent is the expected value, under the current scores,
that a decision gives up against the better of the policy's own split and the static one; a decision that might spend
more than is left does without its probe, and one whose own split might does with the static split (a conservative
policy: Wu, Shariff, Lattimore and Szepesvari, 2016). A split that is worth no less than the static one spends nothing.

Rule of this file: pure functions and a pace that remembers two publications; nothing here draws, and what is allowed
never depends on a draw, so that propensities stay exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from router.domain.errors import BadInputError, bad_value
from router.domain.units import MINUTE, Nanos, Qty

NO_BUDGET = math.inf


class Limits(NamedTuple):
    """How far a policy may go. The defaults limit nothing."""

    exploration_budget_bps: float = NO_BUDGET
    """Expected value an order may give up in all, in basis points of its quantity."""
    probability_change_max: float = math.inf
    """The most that a lane's published probability may move in a minute."""
    venue_share_max: float = 1.0
    """The largest share of a slice, and of an order so far, that one venue may get."""


UNLIMITED = Limits()


class LimitReason(StrEnum):
    """Which limit changed a decision; the value is what decisions and reports show."""

    EXPLORATION_BUDGET = "EXPLORATION_BUDGET"
    """No probe: the budget might not cover it."""
    STATIC_SPLIT = "STATIC_SPLIT"
    """The static split in place of the policy's: the budget might not cover the difference."""
    PROBABILITY_CHANGE = "PROBABILITY_CHANGE"
    """The slice is split by the probabilities as they were slowed down."""
    VENUE_SHARE = "VENUE_SHARE"
    """The venue got less than the policy wanted it to have."""


def check_limits(limits: Limits, where: str) -> Limits:
    """Return `limits` if they are possible.

    Raises:
        BadInputError: a budget or change below 0 or not a number, or a share outside (0, 1].
    """
    for name in ("exploration_budget_bps", "probability_change_max"):
        number = getattr(limits, name)
        if not number >= 0.0:
            raise BadInputError(bad_value(f"{where}.{name}", "a number from 0", number))
    if not 0.0 < limits.venue_share_max <= 1.0:
        raise BadInputError(
            bad_value(f"{where}.venue_share_max", "a share above 0 and up to 1", limits.venue_share_max)
        )
    return limits


def budget_left(limits: Limits, order_qty: Qty, spent: float) -> float:
    """Return what an order of `order_qty` may still give up, in bps times shares, having `spent` so much.

    >>> budget_left(Limits(exploration_budget_bps=0.5), 10_000, 4_800.0)
    200.0
    """
    return max(limits.exploration_budget_bps * order_qty - spent, 0.0)


def venue_bounds(
    slice_qty: Qty, mics: Sequence[str], committed: Mapping[str, Qty], share_max: float
) -> tuple[Qty, ...]:
    """Return for each lane how much its venue's lanes may get together of a slice.

    `mics` are the lanes' venues, `committed` what the parent has executed and working at each venue so far. A venue
    gets at most `share_max` of the slice, and at most that share of all that is committed with the slice.

    >>> venue_bounds(1_000, ["XNYS", "XDRK"], {"XNYS": 900, "XDRK": 100}, 0.6)
    (300, 600)
    """
    so_far = sum(committed.values()) + slice_qty
    of_slice, of_all = share_of(slice_qty, share_max), share_of(so_far, share_max)
    return tuple(max(min(of_slice, of_all - committed.get(mic, 0)), 0) for mic in mics)


def share_of(qty: Qty, share: float) -> Qty:
    """Return the whole shares in a share of a quantity; a rounding error of floats does not cost one.

    >>> share_of(10, 0.7), share_of(3, 0.5)
    (7, 1)
    """
    return math.floor(qty * share + 1e-9)


def slowed(last: Sequence[float], wanted: Sequence[float], change_max: float) -> tuple[float, ...]:
    """Return the probabilities nearest to `wanted` of which none is further than `change_max` from `last`.

    Both sum to 1, and so does the result; nearest by squares. It is `wanted` itself where that is near enough. The
    solution is wanted + t, clipped to what each lane may be, for the one t at which they sum to 1.

    Raises:
        BadInputError: not as many lanes in both.

    >>> slowed((0.5, 0.5, 0.0), (0.0, 0.0, 1.0), 0.25)
    (0.375, 0.375, 0.25)
    """
    if len(last) != len(wanted):
        raise BadInputError(bad_value("slowed.last", f"{len(wanted)} lanes", len(last)))
    if all(abs(w - p) <= change_max for w, p in zip(wanted, last, strict=True)):
        return tuple(wanted)
    low = [max(p - change_max, 0.0) for p in last]
    high = [min(p + change_max, 1.0) for p in last]

    def at(t: float) -> list[float]:
        return [min(max(w + t, lo), hi) for w, lo, hi in zip(wanted, low, high, strict=True)]

    # Between two breakpoints the sum is a straight line in t.
    ends = sorted({b - w for bounds in (low, high) for b, w in zip(bounds, wanted, strict=True)})
    before = ends[0]
    for end in ends:
        above, beneath = sum(at(end)), sum(at(before))
        if above >= 1.0:
            part = (1.0 - beneath) / (above - beneath) if above > beneath else 0.0
            return tuple(at(before + min(max(part, 0.0), 1.0) * (end - before)))
        before = end
    return tuple(at(before))


class Pace:
    """What has been published of one side, and how much further it may move.

    Versions that are published at one moment all move from what was published before that moment: a burst of outcomes
    buys no more change than one.
    """

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._from: tuple[Nanos, tuple[float, ...]] | None = None
        self._latest: tuple[Nanos, tuple[float, ...]] | None = None

    def limit(self, at: Nanos, wanted: tuple[float, ...]) -> tuple[float, ...]:
        """Return what may be published at `at` (never before the last one); the first is published as it is."""
        if self._latest is not None and (self._latest[0] < at or len(self._latest[1]) != len(wanted)):
            self._from = self._latest if len(self._latest[1]) == len(wanted) else None
        made = wanted
        if self._from is not None:
            since, last = self._from
            made = slowed(last, wanted, self.per_minute * (at - since) / MINUTE)
        self._latest = (at, made)
        return made
