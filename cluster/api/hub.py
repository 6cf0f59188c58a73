"""The one follower of the journal in a door: it moves the views and puts before each client of a stream what is new.

Rule of this file: everything between two awaits sees one state. A client that is put on the list hears every event
after the seqs it was given, once and in order, or is told that it was too slow.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from cluster.api.backend import Backend
from cluster.api.decimals import DEFAULT_PX_UNIT
from cluster.api.metrics import DoorMetrics
from cluster.api.told import ACCOUNT, Told, told
from cluster.api.views import Views
from router.domain import codec, facts
from router.domain.errors import JournalError, LinkError
from router.domain.facts import Fact
from router.domain.units import SECOND, Nanos
from router.orders.journal import Record

MARK_EVERY: Final = 64
"""How far apart the places in an account's stream are whose offset is kept."""

PAGE: Final = 500
"""Records of the past read at once."""

APPLY_AT_ONCE: Final = 100
"""Records applied before others get their turn."""

RETRY_S: Final = 0.5
"""Pause before the journal is followed again where following ended."""

CATCH_UP_S: Final = 1.0
"""How long a door that comes up waits for its views; then it opens, and refuses what they do not show yet."""

_COUNTED: Final = frozenset(
    kind.__name__
    for kind in (
        facts.OrderAccepted,
        facts.OrderDenied,
        facts.OrderExecuted,
        facts.OrderEnded,
        facts.KillSet,
        facts.WindowPlayed,
    )
)

_log: Final = logging.getLogger("anabranch.hub")


class Subscription:
    """One client's events. At most `most` wait; one more and `is_overflowed`, and nothing is added any more."""

    def __init__(self, accounts: Sequence[str] | None, most: int) -> None:
        self.accounts = None if accounts is None else tuple(accounts)
        self.is_overflowed = False
        self._most = most
        self._waiting: deque[Told] = deque()
        self._woken = asyncio.Event()

    def wants(self, account: str) -> bool:
        """Whether it is for an account; None is for all."""
        return self.accounts is None or account in self.accounts

    def push(self, event: Told) -> None:
        """Put an event before the client."""
        if not self.is_overflowed:
            if len(self._waiting) >= self._most:
                self.is_overflowed = True
            else:
                self._waiting.append(event)
        self._woken.set()

    def wake(self) -> None:
        """Let the client look around: the door closes."""
        self._woken.set()

    def take(self) -> list[Told]:
        """Take everything that waits."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._woken.clear()
        return taken

    async def wait(self, timeout_s: float) -> None:
        """Return once something waits, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return


