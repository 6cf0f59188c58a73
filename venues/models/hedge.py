"""How a dealer works out of a position that a client left him with.

Rule of this file: what he plans follows from the fill and his terms alone, in whole shares that add up to it.
"""

from __future__ import annotations

from router.domain.units import Nanos, Qty

HEDGE_STEPS = 4
"""He works in so many equal steps: fewer would show the whole size at once, more would be a handful of shares each."""


def hedge_steps(at: Nanos, qty: Qty, hedge_ns: Nanos) -> tuple[tuple[Nanos, Qty], ...]:
    """Return (time, shares) of each step that gets rid of `qty` within `hedge_ns` of `at`; steps of nothing are left
    out.

    >>> hedge_steps(0, 10, 400)
    ((100, 2), (200, 3), (300, 2), (400, 3))
    """
    done = [qty * k // HEDGE_STEPS for k in range(HEDGE_STEPS + 1)]
    steps = ((at + hedge_ns * k // HEDGE_STEPS, done[k] - done[k - 1]) for k in range(1, HEDGE_STEPS + 1))
    return tuple((due, step) for due, step in steps if step)


def shared_out(qty: Qty, weights: tuple[float, ...]) -> tuple[Qty, ...]:
    """Return `qty` split in proportion to `weights`, whole shares that add up; all 0 when no weight is above 0.

    >>> shared_out(10, (0.5, 0.25, 0.25)), shared_out(3, (0.0, 0.0))
    ((5, 3, 2), (0, 0))
    """
    total = sum(weights)
    if total <= 0.0:
        return (0,) * len(weights)
    parts, before, weight = [], 0, 0.0
    for k, one in enumerate(weights):
        weight += one
        # What the shares up to here come to, rounded half up: each gets the difference, so that nothing is lost.
        upto = qty if k == len(weights) - 1 else min(qty, int(qty * (weight / total) + 0.5))
        parts.append(upto - before)
        before = upto
    return tuple(parts)
