"""How a live process logs: JSON lines to a file that is turned over at a size, or to standard error.

Rule of this file: it is called once, when a process starts; what a line looks like is in `cluster.api.request_log`.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
from pathlib import Path

from cluster.api.request_log import QUEUE_MAX, BoundedQueueHandler, JsonLines
from router.domain.errors import ConfigError, bad_value

FILE_BYTES_MAX = 50_000_000
FILES_MAX = 5
"""Older files kept beside the current one: 300 MB of log at most for each process."""

LEVELS = ("debug", "info", "warning", "error")


class Logs:
    """The log of this process while it is set up."""

    def __init__(self, front: BoundedQueueHandler, listener: logging.handlers.QueueListener, before: int) -> None:
        self._front = front
        self._listener = listener
        self._before = before

    @property
    def dropped(self) -> int:
        """Lines for which there was no room."""
        return self._front.dropped

    def close(self) -> None:
        """Write what waits, and let go; closing twice changes nothing."""
        root = logging.getLogger()
        if self._front in root.handlers:
            root.removeHandler(self._front)
            root.setLevel(self._before)
            self._listener.stop()
            for handler in self._listener.handlers:
                handler.close()


def setup_logs(process: str, level: str = "info", path: Path | None = None) -> Logs:
    """Log as `process` from now on, from `level` up, to the file `path` (none: standard error).

    Raises:
        ConfigError: an unknown level, or a file that cannot be written.
    """
    if level not in LEVELS:
        raise ConfigError(bad_value("log.level", f"one of {', '.join(LEVELS)}", level))
    writer: logging.Handler
    if path is None:
        writer = logging.StreamHandler()
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = logging.handlers.RotatingFileHandler(
                path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_MAX, encoding="utf-8"
            )
        except OSError as exc:
            raise ConfigError(bad_value("log.path", "a file that can be written", str(path))) from exc
    writer.setFormatter(JsonLines(process))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_MAX)
    front = BoundedQueueHandler(lines)
    listener = logging.handlers.QueueListener(lines, writer)
    listener.start()
    root = logging.getLogger()
    before = root.level
    root.setLevel(level.upper())
    root.addHandler(front)
    return Logs(front, listener, before)
