"""A memory of past regimes: several lane models, of which one is learned and believed, and one may be brought back.

Rule of this file: which model is believed follows from how well each foretold the observations, in their order; the one
that knows nothing stands among them, and is what begins when all that is remembered fits worse.

The chances of the models are filtered: an observation multiplies them by its density under each model, and between two
observations the regime changes with a small chance (Adams and MacKay, "Bayesian online changepoint detection", 2007;
here regimes come back, mixed by the fixed share of Herbster and Warmuth, Machine Learning 1998). All lanes bear witness
together: what one lane shows brings back what was known of all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from learners.lanes.clock import decay_plain
from learners.lanes.families import ETA_MAX, LINEAR, LOGISTIC, NU, POISSON
from learners.lanes.look import Sight
from learners.lanes.model import LaneModel, Prediction
from learners.lanes.queue import spell
from learners.lanes.read import B8
from learners.lanes.settle import posterior, spread
from learners.lanes.shape import (
    AGE_EDGES,
    DEFAULTS,
    FILL,
    LEAK,
    MARK_1,
    SIZE,
    LaneSettings,
    LaneShape,
)
from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.market import F64, I64
from router.domain.units import Nanos

MEMBERS_MAX = 8
"""More regimes than this cannot be told apart by what is seen of them."""

ONE_MEMORY = DEFAULTS._replace(half_lives_s=DEFAULTS.half_lives_s[-1:], drift=0.0, takeover=0.0)
"""What each regime is learned with: a model that hardly forgets, since another one is begun when the world changes."""

NEVER = -1e6
"""Log chance of a place where no regime was ever learned."""

NOISE_PRIOR, NOISE_MEMORY = 5.0, 1_000.0
"""The spread of costs is believed to be `markout_scale_bps`, worth so many observations, and remembers so many."""


class RegimeSettings(NamedTuple):
    """What is taken for a regime. `members`: regimes remembered. `change`: chance of a change between two observations,
    of which a share of `anew` is to a regime that was never seen. `sure`: how probable a regime must be to be believed.
    `least`: observations of a regime that make it worth remembering. `trials`: weight of what fills and sizes say
    beside what costs say."""

    members: int = 4
    change: float = 1e-4
    anew: float = 0.1
    sure: float = 0.99
    least: int = 100
    trials: float = 0.5


REGIMES = RegimeSettings()
"""The regimes that the benchmarks play with."""


class RegimeModel:
    """Learns and predicts as `LaneModel` does, in whichever of its regimes is believed.

    Shards of it cannot be merged: the order of observations decides between regimes.

    Raises:
        ConfigError: settings out of their ranges.

    >>> shape = LaneShape((0,), (True,), 1, 100.0, (0.5,), (1.0,), (0.0,), (0.0,))
    >>> model = RegimeModel(shape)
    >>> for n in range(900):
    ...     model.markout(0, at=n * 1_000_000_000, x=np.ones(1), horizon=1, adverse_bps=n % 2 + 8.0 * (300 <= n < 600))
    >>> model.switches, model.believed
    (2, 0)
    """

    def __init__(
        self, shape: LaneShape, settings: LaneSettings = ONE_MEMORY, regimes: RegimeSettings = REGIMES
    ) -> None:
        check_regimes(regimes)
        self.shape, self.settings, self.regimes = shape, settings, regimes
        self._blank = LaneModel(shape, settings)
        self._models = [LaneModel(shape, settings) for _ in range(regimes.members)]
        self._empty = self._blank.arrays()
        self._logs: F64 = np.full(regimes.members + 1, NEVER)
        self._logs[0], self._logs[-1] = math.log1p(-regimes.change), math.log(regimes.change)
        self._counts: I64 = np.zeros((regimes.members, 2), dtype=np.int64)
        """Observations of each regime, and when it was last believed, in observations."""
        self._places: I64 = np.zeros(3, dtype=np.int64)
        """The regime believed, observations, and switches."""
        self._noise: F64 = np.array([NOISE_PRIOR, NOISE_PRIOR])
        """Of costs, in their unit: observations and their squares, outliers counted for less."""
        width = shape.width
        self._xs: F64 = np.zeros((len(AGE_EDGES), width))
        self._ys, self._exposures = np.zeros(len(AGE_EDGES)), np.zeros(len(AGE_EDGES))

    @property
    def model(self) -> LaneModel:
        """The lane model of the regime believed."""
        return self._models[self.believed]

    @property
    def believed(self) -> int:
        """The number of the regime believed."""
        return int(self._places[0])

    @property
    def switches(self) -> int:
        """How often another regime came to be believed."""
        return int(self._places[2])

    @property
    def chances(self) -> F64:
        """The chance of each regime remembered and, last, that of one that was never seen: (members + 1,)."""
        odds = np.exp(self._logs - self._logs.max())
        return np.asarray(odds / odds.sum())

    @property
    def latest(self) -> Nanos:
        """The time of the latest event."""
        return max(model.latest for model in self._models)

    @property
    def size_edges(self) -> F64:
        """Where the size bins begin, in shares."""
        return self._blank.size_edges

    @property
    def changes(self) -> list[int]:
        """How often what is predicted of each component may have changed."""
        every = [model.changes for model in self._models]
        return [sum(each) + self.switches for each in zip(*every, strict=True)]

    def trial(self, lane: int, at: Nanos, x: F64, filled: bool) -> None:
        """As `LaneModel.trial`."""
        self._weigh(FILL, lane, at, x, LOGISTIC, (float(filled), 1.0, 0.0))
        self.model.trial(lane, at, x, filled)

    def expose(self, lane: int, at: Nanos, x: F64, begin: float, end: float, filled: bool) -> None:
        """As `LaneModel.expose`."""
        if 0.0 <= begin <= end and (filled or end > begin):
            self._weigh(FILL, lane, at, x, POISSON, (float(filled), begin, end))
        self.model.expose(lane, at, x, begin, end, filled)

    def size(self, lane: int, at: Nanos, x: F64, sent: float, met: float) -> None:
        """As `LaneModel.size`."""
        is_seen = met < sent or not self.settings.censoring
        if 0.0 < met <= sent < math.inf:
            self._weigh(SIZE, lane, at, x, POISSON, (float(is_seen), met / self.shape.standard, 0.0))
        self.model.size(lane, at, x, sent, met)

    def markout(self, lane: int, at: Nanos, x: F64, horizon: int, adverse_bps: float) -> None:
        """As `LaneModel.markout`."""
        if horizon in (0, 1, 2):
            unit = self.settings.markout_scale_bps
            self._weigh(MARK_1 + horizon, lane, at, x, LINEAR, (adverse_bps / unit, 1.0, 0.0))
        self.model.markout(lane, at, x, horizon, adverse_bps)

    def leak(self, lane: int, at: Nanos, x: F64, adverse_bps: float) -> None:
        """As `LaneModel.leak`."""
        self._weigh(LEAK, lane, at, x, LINEAR, (adverse_bps / self.settings.markout_scale_bps, 1.0, 0.0))
        self.model.leak(lane, at, x, adverse_bps)

    def predict(self, at: Nanos, x: F64, *, sds: bool = False) -> Prediction:
        """As `LaneModel.predict`."""
        return self.model.predict(max(at, self.latest), x, sds=sds)

    def look(self, at: Nanos, x: F64, asked: B8, with_sd: B8, out: Sight) -> None:
        """As `LaneModel.look`."""
        self.model.look(max(at, self.latest), x, asked, with_sd, out)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all state by name, in a fixed order: the arrays themselves, not copies."""
        state: dict[str, NDArray[Any]] = {
            "regime_logs": self._logs,
            "regime_counts": self._counts,
            "regime_places": self._places,
            "regime_noise": self._noise,
        }
        for n, model in enumerate(self._models):
            state |= {f"regime_{n}_{name}": array for name, array in model.arrays().items()}
        return state

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `arrays` gave; the model then goes on as that one would have.

        Raises:
            FeatureError: a missing or unknown name, another shape or kind, or a number that cannot be.
        """
        mine = self.arrays()
        if tuple(arrays) != tuple(mine):
            raise FeatureError(
                bad_value("regimes.restore", f"the arrays {tuple(mine)[:4]} and more", tuple(arrays)[:5])
            )
        own = ("regime_logs", "regime_counts", "regime_places", "regime_noise")
        for name in own:
            given, array = arrays[name], mine[name]
            if given.shape != array.shape or given.dtype != array.dtype or not np.isfinite(given).all():
                got = (given.shape, str(given.dtype))
                raise FeatureError(bad_value(f"regimes.restore.{name}", f"{array.dtype} {array.shape}", got))
        if not 0 <= int(arrays["regime_places"][0]) < self.regimes.members:
            raise FeatureError(bad_value("regimes.restore.regime_places", "a regime there is", arrays["regime_places"]))
        for n, model in enumerate(self._models):
            model.restore({name: arrays[f"regime_{n}_{name}"] for name in model.arrays()})
        for name in own:
            mine[name][...] = arrays[name]

    def digest(self) -> str:
        """Return a sha256 of settings and state."""
        kept = hashlib.sha256(repr(self.regimes).encode())
        for array in (self._logs, self._counts, self._places, self._noise):
            kept.update(array.tobytes())
        for model in self._models:
            kept.update(model.digest().encode())
        return kept.hexdigest()

    def _weigh(self, c: int, lane: int, at: Nanos, x: F64, family: int, numbers: tuple[float, float, float]) -> None:
        """Let an observation, before anything is learned of it, say how probable each regime is."""
        if not 0 <= lane < self._blank.lanes or at < 0 or x.shape != (self.shape.features,):
            return
        # What cannot be changes nothing here; the lane model, which comes next, says what is wrong with it.
        if not np.isfinite(x).all() or not all(map(math.isfinite, numbers)):
            return
        rows = self._spell(c, x, family, numbers)
        weight = 1.0 if family == LINEAR else self.regimes.trials
        noise = self._noise[1] / self._noise[0]
        fits: F64 = np.zeros(len(self._logs))
        for n, model in enumerate((*self._models, self._blank)):
            if self._logs[n] > NEVER:
                score, miss = self._foretell(model, c, lane, at, rows, family, noise)
                fits[n] = weight * score
                if n == self.believed and family == LINEAR:
                    self._hear_noise(miss, noise)
        self._filter(fits)

    def _spell(self, c: int, x: F64, family: int, numbers: tuple[float, float, float]) -> int:
        """Write an observation as rows, as the lane model does, and return their number."""
        if c == FILL and family == POISSON:
            return int(spell(x, np.array(numbers), np.array(AGE_EDGES), self._xs, self._ys, self._exposures))
        self._xs[0, : len(x)], self._xs[0, len(x) :] = x, 0.0
        self._ys[0], self._exposures[0] = numbers[0], numbers[1]
        return 1

    def _foretell(
        self, model: LaneModel, c: int, lane: int, at: Nanos, rows: int, family: int, noise: float
    ) -> tuple[float, float]:
        sums, group = model.sums, int(model.groups[lane])
        half_life = int(model.half_lives[len(self.settings.half_lives_s) - 1])
        now = max(at, model.latest)
        scale = decay_plain(now, half_life, int(sums.epochs[-3]))
        prior = model.priors[c, group]
        mean = sums.base[c, model.lanes + group, -1] if self.settings.sharing > 0.0 else prior[1]
        a, b, past_a, past_b = sums.a[c, lane, -1], sums.b[c, lane, -1], sums.past_a[c, lane], sums.past_b[c, lane]
        width = self.shape.width if c == FILL else self.shape.features
        xs, ys, exposures = self._xs[:rows], self._ys[:rows], self._exposures[:rows]
        score, miss = foretell(a, b, scale, past_a, past_b, prior[2], mean, width, xs, ys, exposures, family, noise)
        return float(score), float(miss)

    def _hear_noise(self, miss: float, noise: float) -> None:
        counted = (NU + 1.0) / (NU + miss * miss / noise) * miss * miss
        fade = 1.0 - 1.0 / NOISE_MEMORY
        self._noise[0] = fade * self._noise[0] + 1.0
        self._noise[1] = fade * self._noise[1] + counted

    def _filter(self, fits: F64) -> None:
        """Multiply the chances by densities, believe another regime where that is due, and let it change a little."""
        regimes = self.regimes
        self._places[1] += 1
        self._counts[self.believed] = (self._counts[self.believed, 0] + 1, self._places[1])
        self._logs += fits
        chances = self.chances
        best = int(np.argmax(chances))
        if best != self.believed and chances[best] > regimes.sure:
            self._switch(best)
            chances = self.chances
        known = self._logs[:-1] > NEVER
        into = np.append(np.where(known, (1.0 - regimes.anew) / max(int(known.sum()), 1), 0.0), regimes.anew)
        mixed = (1.0 - regimes.change) * chances + regimes.change * into
        self._logs[:] = np.where(mixed > 0.0, np.log(np.maximum(mixed, 1e-300)), NEVER)

    def _switch(self, best: int) -> None:
        """Believe regime `best`, or begin one where that is the one never seen."""
        last = len(self._logs) - 1
        if best == last:
            best = self._free()
            self._models[best].restore(self._empty)
            self._models[best].touch()
            self._counts[best] = (0, self._places[1])
            # The new regime has the chance of what it was called by; once more something unknown may come.
            self._logs[best], self._logs[last] = self._logs[last], self._logs[last] + math.log(self.regimes.change)
        self._places[0] = best
        self._places[2] += 1

    def _free(self) -> int:
        """Return where a new regime is learned: over one not worth keeping, in a free place, or over the oldest."""
        if self._counts[self.believed, 0] < self.regimes.least:
            return self.believed
        free = np.flatnonzero(self._logs[:-1] <= NEVER)
        if len(free):
            return int(free[0])
        others = [n for n in range(self.regimes.members) if n != self.believed]
        return min(others, key=lambda n: (int(self._counts[n, 1]), n)) if others else self.believed


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def foretell(
    a: F64,
    b: F64,
    scale: float,
    past_a: F64,
    past_b: F64,
    precision: F64,
    mean: F64,
    width: int,
    xs: F64,
    ys: F64,
    exposures: F64,
    family: int,
    noise: float,
) -> tuple[float, float]:
    """Return the log density of one observation (its rows, as `observe` takes them) under a lane's posterior, and by
    how much a cost was missed. The first arguments are those of `posterior`; `noise` is the variance of a cost."""
    chol, theta, half = np.zeros((width, width)), np.zeros(width), np.zeros(width)
    posterior(a, b, scale, past_a, past_b, precision, mean, width, chol, theta)
    total, miss = 0.0, 0.0
    for i in range(xs.shape[0]):
        eta = 0.0
        for j in range(width):
            eta += theta[j] * xs[i, j]
        if family == LINEAR:
            variance = noise + spread(chol, xs[i], width, half)
            miss = ys[i] - eta
            total -= 0.5 * (NU + 1.0) * math.log1p(miss * miss / (NU * variance)) + 0.5 * math.log(variance)
            continue
        eta = min(max(eta, -ETA_MAX), ETA_MAX)
        if family == LOGISTIC:
            total -= math.log1p(math.exp(-eta if ys[i] > 0.5 else eta))
        else:
            total += ys[i] * eta - exposures[i] * math.exp(eta)
    return total, miss


def check_regimes(regimes: RegimeSettings) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigError: a number out of its range.
    """
    shares = (regimes.change, regimes.anew, regimes.sure)
    if not 1 <= regimes.members <= MEMBERS_MAX or not all(0.0 < share < 1.0 for share in shares):
        raise ConfigError(bad_value("regimes", f"1 to {MEMBERS_MAX} members, and chances within 0 and 1", regimes))
    if regimes.least < 1 or not 0.0 <= regimes.trials <= 1.0:
        raise ConfigError(bad_value("regimes", "least from 1, and trials from 0 to 1", regimes))
