"""What holds back too much of a thing: messages, executions of a strategy, rejects of a venue, orders of one shape.

Rule of this file: time is what events say it is and never runs back; every memory has a bound, and at the bound the
newcomer is refused. Asking changes nothing: what happened is counted by another call than the one that asks.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from router.domain.errors import BadInputError, bad_value
from router.domain.units import SECOND, Nanos

KEYS_MAX = 50_000
"""Most sessions, venues or strategies that a throttle knows at once."""

SHAPES_MAX = 200_000
"""Most orders whose shapes are remembered at once."""


class TokenBuckets:
    """A bucket of `burst` tokens for each key, refilled with `per_s` a second of event time.

    Levels are whole: one token is a thousand million parts, and `per_s` parts come in each nanosecond.
    """

    def __init__(self) -> None:
        self._levels: dict[str, tuple[int, Nanos]] = {}

    def has(self, key: str, now: Nanos, per_s: int, burst: int) -> bool:
        """Say whether `take` would get a token."""
        known = self._levels.get(key)
        if known is None:
            return len(self._levels) < KEYS_MAX or self._is_full(next(iter(self._levels)), now, per_s, burst)
        return self._level(known, now, per_s, burst) >= SECOND

    def take(self, key: str, now: Nanos, per_s: int, burst: int) -> bool:
        """Take a token; False when there is none, and then nothing is taken.

        >>> buckets = TokenBuckets()
        >>> [buckets.take("S1", at, per_s=1, burst=2) for at in (0, 0, 0, 10**9)]
        [True, True, False, True]
        """
        if not self.has(key, now, per_s, burst):
            return False
        known = self._levels.pop(key, None)
        if known is None:
            if len(self._levels) >= KEYS_MAX:
                # Who is full again has nothing to remember.
                del self._levels[next(iter(self._levels))]
            known = (burst * SECOND, now)
        # Last in the order: the first key is always the one that was heard of longest ago.
        self._levels[key] = (self._level(known, now, per_s, burst) - SECOND, max(known[1], now))
        return True

    def snapshot(self) -> list[list[Any]]:
        """Return the levels as plain data."""
        return [[key, *known] for key, known in self._levels.items()]

    @classmethod
    def restore(cls, data: list[list[Any]]) -> TokenBuckets:
        """Return the buckets that `snapshot` was taken of."""
        made = cls()
        made._levels = {key: (level, at) for key, level, at in data}
        return made

    def _level(self, known: tuple[int, Nanos], now: Nanos, per_s: int, burst: int) -> int:
        level, since = known
        return min(level + max(now - since, 0) * per_s, burst * SECOND)

    def _is_full(self, key: str, now: Nanos, per_s: int, burst: int) -> bool:
        return self._level(self._levels[key], now, per_s, burst) >= burst * SECOND


class Enabled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A named person let a stopped strategy of an account go on: the record that is journaled."""

    account: str
    strategy: str
    who: str
    at: Nanos


class RepeatedExecutions:
    """Stops a strategy of an account that executed too often within a window until a named person lets it go on.

    Each account stands by itself: what one does stops nobody else.

    Source: repeated automated execution throttles of Commission Delegated Regulation (EU) 2017/589, article 15(3).
    """

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], deque[Nanos]] = {}
        self.stopped: dict[tuple[str, str], Nanos] = {}
        """When each strategy that is stopped was, by (account, strategy)."""

    def executed(self, account: str, strategy: str, at: Nanos, most: int, window_ns: Nanos) -> bool:
        """Count one execution; True when it stops the strategy, which it does above `most` within the window."""
        key = account, strategy
        if key in self.stopped:
            return False
        times = self._times.get(key)
        if times is None:
            if len(self._times) >= KEYS_MAX:
                self._forget(at - window_ns)
            if len(self._times) >= KEYS_MAX:
                # Too many to watch is not watched: it is stopped, and a person says what to do.
                self.stop(account, strategy, at)
                return True
            times = self._times[key] = deque()
        times.append(max(at, times[-1]) if times else at)
        while times[0] <= times[-1] - window_ns:
            times.popleft()
        if len(times) > most:
            self.stop(account, strategy, at)
            return True
        return False

    def _forget(self, upto: Nanos) -> None:
        """Drop whoever has executed nothing since."""
        for key in [key for key, times in self._times.items() if times[-1] <= upto]:
            del self._times[key]

    def stop(self, account: str, strategy: str, at: Nanos) -> None:
        """Stop a strategy of an account; one that is stopped stays as it was."""
        self.stopped.setdefault((account, strategy), at)
        self._times.pop((account, strategy), None)

    def enable(self, account: str, strategy: str, who: str, at: Nanos) -> Enabled | None:
        """Let a stopped strategy go on, counting from nothing; None when it was not stopped.

        Raises:
            BadInputError: no name of a person.
        """
        if not who.strip():
            raise BadInputError(bad_value("who", "the name of a person", who))
        if self.stopped.pop((account, strategy), None) is None:
            return None
        return Enabled(account=account, strategy=strategy, who=who, at=at)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "times": [[*key, list(times)] for key, times in self._times.items()],
            "stopped": [[*key, at] for key, at in self.stopped.items()],
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> RepeatedExecutions:
        """Return the state that `snapshot` was taken of."""
        made = cls()
        made._times = {(account, strategy): deque(times) for account, strategy, times in data["times"]}
        made.stopped = {(account, strategy): at for account, strategy, at in data["stopped"]}
        return made


