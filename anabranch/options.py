"""How a client behaves: encodings, time limits, and the bounds of its retries.

Rule of this file: every bound has its reason beside it, and a value that cannot be used is refused here.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from anabranch.errors import UsageError

STREAM_MESSAGE_MAX: Final = 32 << 20
"""Bytes of one frame of a stream: a snapshot's frame has some 200 kB, so that more is no stream of ours."""


class ClientOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The set-up of a client. Times are seconds.

    Raises:
        UsageError: names the value that cannot be used.

    >>> ClientOptions(timeout_s=0)
    Traceback (most recent call last):
    anabranch.errors.UsageError: expected seconds above 0, got 0 - at ClientOptions.timeout_s
    """

    encoding: Literal["json", "msgpack"] = "json"
    """Of bodies, answers and the WebSocket's frames. Problems are JSON always."""
    timeout_s: float = 5.0
    """How long one attempt may take. A durable accept takes milliseconds: more than this is "unknown"."""
    deadline_s: float = 30.0
    """How long a call goes on in all, attempts and pauses together."""
    backoff_first_s: float = 0.05
    """The first pause before an attempt is made again; each one after it is twice as long, without jitter."""
    backoff_max_s: float = 2.0
    """The longest such pause. A longer Retry-After is kept to all the same, where the deadline allows it."""
    connections_max: int = 64
    """Connections to the desk at once."""
    silence_s: float = 15.0
    """How long a stream may say nothing before it is taken for dead: three heartbeats of the desk's default."""
    reconnect_within_s: float = 60.0
    """How long a stream tries to come back after its connection broke."""
    page: int = 500
    """Things asked for at once where a list is iterated over."""

    def __post_init__(self) -> None:
        if self.encoding not in ("json", "msgpack"):
            raise UsageError(f"expected json or msgpack, got {self.encoding!r} - at ClientOptions.encoding")
        for name in (
            "timeout_s",
            "deadline_s",
            "backoff_first_s",
            "backoff_max_s",
            "silence_s",
            "reconnect_within_s",
        ):
            if not getattr(self, name) > 0:
                raise UsageError(f"expected seconds above 0, got {getattr(self, name)!r} - at ClientOptions.{name}")
        for name, most in (("connections_max", 10_000), ("page", 1_000)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"expected 1 to {most}, got {getattr(self, name)!r} - at ClientOptions.{name}")

    def pause_s(self, attempt: int, retry_after_s: float = 0.0) -> float:
        """Return the pause after the attempt of that number (from 0): never shorter than what the desk asked for.

        >>> [ClientOptions().pause_s(n) for n in (0, 1, 2, 50)], ClientOptions().pause_s(0, 3.0)
        ([0.05, 0.1, 0.2, 2.0], 3.0)
        """
        doubled = self.backoff_first_s * 2.0 ** min(attempt, 30)
        return max(retry_after_s, min(doubled, self.backoff_max_s))
