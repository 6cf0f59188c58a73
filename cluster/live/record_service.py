"""The record on the wire: it answers questions, and pushes to each follower every record once and in order.

Rule of this file: it loads no engine and no market, for everybody waits for a record that comes back. The words it
knows are in `cluster.live.services`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.actors.recipe import Recipe
from cluster.journal.open import open_journal
from cluster.journal.stored import StoredJournal
from cluster.live.clock import LiveClock
from cluster.live.logs import end_process
from cluster.live.record import Desk, kept_intake, news_of, snapshots_of
from cluster.live.snapshots import Opening
from cluster.live.wire import Push
from router.domain import codec
from router.domain.errors import AnabranchError, JournalBusyError, JournalError, LinkError
from router.domain.facts import SessionOpened
from router.domain.played import Played, Reference
from router.domain.requests import Answer, Request
from router.intake.intake import Intake
from router.orders.journal import Record

ASK_TIMEOUT_S = 10.0
RETRY_S = 0.05
BATCH = 1_000
"""Records pushed at once."""

FAULT_EXIT = 70
FAULT_LINGER_S = 0.2
"""How long a record that must end still says why."""

_log = logging.getLogger("anabranch.live")


async def start_record(recipe: Recipe) -> RecordService:
    """Return the record of a desk, standing where its journal says."""
    opened = codec.decode(recipe.opened, SessionOpened)
    new = Intake.on(recipe.basis)

    def open_record(start: int) -> StoredJournal:
        return open_journal(recipe.record, verify_from=start)

    snapshots = snapshots_of(new, Path(recipe.journal).parent, recipe.opened)
    kept = kept_intake(new, Opening(open_record, snapshots))
    clock = LiveClock(opened.open_at, opened.wall_at, opened.speed)
    return RecordService(Desk(kept.intake, kept.journal, clock.now, kept.taker))


class RecordService:
    """The desk on the wire."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._followers: set[_Follower] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        desk.group.on_durable(self._ring)

    async def answer(self, word: str, body: bytes, push: Push) -> bytes:
        """Answer one question. After the journal has failed this process ends: its next life stands where that says."""
        try:
            return await self._answer(word, body, push)
        except JournalBusyError:
            raise
        except JournalError as exc:
            if self._is_closing:
                # Nothing has failed: this life is at its end, and who asks finds the next one.
                raise LinkError("expected a record that stays, got one that closes") from exc
            _log.error("the record cannot go on: %s", exc)
            asyncio.get_running_loop().call_later(FAULT_LINGER_S, end_process, FAULT_EXIT)
            raise

    async def _answer(self, word: str, body: bytes, push: Push) -> bytes:
        if word == "ask":
            return codec.encode(await self._desk.ask(codec.decode(body, Request)))  # type: ignore[arg-type]
        if word == "play":
            await self._desk.play(codec.decode(body, Played))
        elif word == "see":
            self._desk.see(codec.decode(body, Reference))
        elif word == "read":
            start, stream, limit = codec.decode(body, tuple[int, str | None, int])
            return codec.encode(await self._desk.read(start, stream, limit))
        elif word in ("follow", "hear"):
            task = asyncio.create_task(self._follow(codec.decode(body, int), word == "hear", push))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return codec.encode(self._desk.group.health().durable_size)
        elif word == "status":
            return codec.encode(self._figures())
        elif word == "played":
            return codec.encode(self._desk.intake.played(codec.decode(body, str)))
        else:
            raise LinkError(f"expected a word that the record knows, got {word!r}")
        return b""

    async def close(self) -> None:
        """Push nothing more, write what waits, and let go of the journal."""
        self._is_closing = True
        for task in tuple(self._tasks):
            task.cancel()
        await self._desk.close()

    def _figures(self) -> dict[str, Any]:
        group = self._desk.group
        health, flushes = group.health(), group.flushes()
        return {
            "size": health.durable_size,
            "fault": health.fault,
            "waiting": group.waiting,
            "flushes": flushes.number,
            "flush_seconds": flushes.seconds_sum,
            "flush_buckets": flushes.buckets,
            "waits_for": self._desk.waits_for(),
            "digest_orders": len(self._desk.intake.book.orders),
        }

    async def _follow(self, start: int, is_hearing: bool, push: Push) -> None:
        """Push everything from an offset on, until who asked is gone: from the journal until it has caught up, and
        then each group as it becomes durable."""
        follower = _Follower(start, is_hearing, push)
        self._followers.add(follower)
        try:
            while not follower.is_gone:
                follower.bell.clear()
                records = await self._desk.read(follower.start, None, BATCH)
                if records:
                    follower.take(records, _news(is_hearing, records))
                elif not follower.bell.is_set():
                    follower.is_abreast = True
                    await follower.bell.wait()
                    follower.is_abreast = False
        except AnabranchError:
            # Its stream is closed, or the journal is: either way it asks again.
            return
        finally:
            self._followers.discard(follower)

    def _ring(self, records: Sequence[Record]) -> None:
        """Hand a group to whoever has all before it, encoded once for all of them; wake the others."""
        made: dict[bool, bytes] = {}
        for follower in tuple(self._followers):
            if not (follower.is_abreast and follower.start == records[0].offset):
                follower.bell.set()
                continue
            kind = follower.is_hearing
            if kind not in made:
                made[kind] = _news(kind, records)
            try:
                follower.take(records, made[kind])
            except LinkError:
                follower.is_gone = True
                follower.bell.set()


class _Follower:
    """Who follows the journal: what it has, and whether that is all there is."""

    def __init__(self, start: int, is_hearing: bool, push: Push) -> None:
        self.start, self.is_hearing, self._push = start, is_hearing, push
        self.bell = asyncio.Event()
        self.is_abreast = self.is_gone = False

    def take(self, records: Sequence[Record], news: bytes) -> None:
        """Push records that follow what it has."""
        self._push("facts" if self.is_hearing else "records", news)
        self.start = records[-1].offset + 1


def _news(is_hearing: bool, records: Sequence[Record]) -> bytes:
    return codec.encode(news_of(records) if is_hearing else tuple(records))


def answer_of(body: bytes) -> Answer:
    """Return the answer in the record's reply."""
    return codec.decode(body, Answer)  # type: ignore[arg-type]
