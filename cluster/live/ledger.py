"""A venue's own ledger: what it was sent and what it did, written beside it as an independent witness.

Rule of this file: it shares no code with journals, hosts or exposure: a line of text, a checksum of its own, and sums
made from the lines alone. A batch is written once, before its answer leaves, however often it is asked for again.

    2f1c9a07 {"batch":12,"got":[["new","P1.d1.1",100]],"said":[["TRADE","P1.d1.1","XLTA-7",100,400100]],"wall_at":17}

A line survives the death of its process, as the kernel has it by then; a line that was cut off in the middle is the
last one, and its batch is answered, and written, again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from router.domain.errors import JournalCorruptError, JournalError
from router.domain.messages import Message, VenueBatch, VenueReply
from router.domain.orders import Command, NewOrderSingle, OrderCancelReplaceRequest
from router.domain.reports import ExecutionReport, Report
from router.domain.units import Px, Qty
from scenarios.shells import Shell

SUFFIX = ".ledger"
"""A venue's ledger lies beside its journal."""

TAIL_BYTES = 1 << 20
"""How much of a ledger its next writer reads: to know the last line, and where it ends."""

_ENDS = ("CANCELED", "EXPIRED", "REJECTED")


class Line(NamedTuple):
    """One batch in which a venue was sent something or did something. `got` are (kind, id, quantity), `said` are
    (what happened, id, execution's id, quantity, price), `wall_at` when it was written, in ns of the wall clock."""

    batch: int
    got: tuple[tuple[str, str, Qty], ...]
    said: tuple[tuple[str, str, str, Qty, Px], ...]
    wall_at: int = 0


@dataclass
class LedgerChild:
    """What one venue's ledger says of one order that it was sent."""

    received: int = 0
    """How often it was sent: once, or somebody sent it twice."""
    order_qty: Qty = 0
    cum_qty: Qty = 0
    executions: dict[str, Qty] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    """Ids of executions that the venue gave twice."""
    ends: list[str] = field(default_factory=list)
    """CANCELED, EXPIRED or REJECTED, as the venue said it."""


class LedgerShell:
    """A venue's shell that writes its ledger before it answers."""

    def __init__(self, shell: Shell, path: Path) -> None:
        self._shell = shell
        self._ledger = Ledger(path)

    def handle(self, batch: Message) -> Message:
        """Answer, once what is answered is in the ledger."""
        reply = self._shell.handle(batch)
        if isinstance(batch, VenueBatch) and isinstance(reply, VenueReply):
            self._ledger.write(line_of(batch, reply, time.time_ns()))
        return reply

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()


class Ledger:
    """The writing side: one file, each batch once. It looks at the end of what is there; readers look at all of it.

    Raises:
        JournalError: the file cannot be written.
        JournalCorruptError: a line at the end, other than the last, does not hold together.
    """

    def __init__(self, path: Path) -> None:
        self._last, whole = -1, 0
        if path.exists():
            for line, end in _last_lines(path):
                self._last, whole = line.batch, end
        try:
            self._file = path.open("ab", buffering=0)
            self._file.truncate(whole)
        except OSError as exc:
            raise JournalError(f"expected a ledger that can be written, got {exc.strerror} - at {path}") from exc

    def write(self, line: Line) -> None:
        """Write a batch in which something happened, unless it is there."""
        if line.batch <= self._last or not (line.got or line.said):
            return
        text = json.dumps(line._asdict(), separators=(",", ":")).encode()
        self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
        self._last = line.batch

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def line_of(batch: VenueBatch, reply: VenueReply, wall_at: int) -> Line:
    """Return what a batch and its answer come to."""
    return Line(
        batch.seq,
        tuple(_sent(arrival.command) for arrival in batch.arrivals),
        tuple(_done(report) for report in reply.reports),
        wall_at,
    )


def read_ledger(path: Path) -> Iterator[Line]:
    """Yield a ledger's lines; one that was cut off at the end is not there.

    Raises:
        JournalCorruptError: a line before the last does not hold together.
    """
    return (line for line, _ in _lines(path))


def children_of(lines: Iterable[Line]) -> dict[str, LedgerChild]:
    """Return what a ledger says of each order, by its id; ids of cancels and replaces are no orders.

    >>> told = [Line(1, (("new", "C1", 100),), (("TRADE", "C1", "E1", 60, 4000), ("CANCELED", "C1", "E2", 0, 0)))]
    >>> child = children_of(told)["C1"]
    >>> child.received, child.cum_qty, child.ends
    (1, 60, ['CANCELED'])
    """
    children: dict[str, LedgerChild] = {}
    for line in lines:
        for kind, name, qty in line.got:
            if kind == "new":
                child = children.setdefault(name, LedgerChild())
                child.received += 1
                child.order_qty = qty
        for what, name, exec_id, qty, _ in line.said:
            child = children.setdefault(name, LedgerChild())
            if what == "TRADE":
                if exec_id in child.executions:
                    child.repeated.append(exec_id)
                    continue
                child.executions[exec_id] = qty
                child.cum_qty += qty
            elif what in _ENDS:
                child.ends.append(what)
    return children


def _last_lines(path: Path) -> Iterator[tuple[Line, int]]:
    """Yield the lines that begin in the last `TAIL_BYTES`; where none does, in twice as much, and so on."""
    with path.open("rb") as file:
        size, reach = file.seek(0, os.SEEK_END), TAIL_BYTES
        while reach < size:
            file.seek(size - reach)
            tail = file.read(reach)
            before = tail.find(b"\n")
            if before >= 0 and tail.find(b"\n", before + 1) >= 0:
                return _lines(path, size - reach + before + 1)
            reach *= 2
    return _lines(path)


def _lines(path: Path, start: int = 0) -> Iterator[tuple[Line, int]]:
    """Yield each line with where in the file it ends, from the one on that begins at `start`."""
    with path.open("rb") as file:
        file.seek(start)
        for read in file:
            if not read.endswith(b"\n"):
                return
            crc, _, text = read[:-1].partition(b" ")
            if crc != b"%08x" % zlib.crc32(text):
                raise JournalCorruptError(
                    f"expected a line of checksum {crc.decode(errors='replace')} - at {path} byte {start}"
                )
            said = json.loads(text)
            got, done = (tuple(map(tuple, said[key])) for key in ("got", "said"))
            start += len(read)
            yield Line(said["batch"], got, done, said.get("wall_at", 0)), start


def _sent(command: Command) -> tuple[str, str, Qty]:
    if isinstance(command, NewOrderSingle):
        return "new", command.cl_ord_id, command.child.order_qty
    name = command.orig_cl_ord_id
    if isinstance(command, OrderCancelReplaceRequest):
        return "replace", name, command.order_qty
    return type(command).__name__, name, 0


def _done(report: Report) -> tuple[str, str, str, Qty, Px]:
    if isinstance(report, ExecutionReport):
        name = report.orig_cl_ord_id or report.cl_ord_id
        return str(report.exec_type), name, report.exec_id, report.last_qty, report.last_px
    return "REFUSED", report.orig_cl_ord_id, "", 0, 0
