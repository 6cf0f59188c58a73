"""Which style a slice is traded in: the options there are, and the choice among them with its exact propensity.

Rule of this file: the first option is always to leave it to the lane policy, and another is chosen only where what is
believed of it is better by more than it is uncertain. Probes differ from the first option in one thing at a time: the
models are linear, so what is learned of one thing is known of it in every combination.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.domain.enums import Tactic
from router.domain.market import F64
from router.domain.tactics import ALL, MIN_LOTS, PLAIN, STYLES, TacticSnapshot, Terms, term_features
from router.domain.units import Qty

MIDPOINT = (Tactic.MID_PEG, Tactic.CONDITIONAL)


class StyleRule(NamedTuple):
    """How bold choices are: `epsilon` is the share of probes, `caution` the standard deviations by which a style must
    be better than the first option, `margin_bps` what it must be better by besides."""

    epsilon: float = 0.05
    caution: float = 2.0
    margin_bps: float = 0.02


class Option(NamedTuple):
    """A style on terms; a probe may draw it if `is_probed`."""

    style: str
    terms: Terms
    is_probed: bool


class Chosen(NamedTuple):
    """An option by its place, the probability that it was to be chosen, and what is believed of its advantage."""

    place: int
    propensity: float
    is_probe: bool
    value_bps: float
    spread_bps: float


FIRST = Option(ALL, PLAIN, True)


def options_of(
    tactics: Sequence[Tactic], slice_qty: Qty, lot: Qty, segments: tuple[str, ...], may_near: bool
) -> tuple[Option, ...]:
    """Return every style on every terms that change something among lanes of `tactics`, ALL on plain terms first.

    Terms that ask for more than the slice holds are left out, and so is a style that would leave every lane there is,
    or none.

    >>> [option.style for option in options_of((Tactic.TAKE, Tactic.POST), 500, 100, (), False)]
    ['all', 'post', 'take']
    """
    there = tuple(dict.fromkeys(tactics))
    found: list[Option] = []
    left: dict[tuple[Tactic, ...], None] = {}
    for style, wanted in STYLES.items():
        lanes = tuple(tactic for tactic in there if tactic in wanted)
        if not lanes or lanes in left:
            continue
        left[lanes] = None
        has_midpoint = any(tactic in MIDPOINT for tactic in lanes)
        for terms in _terms(slice_qty, lot, segments, may_near) if has_midpoint else (PLAIN,):
            changes = (style != ALL) + (terms.min_lots > 0) + terms.is_near + bool(terms.deny)
            found.append(Option(style, terms, changes <= 1))
    return tuple(found) or (FIRST,)


def _terms(slice_qty: Qty, lot: Qty, segments: tuple[str, ...], may_near: bool) -> list[Terms]:
    sizes = [lots for lots in MIN_LOTS if lots * lot <= slice_qty]
    sides = (False, True) if may_near else (False,)
    return [Terms(lots, near, deny) for lots in sizes for near in sides for deny in ("", *segments)]


def features_of(context: tuple[float, ...], options: Sequence[Option], segments: tuple[str, ...]) -> F64:
    """Return the features of each option, float64 (options, context and terms)."""
    return np.array([context + term_features(option.terms, segments) for option in options])


def fault_of_tactics(snapshot: TacticSnapshot, width: int) -> str:
    """Return what cannot be in a snapshot, in words; empty when nothing is wrong with it."""
    rows = len(snapshot.styles)
    if snapshot.styles != tuple(STYLES) or len(snapshot.names) != width:
        return f"{rows} styles by {len(snapshot.names)} features, which are not {len(STYLES)} by {width}"
    if len(snapshot.mean) != 8 * rows * width or len(snapshot.cov) != 8 * rows * width * width:
        return "beliefs of another shape"
    mean, cov = beliefs(snapshot)
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        return "beliefs that are not finite"
    return "" if (np.diagonal(cov, axis1=1, axis2=2) >= 0.0).all() else "a variance below 0"


def beliefs(snapshot: TacticSnapshot) -> tuple[F64, F64]:
    """Return the means (styles, features) and covariances (styles, features, features) of a snapshot."""
    rows, width = len(snapshot.styles), len(snapshot.names)
    mean: F64 = np.frombuffer(snapshot.mean, dtype=np.float64).reshape(rows, width)
    cov: F64 = np.frombuffer(snapshot.cov, dtype=np.float64).reshape(rows, width, width)
    return mean, cov


def advantages(mean: F64, cov: F64, rows: Sequence[int], x: F64) -> tuple[F64, F64]:
    """Return by how much each option is believed better than the first, a share in bps, and the deviation of it.

    `rows` numbers each option's style, `x` (options, features) its features. Beliefs about two styles are taken as
    independent; they lean on a common level, so the deviation is overstated: on the side of the first option. Options
    of the first one's style differ from it by their terms alone, and so does what is unknown.
    """
    at = np.asarray(rows)
    value = np.einsum("ij,ij->i", x, mean[at])
    own = np.einsum("ij,ijk,ik->i", x, cov[at], x)
    change = x - x[0]
    same = np.einsum("ij,jk,ik->i", change, cov[at[0]], change)
    variance = np.where(at == at[0], same, own + own[0])
    return value - value[0], np.sqrt(np.maximum(variance, 0.0))


def choose_style(
    mean: F64, cov: F64, options: Sequence[Option], x: F64, rule: StyleRule, draws: tuple[float, float]
) -> Chosen:
    """Return the option taken: the best by its cautious advantage, or with `rule.epsilon` a probe drawn evenly.

    Args:
        mean: float64 (styles, features), in the order of `STYLES`.
        cov: float64 (styles, features, features).
        options: from `options_of`.
        x: float64 (options, features), from `features_of`.
        rule: how bold.
        draws: two uniforms on [0, 1): whether to probe, and which.
    """
    order = list(STYLES)
    value, deviation = advantages(mean, cov, [order.index(option.style) for option in options], x)
    cautious = value - rule.caution * deviation - rule.margin_bps
    cautious[0] = 0.0
    best = int(np.argmax(cautious))
    probed = [i for i, option in enumerate(options) if option.is_probed]
    is_probe = draws[0] < rule.epsilon
    index = probed[min(int(draws[1] * len(probed)), len(probed) - 1)] if is_probe else best
    propensity = rule.epsilon / len(probed) if options[index].is_probed else 0.0
    if index == best:
        propensity += 1.0 - rule.epsilon
    assert math.isfinite(value[index]), "beliefs are looked at before they are used"
    return Chosen(index, propensity, is_probe, float(value[index]), float(deviation[index]))
