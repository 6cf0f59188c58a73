"""One symbol's market on the clock: hears what the desk recorded, plays windows, and tells the desk what happened.

Rule of this file: it decides when a window is cut and nothing else; what a window does is the conductor's. It runs on
one thread, and others reach it through `hear`, `stop_trading` and `picture` alone.

    recover     the log behind the last snapshot is gone through again: nobody is asked, and the state is as it was
    go          play what is due by the clock; where something came in, cut the window now
    tell        windows in which something happened wait, in order, until the desk says that it has them
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cluster.api.backend import MarketPicture
from cluster.live.clock import LiveClock
from cluster.live.log import MarketLog
from cluster.live.taking import SnapshotTaker
from router.domain.facts import Fact, KillSet
from router.domain.played import Cut, Played, Reference
from router.domain.units import MILLISECOND, SECOND, Nanos
from scenarios.hosts import Hosts
from scenarios.live_conductor import LiveConductor

WAIT_MAX_S = 0.5
"""The longest sleep: a market that is stopped is gone within it."""

PICTURE_EVERY_NS: Nanos = 50 * MILLISECOND
"""How old a picture of the market may be before another is made, by the wall clock."""

REST_EVERY_NS: Nanos = 10 * SECOND
"""How often hosts that have nothing to do are told of, by the wall clock."""

_logger = logging.getLogger("anabranch.market")

UNTOLD_MAX = 10_000
"""Windows that the desk may not know of yet: beyond it a market waits for the desk."""


class MarketState(NamedTuple):
    """What a market's log has come to: its conductor, and the windows that the desk may not know of."""

    conductor: LiveConductor
    untold: tuple[Played, ...] = ()


