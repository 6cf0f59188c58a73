"""What is logged: one line of JSON a request, and of everything else that a process has to say; secrets never.

Rule of this file: a log never stops the work. Lines wait for their writer in a bounded queue; what does not fit is
dropped and counted. How a process sets its log up is in `cluster.live.logs`.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import re
import secrets
import time
from collections.abc import Mapping
from typing import Final

import msgspec

QUEUE_MAX: Final = 10_000
"""Lines that may wait: a second of requests at full speed, some 5 MB."""

TEXT_MAX: Final = 8_192
"""Characters of one text in a line."""

CORRELATION: Final = "X-Correlation-Id"
TRACEPARENT: Final = "traceparent"

REDACTED: Final = "redacted"

_CORRELATION_ID = re.compile(r"[A-Za-z0-9_.:/-]{1,48}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SECRET_KEY = re.compile(r"(?i)secret|password|signature|cookie|authorization|csrf|token")
_SECRET_TEXT = re.compile(
    r"(?i)((?:x-anabranch-signature|x-csrf-token|authorization|set-cookie|cookie|secret|password|token)"
    r"[\"']?\s*[:=]\s*[\"']?)((?:bearer\s+|basic\s+)?[^\s\"',;&]+)"
)
_encoder = msgspec.json.Encoder(enc_hook=repr)


def correlation_of(headers: Mapping[str, str]) -> str:
    """Return the id that ties together everything done for one request: given, of a W3C trace, or made.

    >>> correlation_of({"X-Correlation-Id": "order-7"})
    'order-7'
    >>> correlation_of({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    '4bf92f3577b34da6a3ce929d0e0e4736'
    >>> len(correlation_of({"X-Correlation-Id": "two\\nlines"}))
    16
    """
    given = headers.get(CORRELATION)
    if given is not None and _CORRELATION_ID.fullmatch(given):
        return given
    trace = headers.get(TRACEPARENT)
    found = None if trace is None else _TRACEPARENT.fullmatch(trace)
    return found[1] if found else secrets.token_hex(8)


def redact(text: str) -> str:
    """Return a text without what stands behind the name of a secret.

    >>> redact("got Authorization: Bearer abc123, X-Anabranch-Signature=ff00 and more")
    'got Authorization: redacted, X-Anabranch-Signature=redacted and more'
    """
    return _SECRET_TEXT.sub(r"\1" + REDACTED, text[:TEXT_MAX])


class JsonLines(logging.Formatter):
    """Each record as one line: time, level, process, logger, message, and the fields it was given by `extra`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{second}.{int(record.created * 1e6) % 1_000_000:06d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        correlation_id = getattr(record, "correlation_id", "")
        if correlation_id:
            line["correlation_id"] = correlation_id
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            for name, value in fields.items():
                is_secret = _SECRET_KEY.search(name) is not None
                line[name] = REDACTED if is_secret else redact(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = redact(self.formatException(record.exc_info)[-TEXT_MAX:])
        return _encoder.encode(line).decode(errors="replace")


class BoundedQueueHandler(logging.handlers.QueueHandler):
    """Hands records to a writer's thread; `dropped` counts those for which there was no room."""

    def __init__(self, queue: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(queue)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave the record as it is: the writer's thread formats it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put the record before the writer, or drop it."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class RequestLog:
    """One line for each request answered."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._log = logging.getLogger("anabranch.requests") if logger is None else logger

    def answered(
        self, method: str, path: str, status: int, seconds: float, correlation_id: str, who: str, address: str
    ) -> None:
        """Log one request; `path` is without its query, where a client might have put anything."""
        if not self._log.isEnabledFor(logging.INFO):
            return
        fields = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1e3, 3),
            "who": who,
            "address": address,
        }
        self._log.info("request", extra={"correlation_id": correlation_id, "fields": fields})
