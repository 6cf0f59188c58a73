"""Hosts that stop dead between two steps of their loop, and come back from what their journal had made durable.

Rule of this file: a crash forgets everything that was not synced; whether the reply under way is lost too is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.domain.chance import uniforms
from router.domain.codec import decode_event
from router.domain.errors import SimulatedCrash
from router.domain.events import Event
from router.domain.messages import HostBatch, HostReply, Message
from router.domain.units import Nanos, seconds
from router.orders.desk import HostSetup
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import check_invariants
from scenarios.link import LocalLink
from scenarios.scenario import HostCrash
from scenarios.shells import HostShell, Shell


class CrashingLink(LocalLink):
    """The link of one process, to a host that crashes as the scenario says. Checks I1..I8 after each batch."""

    def __init__(
        self,
        shells: dict[str, Shell],
        host: str,
        setup: HostSetup,
        crashes: Sequence[HostCrash],
        open_at: Nanos,
        seed: int,
    ) -> None:
        self.journal = MemoryJournal()
        self.crashes = 0
        self.steps_crashed: dict[str, int] = {}
        self._setup, self._name, self._seed = setup, host, seed
        self._spans = [(c, open_at + seconds(c.from_s), open_at + seconds(c.to_s)) for c in crashes]
        self._step = 0
        self._now: Nanos = 0
        shells[host] = HostShell(OrderHost(self.journal, setup, self._probe))
        super().__init__(shells)

    @property
    def host(self) -> OrderHost:
        """The host as it is now."""
        shell = self._shells[self._name]
        assert isinstance(shell, HostShell)
        return shell.host

    def send(self, to: str, batch: Message) -> None:
        """Hand a batch over; a host that dies on it comes back, and the batch is repeated or lost."""
        if to != self._name or not isinstance(batch, HostBatch):
            super().send(to, batch)
            return
        self._now = batch.now
        try:
            super().send(to, batch)
        except SimulatedCrash:
            self._come_back(batch)
        for state in self.host.parents.values():
            check_invariants(state)

    def _probe(self, step: str) -> None:
        self._step += 1
        for crash, start, end in self._spans:
            if start <= self._now < end:
                draw = uniforms(self._seed, self._name, "crash", self._step)[0]
                if draw < crash.probability:
                    self.crashes += 1
                    self.steps_crashed[step] = self.steps_crashed.get(step, 0) + 1
                    raise SimulatedCrash(step)

    def _come_back(self, batch: HostBatch) -> None:
        """Rebuild the host from the journal; it may die again while it comes back."""
        is_reply_lost = any(
            uniforms(self._seed, self._name, "lose_reply", self._step)[0] < crash.lose_reply
            for crash, _, _ in self._spans
        )
        written: list[Event] = []
        while True:
            self.journal.crash()
            host = OrderHost(self.journal, self._setup, self._probe)
            host.recover()
            self._shells[self._name] = HostShell(host)
            again = batch
            if is_reply_lost:
                again = HostBatch(seq=batch.seq + 1, now=batch.now, is_restart=True)
                written = self._written(batch.seq)
            try:
                super().send(self._name, again)
                break
            except SimulatedCrash:
                continue
        reply = self._replies[self._name]
        if written and isinstance(reply, HostReply):
            # What the lost reply would have recorded stands in the journal; what it would have sent is gone.
            self._replies[self._name] = msgspec.structs.replace(reply, events=(*written, *reply.events))

    def _written(self, seq: int) -> list[Event]:
        """Return what the journal holds of one batch."""
        return [decode_event(r.payload) for r in self.journal.read() if r.causation_id == str(seq)]
