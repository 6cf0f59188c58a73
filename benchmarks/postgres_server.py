"""A real PostgreSQL server of one's own: made in a temporary folder, reached by a Unix socket, gone at the end.

Rule of this file: nothing of a server that runs already is used or touched. The server refuses to run as root, and is
then given to the user `postgres`, or `nobody` where there is none.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from router.domain.errors import LinkError

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
"""Where distributions put the server's programs, besides the search path."""

TIMEOUT_S = 120

SETTINGS = {
    "listen_addresses": "''",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "50",
    "shared_buffers": "32MB",
}


def server_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, of the newest version that is installed; None without one."""
    on_path = shutil.which("initdb")
    found = [] if on_path is None else [Path(on_path).resolve().parent]
    for pattern in FOLDERS:
        found += sorted(Path("/").glob(pattern[1:]), key=_version, reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


class PostgresServer:
    """A cluster of databases with data checksums and fsync on.

    Raises:
        LinkError: a program of the server failed; says with which words.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="anabranch-pg-"))
        self.user = _server_user()
        self.data = self.folder / "data"
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self.url = f"postgresql:///postgres?host={self.folder}&user=anabranch"
        try:
            self._run("initdb", "-D", self.data, "-U", "anabranch", "-A", "trust", "-E", "UTF8", "--locale=C", "-k")
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "log"

    def pid(self) -> int:
        """Return the process id of the server."""
        return int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def start(self, **others: str) -> None:
        """Start, also after a crash: it recovers by itself. `others` are settings that differ."""
        settings = " ".join(f"-c {name}={value}" for name, value in {**SETTINGS, **others}.items())
        options = f"-k {self.folder} {settings}"
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", str(TIMEOUT_S), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is a crash: no checkpoint, and the next start recovers."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", str(TIMEOUT_S), "stop")

    def close(self) -> None:
        """Stop and leave nothing behind."""
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: object) -> None:
        line = [str(self._programs / program), *map(str, arguments)]
        if self.user is not None:
            line = ["runuser", "-u", self.user, "--", *line]
        environ = {**os.environ, "LC_ALL": "C", "PGHOST": str(self.folder)}
        done = subprocess.run(
            line, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S + 10, check=False
        )
        if done.returncode:
            raise LinkError(f"expected {program} to succeed, got exit code {done.returncode}: {done.stderr[-500:]}")


def _server_user() -> str | None:
    """Return whom to give the server to; None where this is no root and it stays ours."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _version(folder: Path) -> tuple[int, ...]:
    digits = "".join(char if char.isdigit() else " " for char in str(folder)).split()
    return tuple(map(int, digits))
