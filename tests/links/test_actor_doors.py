"""The doors of an actor process: who comes in, what a fault is told as, and how a broken stream is mended.

Rule of this file: real sockets on this machine's own address, and no Ray.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from actor_material import HERE, TOKEN, Node, recipe_of, refused_batch, smoke, venue_batch

from cluster.actors import process as doors
from cluster.actors.building import build
from cluster.actors.process import CONNECTIONS_MAX
from cluster.actors.staying import Staying
from cluster.link.answers import open_answer
from cluster.link.cluster_link import ATTEMPTS_MAX, StreamLink, show_secret
from cluster.link.frames import read_frame, write_frame
from cluster.link.handshake import NONCE_BYTES, PROOF_BYTES, claim
from router.domain import codec
from router.domain.errors import CodecError, FeatureError, JournalError, LinkError
from router.domain.messages import HostBatch

CALLS = 20
"""More than an actor has slots for."""

PATIENCE_S = 20.0
"""A reply on this machine takes milliseconds: whoever waits that long waits for ever."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.stop()


@pytest.fixture
def link(node: Node) -> Iterator[StreamLink]:
    link = StreamLink(node, TOKEN)
    yield link
    link.close()


def caller(node: Node, name: str = "XLTA") -> socket.socket:
    return socket.create_connection(node.processes[name].listen(HERE), timeout=PATIENCE_S)


# Who is asked to stay


def test_however_often_a_process_is_asked_to_stay_one_call_is_open() -> None:
    staying, ended = Staying(), threading.Semaphore(0)

    def call() -> None:
        staying.stay()
        ended.release()

    for _ in range(CALLS):
        threading.Thread(target=call, daemon=True).start()
    for _ in range(CALLS - 1):
        assert ended.acquire(timeout=PATIENCE_S)
    assert not ended.acquire(blocking=False)


# Who comes in


@pytest.mark.parametrize("token", [b"", b"\x00" * 32, b"\x00" * 33, b"\x5e" * 31, b"\x5e" * 4096])
def test_a_caller_without_the_token_is_shown_out(node: Node, token: bytes) -> None:
    node.start(recipe_of(node.folder))
    with caller(node) as stranger:
        read_frame(stranger, NONCE_BYTES)
        write_frame(stranger, token)
        # Bytes that nobody read make the close a reset.
        with pytest.raises((EOFError, ConnectionError)):
            read_frame(stranger)
    with caller(node) as guest:
        show_secret("XLTA", guest, bytes.fromhex(TOKEN))
        write_frame(guest, codec.encode(venue_batch(1)))
        assert open_answer("XLTA", read_frame(guest)).seq == 1


def test_what_one_caller_showed_lets_nobody_else_in(node: Node) -> None:
    node.start(recipe_of(node.folder))
    with caller(node) as guest:
        shown = claim(bytes.fromhex(TOKEN), read_frame(guest, NONCE_BYTES))
        write_frame(guest, shown)
        assert len(read_frame(guest, PROOF_BYTES)) == PROOF_BYTES
    with caller(node) as listener_in:
        read_frame(listener_in, NONCE_BYTES)
        write_frame(listener_in, shown)
        with pytest.raises((EOFError, ConnectionError)):
            read_frame(listener_in)


def test_who_listens_in_the_place_of_an_actor_is_told_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(_answer_without_the_secret, theirs)
        with pytest.raises(ConnectionError, match="expected XLTA to hold the secret of the run"):
            show_secret("XLTA", ours, bytes.fromhex(TOKEN))
        assert bytes.fromhex(TOKEN) not in answering.result()


def _answer_without_the_secret(stream: socket.socket) -> bytes:
    write_frame(stream, b"n" * NONCE_BYTES)
    told = read_frame(stream)
    write_frame(stream, b"p" * PROOF_BYTES)
    return told


def test_a_caller_that_shows_nothing_in_time_is_shown_out(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "TOKEN_TIMEOUT_S", 0.05)
    node.start(recipe_of(node.folder))
    with caller(node) as stranger:
        read_frame(stranger, NONCE_BYTES)
        stranger.sendall(b"\x00\x00")
        with pytest.raises((EOFError, ConnectionError)):
            read_frame(stranger)


def test_callers_beyond_the_seats_wait_until_one_leaves(node: Node) -> None:
    node.start(recipe_of(node.folder))
    strangers = [caller(node) for _ in range(CONNECTIONS_MAX)]
    try:
        with caller(node) as guest:
            guest.settimeout(0.2)
            with pytest.raises(TimeoutError):
                read_frame(guest)
            strangers.pop().close()
            guest.settimeout(PATIENCE_S)
            show_secret("XLTA", guest, bytes.fromhex(TOKEN))
            write_frame(guest, codec.encode(venue_batch(1)))
            assert open_answer("XLTA", read_frame(guest)).seq == 1
    finally:
        for stranger in strangers:
            stranger.close()


# Faults