class _Breaker(msgspec.Struct):
    rejects: int = 0
    opened_at: Nanos | None = None
    probed_at: Nanos | None = None


class RejectBreakers:
    """Keeps orders from a venue that rejected too many in a row; after a rest one order tries it again.

    The trial's answer decides: an acknowledgement or a fill closes the breaker, a reject opens it anew. A trial that is
    never answered leaves room for the next one after another rest.
    """

    def __init__(self) -> None:
        self._venues: dict[str, _Breaker] = {}

    def allows(self, mic: str, now: Nanos, rest_ns: Nanos) -> bool:
        """Say whether an order may go to the venue: always while closed, once a rest while open."""
        breaker = self._venues.get(mic)
        if breaker is None or breaker.opened_at is None:
            return True
        since = breaker.opened_at if breaker.probed_at is None else breaker.probed_at
        return now - since >= rest_ns

    def sent(self, mic: str, now: Nanos) -> None:
        """Note that an order left for the venue: while the breaker is open it is the trial."""
        breaker = self._venues.get(mic)
        if breaker is not None and breaker.opened_at is not None:
            breaker.probed_at = now

    def rejected(self, mic: str, at: Nanos, most: int) -> bool:
        """Count a reject; True when it opens the breaker, at `most` in a row or at a failed trial."""
        breaker = self._venues.setdefault(mic, _Breaker())
        breaker.rejects += 1
        is_trial = breaker.probed_at is not None
        if breaker.rejects < most or (breaker.opened_at is not None and not is_trial):
            return False
        breaker.opened_at, breaker.probed_at = at, None
        return True

    def answered(self, mic: str) -> None:
        """Note an acknowledgement or a fill: the venue works, and the count begins anew."""
        self._venues.pop(mic, None)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {mic: [b.rejects, b.opened_at, b.probed_at] for mic, b in self._venues.items()}

    @classmethod
    def restore(cls, data: dict[str, Any]) -> RejectBreakers:
        """Return the state that `snapshot` was taken of."""
        made = cls()
        made._venues = {mic: _Breaker(*fields) for mic, fields in data.items()}
        return made


Shape = tuple[Any, ...]
"""What makes two orders alike."""


class ShapeWindow:
    """Counts orders that are alike but for their ids within a window: a loop that makes orders makes such ones."""

    def __init__(self) -> None:
        self._order: deque[tuple[Nanos, Shape]] = deque()
        self._times: dict[Shape, deque[Nanos]] = {}

    def is_above(self, shape: Shape, now: Nanos, window_ns: Nanos, most: int) -> bool:
        """Say whether one more of this shape would be more than `most` within the window; at the bound it always is."""
        if len(self._order) >= SHAPES_MAX and self._order[0][0] > now - window_ns:
            return True
        times = self._times.get(shape, ())
        # What is older than the window may not have been dropped yet, so it is the time of the `most`th that decides.
        return len(times) >= most and times[-most] > now - window_ns

    def seen(self, shape: Shape, now: Nanos, window_ns: Nanos) -> None:
        """Count one."""
        while self._order and (self._order[0][0] <= now - window_ns or len(self._order) >= SHAPES_MAX):
            self._forget(self._order.popleft()[1])
        self._order.append((now, shape))
        self._times.setdefault(shape, deque()).append(now)

    def snapshot(self) -> list[list[Any]]:
        """Return the window as plain data."""
        return [[at, list(shape)] for at, shape in self._order]

    @classmethod
    def restore(cls, data: list[list[Any]]) -> ShapeWindow:
        """Return the window that `snapshot` was taken of."""
        made = cls()
        for at, shape in data:
            made._order.append((at, tuple(shape)))
            made._times.setdefault(tuple(shape), deque()).append(at)
        return made

    def _forget(self, shape: Shape) -> None:
        times = self._times[shape]
        times.popleft()
        if not times:
            del self._times[shape]
