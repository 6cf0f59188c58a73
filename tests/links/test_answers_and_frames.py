"""What crosses a stream: frames within their limit, replies as they were, faults as the class they were.

Rule of this file: bytes and sockets of this process alone.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import msgspec
import pytest

from cluster.link.answers import FAULT, REPLY, fault_bytes, open_answer, reply_bytes
from cluster.link.frames import FRAME_MAX, read_frame, write_frame
from router.domain import errors
from router.domain.errors import AnabranchError, CodecError, LinkError
from router.domain.messages import LearnerReply

REPLY_1 = LearnerReply(seq=1, publications=(), policies=())
OURS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AnabranchError)]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, two = socket.socketpair()
    with one, two:
        yield one, two


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 200])
def test_a_frame_arrives_as_it_was_sent(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    write_frame(pair[0], data)
    write_frame(pair[0], b"next")
    assert (read_frame(pair[1]), read_frame(pair[1])) == (data, b"next")


@pytest.mark.parametrize(("length", "limit"), [(33, 32), (FRAME_MAX + 1, FRAME_MAX), (2**32 - 1, 32)])
def test_a_frame_above_the_limit_is_refused_by_its_length(
    pair: tuple[socket.socket, socket.socket], length: int, limit: int
) -> None:
    pair[0].sendall(struct.pack("!I", length))
    with pytest.raises(LinkError, match=f"up to {limit} bytes, got {length}"):
        read_frame(pair[1], limit)


@pytest.mark.parametrize("sent", [b"", b"\x00\x00", b"\x00\x00\x00\x05abc"])
def test_a_frame_that_ends_early_is_the_end_of_the_stream(
    pair: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    pair[0].sendall(sent)
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        read_frame(pair[1])


def test_a_reply_arrives_as_it_was() -> None:
    assert open_answer("learner", reply_bytes(REPLY_1)) == REPLY_1


@pytest.mark.parametrize("kind", OURS)
def test_a_fault_of_ours_is_raised_as_the_same_class_with_the_same_text(kind: type[AnabranchError]) -> None:
    with pytest.raises(AnabranchError) as caught:
        open_answer("learner", fault_bytes(kind("expected 1, got 2 - at x")))
    assert (type(caught.value), str(caught.value)) == (kind, "expected 1, got 2 - at x")


@pytest.mark.parametrize("fault", [ValueError("no number"), KeyError("no number"), FileNotFoundError("no number")])
def test_a_fault_that_is_not_ours_names_its_class_and_who_raised_it(fault: Exception) -> None:
    with pytest.raises(LinkError, match=f"a reply from XLTA, got {type(fault).__name__}: .*no number"):
        open_answer("XLTA", fault_bytes(fault))


@pytest.mark.parametrize("name", ["bad_value", "SimulatedCrash", "__doc__", "annotations", "Exception"])
def test_only_exceptions_of_ours_are_raised_by_name(name: str) -> None:
    with pytest.raises(LinkError, match=f"got {name}: text"):
        open_answer("XLTA", FAULT + msgspec.msgpack.encode((name, "text")))


@pytest.mark.parametrize("answer", [b"", b"\x02", b"\xff\x00", FAULT, FAULT + b"\xc1", FAULT + b"\x92\x01\x02"])
def test_bytes_that_are_no_answer_are_the_links_fault(answer: bytes) -> None:
    with pytest.raises(LinkError, match="XLTA"):
        open_answer("XLTA", answer)


def test_a_reply_that_is_no_message_is_refused() -> None:
    with pytest.raises(CodecError):
        open_answer("XLTA", REPLY + b"\xc1")
