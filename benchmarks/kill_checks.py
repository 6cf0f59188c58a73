"""What must hold after every process of a desk was killed, again and again: read from four books that share no code.

Rule of this file: a check returns sentences; no sentence, no fault. The books are the record's journal, the journals of
hosts, the ledgers of venues, and what the client itself was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.kill_drill import ACCOUNT, LIMITED, POSITION_MAX, PROBES, VENUES, outages
from benchmarks.kill_switches import kills_in
from cluster.journal.sqlite import SqliteJournal
from cluster.live.ledger import SUFFIX, LedgerChild, children_of, read_ledger
from cluster.live.session import assembly_of, fresh_link
from cluster.live.verifying import session_in, verify_session
from router.domain import codec, facts
from router.domain.errors import AnabranchError
from router.domain.events import ChildIntended, ChildSent, ChildTraded, Event
from router.domain.facts import ExecutionBusted, Fact, OrderAccepted, OrderExecuted, SessionOpened
from router.domain.units import seconds
from router.orders.journal import Record
from router.risk.facts import Accepted, AuditLimits, Cut, Violation
from router.risk.invariants import audit

SHOWN_MAX = 5
"""Sentences of one check that are shown."""


class Client(NamedTuple):
    """What the client knows: the order of each of its ids, each order's filled quantity, its streams by account."""

    acknowledged: Mapping[str, str]
    contradicted: list[str]
    filled: Mapping[str, int]
    told: Mapping[str, list[dict[str, Any]]]


class Books(NamedTuple):
    """What is read after the desk has ended."""

    records: list[Record]
    events: list[tuple[int, Event]]
    facts: list[Fact]
    hosts: dict[str, list[bytes]]
    """The encoded events of each parent in the journals of hosts."""
    ledgers: dict[str, dict[str, LedgerChild]]
    mics: dict[str, str]


def read_books(state: Path) -> Books:
    """Read every book in a desk's state folder. The chain of the journals is verified by opening them.

    Raises:
        JournalError: one of them does not hold together.
    """
    record = SqliteJournal(state / "record.sqlite", is_reader=True)
    records = list(record.read())
    record.close()
    events = [(r.offset, codec.decode_event(r.payload)) for r in records if r.stream.startswith("parent:")]
    streams = [facts.account_stream(account) for account in (ACCOUNT, LIMITED, PROBES)]
    told: list[Fact] = [
        codec.decode(r.payload, Fact)  # type: ignore[arg-type]
        for r in records
        if r.stream in streams
    ]
    hosts: dict[str, list[bytes]] = {}
    for path in sorted(state.glob("host-*.sqlite")):
        host = SqliteJournal(path, is_reader=True)
        for kept in host.read():
            if kept.stream.startswith("parent:"):
                hosts.setdefault(kept.stream, []).append(kept.payload)
        host.close()
    ledgers = {mic: children_of(read_ledger((state / mic).with_suffix(SUFFIX))) for mic in VENUES}
    mics = {event.cl_ord_id: event.child.mic for _, event in events if isinstance(event, ChildIntended)}
    return Books(records, events, told, hosts, ledgers, mics)


def check_all(state: Path, client: Client) -> dict[str, list[str]]:
    """Return the faults of every check by its name; a check without faults has an empty list."""
    try:
        books = read_books(state)
    except AnabranchError as exc:
        return {"books": [str(exc)]}
    checks = {
        "books": [],
        "acknowledged_once": list(_acknowledged(books, client)),
        "executions_once": list(_executions_once(books)),
        "sums_agree": list(_sums(books, client)),
        "hosts_agree": list(_hosts(books)),
        "sent_once": list(_sent_once(books)),
        "one_writer": list(one_writer(books.records)),
        "stream_gapless": list(_stream(client)),
        "invariants": [f"{v.invariant} at {v.offset}: {v.text}" for v in _audit(books, client)],
        "replay_equal": list(_replay(state)),
    }
    return {
        name: [*found[:SHOWN_MAX], *([f"and {len(found) - SHOWN_MAX} more"] * (len(found) > SHOWN_MAX))]
        for name, found in checks.items()
    }


def _acknowledged(books: Books, client: Client) -> Iterator[str]:
    accepted = [fact for fact in books.facts if isinstance(fact, OrderAccepted)]
    counts = Counter(fact.order.client_order_id for fact in accepted)
    ids = {fact.order.client_order_id: fact.parent_id for fact in accepted}
    yield from (f"{name} was acknowledged as two orders" for name in client.contradicted)
    yield from (f"{name} is in the journal {n} times" for name, n in counts.items() if n > 1)
    for name, order_id in client.acknowledged.items():
        if ids.get(name) != order_id:
            yield f"{name} was acknowledged as {order_id}, and the journal has {ids.get(name)}"


def one_writer(records: Sequence[Record]) -> Iterator[str]:
    """I15: each life of the record writes under an epoch of its own, and no life writes after a later one has begun."""
    for before, after in pairwise(records):
        if after.epoch < before.epoch:
            yield f"offset {after.offset} is of epoch {after.epoch}, behind one of epoch {before.epoch}"