class Market:
    """One symbol. `tell` is called on the market's thread with each window that the desk must know of.

    `state` is where the log stands as it is given; `taker` takes snapshots of it, between two windows;
    `rest` is told of hosts that have nothing left to do.
    """

    def __init__(
        self,
        state: MarketState,
        log: MarketLog,
        clock: LiveClock,
        tell: Callable[[Played], None],
        see: Callable[[MarketPicture, Reference], None],
        px_unit: str,
        adv: int,
        seed: int,
        taker: SnapshotTaker | None = None,
        rest: Callable[[tuple[str, ...]], None] = lambda names: None,
    ) -> None:
        self._rest, self._rested_at = rest, -(2**62)
        self._conductor, self._log, self._clock, self._taker = state.conductor, log, clock, taker
        self._tell, self._see = tell, see
        self._px_unit, self._adv, self._seed = px_unit, adv, seed
        self._news: deque[tuple[int, tuple[tuple[int, Fact], ...]]] = deque()
        self._asides: deque[KillSet] = deque()
        """Kills that came without the journal."""
        self._untold: deque[Played] = deque(state.untold)
        self._bell = threading.Condition()
        self._is_stopping = False
        self._pictured_at: Nanos = -(2**62)

    @property
    def hosts(self) -> Hosts:
        """The session's hosts, to be looked at."""
        return self._conductor.hosts

    @property
    def heard(self) -> int:
        """The offset from which on the market wants to hear the journal."""
        return self._conductor.heard

    @property
    def upto(self) -> int:
        """The offset from which on it has not been told of the journal yet."""
        with self._bell:
            return self._upto()

    @property
    def drift_s(self) -> float:
        """How far the wall clock has run ahead of the market's own."""
        return self._clock.drift_ns() / SECOND

    @property
    def lag_ns(self) -> Nanos:
        """How far the market's last window is behind its clock."""
        return max(self._clock.now() - self._conductor.now, 0)

    def recover(self) -> None:
        """Go through the log; windows that the desk may not know of are told again."""
        for played in tuple(self._untold):
            self._tell(played)
        while self._log.has_past:
            cut = self._log.take_cut(self._conductor.windows)
            self._played(
                self._conductor.step() if cut is None else self._conductor.step(cut.until, cut.heard, cut.facts)
            )
        self._clock.not_before(self._conductor.now)
        self._show()

    def hear(self, upto: int, facts: Sequence[tuple[int, Fact]]) -> None:
        """Take what the journal holds up to offset `upto` (exclusive); may be called from any thread."""
        with self._bell:
            known = self._upto()
            # After a stream broke, what was on its way may come again.
            fresh = tuple((offset, fact) for offset, fact in facts if offset >= known)
            if self._news and not self._news[-1][1]:
                # While nothing concerns the market, only how far the journal is has to be known.
                self._news.pop()
            self._news.append((max(upto, known), fresh))
            if fresh:
                self._bell.notify_all()

    def stop_trading(self, fact: KillSet) -> None:
        """Take a kill that did not come through the journal; may be called from any thread."""
        with self._bell:
            self._asides.append(fact)
            self._bell.notify_all()

    def known(self, n: int) -> None:
        """Note that the desk has every window up to `n`."""
        with self._bell:
            while self._untold and self._untold[0].n <= n:
                self._untold.popleft()
            self._bell.notify_all()

    def stop(self) -> None:
        """Let `run` return after the window it is in."""
        with self._bell:
            self._is_stopping = True
            self._bell.notify_all()

    def run(self) -> None:
        """Play until the session is over or somebody stops it."""
        while not self._conductor.is_over:
            due = self._wait()
            if due is None:
                break
            until, heard, facts = due
            if facts:
                self._log.cut(Cut(n=self._conductor.windows, until=until, heard=heard, facts=facts))
                played = self._conductor.step(until, heard, facts)
            else:
                played = self._conductor.step()
            self._played(played)
            # Whoever routes by what it sees has to see at once that probabilities have moved.
            self._show(is_moved=played is not None and bool(played.routing_probabilities))
            self._keep()
            self._let_rest()
        self._log.close()

    def _wait(self) -> tuple[Nanos, int, tuple[tuple[int, Fact], ...]] | None:
        """Return where the next window ends and what is heard in it, when it is due; None to stop."""
        with self._bell:
            while not self._is_stopping:
                own = self._conductor.next_at()
                now = self._clock.now()
                earliest = self._conductor.now + self._conductor.tick_ns
                is_news = bool(self._asides) or any(facts for _, facts in self._news)
                is_free = len(self._untold) < UNTOLD_MAX
                if is_free and is_news and now >= earliest:
                    return min(own, now), *self._take_news()
                if is_free and now >= own:
                    return own, 0, ()
                until = earliest if is_news else own
                self._bell.wait(min(self._clock.wall_s(until), WAIT_MAX_S) if is_free else WAIT_MAX_S)
        return None

    def _upto(self) -> int:
        return self._news[-1][0] if self._news else self._conductor.heard

    def _take_news(self) -> tuple[int, tuple[tuple[int, Fact], ...]]:
        """Return what came in: of the journal first, and then what came without it, as it is played again."""
        facts = tuple(fact for _, group in self._news for fact in group)
        upto = self._upto()
        aside = tuple((-1, fact) for fact in self._asides)
        self._news.clear()
        self._asides.clear()
        return upto, (*facts, *aside)

    def _played(self, played: Played | None) -> None:
        if played is not None:
            for child_id, reason in played.refused:
                _logger.warning("second gate: %s", reason, extra={"fields": {"cl_ord_id": child_id}})
            self._log.settle()
            with self._bell:
                self._untold.append(played)
            self._tell(played)

    def _keep(self) -> None:
        """Take a snapshot where it is time."""
        taker = self._taker
        if taker is not None and taker.is_due(self._log.size):
            self._log.settle()
            with self._bell:
                state = MarketState(self._conductor, tuple(self._untold))
            taker.take(state, self._log.size, self._log.head())

    def _let_rest(self) -> None:
        """Tell of hosts that have nothing to do, now and then: one that heard of an old order meanwhile is up again."""
        now = self._clock.now()
        if now - self._rested_at >= REST_EVERY_NS * self._clock.speed:
            self._rested_at = now
            idle = self._conductor.idle_hosts
            if idle:
                self._rest(idle)

    def _show(self, *, is_moved: bool = False) -> None:
        now = self._clock.now()
        if is_moved or now - self._pictured_at >= PICTURE_EVERY_NS * self._clock.speed:
            self._pictured_at = now
            self._see(self._picture(), self._conductor.reference())

    def _picture(self) -> MarketPicture:
        conductor = self._conductor
        plan, learning = conductor.plan, conductor.switches.learning
        return MarketPicture(
            symbol=plan.symbol,
            at=conductor.now,
            open_at=plan.open_at,
            close_at=plan.close_at,
            px_unit=self._px_unit,
            adv=self._adv,
            seed=self._seed,
            specs=plan.specs,
            market=conductor.market,
            frames=conductor.frames,
            policies=conductor.policies,
            venue_states=tuple(conductor.switches.venue_states.items()),
            windows=conductor.windows,
            outcomes_waiting=conductor.outcomes_waiting,
            exploration=(conductor.setup.exploration.epsilon, conductor.setup.exploration.share),
            limits=conductor.setup.limits if learning is None else learning,
            life_ns=conductor.setup.life_ns,
            hosts=conductor.hosts.number,
            stale_ns=conductor.setup.stale_ns,
        )
