"""Snapshots are written by a copy of the process, which sees one moment of it and holds nothing of it."""

from __future__ import annotations

import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from cluster.live.freezing import frozen, thawed
from cluster.live.snapshots import FOLDER, Company, Part, Rhythm, Snapshots, Turns
from cluster.live.taking import HANGS_S, SHARE_MAX, SnapshotTaker

AT_ONCE = Rhythm(0.0, 1)
HEAD = bytes(32)


class Clock:
    """Time as a test says it is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path, "actor", b"")


@pytest.fixture
def taker(snapshots: Snapshots) -> Iterator[SnapshotTaker]:
    made = SnapshotTaker(snapshots, AT_ONCE)
    yield made
    made.close()


def found(snapshots: Snapshots) -> list[tuple[int, object]]:
    return [(one.header.offset, thawed(one.payload, {}, {})) for one in snapshots.newest()]


def test_a_copy_writes_what_was_when_it_was_made(snapshots: Snapshots, taker: SnapshotTaker) -> None:
    state = {"n": 1}
    taker.begin(state)
    state["n"] = 2
    taker.place(5, HEAD)
    taker.wait()
    assert found(snapshots) == [(5, {"n": 1})]
    assert taker.taken == 1


def test_nothing_is_written_until_the_place_is_known_and_never_when_the_process_is_gone(
    snapshots: Snapshots, taker: SnapshotTaker, tmp_path: Path
) -> None:
    taker.begin({"n": 1})
    assert not (tmp_path / FOLDER).exists()
    # As when the process dies: its end of the line is closed, and nobody has said a place.
    taker.close()
    assert found(snapshots) == []


def test_a_process_that_died_before_it_said_the_place_leaves_no_snapshot_and_no_copy(
    snapshots: Snapshots, tmp_path: Path
) -> None:
    said, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        # What pytest set up is none of this process's business.
        SnapshotTaker(snapshots, AT_ONCE).begin({"n": 1})
        os.write(told, b"begun")
        os._exit(0)
    os.close(told)
    os.waitpid(pid, 0)
    # The copy holds no end of this pipe, and so it ends with the process.
    assert os.read(said, 5) == b"begun"
    assert os.read(said, 1) == b""
    os.close(said)
    assert found(snapshots) == []


def test_a_copy_holds_nothing_open_that_the_process_had(taker: SnapshotTaker) -> None:
    ours, peer = socket.socketpair()
    taker.begin({"n": 1})
    ours.close()
    # The peer sees the end at once, though the copy lives on and waits.
    peer.settimeout(HANGS_S)
    assert peer.recv(1) == b""
    peer.close()


def test_what_cannot_be_pickled_is_told_and_tried_again_later(
    snapshots: Snapshots, taker: SnapshotTaker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "anabranch.snapshots"):
        taker.take(lambda: 0, 5, HEAD)
        taker.wait()
    assert "no snapshot of actor: JournalError" in caplog.text
    assert (found(snapshots), taker.taken) == ([], 0)


def test_a_disk_that_cannot_be_written_to_is_told(
    tmp_path: Path, taker: SnapshotTaker, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FOLDER).write_bytes(b"no folder")
    taker.take({"n": 1}, 5, HEAD)
    taker.wait()
    assert "no snapshot of actor: FileExistsError" in caplog.text


@contextmanager
def no_file_left() -> Iterator[None]:
    """As in a process that may open no file beyond those it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def next_descriptor() -> int:
    """Return the lowest descriptor that is free."""
    with socket.socket() as one:
        return one.fileno()


def no_process_left() -> int:
    raise BlockingIOError("no process left")


