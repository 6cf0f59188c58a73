"""Which ports a process and its descendants listen on, as the kernel knows them.

Rule of this file: it reads /proc and nothing else, so that what is found is what anybody else would find.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import NamedTuple

LISTEN = "0A"
"""TCP_LISTEN, as /proc/net/tcp writes it."""


class Listener(NamedTuple):
    """An open port, and the command that holds it."""

    address: str
    port: int
    command: str

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        found = ipaddress.ip_address(self.address)
        mapped = getattr(found, "ipv4_mapped", None)
        return (mapped or found).is_loopback


def descendants(pid: int) -> set[int]:
    """The process and all that it started, also by others of them."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = int(after_name[1])
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def listeners(pid: int) -> list[Listener]:
    """Every TCP port that the process or a descendant listens on."""
    sockets = {inode: place for table in ("tcp", "tcp6") for inode, place in _table(Path("/proc/net") / table)}
    found = []
    for one in sorted(descendants(pid)):
        try:
            links = [str(link.readlink()) for link in Path(f"/proc/{one}/fd").iterdir()]
            command = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        for link in links:
            place = sockets.get(link.removeprefix("socket:[").removesuffix("]"))
            if place is not None:
                found.append(Listener(*place, command[:60]))
    return found


def _table(path: Path) -> list[tuple[str, tuple[str, int]]]:
    if not path.exists():
        return []
    rows = [line.split() for line in path.read_text().splitlines()[1:]]
    return [(row[9], _place(row[1])) for row in rows if row[3] == LISTEN]


def _place(text: str) -> tuple[str, int]:
    """The kernel writes each word of an address in the machine's own order of bytes."""
    raw, _, port = text.partition(":")
    words = [int(raw[i : i + 8], 16) for i in range(0, len(raw), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))), int(port, 16)