class Hub:
    """Follows the journal for one door. `fault` says why it no longer does.

    A door that comes back reads the journal from its beginning: until it has read what was there when it came, its
    views show an earlier moment, and it is `behind`.
    """

    def __init__(self, backend: Backend, views: Views, metrics: DoorMetrics) -> None:
        self.backend = backend
        self.views = views
        self.metrics = metrics
        self.fault = ""
        self.is_closing = False
        self._subscriptions: dict[int, Subscription] = {}
        self._marks: dict[str, list[int]] = {}
        self._numbers = 0
        self._task: asyncio.Task[None] | None = None
        self._head: int | None = None
        self._looking: asyncio.Task[None] | None = None
        self._abreast = asyncio.Event()
        views.children.decided, views.children.round_trip = self._decided, metrics.durations.round_trip

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._run(), name="hub")
        self._looking = asyncio.create_task(self._look(), name="hub-head")

    @property
    def behind(self) -> str:
        """How far the views are behind what was there when this door came up; empty: they are not."""
        if self._abreast.is_set():
            return ""
        head = "as many as the journal has" if self._head is None else f"{self._head}"
        return f"expected views of {head} records, got {self.views.next_offset} of them so far"

    async def catch_up(self, timeout_s: float = CATCH_UP_S) -> None:
        """Return once the views are not behind, or after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._abreast.wait()

    async def stop(self) -> None:
        """Stop following; stopping twice changes nothing."""
        self.go_away()
        tasks = [task for task in (self._task, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = self._looking = None

    def go_away(self) -> None:
        """Tell every client of a stream that this door closes."""
        self.is_closing = True
        for subscription in self._subscriptions.values():
            subscription.wake()

    @property
    def clients(self) -> int:
        """How many clients of streams there are."""
        return len(self._subscriptions)

    def subscribe(self, accounts: Sequence[str] | None, most: int) -> tuple[int, Subscription]:
        """Put a client on the list and return its number: from now on it hears everything."""
        self._numbers += 1
        subscription = self._subscriptions[self._numbers] = Subscription(accounts, most)
        return self._numbers, subscription

    def unsubscribe(self, number: int) -> None:
        """Take a client off the list."""
        self._subscriptions.pop(number, None)

    def last_seq(self, account: str) -> int:
        """Return the seq of the last event of an account; -1 before its first."""
        return self.views.account_seq(account) - 1

    async def past(self, account: str, after: int, until: int) -> AsyncIterator[list[Told]]:
        """Yield the events of an account with seqs above `after` up to `until`, page by page, from the journal.

        Raises:
            LinkError, JournalError: the journal cannot be read now.
        """
        stream = facts.account_stream(account)
        marks = self._marks.get(account, [])
        start = marks[min((after + 1) // MARK_EVERY, len(marks) - 1)] if marks else 0
        while after < until:
            records = await self.backend.read(start, stream, PAGE)
            page = [record for record in records if after < record.seq <= until]
            if page:
                after = page[-1].seq
                yield [told(record, self.unit_of) for record in page]
            if not records:
                return
            start = records[-1].offset + 1

    def unit_of(self, parent_id: str) -> str:
        """Return the price unit of an order's symbol."""
        view = self.views.orders.get(parent_id)
        symbols = self.backend.symbols() if view is None else (view.order.symbol,)
        # An order that has left memory is of one of our symbols; where they all share a unit that is it.
        return self.unit_of_symbol(symbols[0]) if symbols else DEFAULT_PX_UNIT

    def unit_of_symbol(self, symbol: str) -> str:
        """Return the price unit of a symbol."""
        picture = self.backend.market(symbol)
        return DEFAULT_PX_UNIT if picture is None else picture.px_unit

    async def _look(self) -> None:
        """Learn how long the journal is now; a record that does not answer is asked again."""
        while self._head is None:
            with suppress(LinkError, JournalError):
                status = await self.backend.status()
                if status.journal_size or "journal" not in status.waits_for:
                    self._head = status.journal_size
                    break
            await asyncio.sleep(RETRY_S)
        self._note_abreast()

    def _note_abreast(self) -> None:
        if self._head is not None and self.views.next_offset >= self._head:
            self._abreast.set()

    async def _run(self) -> None:
        while True:
            try:
                async for records in self.backend.follow(self.views.next_offset):
                    for at in range(0, len(records), APPLY_AT_ONCE):
                        self._take(records[at : at + APPLY_AT_ONCE])
                        await asyncio.sleep(0)
                    self.fault = ""
            except (LinkError, JournalError) as exc:
                self.fault = f"journal: {exc}"
            except Exception as exc:
                # A record that cannot be taken would leave a hole in what clients are told: this door is of no use.
                self.fault = f"{type(exc).__name__}: {exc}"
                _log.exception("the journal cannot be followed any more")
                self.go_away()
                return
            await asyncio.sleep(RETRY_S)

    def _take(self, records: list[Record]) -> None:
        fresh = [record for record in records if record.offset >= self.views.next_offset]
        self.metrics.records.inc(len(fresh))
        for record in fresh:
            self.views.apply((record,))
            if record.kind == "DecisionMade":
                self.metrics.decisions.inc()
            if record.kind in _COUNTED:
                fact: Any = codec.decode(record.payload, Fact)  # type: ignore[arg-type]
                self.metrics.told(fact)
            if record.stream.startswith(ACCOUNT):
                self._tell(record)
        if not self._abreast.is_set():
            self._note_abreast()

    def _decided(self, parent_id: str, at: Nanos) -> None:
        """Count how long an order waited for its first child since it might have had one; a person's time is none."""
        view = self.views.orders.get(parent_id)
        if view is not None and not view.approval_id:
            self.metrics.durations.decided(max(at - max(view.accepted_at, view.order.start_at), 0) / SECOND)

    def _tell(self, record: Record) -> None:
        account = record.stream.removeprefix(ACCOUNT)
        if record.seq % MARK_EVERY == 0:
            self._marks.setdefault(account, []).append(record.offset)
        wanting = [one for one in self._subscriptions.values() if one.wants(account)]
        if wanting:
            event = told(record, self.unit_of)
            self.metrics.stream_events.inc(len(wanting))
            for subscription in wanting:
                subscription.push(event)


VIEWS_BEHIND: Final = "VIEWS_BEHIND"
"""Among the errors of `not_ready`: this door has just come up, and what it would show is older than what was there."""

HUB: Final = web.AppKey("hub", Hub)


def accounts_of(given: Iterable[str], may: Sequence[str]) -> tuple[str, ...] | None:
    """Return the accounts of a stream: those asked for, or all that may be seen; None is every account there is.

    >>> accounts_of((), ("A", "B")), accounts_of(("B",), ("*",)), accounts_of((), ("*",))
    (('A', 'B'), ('B',), None)
    """
    named = tuple(dict.fromkeys(given))
    if named:
        return named
    return None if "*" in may else tuple(may)
