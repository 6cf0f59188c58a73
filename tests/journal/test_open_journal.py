"""A journal's URL says what it is, and what it cannot be is refused with what it could be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cluster.journal.open import open_journal
from cluster.journal.sqlite import SqliteJournal
from router.domain.errors import ConfigError


@pytest.mark.parametrize("form", ["{}", "sqlite:{}", "sqlite://{}"])
def test_path_is_a_journal_in_a_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = open_journal(form.format(path), epoch=4, durability="process")
    assert isinstance(journal, SqliteJournal)
    assert (path.exists(), journal.epoch, Path(journal.place).samefile(path)) == (True, 4, True)
    journal.close()


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite:/", "mysql://host/db", "http://host", "sqlite3://x", "a\x00b"])
def test_what_is_no_journal_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a path, sqlite:PATH or postgresql://"):
        open_journal(url)


def test_absent_driver_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "cluster.journal.postgres", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'anabranch\[postgres\]'"):
        open_journal("postgresql:///desk")


@pytest.mark.parametrize("schema", ["a%20b", "Quoted%22Name", "%C3%BC", "x" * 63])
def test_schema_may_have_any_name(schema: str, new_postgres_url: object) -> None:
    assert callable(new_postgres_url)
    place = new_postgres_url().partition("&schema=")[0]
    journal = open_journal(f"{place}&schema={schema}&application_name=desk")
    assert journal.health().size == 0
    journal.close()


@pytest.mark.parametrize("schema", ["", "x" * 64, "pg_catalog", "a%00b"])
def test_name_that_is_no_schemas_is_refused(schema: str) -> None:
    with pytest.raises(ConfigError, match="schema"):
        open_journal(f"postgresql:///desk?schema={schema}")
