"""Real faults for journals: processes killed while they write, syncs that fail, disks that are full.

Rule of this file: nothing is imitated; where the system does not let us do it, the test is skipped and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GROUP_SIZES = 7
"""The groups of a busy writer have 1 to so many records."""

BUSY_WRITER = """
import sys
from cluster.journal.open import open_journal
from router.orders.journal import Draft

journal, size = open_journal(sys.argv[1]), 0
while True:
    group = size % 7 + 1
    drafts = [Draft("ChildSent", size + n, f"P1.d{size + n}", b"x" * 200, correlation_id="r1") for n in range(group)]
    journal.append("P1", size, drafts)
    journal.sync()
    size += group
    print(size, flush=True)
"""

STEPPING_WRITER = """
import sys
from cluster.journal.open import open_journal
from router.domain.errors import JournalError
from router.orders.journal import Draft

journal = open_journal(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    try:
        journal.append("P1", journal.next_seq("P1"), [Draft("ChildSent", 1, "P1.d0", b"x" * 200)])
        journal.sync()
        print("kept", flush=True)
    except JournalError as exc:
        print("refused", type(exc).__name__, "failed" in journal.health().fault, flush=True)
"""


class Writer:
    """A process that writes a journal by one of the two scripts."""

    def __init__(self, script: str, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def step(self) -> str:
        assert self._process.stdin is not None
        print("write", file=self._process.stdin, flush=True)
        return self.says()

    def kill(self) -> list[str]:
        """Send SIGKILL and return what it had said by then and nobody had read."""
        self._process.kill()
        said, _ = self._process.communicate()
        # The last line may be cut in the middle.
        return said.splitlines() if said.endswith("\n") else said.splitlines()[:-1]


@contextmanager
def failing_syncs(pid: int) -> Iterator[None]:
    """Let every fsync and fdatasync of a process fail with EIO."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace is installed here (Debian: apt-get install strace)")
    calls = "fsync,fdatasync"
    line = [strace, "-f", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO"]
    tracer = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not look at other processes here: {said.strip()}")
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of one megabyte at a new folder."""
    if os.getuid():
        pytest.skip("a full disk needs a small one, and only root may mount that")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Detached from the tree at once, and freed when the last process lets go of it.
        subprocess.run(["umount", "-l", str(folder)], check=True)
