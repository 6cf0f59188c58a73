"""The nonces of the last seconds in a folder, so that a request is good once also when the door has come back since.

Rule of this file: a nonce is with the kernel before its request goes on, so that it outlives this process; that a
machine goes down and comes back takes longer than a signature lasts. A disk that fails holds nobody up: what lowers
risk must go on, and the log says so.

Two files of lines `seconds key nonce`, the older dropped whole; each line is written by one call.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

YOUNG: Final = "nonces.young"
OLD: Final = "nonces.old"
SAY_EVERY_S: Final = 60.0
"""A full disk fails every signed request: one line of log for each would only help to fill it."""

_log: Final = logging.getLogger("anabranch.api")


class KeptNonces:
    """Two files in `folder`. A nonce is kept for `last_s` seconds at least, and for little more than twice that."""

    def __init__(self, folder: Path, last_s: float, now: float) -> None:
        self._young, self._old, self._last_s = folder / YOUNG, folder / OLD, last_s
        self._began = now
        self._file = -1
        self._said_at = -math.inf
        self.past = tuple(used for path in (self._old, self._young) for used in self._read(path, now))
        """(key id, nonce) of every one that may still be sent again by whoever has recorded it."""
        with self._failing_softly(now):
            # The old file holds all of them before the young one is emptied: a crash in between forgets none.
            fresh = self._old.with_suffix(".fresh")
            fresh.write_text("".join(_line(now, key_id, nonce) for key_id, nonce in self.past), encoding="ascii")
            fresh.replace(self._old)
            self._open()

    def add(self, key_id: str, nonce: str, now: float) -> None:
        """Keep a nonce that was used at `now`."""
        with self._failing_softly(now):
            if now - self._began >= self._last_s or self._file < 0:
                self._began = now
                if self._young.exists():
                    self._young.replace(self._old)
                self._open()
            os.write(self._file, _line(now, key_id, nonce).encode())

    def _open(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._file = os.open(self._young, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)

    def _read(self, path: Path, now: float) -> Iterator[tuple[str, str]]:
        lines: list[str] = []
        with self._failing_softly(now), contextlib.suppress(FileNotFoundError):
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        for line in lines:
            at, _, used = line.partition(" ")
            key_id, _, nonce = used.partition(" ")
            # Whoever tore a line off wrote it as his process ended, and its request went no further.
            if nonce and _seconds(at) >= now - self._last_s:
                yield key_id, nonce

    @contextlib.contextmanager
    def _failing_softly(self, now: float) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if now - self._said_at >= SAY_EVERY_S:
                self._said_at = now
                _log.error("nonces are not kept beyond this process: %s", exc.strerror)


def _line(at: float, key_id: str, nonce: str) -> str:
    return f"{at:.3f} {key_id} {nonce}\n"


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
