"""Group commit: many callers of one asyncio loop, one journal, one sync for all that arrive together.

Rule of this file: a caller hears of success only after the sync that made its records durable, and after one failed
sync nobody hears of success again.

The journal is used by one worker thread and by nobody else, so that the loop never waits for the disk. While a group is
being written the next one gathers. The past is read in a thread of its own, over the reader beside the journal, so that
who reads much holds up no commit.
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import NamedTuple, TypeVar

import msgspec

from cluster.journal.past import Past
from cluster.journal.tail import LAST_GROUP_MAX
from router.domain.errors import BadInputError, JournalBusyError, JournalError, StaleWriterError, bad_value
from router.orders.journal import Draft, Journal, JournalHealth, Record

LINGER_S = 0.001
"""How long the first record of a group waits for others."""

GROUP_MAX = 256
"""Records that end a group at once: above it a sync gets longer, and hardly cheaper by the record."""

WAITING_MAX = 10_000
"""Records that may wait: at ten thousand a second, about a second behind. More would only hide that it is too slow."""

FLUSH_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, math.inf)
"""Upper bounds of the buckets that flush times are counted in."""

Result = TypeVar("Result")
Subscriber = Callable[[Sequence[Record]], None]


class Flushes(NamedTuple):
    """Of all flushes: how many, their seconds together, and how many took up to each bound of `FLUSH_BOUNDS_S`."""

    number: int
    seconds_sum: float
    buckets: tuple[tuple[float, int], ...]


class _Commit(NamedTuple):
    stream: str
    expected_seq: int | None
    drafts: Sequence[Draft]
    arrived: float
    done: asyncio.Future[int]
    others: tuple[tuple[str, Sequence[Draft]], ...] = ()
    """What goes with it to further streams, wherever they end: one commit, written whole or not at all."""
    is_decided: bool = False
    """Whether its caller already goes by it: were it left out, what comes after it would follow from nothing."""

    @property
    def weight(self) -> int:
        """What it takes of the room: an empty one, which waits for those before it, as much as one record."""
        return max(len(self.drafts) + sum(len(drafts) for _, drafts in self.others), 1)


class _Written(NamedTuple):
    """What the worker says of a group: each commit's offset or its error, what ends this for all, what is durable, and
    how long the sync took; None: what was appended is not durable."""

    answers: list[int | Exception]
    fault: JournalError | None
    records: list[Record]
    seconds: float | None


class GroupCommit:
    """Commits to a journal which it alone uses; opening and closing the journal stay with the caller.

    Made inside a running loop. `linger_s` seconds or `group_max` records, whichever comes first, end a group; a commit
    is never split, so that one of more records is a group by itself.

    Raises:
        BadInputError: a linger below 0, or a bound below 1.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        linger_s: float = LINGER_S,
        group_max: int = GROUP_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        if not 0 <= linger_s < math.inf:
            raise BadInputError(bad_value("linger_s", "seconds from 0", linger_s))
        for name, bound in (("group_max", group_max), ("waiting_max", waiting_max)):
            if bound < 1:
                raise BadInputError(bad_value(name, "a number from 1", bound))
        self._journal = journal
        self._linger_s = linger_s
        self._group_max = group_max
        self._waiting_max = waiting_max
        self._loop = asyncio.get_running_loop()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._past = Past(journal)
        self._queue: deque[_Commit] = deque()
        self._queued = self._flying = 0
        self._timer: asyncio.Handle | None = None
        self._is_flushing = False
        self._idle: asyncio.Future[None] | None = None
        self._fault: JournalError | None = None
        self._ended = ""
        """Why it takes nothing more, where nobody closed it."""
        self._last: list[Record] = []
        """The last group, for who follows."""
        self._subscribers: list[Subscriber] = []
        self._counts = [0] * len(FLUSH_BOUNDS_S)
        self._seconds = 0.0

    @property
    def waiting(self) -> int:
        """How many records wait, those that are being written included."""
        return self._queued + self._flying

    async def commit(self, stream: str, expected_seq: int | None, drafts: Sequence[Draft]) -> int:
        """Append `drafts` to the end of `stream`, all or none, and return the journal's last offset then, once it is
        durable. With `expected_seq` None wherever the stream ends. No drafts: wait for all that came before.

        Whoever is cancelled while it waits does not know whether its records were written.

        Raises:
            StaleWriterError: the stream's next seq is not `expected_seq` (nothing of this commit was written), or a
                newer writer has taken over.
            JournalBusyError: `waiting_max` records wait already; nothing of this commit was written.
            JournalError: a sync failed, now or earlier, or this is closed.
            BadInputError: a commit that never fits, or drafts that this journal cannot keep.
        """
        commit = _Commit(stream, expected_seq, tuple(drafts), self._loop.time(), self._loop.create_future())
        weight = commit.weight
        if weight > self._waiting_max:
            raise BadInputError(bad_value(f"stream {stream}", f"up to {self._waiting_max} drafts", weight))
        if self._fault is None and self.waiting + weight > self._waiting_max:
            raise JournalBusyError(
                f"expected up to {self._waiting_max} waiting records, got {self.waiting} and {weight} more"
                f" - at stream {stream}"
            )
        return await self._enter(commit)

    def commit_entries(self, entries: Sequence[tuple[str, Draft]]) -> asyncio.Future[int]:
        """Take drafts for any streams, in this order, as one commit of any size: when this returns its place is taken,
        before everything that is handed in later. The future is resolved as `commit` returns, and fails as it raises.

        They are what somebody has decided and goes by: `check_room` is asked before. What cannot be recorded of them
        ends this, as a failed sync does.

        Raises:
            JournalError: a sync failed earlier, or this is closed; nothing was taken.
        """
        runs: list[tuple[str, list[Draft]]] = []
        for stream, draft in entries:
            if not runs or runs[-1][0] != stream:
                runs.append((stream, []))
            runs[-1][1].append(draft)
        (stream, drafts), *others = runs or [("", [])]
        done: asyncio.Future[int] = self._loop.create_future()
        return self._enter(_Commit(stream, None, drafts, self._loop.time(), done, tuple(others), is_decided=True))

    def check_room(self, waiting_max: float = math.inf) -> None:
        """Look, before anything is decided, whether it will be recorded.

        Raises:
            JournalBusyError: more than `waiting_max` records wait.
            JournalError: a sync failed earlier, or this is closed.
        """
        if self._fault is not None:
            raise _again(self._fault)
        if self.waiting > waiting_max:
            raise JournalBusyError(f"expected up to {waiting_max} waiting records, got {self.waiting}")

    def _enter(self, commit: _Commit) -> asyncio.Future[int]:
        if self._fault is not None:
            raise _again(self._fault)
        self._queue.append(commit)
        self._queued += commit.weight
        self._schedule()
        return commit.done

    async def call(self, work: Callable[[Journal], Result]) -> Result:
        """Let `work` use the journal between two groups, in the worker's thread: for snapshots and fencing.

        Raises:
            JournalError: a sync failed earlier, or this is closed; or whatever `work` raises.
        """
        if self._fault is not None:
            raise _again(self._fault)
        return await self._loop.run_in_executor(self._worker, work, self._journal)

    async def read(self, start: int, limit: int, stream: str | None = None) -> list[Record]:
        """Return up to `limit` records from offset `start` on that are durable now, of one stream or of all. Commits do
        not wait for it.

        Raises:
            JournalCorruptError: a record fails its checksum.
            JournalError: a sync failed earlier, or this is closed, or the journal cannot be read.
        """
        if self._fault is not None:
            raise _again(self._fault)
        end, last = self._journal.health().durable_size, self._last
        if start >= end:
            return []
        if stream is None and last and last[0].offset <= start <= last[-1].offset:
            return last[start - last[0].offset :][:limit]
        found = await self._past.read(start, end, limit, stream)
        return await self.call(lambda one: one.read_durable(start, limit, stream)) if found is None else found

    def on_durable(self, subscriber: Subscriber) -> None:
        """Hand `subscriber` the records of every group from now on, in order, in the loop, before any of the group's
        callers goes on. One that raises is told to the loop's exception handler and gets nothing more: it would have a
        gap."""
        self._subscribers.append(subscriber)

    def flushes(self) -> Flushes:
        """Return how long the groups took to be written, for metrics; buckets are cumulative."""
        counts = tuple(accumulate(self._counts))
        return Flushes(counts[-1], self._seconds, tuple(zip(FLUSH_BOUNDS_S, counts, strict=True)))

    def health(self) -> JournalHealth:
        """Return how the journal is, and why nothing is recorded any more. It answers without waiting."""
        health = self._journal.health()
        return health if health.fault or not self._ended else msgspec.structs.replace(health, fault=self._ended)

    async def close(self) -> None:
        """Write what waits, at once, and take no more. Closing twice changes nothing; the journal stays open."""
        if self._fault is None:
            self._fault = JournalError("expected a group commit in use, got one that was closed - at the journal")
        if self._is_flushing or self._queue:
            if self._idle is None:
                self._idle = self._loop.create_future()
            self._schedule()
            await asyncio.shield(self._idle)
        # In another thread: a `call` may still be at work, and the loop waits for nobody.
        await asyncio.to_thread(self._worker.shutdown)
        await asyncio.to_thread(self._past.close)

    def _schedule(self) -> None:
        """See to it that the queue's head is written when it is time."""
        if self._is_flushing or not self._queue:
            return
        due = self._queue[0].arrived + self._linger_s
        if self._queued >= self._group_max or self._idle is not None or due <= self._loop.time():
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        """Give the next group to the worker."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group: list[_Commit] = []
        taken = 0
        while self._queue and (not group or taken + self._queue[0].weight <= self._group_max):
            commit = self._queue.popleft()
            taken += commit.weight
            group.append(commit)
        self._queued -= taken
        self._flying = taken
        self._is_flushing = True
        writing = self._loop.run_in_executor(self._worker, _write, self._journal, group, bool(self._subscribers))
        writing.add_done_callback(lambda written: self._flushed(group, written))

    def _flushed(self, group: list[_Commit], writing: asyncio.Future[_Written]) -> None:
        """Tell subscribers, then callers, and go on with what came meanwhile."""
        self._is_flushing = False
        self._flying = 0
        failure = asyncio.CancelledError() if writing.cancelled() else writing.exception()
        if failure is not None:
            # Not the journal's own words: a defect below. What it wrote cannot be known, so that nothing goes on.
            fault = JournalError(f"expected a group to be written, got {failure!r} - at the journal")
            written = _Written([fault] * len(group), fault, [], None)
        else:
            written = writing.result()
        if written.seconds is not None:
            self._counts[bisect_left(FLUSH_BOUNDS_S, written.seconds)] += 1
            self._seconds += written.seconds
            self._tell(written.records)
        if written.fault is not None:
            self._stop(written.fault)
        for commit, answer in zip(group, written.answers, strict=True):
            _resolve(commit.done, answer)
        self._schedule()
        if self._idle is not None and not self._is_flushing and not self._queue and not self._idle.done():
            self._idle.set_result(None)

    def _stop(self, fault: JournalError) -> None:
        """Refuse everything from now on, and what waits first."""
        self._fault, self._ended = fault, str(fault)
        while self._queue:
            _resolve(self._queue.popleft().done, _again(fault))
        self._queued = 0

    def _tell(self, records: list[Record]) -> None:
        if not records:
            return
        self._last = records if len(records) <= LAST_GROUP_MAX else []
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(records)
            except Exception as exc:
                self._subscribers.remove(subscriber)
                context = {"message": "a subscriber of the journal failed and gets no more", "exception": exc}
                self._loop.call_exception_handler(context)


def _write(journal: Journal, group: Sequence[_Commit], is_followed: bool) -> _Written:
    """Append and sync a group: what the worker thread does. A commit that is refused takes no other with it."""
    began = time.perf_counter()
    answers: list[int | Exception] = []
    start = journal.health().durable_size
    refused: JournalError | None = None
    for commit in group:
        try:
            answers.append(_append(journal, commit))
        except Exception as exc:
            # Also what is no error of ours: drafts that cannot be encoded are their caller's, and nobody else's.
            answers.append(exc)
            if commit.is_decided:
                refused = _not_taken(exc)
                answers[len(answers) - 1 :] = [refused] * (len(group) - len(answers) + 1)
                break
    try:
        journal.sync()
    except JournalError as exc:
        return _Written([exc if isinstance(one, int) else one for one in answers], exc, [], None)
    seconds = time.perf_counter() - began
    return _Written(answers, refused, _since(journal, start) if is_followed else [], seconds)


def _append(journal: Journal, commit: _Commit) -> int:
    if commit.expected_seq is None:
        return journal.append_all(((commit.stream, commit.drafts), *commit.others))
    return journal.append(commit.stream, commit.expected_seq, commit.drafts)


def _not_taken(failure: Exception) -> JournalError:
    """Return why nothing goes on after something that was decided and cannot be recorded."""
    if isinstance(failure, JournalError):
        return failure
    error = JournalError(f"expected what was decided to be recorded, got {failure!r} - at the journal")
    error.__cause__ = failure
    return error


def _since(journal: Journal, start: int) -> list[Record]:
    return journal.read_durable(start, journal.health().durable_size - start)


def _resolve(done: asyncio.Future[int], answer: int | Exception) -> None:
    if done.done():
        # Its caller was cancelled meanwhile.
        return
    if isinstance(answer, int):
        done.set_result(answer)
    else:
        done.set_exception(_again(answer) if isinstance(answer, JournalError) else answer)


def _again(fault: JournalError) -> JournalError:
    """Return an error of its own for each caller: one object raised in many places would gather their tracebacks."""
    kind = StaleWriterError if isinstance(fault, StaleWriterError) else JournalError
    again = kind(*fault.args)
    again.__cause__ = fault
    return again
