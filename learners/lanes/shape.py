"""What a lane model is made of, and the one configuration it has everywhere.

Rule of this file: a number here is a prior or a memory, never something learned; defaults serve the router, the River
adapters and the benchmarks alike, and an ablation is a changed field.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from router.domain.errors import ConfigError, bad_value
from router.domain.market import F64

FILL, SIZE, MARK_1, MARK_10, MARK_60, LEAK = range(6)
"""Components: what is asked of a lane. Each is one linear model per lane, group and half-life."""

COMPONENTS = ("fill", "size", "markout_1s", "markout_10s", "markout_60s", "leakage")

AGE_EDGES = (0.0, 1 / 16, 1 / 4)
"""Where the age bins of a resting child begin, in standard lives; the last has no end."""

AGE_LENGTHS = (1 / 16, 3 / 16, 3 / 4)
"""How much of a standard life falls into each age bin."""

SIZE_EDGES = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0, 2.0)
"""Where the size bins begin, in standard slices; the last has no end."""

LANES_MAX = 4_096
"""More lanes than this is a configuration error: the sums would not fit a learner's memory."""


class LaneSettings(NamedTuple):
    """The configuration. `half_lives_s`: the bank, shortest first. `score_half_life_s`: memory of the log scores that
    weigh it, `tail_half_life_s` of those that weigh the two tails; `steady`: log odds of a memory over the next shorter
    one before anything is seen. `prior_bias`, `prior_slope`: prior precision of a group's bias and of its other
    parameters, in observations; `lane_bias`: that of a lane's bias around its group's; `sharing`: how many times as
    strongly a lane's other parameters are held to its group's as those to their prior, 0 for no groups at all.
    `bin_prior`: events that the prior of a size bin is worth; `bin_level`: those that a group's level of the tail is
    worth; `tail_odds`: log odds of an exponential tail before anything is seen. `optimism`: standard deviations by
    which what is not known counts in a lane's favour. `drift`: ADWIN's significance, 0 for none; `takeover`: the
    shortest memory takes over from all others when it has out-predicted the longest, since last it had not, by so many
    nats for each feature and one more (what learning a parameter anew costs, half the log of a thousand observations);
    0 for never. `tails`: "both", "exponential" or "binned". `censoring` False counts a full fill as all there was.
    `markout_scale_bps`: spread of one markout.
    """

    half_lives_s: tuple[float, ...] = (20.0, 240.0, 1_800.0, 28_800.0)
    score_half_life_s: float = 240.0
    tail_half_life_s: float = 3_600.0
    steady: float = 0.5
    prior_bias: float = 1.0
    prior_slope: float = 6.0
    lane_bias: float = 2.0
    sharing: float = 1.0
    bin_prior: float = 0.5
    bin_level: float = 2.0
    tail_odds: float = 5.0
    optimism: float = 0.15
    drift: float = 0.002
    takeover: float = 3.5
    tails: str = "both"
    censoring: bool = True
    markout_scale_bps: float = 2.0


SHARING, BIN_PRIOR, BIN_LEVEL, DRIFT, TAKEOVER, STEADY, OPTIMISM, TAIL_ODDS = range(8)
"""Where kernels find the settings that `numbers_of` gives."""


def numbers_of(settings: LaneSettings, features: int) -> F64:
    """Return the settings that kernels read, in the order of their names above."""
    return np.array(
        (
            settings.sharing,
            settings.bin_prior,
            settings.bin_level,
            settings.drift,
            settings.takeover * (1 + features),
            settings.steady,
            settings.optimism,
            settings.tail_odds,
        )
    )


DEFAULTS = LaneSettings()
"""The one configuration: the router's, the River adapters' and the benchmarks'."""


