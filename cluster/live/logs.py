"""How a live process logs: JSON lines to a file that is turned over at a size, or to standard error.

Rule of this file: it is called once, when a process starts; what a line looks like is in `cluster.api.request_log`.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from cluster.api.request_log import QUEUE_MAX, BoundedQueueHandler, JsonLines
from router.domain.errors import ConfigError, bad_value

FILE_BYTES_MAX = 50_000_000
FILES_MAX = 5
"""Older files kept beside the current one: 300 MB of log at most for each process."""

STARTED = "started"
"""What each life of a live process logs first."""

_STARTED = f'"message":"{STARTED}"'.encode()

_TAIL_BYTES = 1 << 16

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
        if self in _OPEN:
            _OPEN.remove(self)
        if self._front in root.handlers:
            root.removeHandler(self._front)
            root.setLevel(self._before)
            self._listener.stop()
            for handler in self._listener.handlers:
                handler.close()


_OPEN: list[Logs] = []
"""The logs of this process: to be written before it ends by itself."""


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
    logs = Logs(front, listener, before)
    _OPEN.append(logs)
    return logs


def log_path(state: Path, name: str) -> Path:
    """Return where a live process logs."""
    return state / "logs" / f"{name}.jsonl"


def end_process(code: int) -> NoReturn:
    """End this process now, whatever its threads are at, once what was logged is written: it says why."""
    for logs in tuple(_OPEN):
        logs.close()
    os._exit(code)


def last_error(path: Path) -> str:
    """Return what the last life of a process logged last as an error; nothing: it logged none, or there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        if _STARTED in line:
            # Also where it follows what a life before tore off.
            break
        try:
            said = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError:
            continue
        if said.get("level") == "error":
            return str(said.get("message", ""))
    return ""
