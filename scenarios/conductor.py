"""Virtual time: cuts a run into windows and carries messages between venues, learners and hosts of parents.

One window, from the last boundary to the next (see `run`):

    1 venues     advance to the boundary with what arrives on the way    -> reports, quotes, prints
    2 market     the consolidated view moves to the boundary
    3 hosts hear reports and mids that have reached us                   -> outcomes, events
    4 learners   apply the outcomes in order                             -> a version after each
    5 hosts decide, those that are awake                                 -> commands, on their way to venues

Rule of this file: where the next boundary lies, and the order of everything inside a window, follow from the messages
alone, so that the same scenario and seed give the same run wherever the shells live. A window in which nobody waits
for anything is as long as it may be, and a venue with nothing to do in it is not asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

from learners.features.market import MarketFeatures
from learners.features.own_fills import OwnFills
from router.domain.enums import ExecType, Side
from router.domain.events import ChildIntended, ChildTraded, DecisionMade, ParentCancelRequested, ParentDone
from router.domain.market import PRINT_COLUMNS, QUOTE_COLUMNS, DealerTier, MarketSnapshot
from router.domain.messages import (
    Delivered,
    HostBatch,
    HostReply,
    LearnerReply,
    Ripple,
    SessionChange,
    VenueBatch,
    VenueReply,
)
from router.domain.orders import Command, NewOrderSingle, ParentOrder
from router.domain.reports import ExecutionReport
from router.domain.scores import ContextFrame, Outcome, PolicySnapshot
from router.domain.tactics import TacticSnapshot
from router.domain.units import MILLISECOND, SECOND, Nanos
from router.route import book_side
from scenarios.feed_rows import FeedRows
from scenarios.history import MidHistory
from scenarios.impact import OwnImpact
from scenarios.learner_line import LearnerLine
from scenarios.link import Link, of_type
from scenarios.marks import Marks
from scenarios.network import Network
from scenarios.owners import child_of, parent_of
from scenarios.plan import Plan as Plan
from scenarios.reactions import Reactions
from scenarios.recorder import Recorder
from scenarios.wishes import WISH_EVENTS, Wishes, WishEvent

SETTLE_NS: Nanos = 300 * SECOND
"""How long a run goes on after its last parent, so that late markouts are known."""

LISTEN_NS: Nanos = 250 * MILLISECOND
"""The longest window while a venue may invite a child to firm up: invitations stand for about a second."""

_TRADE = ExecType.TRADE

_BATCH_STEP = 2
"""Batch numbers of hosts are even: the odd ones between are for restarts."""

_Item = TypeVar("_Item")


class Conductor:
    """Drives one run to its end."""

    _blocked: tuple[str, ...] = ()
    """Venues to which a person lets nothing new go, and below those where everything is to be cancelled now."""
    _cleared: tuple[str, ...] = ()

    def __init__(
        self,
        plan: Plan,
        link: Link,
        network: Network,
        impact: OwnImpact,
        recorder: Recorder,
        progress: Callable[[float, str], None] | None = None,
        reactions: Reactions | None = None,
    ) -> None:
        self.plan, self.link, self.network, self.impact, self.recorder = plan, link, network, impact, recorder
        self.reactions = reactions or Reactions(())
        self.history = MidHistory()
        self.windows = self.events = 0
        self._progress = progress
        self._view = MarketFeatures(plan.specs, plan.symbol, plan.open_at, plan.close_at, price=plan.price)
        self._own = OwnFills(plan.specs)
        self._line = LearnerLine(plan.steering, plan.learner_breaks, plan.open_at)
        self._now = plan.open_at
        self._seq = 0
        self._next_at: dict[str, Nanos | None] = dict.fromkeys([s.mic for s in plan.specs], plan.open_at)
        self._place = {spec.mic: k for k, spec in enumerate(plan.specs)}
        self._is_up = dict.fromkeys(self._place, True)
        self._said_tiers: dict[str, tuple[DealerTier, ...]] = {}
        self._seen_tiers: dict[str, tuple[DealerTier, ...]] = {}
        self._market: MarketSnapshot | None = None
        """The market at the boundary, once somebody has asked for it: nothing moves it until the next one."""
        feeds = [plan.feed_ns[s.mic] for s in plan.specs]
        self._quotes, self._prints = FeedRows(QUOTE_COLUMNS, feeds), FeedRows(PRINT_COLUMNS, feeds)
        self._wakes: dict[str, Nanos] = {}
        self._wakes_of: dict[str, tuple[tuple[str, Nanos], ...]] = {}
        """What each host said last: whom it does not name again does not wake."""
        self._is_looking = False
        """Whether a parent that is due may route, as hosts say once they have heard."""
        self._listening: set[str] = set()
        """Hosts whose children a venue may invite to firm up."""
        self._waiting = sorted(plan.parents, key=lambda p: (p.start_at, p.parent_id))
        self._cancels, self._wishes = {parent_id: at for at, parent_id in plan.cancels}, Wishes(plan.replaces)
        self._resumes: list[tuple[str, str]] = []
        self._done: dict[str, Nanos] = {}
        self._marks = Marks(plan.specs, is_leakage_told=plan.is_leakage_told)
        self._parents = {p.parent_id: p for p in plan.parents}
        self._parent_of: dict[str, ParentOrder] = {}
        self._policies: tuple[PolicySnapshot, ...] = ()
        self._tactics: TacticSnapshot | None = None
        self._hosts, self._idle = tuple(sorted(set(plan.host_of.values()))), frozenset[str]()
        # Without orders of its own, a market that is driven live publishes for both sides.
        self._sides = tuple(sorted({book_side(p.side) for p in plan.parents} or {Side.BUY, Side.SELL}))
        self._last_end = max((p.end_at for p in plan.parents), default=plan.close_at)

    def run(self) -> None:
        """Go window by window until every parent is done and its markouts are known, or the grace is over."""
        while not self._is_over():
            self.play(self._boundary())
            if self._progress is not None and self.windows % 64 == 0:
                self._progress(self._share_done(), f"{self.windows} windows")
        # What the learner came to know by the end is said, whoever asked last.
        self._learn([], is_last=True)

    def play(self, until: Nanos) -> None:
        """Go through the one window from the last boundary to `until`."""
        self._advance_venues(until)
        self._move_market(until)
        self._now = until
        outcomes = self._hear()
        frames = self._learn(outcomes)
        self._decide(frames)
        self.windows += 1
        self.recorder.window(until, *self._view.best(), self.impact.told())

    def _is_over(self) -> bool:
        if len(self._done) == len(self.plan.parents):
            settled = max(self._done.values()) + SETTLE_NS
            return self._now >= min(settled, max(self.plan.close_at, max(self._done.values())))
        return self._now >= self._last_end + self.plan.grace_ns

    def _share_done(self) -> float:
        return min((self._now - self.plan.open_at) / max(self._last_end - self.plan.open_at, 1), 1.0)

    def _boundary(self) -> Nanos:
        """Return the next boundary: the first time at which somebody wants to act, or the longest window."""
        longest = min(self.plan.window_max_ns, LISTEN_NS) if self._listening else self.plan.window_max_ns
        times = [self._now + longest, *self._wakes.values()]
        times.extend(p.start_at for p in self._waiting[:1])
        times.extend([*(at for at in self._cancels.values() if at > self._now), *self._wishes.times(self._now)])
        times.extend(self._line.next_word(self._now))
        change = self.network.next_change(self._now)
        if change is not None:
            times.append(change)
        return max(min(times), self._now + 1)

    # 1 venues

    def _advance_venues(self, until: Nanos) -> None:
        shift = self.impact.shift(self._now)
        shifts: tuple[Ripple, ...] = () if shift is None else (shift,)
        arriving = self.network.arriving(until)
        is_calm = not shifts and self.network.is_steady and self.reactions.is_idle
        sessions: tuple[SessionChange, ...] = ()
        ripples: tuple[Ripple, ...] = ()
        for mic, due in self._next_at.items():
            if not is_calm:
                sessions = self.network.sessions(mic, self._now, until)
                ripples = (*shifts, *self.reactions.due(mic, self._now, until))
            if (due is not None and due < until) or mic in arriving or sessions or ripples:
                self._seq += 1
                arrivals = arriving.get(mic, ())
                batch = VenueBatch(seq=self._seq, until=until, arrivals=arrivals, ripples=ripples, sessions=sessions)
                self.link.send(mic, batch)
        replies = of_type(self.link.receive(), VenueReply)
        self.recorder.venues(replies)
        for mic, reply in replies.items():
            self._take_venue(self._place[mic], mic, reply)

    def _take_venue(self, k: int, mic: str, reply: VenueReply) -> None:
        self._next_at[mic] = reply.next_at
        if reply.tiers is not self._said_tiers.get(mic, ()):
            self._said_tiers[mic] = reply.tiers
        self.events += reply.events
        if reply.quotes:
            self._quotes.say(k, reply.quotes)
        if reply.prints:
            self._prints.say(k, reply.prints)
        if not reply.reports:
            return
        for report in reply.reports:
            if isinstance(report, ExecutionReport) and report.exec_type is _TRADE:
                parent = self._parent_of[report.cl_ord_id]
                self.impact.executed(report.transact_time, parent.side.sign * report.last_qty)
                self.reactions.executed(report, parent.side.sign)
        self.network.say(mic, reply.reports)

    # 2 market

    def _move_market(self, until: Nanos) -> None:
        self._market = None
        rows = self._view.advance(self._quotes.due(until), self._prints.due(until), until)
        self.history.extend(rows, until)
        self._see_tiers(until)
        for spec in () if self.network.is_steady else self.plan.specs:
            is_up = self.network.is_up(spec.mic, until)
            if is_up != self._is_up[spec.mic]:
                self._is_up[spec.mic] = is_up
                self._view.set_session(spec.mic, is_up)

    def _see_tiers(self, until: Nanos) -> None:
        """Show the dealers' tiers that have reached us; newer ones still under way leave the last ones standing."""
        is_changed = False
        for mic, said in self._said_tiers.items():
            if said is not self._seen_tiers.get(mic, ()) and all(t.at + self.plan.feed_ns[mic] <= until for t in said):
                self._seen_tiers[mic] = said
                is_changed = True
        if is_changed:
            self._view.set_tiers([tier for s in self.plan.specs for tier in self._seen_tiers.get(s.mic, ())])

    def _snapshot(self) -> MarketSnapshot:
        if self._market is None:
            self._market = self._view.snapshot(self._now)
        return self._market

    # 3 hosts hear

    def _hear(self) -> list[Outcome]:
        n = bisect_right(self._waiting, self._now, key=_START)
        accepts = self._by_host([(p.parent_id, p) for p in self._waiting[:n]])
        # A cancel whose host died on it is asked again, as a client would, until the parent is done.
        cancels = self._by_host([(p, p) for p, at in self._cancels.items() if at <= self._now])
        replaces = self._by_host(self._wishes.due(self._now))
        resumes, self._resumes = self._by_host(self._resumes), []
        reports: dict[str, list[Delivered]] = {}
        for delivered in self.network.deliver(self._now):
            parent = self._parent_of.get(child_of(delivered.report))
            if parent is not None:
                reports.setdefault(self.plan.host_of[parent.parent_id], []).append(delivered)
                self._count_fill(delivered)
        mids = self._by_host([(m.parent_id, m) for m in self._marks.due(self._now, self.history)])
        due = {self.plan.host_of[p]: True for p, wake in self._wakes.items() if wake <= self._now}
        market = self._snapshot() if accepts or due else None
        told: dict[str, object] = {**accepts, **cancels, **replaces, **resumes, **reports, **mids, **due}
        for host in self._hosts:
            if host in told or (self._cleared and host not in self._idle):
                self._seq += _BATCH_STEP
                batch = HostBatch(
                    seq=self._seq - self._seq % 2,
                    now=self._now,
                    accepts=tuple(accepts.get(host, ())),
                    cancels=tuple(cancels.get(host, ())),
                    replaces=tuple(replaces.get(host, ())),
                    resumes=tuple(resumes.get(host, ())),
                    cleared_venues=self._cleared,
                    reports=tuple(reports.get(host, ())),
                    mids=tuple(mids.get(host, ())),
                    market=market,
                )
                self.link.send(host, batch)
        self._cleared = ()
        return self._take_hosts()

    def _by_host(self, items: list[tuple[str, _Item]]) -> dict[str, list[_Item]]:
        grouped: dict[str, list[_Item]] = {}
        for parent_id, item in items:
            grouped.setdefault(self.plan.host_of[parent_id], []).append(item)
        return grouped

    def _count_fill(self, delivered: Delivered) -> None:
        report = delivered.report
        if isinstance(report, ExecutionReport) and report.exec_type is _TRADE:
            self._own.filled(report.transact_time, report.mic, report.last_qty)
            self._view.traded(report.mic, report.last_qty)

    def _take_hosts(self) -> list[Outcome]:
        """Take the hosts' replies, parent by parent, so that the host a parent lives on shows nowhere."""
        replies = of_type(self.link.receive(), HostReply)
        events = sorted(chain.from_iterable(map(attrgetter("events"), replies.values())), key=_PARENT_ID)
        self._is_looking = any(reply.is_looking for reply in replies.values())
        for host, reply in replies.items():
            for parent_id, _ in self._wakes_of.get(host, ()):
                self._wakes.pop(parent_id, None)
            self._wakes_of[host] = reply.wakes
            self._wakes.update(reply.wakes)
            (self._listening.add if reply.is_listening else self._listening.discard)(host)
        for event in events:
            take = _TAKERS.get(type(event))
            if take is not None:
                take(self, event)
        n = bisect_right(self._waiting, self._now, key=_START)
        due = [p for p in self._waiting[:n] if p.parent_id not in self._wakes and p.parent_id not in self._done]
        self._waiting[:n] = due
        self.recorder.host(self._now, events)
        self._send(sorted(chain.from_iterable(map(attrgetter("commands"), replies.values())), key=parent_of))
        outcomes = sorted(chain.from_iterable(map(attrgetter("outcomes"), replies.values())), key=_KEY)
        self._marks.told(outcomes)
        return outcomes

    def _intended(self, event: ChildIntended) -> None:
        self._parent_of[event.cl_ord_id] = self._parents[event.parent_id]

    def _canceled(self, event: ParentCancelRequested | ParentDone) -> None:
        self._cancels.pop(event.parent_id, None)

    def _wished(self, event: WishEvent) -> None:
        order = self._wishes.recorded(event)
        if order is not None:
            self._parents[order.parent_id], self._last_end = order, max(self._last_end, order.end_at)

    def _ended(self, event: ParentDone) -> None:
        self._canceled(event)
        self._done[event.parent_id] = event.at
        self._line.ended(event.parent_id, event.at, self._parents[event.parent_id].order_qty)

    def _send(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, NewOrderSingle):
                self._own.routed(self._now, command.mic, command.child.order_qty)
        arrivals = self.network.send(commands, self._now)
        if arrivals and self.reactions.is_watching:
            self.reactions.sent(arrivals, self._snapshot())

    # 4 learners

    def _learn(self, outcomes: list[Outcome], *, is_last: bool = False) -> tuple[ContextFrame, ...]:
        """Let the learner apply the window's outcomes and, for whoever looks on, publish for the market as it is."""
        is_asked = self._is_looking or is_last or self._line.has_word(self._now) or self._is_publishing()
        if not is_asked and not outcomes:
            return ()
        # Until somebody looks on nothing is published: what came is learned now, and seen then.
        shares = self._own.shares(self._now) if is_asked else ()
        frames = tuple(self._view.frame(self._now, Side(side), shares) for side in self._sides if is_asked)
        self._seq += 1
        batch = self._line.batch(self._seq, self._now, outcomes, frames)
        if batch is not None:
            self.link.send("learner", batch)
            reply = of_type(self.link.receive(), LearnerReply)["learner"]
            self._policies = self._line.shown(reply.policies, self._now) or self._policies
            self._tactics = reply.tactics
            self.recorder.learner(batch.outcomes, reply)
        return frames

    def _is_publishing(self) -> bool:
        """Whether a policy is published though nobody asked: where people look on."""
        return False

    # 5 hosts decide

    def _decide(self, frames: tuple[ContextFrame, ...]) -> None:
        awake = {self.plan.host_of[p] for p, wake in self._wakes.items() if wake <= self._now}
        if not awake:
            return
        market = self._snapshot()
        for host in self._hosts:
            if host in awake:
                self._seq += _BATCH_STEP
                batch = HostBatch(
                    seq=self._seq - self._seq % 2,
                    now=self._now,
                    is_deciding=True,
                    market=market,
                    policies=self._policies,
                    frames=frames,
                    tactics=self._tactics,
                    blocked_venues=self._blocked,
                    learning=self._line.learning,
                )
                self.link.send(host, batch)
        late = self._take_hosts()
        if late:
            # What the hosts gave up or watched while deciding reaches the learner with the next window.
            self._learn(late)


_PARENT_ID, _KEY, _START = attrgetter("parent_id"), attrgetter("key"), attrgetter("start_at")

_TAKERS: dict[type, Callable[[Conductor, Any], None]] = {
    ChildIntended: Conductor._intended,
    ChildTraded: lambda conductor, event: conductor._marks.traded(event),
    DecisionMade: lambda conductor, event: conductor._line.routed(event.decision),
    ParentCancelRequested: Conductor._canceled,
    ParentDone: Conductor._ended,
    **dict.fromkeys(WISH_EVENTS, Conductor._wished),
}
"""What the conductor notes of a host's events; the rest it only passes on."""
