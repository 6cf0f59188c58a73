"""The flood itself: so many signed orders a second over plain sockets, whatever is answered, from a process of its own.

Rule of this file: an open loop. A request is due when the clock says so, not when the last one was answered; requests
are made and signed before the clock starts, for the moment at which they are due, and connections are pipelined.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import select
import socket
import time
from collections import Counter
from itertools import count
from typing import NamedTuple

from benchmarks.http_caller import request
from benchmarks.live_load import order_body

NICE = 10
"""The flood has so much less priority than who started it and is timed: on two cores they share one."""

TICK_S = 0.002
READ_BYTES = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_LONGEST_MARK = 13
_numbers = count()


class Flood(NamedTuple):
    """What a flood came to. `due` is what the clock asked for, `sent` what the sockets took."""

    due: int
    sent: int
    statuses: dict[int, int]
    seconds: float

    @property
    def sent_per_s(self) -> float:
        """Requests a second that left."""
        return self.sent / self.seconds


class _Connection:
    """One socket: requests that are due and have not left, and answers, of which only the status is looked at."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.due: list[bytes] = []
        self._rest = memoryview(b"")
        self._ends: list[int] = []
        self._tail = b""

    def send(self) -> int:
        """Hand on what the socket takes, and return how many requests have left whole."""
        left = 0
        while True:
            if not self._rest:
                if not self.due:
                    return left
                self._rest = memoryview(b"".join(self.due))
                left += len(self.due)
                self.due = []
            try:
                self._rest = self._rest[self.socket.send(self._rest) :]
            except BlockingIOError:
                return left

    def read(self, statuses: Counter[int]) -> bool:
        """Count the answers that have come; False once the other side has gone."""
        try:
            data = self.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        text = self._tail + data
        found = list(_STATUS.finditer(text))
        statuses.update(int(one[1]) for one in found)
        self._tail = text[max(found[-1].end() if found else 0, len(text) - _LONGEST_MARK) :]
        return bool(data)


def signed(key: str, secret: str, method: str, path: str, body: bytes = b"", at: float | None = None) -> bytes:
    """Return a request with its signature: good for some seconds about `at`, now when absent, and once."""
    stamp, nonce = f"{at or time.time():.6f}", f"{os.getpid():012x}{next(_numbers):020x}"
    text = f"{stamp}\n{method}\n{path}\n{hashlib.sha256(body).hexdigest()}\n{nonce}"
    signature = hmac.digest(secret.encode(), text.encode(), "sha256").hex()
    more = (
        f"X-Anabranch-Key: {key}\r\nX-Anabranch-Timestamp: {stamp}\r\nX-Anabranch-Nonce: {nonce}\r\n"
        f"X-Anabranch-Signature: {signature}\r\n"
    )
    return request(method, path, body, more=more)


def pin(core: int) -> None:
    """Keep this process to one core, where the machine has several and lets us."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {core})


def flood_from(
    port: int, key: str, secret: str, number: int, per_s: float, connections: int, core: int, start: float
) -> Flood:
    """Send so many orders, `per_s` a second over so many connections, from `start` (seconds since 1970) on."""
    pin(core)
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, os.getppid()) + NICE)
    begun = f"flood-{os.getpid()}-{time.time_ns()}"
    made = [
        signed(key, secret, "POST", "/v1/orders", order_body("json", id=f"{begun}-{n}"), start + n / per_s)
        for n in range(number)
    ]
    lines = [_Connection(port) for _ in range(connections)]
    of = {line.socket.fileno(): line for line in lines}
    poll = select.poll()
    for number in of:
        poll.register(number, select.POLLIN)
    time.sleep(max(start - time.time(), 0.0))
    began = time.perf_counter()
    statuses, sent, due = Counter[int](), 0, 0
    while due < len(made):
        upto = min(int((time.perf_counter() - began) * per_s) + 1, len(made))
        for n in range(due, upto):
            lines[n % connections].due.append(made[n])
        due = upto
        sent += sum(line.send() for line in lines)
        for number, _ in poll.poll(TICK_S * 1e3):
            if not of[number].read(statuses):
                poll.unregister(number)
        time.sleep(TICK_S / 2)
    seconds = time.perf_counter() - began
    for line in lines:
        line.socket.close()
    return Flood(due, sent, dict(statuses), seconds)