class LaneShape(NamedTuple):
    """What the lanes are: `groups` (a group's number per lane), `immediate` (per lane: answered at once), the number of
    `features` (the first one is the bias), the `standard` slice in shares, and per group the priors of the fill
    probability, of the mean size met (standard slices), of the adverse markout and of the leakage (bps).
    `size_slopes` (per group, or none) is the prior of how a size's log mean goes with the feature `size_feature`.
    """

    groups: tuple[int, ...]
    immediate: tuple[bool, ...]
    features: int
    standard: float
    prior_p: tuple[float, ...]
    prior_mu: tuple[float, ...]
    prior_markout_bps: tuple[float, ...]
    prior_leakage_bps: tuple[float, ...]
    size_feature: int = -1
    size_slopes: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Parameters of the widest component: the features and an indicator per age bin."""
        return self.features + len(AGE_EDGES)

    @property
    def rows(self) -> int:
        """Lanes, then groups."""
        return len(self.groups) + len(self.prior_p)


def check_shape(shape: LaneShape, settings: LaneSettings) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigError: no lanes or too many, lengths that differ, a group without a prior, or a number out of its range.
    """
    lanes, groups = len(shape.groups), len(shape.prior_p)
    if not 1 <= lanes <= LANES_MAX or len(shape.immediate) != lanes:
        raise ConfigError(bad_value("shape.groups", f"1 to {LANES_MAX} lanes, each immediate or not", lanes))
    priors = (shape.prior_p, shape.prior_mu, shape.prior_markout_bps, shape.prior_leakage_bps)
    if any(len(prior) != groups for prior in priors) or not all(0 <= g < groups for g in shape.groups):
        raise ConfigError(bad_value("shape.prior_p", "one prior per group", shape))
    if shape.size_slopes and (len(shape.size_slopes) != groups or not 0 < shape.size_feature < shape.features):
        raise ConfigError(bad_value("shape.size_slopes", "a slope per group on one of the features", shape))
    if shape.features < 1 or not shape.standard > 0.0:
        raise ConfigError(bad_value("shape.features", "a feature and a standard slice", shape))
    if not all(0.0 < p < 1.0 for p in shape.prior_p) or not all(mu > 0.0 for mu in shape.prior_mu):
        raise ConfigError(bad_value("shape.prior_p", "probabilities within 0 and 1 and positive sizes", shape))
    halves = settings.half_lives_s
    if not halves or any(
        not 1e-3 <= h <= 1e9 for h in (*halves, settings.score_half_life_s, settings.tail_half_life_s)
    ):
        raise ConfigError(bad_value("settings.half_lives_s", "half-lives from .001 to 1e9 s", halves))
    if list(halves) != sorted(halves):
        raise ConfigError(bad_value("settings.half_lives_s", "half-lives, shortest first", halves))
    numbers = (settings.prior_bias, settings.prior_slope, settings.lane_bias, settings.bin_prior, settings.bin_level)
    if not all(0.0 < number < math.inf for number in (*numbers, settings.markout_scale_bps)):
        raise ConfigError(bad_value("settings", "positive priors", settings))
    signs = (settings.sharing, settings.optimism, settings.takeover, settings.steady)
    if not (all(sign >= 0.0 for sign in signs) and 0.0 <= settings.drift < 1.0 and math.isfinite(settings.tail_odds)):
        raise ConfigError(bad_value("settings", "numbers from 0, and drift from 0 to 1", settings))
    if settings.tails not in ("both", "exponential", "binned"):
        raise ConfigError(bad_value("settings.tails", "both, exponential or binned", settings.tails))


def widths_of(shape: LaneShape) -> list[int]:
    """Return the parameters of each component; only resting lanes' fills use the age bins, yet all have them."""
    d = shape.features
    return [shape.width if c == FILL else d for c in range(len(COMPONENTS))]


def priors_of(shape: LaneShape, settings: LaneSettings) -> F64:
    """Return (components, groups, 3, width): a group's precision, its mean, a lane's precision around its group."""
    priors: F64 = np.zeros((len(COMPONENTS), len(shape.prior_p), 3, shape.width))
    priors[:, :, 0, :] = settings.prior_slope
    priors[:, :, 0, 0] = settings.prior_bias
    # Without groups a lane is held to the prior itself, as strongly as a group would be.
    priors[:, :, 2, :] = (settings.sharing or 1.0) * settings.prior_slope
    priors[:, :, 2, 0] = settings.lane_bias
    for g, p in enumerate(shape.prior_p):
        is_immediate = any(now for now, group in zip(shape.immediate, shape.groups, strict=True) if group == g)
        priors[FILL, g, 1, 0] = math.log(p / (1.0 - p)) if is_immediate else math.log(-math.log1p(-p))
        priors[SIZE, g, 1, 0] = -math.log(shape.prior_mu[g])
        if shape.size_slopes:
            priors[SIZE, g, 1, shape.size_feature] = -shape.size_slopes[g]
        priors[MARK_1 : MARK_60 + 1, g, 1, 0] = shape.prior_markout_bps[g] / settings.markout_scale_bps
        priors[LEAK, g, 1, 0] = shape.prior_leakage_bps[g] / settings.markout_scale_bps
    return priors
