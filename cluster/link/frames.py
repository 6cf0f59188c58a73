"""Frames on a stream: four bytes of length, then that many bytes.

Rule of this file: a length above `FRAME_MAX` is refused before a byte of it is read.
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


def read_frame(connection: socket.socket) -> bytes:
    """Return the next frame.

    Raises:
        LinkError: its length is not one of ours.
        EOFError: the peer closed the stream.
    """
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size))
    if length > FRAME_MAX:
        raise LinkError(f"expected a frame up to {FRAME_MAX} bytes, got {length}")
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