def _executions_once(books: Books) -> Iterator[str]:
    traded = [event for _, event in books.events if isinstance(event, ChildTraded)]
    counts = Counter((books.mics[event.cl_ord_id], event.exec_id) for event in traded)
    yield from (f"execution {key} counts {n} times" for key, n in counts.items() if n > 1)
    for mic, children in books.ledgers.items():
        yield from (f"{mic} gave {exec_id} twice" for child in children.values() for exec_id in child.repeated)


def _sums(books: Books, client: Client) -> Iterator[str]:
    """By child: the journal and the venue. By order: the journal, what is recorded as told, and what the client has."""
    ours, of_order = Counter[str](), Counter[str]()
    for _, event in books.events:
        if isinstance(event, ChildTraded):
            ours[event.cl_ord_id] += event.last_qty - event.replaces_inferred_qty
            of_order[event.parent_id] += event.last_qty - event.replaces_inferred_qty
    for name, mic in books.mics.items():
        child = books.ledgers[mic].get(name)
        there = child.cum_qty if child else 0
        if ours[name] != there:
            yield f"{name} executed {ours[name]} in the journal, {there} at {mic}"
    recorded: dict[str, int] = {}
    for fact in books.facts:
        if isinstance(fact, OrderExecuted | ExecutionBusted):
            recorded[fact.parent_id] = fact.cum_qty
    heard = _added_up([said for told in client.told.values() for said in told])
    for order_id in sorted({*of_order, *recorded, *client.filled, *heard}):
        all_four = of_order[order_id], recorded.get(order_id, 0), client.filled.get(order_id, 0), heard[order_id]
        if len(set(all_four)) > 1:
            yield f"{order_id}: journal {all_four[0]}, told {all_four[1]}, asked {all_four[2]}, heard {all_four[3]}"


def _added_up(told: list[dict[str, Any]]) -> Counter[str]:
    """Return what a client has who adds up executions by their ids."""
    sums, executions = Counter[str](), dict[tuple[str, str], int]()
    for said in told:
        data = said["data"]
        if said["event"] == "order_executed":
            key, qty = (data["child_id"], data["exec_id"]), int(data["qty"])
            sums[data["order_id"]] += 0 if key in executions else qty
            executions.setdefault(key, qty)
        elif said["event"] == "execution_busted":
            key = data["child_id"], data["exec_ref_id"]
            sums[data["order_id"]] += int(data["qty"]) - executions[key]
            executions[key] = int(data["qty"])
    return sums


def _hosts(books: Books) -> Iterator[str]:
    """Hosts and the record have the same events of each parent, byte for byte."""
    ours: dict[str, list[bytes]] = {}
    for record in books.records:
        if record.stream.startswith("parent:"):
            ours.setdefault(record.stream, []).append(record.payload)
    for stream in sorted({*ours, *books.hosts}):
        mine, theirs = ours.get(stream, []), books.hosts.get(stream, [])
        if mine != theirs:
            yield f"{stream}: {len(mine)} events in the record, {len(theirs)} at its host"


def _sent_once(books: Books) -> Iterator[str]:
    sent = {event.cl_ord_id for _, event in books.events if isinstance(event, ChildSent)}
    for mic, children in books.ledgers.items():
        for name, child in children.items():
            if child.received > 1:
                yield f"{mic} was sent {name} {child.received} times"
            if child.received and name not in sent:
                yield f"{mic} was sent {name}, which the journal does not have as sent"


def _stream(client: Client) -> Iterator[str]:
    """Every seq of an account once and in order, over every gateway that died."""
    for account, told in client.told.items():
        wrong = [(n, said["seq"]) for n, said in enumerate(told) if said["seq"] != n]
        yield from (f"expected seq {n} of {account}'s stream, got {seq}" for n, seq in wrong[:1])


def _audit(books: Books, client: Client) -> list[Violation]:
    """I1 to I12, I19, I21 and I23 of everything, with what was killed and cut off, and I20 of the limited account."""
    account_of = {fact.parent_id: fact.account for fact in books.facts if isinstance(fact, OrderAccepted)}
    accepts = [Accepted(name, account_of.get(name, ACCOUNT)) for name in client.acknowledged.values()]
    accepts += [Accepted(name, of) for name, of in account_of.items() if name not in client.acknowledged.values()]
    found = audit(books.events, accepts, kills_in(books.records), cuts_in(books.records))
    small = {name for name, account in account_of.items() if account == LIMITED}
    of_small = [(offset, event) for offset, event in books.events if event.parent_id in small]
    limited = audit(
        of_small, [Accepted(name, LIMITED) for name in sorted(small)], limits=AuditLimits(200, 100_000, POSITION_MAX)
    )
    return [*found, *(violation for violation in limited if violation.invariant == "I20")]


def cuts_in(records: Sequence[Record]) -> list[Cut]:
    """Return when which venue could not be reached, as the session's scenario has it."""
    opened = next((codec.decode(r.payload, SessionOpened) for r in records if r.kind == "SessionOpened"), None)
    if opened is None or "[[breaks]]" not in opened.scenario_text:
        return []
    at = opened.open_at
    return [Cut(mic, at + seconds(start), at + seconds(end)) for mic, start, end in outages()]


def _replay(state: Path) -> Iterator[str]:
    journal = SqliteJournal(state / "record.sqlite", is_reader=True)
    opened = session_in(journal)
    found = verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None)
    journal.close()
    if found.difference:
        yield found.difference