def test_a_fault_has_the_same_class_and_text_through_every_door(node: Node, link: StreamLink, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    with pytest.raises(FeatureError) as alone:
        build(recipe_of(tmp_path / "beside", "learner", "learner")).handle(refused_batch(1))
    process = node.start(recipe_of(node.folder, "learner", "learner"))
    with pytest.raises(FeatureError) as called:
        open_answer("learner", process.handle(codec.encode(refused_batch(1))))
    link.send("learner", refused_batch(2))
    with pytest.raises(FeatureError) as streamed:
        link.receive()
    assert str(called.value) == str(streamed.value) == str(alone.value)
    assert node.revivals == 0, "a shell that refuses lives"


def test_after_a_fault_no_reply_is_taken_for_another(node: Node, link: StreamLink) -> None:
    node.start(recipe_of(node.folder, "learner", "learner"))
    node.start(recipe_of(node.folder))
    link.send("learner", refused_batch(1))
    link.send("XLTA", venue_batch(2))
    with pytest.raises(FeatureError):
        link.receive()
    link.send("XLTA", venue_batch(3))
    assert [(name, reply.seq) for name, reply in link.receive().items()] == [("XLTA", 3)]


def test_bytes_that_are_no_batch_are_answered_with_a_fault(node: Node) -> None:
    process = node.start(recipe_of(node.folder))
    with pytest.raises(LinkError, match="got HostBatch 7"):
        open_answer("XLTA", process.handle(codec.encode(HostBatch(seq=7, now=0))))
    with pytest.raises(CodecError, match="malformed"):
        open_answer("XLTA", process.handle(b"\xc1"))
    assert open_answer("XLTA", process.handle(codec.encode(venue_batch(8)))).seq == 8


# Broken streams


def test_a_stream_that_broke_is_opened_again_and_the_batch_counts_once(node: Node, link: StreamLink) -> None:
    node.start(recipe_of(node.folder))
    plain = build(recipe_of(node.folder / "plain"))
    for seq in range(1, 6):
        if seq > 1:
            link._streams["XLTA"].shutdown(socket.SHUT_RDWR)
        link.send("XLTA", venue_batch(seq))
        assert codec.encode(link.receive()["XLTA"]) == codec.encode(plain.handle(venue_batch(seq)))
    assert node.revivals == 4


def test_a_batch_that_no_stream_took_is_sent_when_its_reply_is_wanted(node: Node, link: StreamLink) -> None:
    node.start(recipe_of(node.folder))
    link.send("XLTA", venue_batch(1))
    link.receive()
    link._streams["XLTA"].shutdown(socket.SHUT_RDWR)
    link.send("XLTA", venue_batch(2))
    assert "XLTA" not in link._streams, "the write failed"
    assert link.receive()["XLTA"].seq == 2


def test_a_link_with_another_token_gives_up(node: Node) -> None:
    node.start(recipe_of(node.folder))
    link = StreamLink(node, "00" * 32)
    link.send("XLTA", venue_batch(1))
    with pytest.raises(LinkError, match=f"within {ATTEMPTS_MAX} attempts"):
        link.receive()
    assert link._streams == {}


# Journals of earlier lives


@pytest.mark.parametrize(("name", "role"), [("XLTA", "venue"), ("learner", "learner"), ("host-0", "host")])
@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_later_life_without_a_journal_is_refused_with_its_path_each_time(
    tmp_path: Path, name: str, role: str, left: str
) -> None:
    recipe = recipe_of(tmp_path, name, role, incarnation=1)
    if left == "an empty file":
        Path(recipe.journal).touch()
    for _ in range(2):
        with pytest.raises(JournalError, match=rf"life 1 of {name}, got none .* at {recipe.journal}"):
            build(recipe)


@pytest.mark.parametrize(("name", "role"), [("XLTA", "venue"), ("learner", "learner"), ("host-0", "host")])
def test_a_shell_that_was_never_called_comes_back(tmp_path: Path, name: str, role: str) -> None:
    Node(tmp_path).start(recipe_of(tmp_path, name, role)).close()
    Node(tmp_path).start(again := recipe_of(tmp_path, name, role, incarnation=1)).close()
    assert build(again) is not None


def test_a_process_tells_why_its_shell_cannot_be_built(node: Node) -> None:
    with pytest.raises(JournalError, match="life 3 of XLTA"):
        node.start(recipe_of(node.folder, incarnation=3))
    with pytest.raises(JournalError, match="life 3 of XLTA"):
        open_answer("XLTA", node.processes["XLTA"].handle(codec.encode(venue_batch(1))))
    assert node.processes["XLTA"].health()[0] == "XLTA"


# Hosts in turn


def test_a_host_refuses_a_batch_from_the_past_and_changes_nothing(tmp_path: Path) -> None:
    host, undisturbed = (build(recipe_of(tmp_path / folder, "host-0", "host")) for folder in ("one", "two"))
    orders = smoke_orders()
    for batch in orders:
        host.handle(batch)
        undisturbed.handle(batch)
    assert host.handle(orders[-1]) == undisturbed.handle(orders[-1]), "the last one again gets its reply again"
    with pytest.raises(LinkError, match="expected a host batch after 4, got HostBatch 2"):
        host.handle(orders[0])
    with pytest.raises(LinkError, match="expected a host batch after 4, got HostBatch 3"):
        host.handle(HostBatch(seq=3, now=orders[-1].now, is_restart=True))
    later = HostBatch(seq=5, now=orders[-1].now, is_restart=True)
    assert host.handle(later) == undisturbed.handle(later)


def test_a_host_that_came_back_refuses_what_is_before_its_journals_end(tmp_path: Path) -> None:
    orders = smoke_orders()
    host = build(recipe_of(tmp_path, "host-0", "host"))
    replies = [host.handle(batch) for batch in orders]
    back = build(recipe_of(tmp_path, "host-0", "host", incarnation=1))
    assert back.handle(orders[-1]) == replies[-1]
    with pytest.raises(LinkError, match="after 4, got HostBatch 2"):
        back.handle(orders[0])


def smoke_orders() -> tuple[HostBatch, HostBatch]:
    """Return two batches with something to record in each: an order accepted, and its cancel asked for."""

    parent = smoke().parents[0]
    at = parent.start_at
    return HostBatch(seq=2, now=at, accepts=(parent,)), HostBatch(seq=4, now=at + 1, cancels=(parent.parent_id,))
