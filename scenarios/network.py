"""Between us and the venues: three latencies, sessions that drop, and everything a bad link does.

Rule of this file: a link keeps the order of what it carries (as TCP does) unless a fault of the scenario says
otherwise, and every draw is keyed by (seed, venue, leg, message number).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from router.domain.chance import uniforms
from router.domain.messages import Arrival, Delivered, SessionChange
from router.domain.orders import Command
from router.domain.reports import Report
from router.domain.units import Nanos, seconds
from scenarios.scenario import Outage, Unreliable
from venues.models.latency import Latency

_AT_ONCE = (0,)
"""The extra delay of a report that nothing befalls: it arrives once."""


class Network:
    """The links of a run. `open_at` turns a scenario's seconds into times."""

    def __init__(
        self,
        links: dict[str, Latency],
        outages: Iterable[Outage],
        unreliable: Sequence[Unreliable],
        open_at: Nanos,
        seed: int,
    ) -> None:
        self._links = links
        self._seed = seed
        self._unreliable = [(u, open_at + seconds(u.from_s), open_at + seconds(u.to_s)) for u in unreliable]
        self._outages: dict[str, list[tuple[Nanos, Nanos]]] = {mic: [] for mic in links}
        for outage in outages:
            end = open_at + seconds(outage.to_s) if outage.to_s is not None else 2**62
            self._outages[outage.venue].append((open_at + seconds(outage.from_s), end))
        self._changes = {mic: _changes(spans) for mic, spans in self._outages.items()}
        self._is_steady = not any(self._changes.values())
        self._inbound: dict[str, list[Arrival]] = {mic: [] for mic in links}
        self._last_in = dict.fromkeys(links, 0)
        self._last_out = dict.fromkeys(links, 0)
        self._sent = dict.fromkeys(links, 0)
        self._said = dict.fromkeys(links, 0)
        self._outbound: list[tuple[Nanos, int, Report]] = []
        self._n = 0

    @property
    def is_steady(self) -> bool:
        """Whether no session ever drops."""
        return self._is_steady

    def is_up(self, mic: str, at: Nanos) -> bool:
        """Whether the link to a venue is up."""
        outages = self._outages[mic]
        return not outages or not any(start <= at < end for start, end in outages)

    def next_change(self, after: Nanos) -> Nanos | None:
        """Return when a session next drops or comes back."""
        if self._is_steady:
            return None
        times = [c.at for changes in self._changes.values() for c in changes if c.at > after]
        return min(times, default=None)

    def sessions(self, mic: str, start: Nanos, until: Nanos) -> tuple[SessionChange, ...]:
        """Return the session changes of a venue in [start, until)."""
        changes = self._changes[mic]
        return tuple(c for c in changes if start <= c.at < until) if changes else ()

    def send(self, commands: Iterable[Command], now: Nanos) -> list[Arrival]:
        """Put commands on their links at `now`; return those that will get there, each once, in the order sent."""
        arriving = []
        for command in commands:
            mic = command.mic
            n = self._sent[mic]
            self._sent[mic] += 1
            at = max(now + self._links[mic].delay("order_entry", n), self._last_in[mic])
            lost, repeated = self._command_faults(mic, n, now) if self._unreliable else (False, False)
            if lost or not (self._is_steady or (self.is_up(mic, now) and self.is_up(mic, at))):
                continue
            self._last_in[mic] = at
            arriving.append(Arrival(at, command))
            self._inbound[mic].extend(arriving[-1:] * (2 if repeated else 1))
        return arriving

    def arriving(self, until: Nanos) -> dict[str, tuple[Arrival, ...]]:
        """Take what reaches venues before `until`, by venue; those that nothing reaches are left out."""
        due = [mic for mic, queue in self._inbound.items() if queue and queue[0].at < until]
        return {mic: self.arrivals(mic, until) for mic in due}

    def arrivals(self, mic: str, until: Nanos) -> tuple[Arrival, ...]:
        """Take what reaches a venue before `until`."""
        queue = self._inbound[mic]
        if not queue or queue[0].at >= until:
            return ()
        due = [arrival for arrival in queue if arrival.at < until]
        self._inbound[mic] = queue[len(due) :]
        return tuple(due)

    def say(self, mic: str, reports: Iterable[Report]) -> None:
        """Put a venue's reports on their way to us."""
        link, outages = self._links[mic], self._outages[mic]
        for report in reports:
            n = self._said[mic]
            self._said[mic] += 1
            sent = report.transact_time
            at = max(sent + link.delay("order_response", n), self._last_out[mic])
            if outages and not (self.is_up(mic, sent) and self.is_up(mic, at)):
                continue
            self._last_out[mic] = at
            for delay in self._report_faults(mic, n, sent) if self._unreliable else _AT_ONCE:
                self._n += 1
                heappush(self._outbound, (at + delay, self._n, report))

    def give_back(self, report: Report, at: Nanos) -> None:
        """Put a report on its way that no venue made: of a command that never left. It is with us at `at`."""
        self._n += 1
        heappush(self._outbound, (at, self._n, report))

    def deliver(self, until: Nanos) -> list[Delivered]:
        """Take the reports that have reached us by `until`, in the order they came."""
        due = []
        while self._outbound and self._outbound[0][0] <= until:
            at, _, report = heappop(self._outbound)
            due.append(Delivered(at, report))
        return due

    def _command_faults(self, mic: str, n: int, now: Nanos) -> tuple[bool, bool]:
        """Return (lost, repeated)."""
        for fault, start, end in self._unreliable:
            if start <= now < end:
                a, b, _, _ = uniforms(self._seed, mic, "command_faults", n)
                return a < fault.lose_command, b < fault.repeat_command
        return False, False

    def _report_faults(self, mic: str, n: int, sent: Nanos) -> list[Nanos]:
        """Return the extra delay of each copy that arrives; none when the report is lost."""
        for fault, start, end in self._unreliable:
            if start <= sent < end:
                a, b, c, d = uniforms(self._seed, mic, "report_faults", n)
                if a < fault.lose_report:
                    return []
                late = seconds(d * fault.delay_max_s)
                first = late if c < fault.delay_report else 0
                return [first, late] if b < fault.repeat_report else [first]
        return [0]


def _changes(spans: list[tuple[Nanos, Nanos]]) -> list[SessionChange]:
    """Return when the link drops and comes back; outages that meet or overlap are one."""
    whole: list[tuple[Nanos, Nanos]] = []
    for start, end in sorted(spans):
        if whole and start <= whole[-1][1]:
            start, end = whole[-1][0], max(end, whole.pop()[1])
        whole.append((start, end))
    changes = []
    for start, end in whole:
        changes.append(SessionChange(start, False))
        if end < 2**62:
            changes.append(SessionChange(end, True))
    return changes
