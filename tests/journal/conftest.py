"""A real PostgreSQL server for the tests of journals, one for the session, started from the installed programs.

Rule of this file: every test gets a schema of its own; where no server is installed, tests that need one are skipped
and say so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])

if ROOT not in sys.path:
    sys.path.append(ROOT)

from benchmarks.postgres_server import PostgresServer, server_programs  # noqa: E402


def start_server() -> PostgresServer:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'anabranch[postgres]'")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here (Debian: apt-get install postgresql)")
    return PostgresServer(programs)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that nothing bad is done to."""
    server = start_server()
    yield server
    server.close()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, to be killed, cut off or broken."""
    server = start_server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def new_postgres_url(postgres: PostgresServer) -> Callable[[], str]:
    """Gives the URL of an empty schema each time it is called."""
    numbers = count()
    return lambda: f"{postgres.url}&schema=journal_{next(numbers)}"