def test_a_fork_that_fails_costs_one_snapshot_and_leaves_nothing_open(
    snapshots: Snapshots, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    taker = SnapshotTaker(snapshots, Rhythm(20.0, 1, is_forked=True), clock=clock, fork=no_process_left)
    clock.now, free = 20.0, next_descriptor()
    taker.take({"n": 1}, 5, HEAD)
    assert "no snapshot of actor: BlockingIOError: no process left" in caplog.text
    assert next_descriptor() == free
    assert not taker.is_due(10_000), "the next one is tried when it would have been"
    clock.now += 20.0
    assert taker.is_due(10_000)


def test_where_no_file_is_left_for_a_copy_the_engine_goes_on(
    snapshots: Snapshots, taker: SnapshotTaker, caplog: pytest.LogCaptureFixture
) -> None:
    with no_file_left():
        taker.take({"n": 1}, 5, HEAD)
    assert "no snapshot of actor: OSError" in caplog.text
    taker.take({"n": 2}, 6, HEAD)
    taker.wait()
    assert found(snapshots) == [(6, {"n": 2})]


def test_what_cannot_be_pickled_ends_no_process_that_writes_by_itself(
    snapshots: Snapshots, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    taker = SnapshotTaker(snapshots, Rhythm(20.0, 1, is_forked=False), clock=clock)
    clock.now = 20.0
    taker.take(lambda: 0, 5, HEAD)
    assert "no snapshot of actor: JournalError" in caplog.text
    assert (found(snapshots), taker.is_due(10_000)) == ([], False)


def test_the_next_snapshot_waits_until_the_last_one_cost_little_enough(snapshots: Snapshots) -> None:
    clock = Clock()
    taker = SnapshotTaker(snapshots, Rhythm(20.0, 200, is_forked=False), clock=clock)
    assert not taker.is_due(200)
    clock.now = 20.0
    assert not taker.is_due(199)
    assert taker.is_due(200)
    taker.begin({"n": 1})
    clock.now += 0.5
    taker.place(200, HEAD)
    clock.now += 0.5 / SHARE_MAX - 0.1
    assert not taker.is_due(10_000)
    clock.now += 0.2
    assert taker.is_due(10_000)


def test_actors_of_one_process_are_copied_in_turn_and_all_of_them(snapshots: Snapshots) -> None:
    clock, turns = Clock(), Turns()
    rhythm = Rhythm(20.0, 1, is_forked=False, turns=turns)
    takers = [SnapshotTaker(snapshots, rhythm, clock=clock) for _ in range(4)]
    copied: list[tuple[float, int]] = []
    for second in range(20, 61):
        clock.now = float(second)
        for n, taker in enumerate(takers):
            if taker.is_due(second):
                copied.append((clock.now, n))
                taker.take({"n": second}, second, HEAD)
    assert copied[:5] == [(20.0, 0), (24.0, 1), (28.0, 2), (32.0, 3), (40.0, 0)]
    assert [n for _, n in copied] == [0, 1, 2, 3, 0, 1, 2, 3, 0]


def test_one_copy_takes_a_whole_company(tmp_path: Path) -> None:
    company, states = Company(), {"host": {"n": 1}, "venue": {"n": 2}, "quiet": {"n": 3}}
    kept = {name: Snapshots(tmp_path, name, b"") for name in states}
    for name, state in states.items():
        header = kept[name].header(7, HEAD)
        part = Part(kept[name], header, partial(frozen, state, {}, {}))
        company.join(lambda part=part, name=name: None if name == "quiet" else part)  # type: ignore[misc]
    forks: list[int] = []

    def fork() -> int:
        forks.append(1)
        return os.fork()

    taker = SnapshotTaker(Snapshots(tmp_path, "market", b""), Rhythm(0.0, 1, company=company), fork=fork)
    taker.begin({"n": 0})
    states["host"]["n"] = states["venue"]["n"] = 9
    taker.place(5, HEAD)
    taker.wait()
    taken = {name: found(of) for name, of in kept.items()}
    assert taken == {"host": [(7, {"n": 1})], "venue": [(7, {"n": 2})], "quiet": []}
    assert (found(Snapshots(tmp_path, "market", b"")), len(forks), taker.taken) == ([(5, {"n": 0})], 1, 1)


@pytest.mark.parametrize("is_forked", [True, False])
def test_one_of_a_company_that_cannot_be_written_is_told_and_the_others_are(
    tmp_path: Path, is_forked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    company, states = Company(), {"broken": lambda: 0, "whole": {"n": 2}}
    kept = {name: Snapshots(tmp_path, name, b"") for name in states}
    for name, state in states.items():
        part = Part(kept[name], kept[name].header(7, HEAD), partial(frozen, state, {}, {}))
        company.join(lambda part=part: part)  # type: ignore[misc]
    taker = SnapshotTaker(Snapshots(tmp_path, "market", b""), Rhythm(0.0, 1, is_forked, company=company))
    taker.take({"n": 0}, 5, HEAD)
    taker.wait()
    assert found(kept["whole"]) == [(7, {"n": 2})]
    assert found(Snapshots(tmp_path, "market", b"")) == [(5, {"n": 0})]
    taker.take({"n": 1}, 6, HEAD)
    taker.wait()
    assert "broken: expected a state that can be pickled" in caplog.text


def test_a_copy_that_hangs_is_killed_and_told(snapshots: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    taker = SnapshotTaker(snapshots, AT_ONCE, clock=clock)
    taker.begin({"n": 1})
    assert not taker.is_due(1)
    clock.now += HANGS_S + 1.0
    assert taker.is_due(1)
    assert "no snapshot of actor: it took over" in caplog.text
    taker.close()
