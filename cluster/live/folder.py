"""The state folder, and the port of the door, before anything is started: are they ours to use?

Rule of this file: whatever would end a desk minutes later is found here, and said in one line.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cluster.api.options import ApiOptions
from router.domain.errors import ConfigError, JournalError

FREE_BYTES_MIN = 256 << 20
"""Less than this is filled within a busy hour, by the journals of one desk."""

_PROBE = "probe"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

HOLD_TIMEOUT_S = 0.5
"""Who only looks whether a folder is held holds it for a moment: whoever wants it waits for that long."""

_HOLD_AGAIN_S = 0.01


def claim_folder(state: Path) -> None:
    """Make the state folder, for its owner alone, unless it is there; see that it can be used.

    Raises:
        ConfigError: it is no folder of this user's, or not this user's alone to write to, or cannot be written to, or
            its disk is full.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = state.stat()
        if found.st_uid != os.geteuid():
            raise ConfigError(
                f"expected a state folder of user {os.geteuid()}, got one of user {found.st_uid} - at {state},"
                " live.state"
            )
        if found.st_mode & _OTHERS_WRITE:
            # Whoever may write there may have put a snapshot or a status in place already: a person must look first.
            raise ConfigError(
                f"expected a state folder that its owner alone may write to (chmod go-w), got mode"
                f" {stat.S_IMODE(found.st_mode):04o} - at {state}, live.state"
            )
        free = shutil.disk_usage(state).free
        if free < FREE_BYTES_MIN:
            raise ConfigError(
                f"expected {FREE_BYTES_MIN >> 20} MB free for a desk's journals, got {free >> 20} MB - at {state},"
                " live.state"
            )
        probe = state / _PROBE
        probe.write_bytes(bytes(4_096))
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"expected a state folder that can be written to, got {exc.strerror} - at {state}, live.state"
        ) from exc


@contextlib.contextmanager
def hold_folder(state: Path, timeout_s: float = HOLD_TIMEOUT_S) -> Iterator[None]:
    """Hold the state folder, within `timeout_s`.

    Raises:
        JournalError: another process holds it.
    """
    with (state / "lock").open("w") as lock:
        deadline = time.monotonic() + timeout_s
        while not _locked(lock):
            if time.monotonic() >= deadline:
                raise JournalError(
                    f"expected a state folder that nobody holds, got one held by another desk - at {state}"
                )
            time.sleep(_HOLD_AGAIN_S)
        yield


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_held(state: Path) -> bool:
    """Whether a process holds the state folder now."""
    try:
        with hold_folder(state, timeout_s=0.0):
            return False
    except JournalError:
        return True
    except FileNotFoundError:
        return False


def check_port(options: ApiOptions, where: str) -> None:
    """See that the door could listen where it is to. Somebody may still be faster.

    Raises:
        ConfigError: the address is in use, or none of this machine's.
    """
    if not options.port:
        return
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as exc:
        got = f"{options.host}:{options.port} ({exc.strerror})"
        raise ConfigError(f"expected an address to listen on, got {got} - at {where}, api.port") from exc
