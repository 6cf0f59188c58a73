"""Frames on a stream: four bytes of length, then that many bytes.

Rule of this file: a length above what the reader allows is refused before a byte of it is read.
"""

from __future__ import annotations

import socket
import struct

from router.domain.errors import LinkError

FRAME_MAX = 256 * 1024 * 1024
"""A window's market data is a few megabytes: above this the peer is not one of ours."""

_LENGTH = struct.Struct("!I")


def write_frame(connection: socket.socket, data: bytes) -> None:
    """Send one frame.

    Raises:
        LinkError: the frame is too long.
        ConnectionError: the peer is gone.
    """
    if len(data) > FRAME_MAX:
        raise LinkError(f"expected a frame up to {FRAME_MAX} bytes, got {len(data)}")
    connection.sendall(_LENGTH.pack(len(data)) + data)


def read_frame(connection: socket.socket, limit: int = FRAME_MAX) -> bytes:
    """Return the next frame, of at most `limit` bytes.

    Raises:
        LinkError: it is longer.
        EOFError: the peer closed the stream.
        TimeoutError: the connection has a time-out, and the peer was silent for that long.
    """
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size))
    if length > limit:
        raise LinkError(f"expected a frame up to {limit} bytes, got {length}")
    return _read(connection, length)


def _read(connection: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view = memoryview(buffer)
    got = 0
    while got < size:
        n = connection.recv_into(view[got:])
        if n == 0:
            raise EOFError("the peer closed the stream")
        got += n
    return bytes(buffer)
