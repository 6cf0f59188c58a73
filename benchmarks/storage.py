"""Times events on their way to bytes and to disk.

Rule of this file: the events are those of a real run of `smoke`, repeated to the number that is asked for.
"""

from __future__ import annotations

import itertools
import os
import pickle
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from cluster.journal.sqlite import Durability, SqliteJournal
from router.domain import codec as ours
from router.domain.events import Event
from router.orders.host import OrderHost
from router.orders.journal import Draft
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import assemble, make_host_setup, make_venue
from scenarios.day import HOST, LEARNER
from scenarios.link import LocalLink
from scenarios.policies import make_policy
from scenarios.runner import conduct
from scenarios.scenario import load_scenario
from scenarios.shells import HostShell, LearnerShell, Shell, VenueShell

BATCH = 32
ROUNDS = 15

SYNC = getattr(os, "fdatasync", os.fsync)
"""What SQLite calls, where the system has it."""


def real_payloads(n: int) -> list[bytes]:
    """Return the encoded events of a run, as its host journaled them, over and over up to `n`."""
    scenario = load_scenario("smoke")
    assembly = assemble(scenario, scenario.file.seed, None)
    journal = MemoryJournal()
    shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
    learning = scenario.file.learning
    policy = make_policy(assembly, learning.policy)
    shells[LEARNER] = LearnerShell(LEARNER, policy, assembly.specs, learning.standard_qty)
    shells[HOST] = HostShell(OrderHost(journal, make_host_setup(assembly)))
    host_of = {parent.parent_id: HOST for parent in assembly.parents}
    conduct(assembly, LocalLink(shells), host_of, learning.policy, runtime="inprocess")
    return list(itertools.islice(itertools.cycle([record.payload for record in journal.read()]), n))


def codec(n: int) -> dict[str, float]:
    """Return milliseconds for `n` events, each encoded alone as a journal does, and their bytes; others' beside."""
    data = real_payloads(n)
    events: list[Event] = [ours.decode_event(one) for one in data]
    pickled = [pickle.dumps(event, protocol=pickle.HIGHEST_PROTOCOL) for event in events]
    to_json, from_json = msgspec.json.Encoder(), msgspec.json.Decoder(Event)
    json = [to_json.encode(event) for event in events]
    return {
        "bytes": sum(map(len, data)),
        "pickle_bytes": sum(map(len, pickled)),
        "json_bytes": sum(map(len, json)),
        "encode": _ms(lambda: [ours.encode(event) for event in events]),
        "pickle_encode": _ms(lambda: [pickle.dumps(event, protocol=pickle.HIGHEST_PROTOCOL) for event in events]),
        "json_encode": _ms(lambda: [to_json.encode(event) for event in events]),
        "decode": _ms(lambda: [ours.decode_event(one) for one in data]),
        "pickle_decode": _ms(lambda: [pickle.loads(one) for one in pickled]),
        "json_decode": _ms(lambda: [from_json.decode(one) for one in json]),
    }


def journal(durability: Durability, batches: int) -> dict[str, float]:
    """Return durable events a second in batches of 32, and those of a bare file given the same bytes."""
    payloads = real_payloads(BATCH * batches)
    groups = [payloads[k : k + BATCH] for k in range(0, len(payloads), BATCH)]
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        path = Path(folder)
        store = SqliteJournal(path / "journal.sqlite", durability=durability)
        journaled = _per_second(partial(_append, store), groups)
        store.close()
        with (path / "bare").open("wb", buffering=0) as file:
            bare = _per_second(partial(_write, file.fileno(), is_synced=durability == "power"), groups)
    return {"journal": journaled, "bare": bare}


def _append(store: SqliteJournal, group: list[bytes]) -> None:
    drafts = [Draft("Event", 0, "", payload) for payload in group]
    store.append("P1", store.next_seq("P1"), drafts)
    store.sync()


def _write(descriptor: int, group: list[bytes], *, is_synced: bool) -> None:
    os.write(descriptor, b"".join(group))
    if is_synced:
        SYNC(descriptor)


def _per_second(write: Callable[[list[bytes]], None], groups: list[list[bytes]]) -> float:
    """Return events a second from the median batch: a disk's rare long pauses are not in it."""
    times = []
    for group in groups:
        began = time.perf_counter()
        write(group)
        times.append(time.perf_counter() - began)
    return BATCH / median(times)


def _ms(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times) * 1e3
