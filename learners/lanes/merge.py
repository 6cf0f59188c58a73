"""Shards of a learner: each adds up what it hears, and one owner adds up the shards.

Rule of this file: a shard only adds, linearised at what its owner last published; so deltas may come in any order, and
one that comes again is known by its key (shard, epoch, version) and changes nothing. The owner alone looks for breaks
and publishes anew, between merges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from learners.lanes.model import LaneModel
from learners.lanes.sums import Sums, copied, move_sums
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64, I64
from router.domain.units import Nanos

ADDED = ("a", "b", "score", "bins", "bin_score", "tail_score", "fresh", "counts")
"""The sums a shard adds to; everything else is its owner's."""

DECISIONS_MAX = 100
"""A shard decides at most so often between merges: isolated shards cost twice the regret, merged ones a tenth more."""

EPOCHS_MAX = 1_000
"""Incarnations of shards whose deltas are told apart; the least recently heard of is forgotten."""


class Delta(NamedTuple):
    """What a shard added since its last delta. `base` is the owner's publication it was linearised at; `epoch` the
    shard's incarnation, `version` counts its deltas; `latest` is its latest event's time."""

    shard: str
    epoch: int
    version: int
    base: int
    latest: Nanos
    sums: Sums


class Owner:
    """The one writer: adds deltas up and publishes what shards linearise at.

    Args:
        model: what it begins with; learns nothing by itself.
    """

    def __init__(self, model: LaneModel) -> None:
        self.model = model
        self.published = 0
        self._applied: dict[tuple[str, int], tuple[int, tuple[int, ...]]] = {}

    def fork(self) -> LaneModel:
        """Return a shard's model: the owner's knowledge, and no sums of its own."""
        shard = LaneModel(self.model.shape, self.model.settings)
        shard.is_held = True
        follow(shard, self.model)
        return shard

    def add(self, delta: Delta) -> bool:
        """Add a delta; False when it was added before, and nothing changes.

        Raises:
            FeatureError: sums of another shape or not finite; nothing changes.
        """
        key = (delta.shard, delta.epoch)
        whole, beyond = self._applied.get(key, (0, ()))
        if delta.version <= whole or delta.version in beyond:
            return False
        add_sums(self.model, delta.sums, delta.latest)
        beyond = tuple(sorted((*beyond, delta.version)))
        while beyond and beyond[0] == whole + 1:
            whole, beyond = beyond[0], beyond[1:]
        self._applied.pop(key, None)
        self._applied[key] = (whole, beyond)
        if len(self._applied) > EPOCHS_MAX:
            del self._applied[next(iter(self._applied))]
        return True

    def publish(self) -> int:
        """Look for breaks, linearise anew at what is known, and return the publication's number."""
        self.model.refresh(self.model.latest)
        self.published += 1
        return self.published


def follow(shard: LaneModel, owner: LaneModel) -> None:
    """Let a held model linearise at what its owner now publishes, with no sums of its own."""
    mine, theirs = shard.sums, owner.sums
    for name in Sums._fields:
        getattr(mine, name)[...] = 0 if name in ADDED else getattr(theirs, name)
    shard.latest = owner.latest
    shard.restore(shard.arrays())


def take_delta(shard: LaneModel, name: str, epoch: int, version: int, base: int) -> Delta:
    """Return what a held model added since it was forked or last asked, and begin again from nothing."""
    sums = copied(shard.sums)
    for field in ADDED:
        getattr(shard.sums, field)[...] = 0
    shard.touch()
    return Delta(name, epoch, version, base, shard.latest, sums)


def add_sums(model: LaneModel, sums: Sums, latest: Nanos) -> None:
    """Add a shard's sums to a model's: exact, whatever the order, up to the rounding of the additions.

    Raises:
        FeatureError: another shape, or sums that are not finite; nothing changes.
    """
    for name, mine, theirs in zip(Sums._fields, model.sums, sums, strict=True):
        if mine.shape != theirs.shape or not np.isfinite(theirs).all():
            got = (theirs.shape, bool(np.isfinite(theirs).all()))
            raise FeatureError(bad_value(f"lanes.merge.{name}", f"finite {mine.shape}", got))
    epochs: I64 = np.maximum(model.sums.epochs, sums.epochs)
    other = copied(sums)
    move_sums(other, epochs)
    move_sums(model.sums, epochs)
    for name in ADDED:
        getattr(model.sums, name)[...] += getattr(other, name)
    model.latest = max(model.latest, latest)
    model.restore(model.arrays())


class ShardedModel:
    """Several shards in one process that merge on a schedule: at most `every` decisions apart.

    >>> from learners.lanes.shape import LaneShape
    >>> shape = LaneShape((0,), (True,), 1, 100.0, (0.2,), (1.0,), (0.0,), (0.0,))
    >>> both = ShardedModel(LaneModel(shape), shards=2, every=1)
    >>> both.shards[0].trial(0, at=1, x=np.ones(1), filled=True)
    >>> both.decided()
    True
    >>> both.owner.model.sums.counts[0, 0, 0].item(), both.shards[1].sums.counts[0, 0, 0].item()
    (1, 0)
    """

    def __init__(self, model: LaneModel, shards: int, every: int = DECISIONS_MAX) -> None:
        if shards < 1 or not 1 <= every <= DECISIONS_MAX:
            expected = f"a shard and 1 to {DECISIONS_MAX} decisions between merges"
            raise FeatureError(bad_value("lanes.sharded", expected, (shards, every)))
        self.owner, self.every = Owner(model), every
        self.shards: Sequence[LaneModel] = tuple(self.owner.fork() for _ in range(shards))
        self._decided = 0

    def decided(self) -> bool:
        """Count a decision; merge all shards when it is time, and return whether it was."""
        self._decided += 1
        if self._decided % self.every:
            return False
        self.merge()
        return True

    def merge(self) -> None:
        """Add what every shard has to the owner, publish, and let the shards go on from there."""
        version = self.owner.published + 1
        for n, shard in enumerate(self.shards):
            self.owner.add(take_delta(shard, f"shard-{n}", 0, version, self.owner.published))
        self.owner.publish()
        for shard in self.shards:
            follow(shard, self.owner.model)

    def predict_from(self, at: Nanos, x: F64) -> F64:
        """Return the owner's fill probabilities, (lanes,): what shards decide with between merges."""
        return self.owner.model.fills(at, x)
