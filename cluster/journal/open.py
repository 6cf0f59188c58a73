"""A journal by its URL: `sqlite:PATH`, a bare path, or `postgresql://...`.

Rule of this file: which medium it is, is known here and nowhere else; everybody else has a `Journal`.
"""

from __future__ import annotations

from urllib.parse import unquote

from cluster.journal.rows import VerifyFrom
from cluster.journal.sqlite import Durability, SqliteJournal
from cluster.journal.stored import StoredJournal
from cluster.journal.urls import SQLITE, check_url, is_postgres
from router.domain.errors import ConfigError


def open_journal(
    url: str,
    *,
    epoch: int = 1,
    durability: Durability = "power",
    is_reader: bool = False,
    verify_from: VerifyFrom = 0,
) -> StoredJournal:
    """Open the journal at `url`, for writing or `is_reader`; see `SqliteJournal` and `PostgresJournal`.

    A URL of PostgreSQL may carry `schema=NAME` among its parameters. `durability` is SQLite's: a server decides
    itself.

    Raises:
        ConfigError: no such form, or PostgreSQL's driver is not installed.
        JournalError: it cannot be opened, is not ours or is of another format.
        JournalCorruptError: a record fails its checksum or its place in the chain.
    """
    check_url(url, "journal")
    if is_postgres(url):
        return _open_postgres(url, epoch, is_reader, verify_from)
    path = url.removeprefix(SQLITE)
    return SqliteJournal(path, epoch=epoch, durability=durability, is_reader=is_reader, verify_from=verify_from)


def _open_postgres(url: str, epoch: int, is_reader: bool, verify_from: VerifyFrom) -> StoredJournal:
    try:
        from cluster.journal.postgres import SCHEMA, PostgresJournal
    except ImportError as exc:
        raise ConfigError(f"expected psycopg, got {exc} - at journal: pip install 'anabranch[postgres]'") from exc
    # Only what is ours is taken out, byte for byte: libpq reads a URL in its own way.
    place, _, query = url.partition("?")
    parameters = [text for text in query.split("&") if text]
    schemas = [unquote(text.removeprefix("schema=")) for text in parameters if text.startswith("schema=")]
    rest = "&".join(text for text in parameters if not text.startswith("schema="))
    bare, schema = f"{place}?{rest}" if rest else place, schemas[-1] if schemas else SCHEMA
    return PostgresJournal(bare, schema=schema, epoch=epoch, is_reader=is_reader, verify_from=verify_from)
