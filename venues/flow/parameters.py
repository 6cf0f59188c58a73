"""The parameters of the queue-reactive family, and the arrays that kernels read them from.

Rule of this file: parameters are what a person or a calibration says, checked; arrays are derived from them once, in
whole shares and nanoseconds, and are read-only.

Source: Huang, Lehalle and Rosenbaum, "Simulating and analyzing order book data: the queue-reactive model", JASA 110
(2015), projected on (imbalance, spread) with power-law feedback as in Noble, Rosenbaum and Souilmi, "Bridging the
reality gap in limit order book simulation" (2026).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from router.domain.errors import bad_value
from router.domain.market import F64, I64
from router.domain.units import MICROSECOND, MILLISECOND, SECOND, Nanos, Qty
from venues.flow.behind import AGE_CLASSES

BINS = 21
"""Bins of the best-level imbalance (bid - ask) / (bid + ask), from -1 to 1."""

SPREADS = 2
"""Spread of one tick, and of two or more."""

SPREAD_EDGES = (1, 2, 3, 5, 8, 12, 18, 27)
"""Widest spread, in ticks, of each class of spreads but the last, which has no end."""

QUEUE_EDGES = (0.2, 0.4, 0.75, 1.25, 1.75, 2.5, 4.0)
"""Least best quantity, over `queue_scale_lots`, of each class of queues but the first, which begins at nothing."""

SPREAD_CLASSES, QUEUE_CLASSES = len(SPREAD_EDGES) + 1, len(QUEUE_EDGES) + 1

ADD, CANCEL, TRADE, IMPROVE = range(4)
"""Kinds of events: at the best price or behind it (ADD, CANCEL), against it (TRADE), inside the spread (IMPROVE)."""

KINDS = 4
COLUMNS = 2 * KINDS
"""Columns of the rates: kind x 2, + 0 for the bid side (a TRADE: a buy), + 1 for the ask side (a sell)."""

EXPONENTIALS = 8
"""How many exponentials stand for the power law; within 0.6 % of it up to forty times its time scale."""

_LOWEST, _HIGHEST = -6.0, 2.0
"""Logarithms of the slowest and fastest of them, in units of the inverse time scale."""

SIZES, DISTANCES = 1_024, 256
"""Entries of the inverse distribution tables: a size or a distance is one look-up."""

CELL_NS: Nanos = 100 * MILLISECOND
"""Grid on which the feedback decays: a five-hundredth of its default time scale."""

FEEDBACK_MAX = 4.0
"""Largest |b|: opposite-side trading is at most e^4, 55 times as frequent."""

Rates = tuple[tuple[float, ...], ...]

SIGNS_MAX = 4
"""Latent leanings of trading at most: one block of draws moves them all."""


class SignMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A latent leaning of trading to one side: +amplitude or -amplitude, correlated over `memory_s`."""

    amplitude: float
    memory_s: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.amplitude <= 1.0 and 0.01 <= self.memory_s <= 1e6):
            got = (self.amplitude, self.memory_s)
            raise ValueError(bad_value("signs", "an amplitude from 0 to 1 and seconds from 0.01", got))


