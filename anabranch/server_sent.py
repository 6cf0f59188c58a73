"""Server-sent events, as the HTML standard cuts a text into them.

Rule of this file: bytes in, messages out; nothing here knows where the bytes come from.
"""

from __future__ import annotations

from typing import Final

from anabranch.errors import AnswerError

MESSAGE_MAX: Final = 32 << 20
"""Bytes of one message: a snapshot's has some 200 kB."""


class ServerSent:
    """Cuts bytes into the data of messages.

    >>> cutter = ServerSent()
    >>> cutter.feed(b"event: a\\nid: 1\\ndata: {}\\n"), cutter.feed(b"\\n: a comment\\n\\ndata: x\\ndata: y\\n\\n")
    ([], [b'{}', b'x\\ny'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that these bytes complete.

        Raises:
            AnswerError: a message is larger than `MESSAGE_MAX`.
        """
        self._rest += data
        if len(self._rest) > MESSAGE_MAX:
            raise AnswerError(f"expected a message up to {MESSAGE_MAX} bytes, got more - at the stream")
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        found = []
        for line in lines:
            text = line.removesuffix(b"\r")
            if not text:
                if self._data:
                    found.append(b"\n".join(self._data))
                self._data, self._size = [], 0
                continue
            field, _, value = text.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value)
                if self._size > MESSAGE_MAX:
                    raise AnswerError(f"expected a message up to {MESSAGE_MAX} bytes, got more - at the stream")
        return found
