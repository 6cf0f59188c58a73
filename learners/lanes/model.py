"""The lane model: fill, size, markouts and leakage of every lane, learned from censored and late observations.

Rule of this file: it is the one place where state changes; what is not finite is refused before it can touch a sum.

Times are event times in ns. An observation enters with a weight that its own time alone decides; what is read at a time
is a function of what was learned and of that time, on a grid of 1/64 of a half-life.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learners.lanes.clock import EPOCH_SPAN, epochs_at
from learners.lanes.drift import Windows, empty_windows
from learners.lanes.families import LINEAR, LOGISTIC, POISSON
from learners.lanes.look import (
    CHANCES_AND_SIZES,
    EVERYTHING,
    FILL_ONLY,
    Sight,
    empty_sight,
    nothing_read,
    take_and_look,
)
from learners.lanes.queue import QUEUE_MAX, empty_queue, take_all
from learners.lanes.read import B8
from learners.lanes.shape import (
    AGE_EDGES,
    AGE_LENGTHS,
    COMPONENTS,
    DEFAULTS,
    FILL,
    LEAK,
    MARK_1,
    SIZE,
    SIZE_EDGES,
    LaneSettings,
    LaneShape,
    check_shape,
    numbers_of,
    priors_of,
    widths_of,
)
from learners.lanes.state_hash import U64, bits_of, hash_rows
from learners.lanes.sums import Sums, empty_sums, move_sums
from learners.lanes.take import refresh_group, refresh_lane, watch
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64, I64
from router.domain.units import Nanos, seconds

TAILS = ("both", "exponential", "binned")
_AGE_EDGES, _AGE_LENGTHS = np.array(AGE_EDGES), np.array(AGE_LENGTHS)


class Prediction(NamedTuple):
    """What lanes are worth in a context, arrays over lanes: `p` that any fills within a standard life, `mu` shares met
    on average if so, `hazards` (lanes, size bins) per share of that size, `markout` (3, lanes) at 1, 10 and 60 s and
    `leakage`, both adverse bps. `sd` (components, lanes): standard deviations of the predictors, those of the costs in
    bps, 0 where they were not asked for."""

    p: F64
    mu: F64
    hazards: F64
    markout: F64
    leakage: F64
    sd: F64


class LaneModel:
    """Fill, size and cost of every lane of a shape, each with a bank of half-lives, lanes leaning on their groups.

    >>> shape = LaneShape((0, 0), (True, True), 1, 100.0, (0.2,), (1.0,), (0.0,), (0.0,))
    >>> model = LaneModel(shape, LaneSettings(optimism=0.0))
    >>> for n in range(200):
    ...     model.trial(n % 2, at=n * 1_000_000_000, x=np.ones(1), filled=n % 4 < 2)
    >>> model.predict(at=200_000_000_000, x=np.ones((2, 1))).p.round(1).tolist()
    [0.5, 0.5]
    """

    def __init__(self, shape: LaneShape, settings: LaneSettings = DEFAULTS) -> None:
        check_shape(shape, settings)
        self.shape, self.settings = shape, settings
        self.lanes = len(shape.groups)
        self.half_lives: I64 = np.array(
            [seconds(h) for h in (*settings.half_lives_s, settings.score_half_life_s, settings.tail_half_life_s)],
            dtype=np.int64,
        )
        self.edges: F64 = np.array(SIZE_EDGES)
        self.size_edges: F64 = self.edges * shape.standard
        self.groups: I64 = np.array(shape.groups, dtype=np.int64)
        self.latest: Nanos = 0
        self._epoch_end: Nanos = 0
        self.is_held = False
        """Whether it only adds: see `learners.lanes.merge`."""
        bank = len(settings.half_lives_s)
        self._sums = empty_sums(shape, bank)
        self._windows = empty_windows(2 * len(COMPONENTS) * shape.rows)
        self._bits = bits_of(self._sums, self._windows)
        self._queue, self._waiting = empty_queue(shape.features), 0
        self._kept = (tuple(self._sums), tuple(self._windows), tuple(self._queue))
        self._taken: Nanos = 0
        """The latest event's time among those taken in."""
        self._written: I64 = np.zeros(len(COMPONENTS), dtype=np.int64)
        self.priors = priors_of(shape, settings)
        self._widths: I64 = np.array(widths_of(shape), dtype=np.int64)
        self._immediate = np.array(shape.immediate)
        self._numbers = numbers_of(settings, shape.features)
        self._terms = (
            self.groups,
            self.half_lives,
            self.priors,
            _AGE_EDGES,
            self.edges,
            self._immediate,
            _AGE_LENGTHS,
        )
        self._ones: F64 = np.ones(shape.features)
        self._tails = TAILS.index(settings.tails)
        self._head = repr((shape, settings))
        self._begin_reading()
        self.refresh(0)
        self.trail: U64 = np.zeros(2, dtype=np.uint64)
        """What its observations have left behind, one after the other: cheap to say at any time, unlike its digest."""
        self.begin_trail()

    @property
    def sums(self) -> Sums:
        """All that is learned; whoever writes to it calls `touch` or `restore` after it."""
        self._take_in()
        return self._sums

    @property
    def windows(self) -> Windows:
        """What the detectors of breaks hold."""
        self._take_in()
        return self._windows

    @property
    def changes(self) -> list[int]:
        """How often each component was written to: what was predicted at one count still holds at the same count."""
        self._take_in()
        written: list[int] = self._written.tolist()
        return written

    def trial(self, lane: int, at: Nanos, x: F64, filled: bool) -> None:
        """Learn that one child at an immediate lane filled, or did not; `x` is its context (features,).

        Raises:
            FeatureError: no such lane, or a context of another length or not finite; nothing is learned.
        """
        self._admit(lane, at, x, 0.0)
        self._hear(FILL, lane, at, x, LOGISTIC, (float(filled), 1.0, 0.0))

    def expose(self, lane: int, at: Nanos, x: F64, begin: float, end: float, filled: bool) -> None:
        """Learn that a child was exposed at a resting lane from `begin` to `end`, ages in standard lives, and whether
        it was first filled at the end.

        Raises:
            FeatureError: as `trial`, or ages that run backwards.
        """
        self._admit(lane, at, x, begin + end)
        if not 0.0 <= begin <= end:
            raise FeatureError(bad_value("lanes.expose", "ages that do not run backwards", (begin, end)))
        if filled or end > begin:
            self._hear(FILL, lane, at, x, POISSON, (float(filled), begin, end))

    def size(self, lane: int, at: Nanos, x: F64, sent: float, met: float) -> None:
        """Learn that `met` > 0 shares of `sent` were met: fewer than sent say how many there were, all of them only
        that there were as many.

        Raises:
            FeatureError: as `trial`, or sizes that cannot be.
        """
        self._admit(lane, at, x, sent)
        if not 0.0 < met <= sent:
            raise FeatureError(bad_value("lanes.size", "a size met from above 0 to the size sent", (sent, met)))
        is_seen = met < sent or not self.settings.censoring
        self._hear(SIZE, lane, at, x, POISSON, (float(is_seen), met / self.shape.standard, 0.0))

    def markout(self, lane: int, at: Nanos, x: F64, horizon: int, adverse_bps: float) -> None:
        """Learn how the mid moved against us after a fill, at horizon 0, 1 or 2 (1, 10 and 60 s).

        Raises:
            FeatureError: as `trial`, or another horizon.
        """
        if horizon not in (0, 1, 2):
            raise FeatureError(bad_value("lanes.markout.horizon", "0, 1 or 2", horizon))
        self._learn_cost(MARK_1 + horizon, lane, at, x, adverse_bps)

    def leak(self, lane: int, at: Nanos, x: F64, adverse_bps: float) -> None:
        """Learn how the mid moved away from us after a request to a dealer, filled or not.

        Raises:
            FeatureError: as `trial`.
        """
        self._learn_cost(LEAK, lane, at, x, adverse_bps)

    def predict(self, at: Nanos, x: F64, *, sds: bool = False) -> Prediction:
        """Return what every lane is worth in contexts `x` (lanes, features) at `at`, or at the latest event if later.

        Raises:
            FeatureError: contexts of another shape or not finite.
        """
        if x.shape != (self.lanes, self.shape.features) or not np.isfinite(x).all():
            expected = f"finite ({self.lanes}, {self.shape.features})"
            raise FeatureError(bad_value("lanes.predict.x", expected, np.shape(x)))
        seen = empty_sight(self.lanes)
        self.look(at, x, EVERYTHING, EVERYTHING if sds else CHANCES_AND_SIZES, seen)
        costs = seen.costs
        return Prediction(seen.p, seen.mu, seen.hazards, costs[MARK_1:LEAK], costs[LEAK], seen.sd)

    def fills(self, at: Nanos, x: F64) -> F64:
        """Return the `p` of `predict`; `x` is not checked."""
        seen = empty_sight(self.lanes)
        self.look(at, x, FILL_ONLY, FILL_ONLY, seen)
        return seen.p

    def look(self, at: Nanos, x: F64, asked: B8, with_sd: B8, out: Sight) -> None:
        """Write what is `asked` (components,) of the lanes at `at`, and the deviations wanted, into `out`; `x` is not
        checked. For callers that ask again and again: the rest of `out` stays what it was."""
        take_and_look(
            *self._kept,
            tuple(self._held),
            tuple(out),
            self._waiting,
            self._taken,
            (self._written, self._is_stale, self.trail),
            self._terms,
            max(at, self.latest),
            x,
            self._numbers,
            self.is_held,
            self._tails,
            self.shape.standard,
            self.settings.markout_scale_bps,
            asked,
            with_sd,
        )
        self._waiting, self._taken = 0, self.latest

    def settled(self, c: int) -> F64:
        """Return the parameters of component `c` as they were last read, (lanes, half-lives, parameters)."""
        return self._held.theta[c, :, : self._widths[c], : self.lanes].transpose(2, 0, 1)

    def refresh(self, now: Nanos) -> None:
        """Look for breaks, and linearise from here on at what is known at `now`: for whoever holds or merges models."""
        halves, numbers = self.half_lives, self._numbers
        for c, width in enumerate(self._widths):
            for k in range(self.lanes):
                watch(self.sums, self.windows, c, k, self.groups, now, halves, numbers)
            for g in range(len(self.shape.prior_p)):
                refresh_group(self.sums, c, g, self.groups, now, halves, self.priors[c, g], numbers, width)
            for k, g in enumerate(self.shape.groups):
                prior = self.priors[c, g]
                refresh_lane(self.sums, c, k, self.lanes + g, now, halves, prior, self.edges, numbers, width)
        self.touch()

    def touch(self) -> None:
        """Note that sums were written to from outside: what was read of them does not hold any more."""
        self._held.changes[...] += 1
        self._is_stale[:] = True
        self._written += 1

    def arrays(self) -> dict[str, F64 | I64]:
        """Return all state by name, in a fixed order: the arrays themselves, not copies."""
        state: dict[str, F64 | I64] = dict(self.sums._asdict())
        state |= {f"drift_{name}": array for name, array in self.windows._asdict().items()}
        state["latest"] = np.array([self.latest], dtype=np.int64)
        return state

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `arrays` gave; the model then goes on as that one would have.

        Raises:
            FeatureError: a missing or unknown name, another shape or kind, or a number that is not finite.
        """
        mine = self.arrays()
        if tuple(arrays) != tuple(mine):
            raise FeatureError(bad_value("lanes.restore", f"the arrays {tuple(mine)}", tuple(arrays)))
        for name, array in mine.items():
            given = arrays[name]
            if given.shape != array.shape or given.dtype != array.dtype or not np.isfinite(given).all():
                got = (given.shape, str(given.dtype))
                expected = f"finite {array.dtype} {array.shape}"
                raise FeatureError(bad_value(f"lanes.restore.{name}", expected, got))
        for name, array in mine.items():
            array[...] = arrays[name]
        self.latest = self._taken = int(arrays["latest"][0])
        self._begin_reading()

    def digest(self) -> str:
        """Return a sha256 of shape, settings and state. Only rows that changed since the last call are hashed again."""
        self._take_in()
        hash_rows(*self._bits, self._widths, self._is_stale, self._row_words)
        head = f"{self._head}{self.latest}{self._sums.epochs.tolist()}".encode()
        return hashlib.sha256(head + self._row_words.tobytes()).hexdigest()

    def begin_trail(self) -> None:
        """Let the trail begin with all that is known now: for whoever wrote to the sums from outside."""
        self.trail[:] = np.frombuffer(bytes.fromhex(self.digest()[:32]), dtype=np.uint64)

    def followed(self) -> tuple[int, int]:
        """Return the trail up to the last observation: equal for models that began alike and learned the same."""
        self._take_in()
        first, second = self.trail.tolist()
        return first, second

    def _learn_cost(self, c: int, lane: int, at: Nanos, x: F64, adverse_bps: float) -> None:
        self._admit(lane, at, x, adverse_bps)
        self._hear(c, lane, at, x, LINEAR, (adverse_bps / self.settings.markout_scale_bps, 1.0, 0.0))

    def _admit(self, lane: int, at: Nanos, x: F64, number: float) -> None:
        if not 0 <= lane < self.lanes or at < 0:
            raise FeatureError(bad_value("lanes.lane", f"a lane under {self.lanes} and a time from 0", (lane, at)))
        # A sum is finite exactly when all of its parts are: the features are far from overflow.
        if x.shape != (self.shape.features,) or not math.isfinite(float(x.dot(self._ones)) + number):
            expected = f"{self.shape.features} finite features and finite numbers"
            raise FeatureError(bad_value("lanes.x", expected, (np.shape(x), number)))

    def _hear(self, c: int, lane: int, at: Nanos, x: F64, family: int, numbers: tuple[float, float, float]) -> None:
        """Let an observation wait to be taken in."""
        if self._waiting == QUEUE_MAX or at >= self._epoch_end:
            self._take_in()
        if at > self.latest:
            self.latest = at
            self._move_epochs(at)
        n, queue = self._waiting, self._queue
        queue.what[n], queue.xs[n], queue.numbers[n] = (c, lane, at, family), x, numbers
        self._waiting = n + 1

    def _take_in(self) -> None:
        """Take in what waits: before anything is read, and before sums move to other epochs."""
        if not self._waiting:
            return
        take_all(
            self._sums,
            self._windows,
            self._queue,
            self._waiting,
            self._taken,
            self.groups,
            self.half_lives,
            self.priors,
            _AGE_EDGES,
            self.edges,
            self._numbers,
            self._held.changes,
            self._written,
            self._is_stale,
            self.trail,
            self.is_held,
        )
        self._waiting, self._taken = 0, self.latest

    def _move_epochs(self, at: Nanos) -> None:
        if at < self._epoch_end:
            return
        epochs = epochs_at(at, self.half_lives)
        move_sums(self.sums, epochs)
        self._is_stale[:] = True
        self._epoch_end = int(((epochs + EPOCH_SPAN) * self.half_lives).min())

    def _begin_reading(self) -> None:
        """Forget what was read: it is worked out anew from the sums."""
        rows = (len(COMPONENTS), self.shape.rows)
        self._epoch_end = int(((self.sums.epochs + EPOCH_SPAN) * self.half_lives).min())
        self._held = nothing_read(self.lanes, len(self.half_lives) - 2, self.shape.width)
        self._is_stale: B8 = np.ones(rows, dtype=np.bool_)
        self._row_words: U64 = np.zeros((*rows, 2), dtype=np.uint64)