class Feedback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """b(t) = m Σ s_k √(v_k) (1 + (t - t_k) / tau)^-beta, v_k in `volume_unit_lots`; m = 0 switches it off.

    The published m, tau and beta leave the unit of v open. Ours is the one with which the made-up flow of one trade a
    second has published impact: about the square root of size, a quarter of it kept (`venues.flow.metaorders`).
    """

    m: float = 4.5
    tau_s: float = 50.0
    beta: float = 1.5
    volume_unit_lots: float = 11_000.0

    def __post_init__(self) -> None:
        for name, low, high in (("m", 0, 100), ("tau_s", 0.1, 1e6), ("beta", 0.1, 10), ("volume_unit_lots", 1e-6, 1e9)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(bad_value(f"feedback.{name}", f"a value from {low} to {high}", getattr(self, name)))


class FlowParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates, sizes and feedback of one venue's background flow.

    Attributes:
        rates: events a second by spread (one tick, more) x imbalance bin x column (see `COLUMNS`): (2, 21, 8).
            Cancels at scaled queues: the rate where their side's best holds `queue_scale_lots`.
        queue_scale_lots: cancels of a side come in proportion to its best quantity over this; 0: they do not.
        sizes_lots: for ADD, CANCEL, TRADE, IMPROVE, values of the quantile function of sizes at equal steps, rising.
        distances: chance that an ADD or CANCEL is 0, 1, 2, ... ticks behind its side's best price.
        feedback: what past trades do to trading.
        gaps: chance that the price behind a best that is gone is 1, 2, 3, ... ticks away; empty: whatever stands there.
        steps: chance that an IMPROVE goes 1, 2, 3, ... ticks inside, at most to the tick before the other side's best;
            empty: anywhere inside, alike.
        revealed_lots: quantile function of what stands at a price that becomes the best that way; empty: the usual.
        signs: latent leanings of trading, added up; their amplitudes sum to less than 1.
        u_shape: the session's ends are busier: intensity 1 + u_shape (2u - 1)^2, over its mean.
        spread_factors: what each class of spreads (`SPREAD_EDGES`) multiplies the rate of each kind by: (9, 4);
            empty: 1.
        queue_factors: what each class of the queue that an event happens to (`QUEUE_EDGES`; of a TRADE the one taken
            from) multiplies the rate of each kind by: (8, 4); empty: 1.
        wide_steps: `steps` for each class of spreads; empty: `steps` in all.
        kept: chance that the price a side's best had improved on is the best again when that one is gone, by the age
            classes of `venues.flow.behind`; else `gaps` says; empty: `gaps` always does.
        kept_qty: chance that it then holds what it held; else `revealed_lots` says.
        sweep: chance that a taker takes more than stands at the best price; else as much at most.
        sweep_lots: quantile function of how much more; empty: takers do not look at what there is.
        least_lots: what a price shows at least: less, left when somebody took some, is gone.
        refill: chance that the best price is filled again at once when a later trade of one decision empties it.
        splits: quantile function of how many trades a taker makes of one decision; empty: one.
        split_gaps_us: quantile function of the microseconds between two of them.
    """

    rates: tuple[Rates, ...]
    queue_scale_lots: float
    sizes_lots: tuple[tuple[int, ...], ...]
    distances: tuple[float, ...]
    feedback: Feedback = Feedback()
    gaps: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()
    revealed_lots: tuple[int, ...] = ()
    signs: tuple[SignMemory, ...] = ()
    u_shape: float = 0.0
    spread_factors: tuple[tuple[float, ...], ...] = ()
    queue_factors: tuple[tuple[float, ...], ...] = ()
    wide_steps: tuple[tuple[float, ...], ...] = ()
    kept: tuple[float, ...] = ()
    kept_qty: float = 0.0
    sweep: float = 0.0
    sweep_lots: tuple[int, ...] = ()
    least_lots: int = 0
    refill: float = 0.0
    splits: tuple[int, ...] = ()
    split_gaps_us: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        leaning = sum(sign.amplitude for sign in self.signs)
        shape = np.array(self.rates, dtype=np.float64) if _is_regular(self.rates) else np.zeros(0)
        rules = (
            (shape.shape == (SPREADS, BINS, COLUMNS), "rates", f"{SPREADS} x {BINS} x {COLUMNS} numbers", shape.shape),
            (bool((shape >= 0.0).all() and (shape <= 1e6).all()), "rates", "rates from 0 to 1e6 a second", "others"),
            (0.0 <= self.queue_scale_lots <= 1e9, "queue_scale_lots", "lots from 0 to 1e9", self.queue_scale_lots),
            (len(self.sizes_lots) == KINDS, "sizes_lots", f"{KINDS} laws", len(self.sizes_lots)),
            (all(_is_law(law) for law in self.sizes_lots), "sizes_lots", "rising lots from 1", "others"),
            (_is_chances(self.distances), "distances", "up to 64 chances that sum to 1", self.distances),
            (not self.gaps or _is_chances(self.gaps), "gaps", "up to 64 chances that sum to 1", self.gaps),
            (not self.steps or _is_chances(self.steps), "steps", "up to 64 chances that sum to 1", self.steps),
            (not self.revealed_lots or _is_law(self.revealed_lots), "revealed_lots", "rising lots from 1", "others"),
            (len(self.signs) <= SIGNS_MAX and leaning < 1.0, "signs", "up to 4 that sum to less than 1", leaning),
            (0.0 <= self.u_shape <= 100.0, "u_shape", "a value from 0 to 100", self.u_shape),
            (_are_factors(self.spread_factors, SPREAD_CLASSES), "spread_factors", "9 x 4 factors", "others"),
            (_are_factors(self.queue_factors, QUEUE_CLASSES), "queue_factors", "8 x 4 factors", "others"),
            (_are_steps(self.wide_steps), "wide_steps", "chances for 9 classes", "others"),
            (not self.kept or _are_kept(self.kept), "kept", f"{AGE_CLASSES} chances", self.kept),
            (0.0 <= self.kept_qty <= 1.0, "kept_qty", "a chance", self.kept_qty),
            (0.0 <= self.sweep <= 1.0, "sweep", "a chance", self.sweep),
            (not self.sweep_lots or _is_law(self.sweep_lots), "sweep_lots", "rising lots from 1", "others"),
            (0 <= self.least_lots <= 1_000_000, "least_lots", "lots from 0", self.least_lots),
            (0.0 <= self.refill <= 1.0, "refill", "a chance", self.refill),
            (not self.splits or _is_law(self.splits), "splits", "rising numbers from 1", "others"),
            (not self.split_gaps_us or _is_law(self.split_gaps_us), "split_gaps_us", "rising times from 1", "others"),
        )
        for holds, key, expected, got in rules:
            if not holds:
                raise ValueError(bad_value(key, expected, got))


class FlowArrays(NamedTuple):
    """What the kernels read. Quantities are in shares, rates in events a second.

    rates (2, 21, 8); sizes int64 (4, 1024) by kind; distances int64 (256,) in ticks; weights and decays (8,) of the
    feedback's exponentials, a decay for one cell of `CELL_NS`; scalars (7,): 1 / queue scale in shares (0: off),
    m, 1 / volume unit in shares, largest |b|, chance to sweep (-1: nobody looks), chance of a refill,
    what a price shows at least, in shares.

    gaps int64 (256,) and steps (9, 256), by class of spread, in ticks, 0 where the parameters leave them empty;
    revealed int64 (1024,); signs (4, 2): amplitude, and chance to turn in one cell; spread_factors (9, 4) and
    queue_factors (8, 4); splits int64 (1024,), and split_gaps (1024,) in ns; kept (9,): by class of age, and the
    quantity; sweeps int64 (1024,). Only `venues.flow.levels` reads gaps and revealed, and from signs on.
    """

    rates: F64
    sizes: I64
    distances: I64
    weights: F64
    decays: F64
    scalars: F64
    gaps: I64
    steps: I64
    revealed: I64
    signs: F64
    spread_factors: F64
    queue_factors: F64
    splits: I64
    split_gaps: I64
    kept: F64
    sweeps: I64


def flow_arrays(parameters: FlowParameters, lot: Qty = 100, intensity: float = 1.0) -> FlowArrays:
    """Return the arrays of `parameters` for a venue with lots of `lot` shares, all rates times `intensity`."""
    rates = np.array(parameters.rates, dtype=np.float64) * intensity
    sizes = np.array([_quantiles(law, SIZES) for law in parameters.sizes_lots], dtype=np.int64) * lot
    distances = _outcomes(parameters.distances)
    usual = max(1, round(parameters.queue_scale_lots))
    revealed = _quantiles(parameters.revealed_lots or (usual,), SIZES) * lot
    signs = np.zeros((SIGNS_MAX, 2))
    for row, sign in enumerate(parameters.signs):
        signs[row] = sign.amplitude, 0.5 * -math.expm1(-CELL_NS / SECOND / sign.memory_s)
    feedback = parameters.feedback
    weights, speeds = exponentials(feedback.beta)
    decays = np.exp(-speeds * (CELL_NS / SECOND) / feedback.tau_s)
    sweeps = _quantiles(parameters.sweep_lots or (1,), SIZES) * lot
    gaps = _outcomes(parameters.gaps, 1) if parameters.gaps else np.zeros(DISTANCES, dtype=np.int64)
    by_class = parameters.wide_steps or (parameters.steps,) * SPREAD_CLASSES
    steps = np.array([_outcomes(of, 1) if of else np.zeros(DISTANCES, dtype=np.int64) for of in by_class])
    spread_factors = _factors(parameters.spread_factors, SPREAD_CLASSES)
    queue_factors = _factors(parameters.queue_factors, QUEUE_CLASSES)
    splits = _quantiles(parameters.splits or (1,), SIZES)
    kept = np.array([*(parameters.kept or (0.0,) * AGE_CLASSES), parameters.kept_qty])
    split_gaps = _quantiles(parameters.split_gaps_us or (1,), SIZES) * MICROSECOND
    arrays = FlowArrays(
        rates, sizes, distances, weights, decays, _scalars(parameters, lot), gaps, steps, revealed, signs,
        spread_factors, queue_factors, splits, split_gaps, kept, sweeps,
    )  # fmt: skip
    for array in arrays:
        array.setflags(write=False)
    return arrays


def exponentials(beta: float) -> tuple[F64, F64]:
    """Return weights and speeds (8,) with Σ w e^(-s x) ≈ (1 + x)^-beta, the weights summing to 1.

    The power law is the mixture of exponentials e^(-s x) under a gamma density; the sum is its trapezoid rule in log s.

    >>> w, s = exponentials(1.5)
    >>> bool(abs((w * np.exp(-3.0 * s)).sum() / 4.0**-1.5 - 1.0) < 0.01)
    True
    """
    speeds = np.exp(np.linspace(_LOWEST, _HIGHEST, EXPONENTIALS))
    weights: F64 = speeds**beta * np.exp(-speeds) / math.gamma(beta)
    return weights / weights.sum(), speeds


def _quantiles(law: tuple[int, ...], n: int) -> I64:
    """Return the law's values spread over n equal steps."""
    which = np.arange(n) * len(law) // n
    return np.array(law, dtype=np.int64)[which]


def _outcomes(chances: tuple[float, ...], first: int = 0) -> I64:
    """Return `DISTANCES` equally likely outcomes, first, first + 1, ..., in these proportions."""
    steps = (np.arange(DISTANCES) + 0.5) / DISTANCES
    return np.searchsorted(np.cumsum(chances)[:-1], steps, side="right").astype(np.int64) + first


def _scalars(parameters: FlowParameters, lot: Qty) -> F64:
    """Return the scalars of `FlowArrays`."""
    scale = parameters.queue_scale_lots * lot
    unit = parameters.feedback.volume_unit_lots * lot
    sweep = parameters.sweep if parameters.sweep_lots else -1.0
    least = max(1, parameters.least_lots * lot)
    feedback = (parameters.feedback.m, 1.0 / unit, FEEDBACK_MAX)
    return np.array([1.0 / scale if scale else 0.0, *feedback, sweep, parameters.refill, least])


def _factors(factors: tuple[tuple[float, ...], ...], classes: int) -> F64:
    return np.array(factors, dtype=np.float64) if factors else np.ones((classes, KINDS))


def _are_factors(factors: tuple[tuple[float, ...], ...], classes: int) -> bool:
    return not factors or (
        len(factors) == classes and all(len(row) == KINDS and all(0.0 <= x <= 1e3 for x in row) for row in factors)
    )


def _are_kept(kept: tuple[float, ...]) -> bool:
    return len(kept) == AGE_CLASSES and all(0.0 <= chance <= 1.0 for chance in kept)


def _are_steps(steps: tuple[tuple[float, ...], ...]) -> bool:
    return not steps or (len(steps) == SPREAD_CLASSES and all(_is_chances(of) for of in steps))


def _is_regular(rates: tuple[Rates, ...]) -> bool:
    return all(len(spread) == BINS and all(len(row) == COLUMNS for row in spread) for spread in rates)


def _is_law(law: tuple[int, ...]) -> bool:
    return 0 < len(law) <= SIZES and law[0] >= 1 and list(law) == sorted(law)


def _is_chances(chances: tuple[float, ...]) -> bool:
    return 0 < len(chances) <= 64 and min(chances) >= 0.0 and abs(sum(chances) - 1.0) < 1e-9
