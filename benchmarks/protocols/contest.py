"""How a learner is examined: the two protocols it can play, and the loops that play them.

Rule of this file: a learner sees contexts and censored outcomes, never a law; the score is the expected value under the
law of what the learner did, so that luck in the draws moves what is learned and not how it is judged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_OUTCOME, _MARKOUT = 0, 1


class SplitLearner(Protocol):
    """Splits a total over lanes whose liquidity is hidden; a fill in full says only "at least so much"."""

    name: str

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return what to send per lane, (lanes,), not negative, at most `total` in sum; `x` is (lanes, d)."""

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Hear of one child sent at `at_s`: `sent` > 0, `met` = min(hidden size, sent), 0 where nothing was there.

        Comes once per child, perhaps late and out of order; `x` is the lane's context (d,) when it was sent.
        """


class ChoiceLearner(Protocol):
    """Sends each order to one lane; hears of a fill soon, of a miss late, of the markout after the fill."""

    name: str

    def choose(self, at_s: float, x: F64) -> int:
        """Return the lane to use; `x` is (lanes, d)."""

    def hear(self, at_s: float, lane: int, x: F64, filled: bool, after_s: float, price_bps: float) -> None:
        """Hear of a fill or a miss at `at_s`, when it became known, `after_s` seconds after the order was sent.

        `price_bps` is what the fill's price was worth, without its markout; 0 for a miss.
        """

    def mark(self, at_s: float, lane: int, x: F64, markout_bps: float) -> None:
        """Hear at `at_s` of the markout of an earlier fill, positive where it was good for us."""


class SplitWorld(Protocol):
    """A world to split in: `rounds` of `total`, `step_s` apart; `is_whole` where lots are whole; `best` the oracle."""

    name: str
    rounds: int
    lanes: int
    dims: int
    total: float
    step_s: float
    is_whole: bool
    best: F64

    def context(self, round: int) -> F64:
        """Return the context of a round, (lanes, dims), first column 1."""

    def hidden(self, round: int) -> F64:
        """Return the sizes that are there in a round, (lanes,)."""

    def expected(self, round: int, sent: F64) -> float:
        """Return the expected fill of a split under the law of the round."""


class ChoiceWorld(NamedTuple):
    """A world to choose in, all drawn beforehand. Rounds are `step_s` apart.

    `x` is (rounds, lanes, d); `value` the expected worth in bps, (rounds, lanes), of each lane under the hidden law;
    `filled`, `fill_s`, `price_bps` and `markout_bps`, all (rounds, lanes), are what would happen there. `regime`
    (rounds,) is the hidden regime's number.
    """

    name: str
    step_s: float
    miss_s: float
    markout_s: float
    x: F64
    value: F64
    filled: Bool
    fill_s: F64
    price_bps: F64
    markout_bps: F64
    regime: I64 = np.zeros(0, dtype=np.int64)

    @property
    def rounds(self) -> int:
        """How many orders there are."""
        return int(self.x.shape[0])


NewSplit = Callable[[SplitWorld, int], SplitLearner]
"""Makes a fresh learner for one world from a seed."""

NewChoice = Callable[[ChoiceWorld, int], ChoiceLearner]
"""Makes a fresh learner for one world from a seed."""


def play_split(world: SplitWorld, learner: SplitLearner, delay: int = 0) -> F64:
    """Return the expected fill of each round, (rounds,); each round's outcomes are told `delay` rounds late.

    Without delay a round's outcomes are told before the next round's split. `learn` hears the time of sending.
    """
    got = np.empty(world.rounds)
    waiting: deque[tuple[float, F64, F64, F64]] = deque()
    for t in range(world.rounds):
        at_s = t * world.step_s
        x = world.context(t)
        sent = within(learner.split(at_s, x, world.total), world.total, world.is_whole)
        got[t] = world.expected(t, sent)
        waiting.append((at_s, x, sent, np.minimum(world.hidden(t), sent)))
        if len(waiting) > delay:
            sent_s, x, sent, met = waiting.popleft()
            for lane in np.flatnonzero(sent):
                learner.learn(sent_s, int(lane), x[lane], float(sent[lane]), float(met[lane]))
    return got


def play_all(worlds: Sequence[SplitWorld], new: NewSplit, seed: int, delay: int = 0) -> tuple[F64, F64]:
    """Return what a fresh learner per world got and what the oracle gets, both (worlds, rounds)."""
    got = np.array([play_split(world, new(world, seed), delay) for world in worlds])
    return got, np.array([world.best for world in worlds])


def play_choice(world: ChoiceWorld, learner: ChoiceLearner) -> I64:
    """Return the lane chosen in each round, (rounds,). News comes at its time: fills, misses, markouts."""
    chosen = np.empty(world.rounds, dtype=np.int64)
    news: list[tuple[float, int, int]] = []
    for t in range(world.rounds):
        at_s = t * world.step_s
        while news and news[0][0] <= at_s:
            known_s, sent, kind = heappop(news)
            lane = int(chosen[sent])
            if kind == _MARKOUT:
                learner.mark(known_s, lane, world.x[sent, lane], float(world.markout_bps[sent, lane]))
                continue
            is_filled = bool(world.filled[sent, lane])
            price_bps = float(world.price_bps[sent, lane]) if is_filled else 0.0
            after_s = float(world.fill_s[sent, lane]) if is_filled else world.miss_s
            learner.hear(known_s, lane, world.x[sent, lane], is_filled, after_s, price_bps)
            if is_filled:
                heappush(news, (known_s + world.markout_s, sent, _MARKOUT))
        lane = int(learner.choose(at_s, world.x[t]))
        chosen[t] = lane
        after_s = float(world.fill_s[t, lane]) if world.filled[t, lane] else world.miss_s
        heappush(news, (at_s + after_s, t, _OUTCOME))
    return chosen


def regret(world: ChoiceWorld, chosen: I64) -> F64:
    """Return what each choice gave away in expectation against the best lane under the hidden law, bps, (rounds,)."""
    return np.asarray(world.value.max(axis=1) - world.value[np.arange(world.rounds), chosen])


def within(wanted: F64, total: float, is_whole: bool) -> F64:
    """Return a split made legal: nothing negative, at most `total` in sum, by largest remainder where lots are whole.

    >>> within(np.array([1.4, 1.4, 1.2]), 4.0, True).tolist()
    [2.0, 1.0, 1.0]
    """
    sent: F64 = np.maximum(wanted, 0.0)
    whole = float(sent.sum())
    if whole > total:
        sent = sent * (total / whole)
    if not is_whole:
        return sent
    floors = np.floor(sent + 1e-9)
    left = int(min(total, np.floor(whole + 0.5)) - floors.sum())
    if left > 0:
        floors[np.argsort(floors - sent, kind="stable")[:left]] += 1.0
    return floors
