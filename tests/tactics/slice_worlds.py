"""Two small worlds in which styles are worth something known, played through the learner and the choice as a run would.

Rule of this file: every number is drawn by key, whatever was chosen, so that two players meet the same world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from learners.tactics.learner import TacticLearner
from learners.tactics.slices import MARKOUT_HORIZON
from router.allocation.styles import Chosen, Option, StyleRule, beliefs, choose_style, features_of
from router.domain.chance import uniforms
from router.domain.enums import OutcomeKind, Side, Tactic, VenueType
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.scores import Outcome
from router.domain.tactics import CONTEXT, SliceRouted, segments_of
from router.domain.units import SECOND, Nanos, Qty

COMPLETION_BPS = 3.0
SLICE: Qty = 600
STEP: Nanos = 20 * SECOND
SEGMENTS = ("pingers", "naturals")

SPECS = (
    VenueSpec(
        mic="XDKA",
        venue_type=VenueType.DARK_ORDER_BOOK,
        listing=Listing(symbol="TEST", mic="XDKA", tick=100, lot=100),
        fees=FeeSchedule(maker_micros=0, taker_micros=0),
        tactics=(Tactic.MID_PEG,),
        segments=SEGMENTS,
    ),
)


class Fill(NamedTuple):
    """What one slice's child met, and what it was worth ten seconds later."""

    qty: Qty
    markout_bps: float


World = Callable[[int, Option, tuple[float, ...]], Fill]
"""What happens to slice n in a style, in a context."""


class Played(NamedTuple):
    """What was chosen at each slice, and what it was worth."""

    options: tuple[Option, ...]
    chosen: list[Chosen]
    contexts: list[tuple[float, ...]]
    learner: TacticLearner


def signal_of(context: tuple[float, ...]) -> float:
    return context[CONTEXT.index("price_signal")]


def context_at(n: int) -> tuple[float, ...]:
    """Return a context: the signal is -1, 0 or 1, the rest is noise of about unit size."""
    u = uniforms(3, "world", "context", n)
    noise = {"imbalance": 2 * u[1] - 1, "flow": 2 * u[2] - 1, "volatility": 2 * u[3] - 1}
    known = {"bias": 1.0, "price_signal": float(int(3 * u[0]) - 1), **noise}
    return tuple(known.get(name, 0.0) for name in CONTEXT)


def play(world: World, options: tuple[Option, ...], rule: StyleRule, slices: int, late: int = 3) -> Played:
    """Play `slices` slices; each one's outcomes are told `late` slices after it was routed."""
    learner, chosen, contexts = TacticLearner(SPECS), [], []
    segments, told = segments_of(SPECS), []
    for n in range(slices):
        at = n * STEP
        context = context_at(n)
        x = features_of(context, options, segments)
        snapshot = learner.publish(at)
        pick = choose_style(*beliefs(snapshot), options, x, rule, uniforms(3, "world", "style", n)[:2])
        option = options[pick.place]
        learner.routed([routed(n, option, tuple(x[pick.place].tolist()))])
        told.append(outcomes_of(n, world(n, option, context)))
        for outcome in told[n - late] if n >= late else ():
            learner.hear(outcome)
        chosen.append(pick)
        contexts.append(context)
    return Played(options, chosen, contexts, learner)


def routed(n: int, option: Option, x: tuple[float, ...]) -> SliceRouted:
    return SliceRouted(
        decision_id=f"P.d{n}",
        parent_id="P",
        at=n * STEP,
        qty=SLICE,
        children=1,
        style=option.style,
        x=x,
        take_bps=COMPLETION_BPS,
    )


def outcomes_of(n: int, fill: Fill) -> list[Outcome]:
    """Return what the learner hears of a slice: a fill if there was one, its markout, and the child's end."""
    same = {"parent_id": "P", "decision_id": f"P.d{n}", "cl_ord_id": f"P.{n}", "lane": "XDKA:MID_PEG"}
    at = n * STEP
    end = Outcome(
        kind=OutcomeKind.EXPIRE,
        at=at + STEP // 2,
        side=Side.BUY,
        order_qty=SLICE,
        is_final=True,
        cum_qty=fill.qty,
        **same,
    )
    if not fill.qty:
        return [end]
    met = Outcome(
        kind=OutcomeKind.FILL, at=at + 1, side=Side.BUY, order_qty=SLICE, filled_qty=fill.qty, exec_id=f"E{n}", **same
    )
    mark = Outcome(
        kind=OutcomeKind.MARKOUT,
        at=at + 1 + MARKOUT_HORIZON,
        side=Side.BUY,
        order_qty=SLICE,
        filled_qty=fill.qty,
        exec_id=f"E{n}",
        horizon_ns=MARKOUT_HORIZON,
        markout_bps=fill.markout_bps,
        **same,
    )
    return [met, end, mark]


def normal(n: int, purpose: str) -> float:
    """Return the n-th draw of about a standard normal: twelve uniforms less six."""
    return sum(sum(uniforms(3, "world", purpose, 3 * n + k)) for k in range(3)) - 6.0


SIGNAL_VALUE = {"all": (-2.0, 0.0), "dark": (-2.0, -1.5), "take": (-2.0, 1.5)}
"""Value per share of a style: at no signal, and how much more with a signal of 1."""


def signal_value(option: Option, context: tuple[float, ...]) -> float:
    at_none, slope = SIGNAL_VALUE[option.style]
    return at_none + slope * signal_of(context)


def signal_world(n: int, option: Option, context: tuple[float, ...]) -> Fill:
    """Taking is best before the price moves our way, resting before it moves against it. All of it fills."""
    return Fill(SLICE, signal_value(option, context) + 2.0 * normal(n, "noise"))


def pinging_world(n: int, option: Option, context: tuple[float, ...]) -> Fill:
    """Half of the time somebody who knows more pings with one to three lots first; three times in ten there is a large
    natural order, which is worth having."""
    u = uniforms(3, "world", "pool", n)
    least = 100 * option.terms.min_lots
    ping = 100 * (1 + int(3 * u[1]))
    if u[0] < 0.5 and ping >= least and option.terms.deny != "pingers":
        return Fill(ping, -8.0 + normal(n, "noise"))
    if u[2] < 0.3 and option.terms.deny != "naturals":
        return Fill(SLICE, 1.0 + normal(n, "noise"))
    return Fill(0, 0.0)


def mean(values: list[float]) -> float:
    return float(np.mean(values))
