"""The benchmark of journals gives every figure it lists; what they are is asserted nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import journal
from benchmarks.catalogue import groups_of
from benchmarks.rows import Settings
from cluster.journal.open import open_journal
from router.orders.journal import verify

QUICK = Settings(repeat=3, is_quick=True, seeds=20, data=None, progress=lambda share, text: None)


def test_benchmark_leaves_a_journal_that_is_whole(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.sqlite")
    figures = journal.all_figures(place, str(tmp_path), batch=3, rounds=4)
    assert set(figures) == {"bare", "alone", *(key for key, _, _ in journal.FIGURES)}
    assert min(figures.values()) > 0
    assert figures["p50_ms"] <= figures["p99_ms"]
    opened = open_journal(place, is_reader=True)
    # Nine rounds of three records: once by one thread, once by the callers.
    assert len(list(verify(opened.read(), place))) == 2 * 3 * (4 + journal.WARM)
    opened.close()


def test_machine_without_a_server_has_empty_rows_that_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "server_programs", lambda: None)
    monkeypatch.setattr(journal, "BATCHES", (2,))
    rows = [row for group in groups_of("journal") for row in group(QUICK)]
    assert [row.id for row in rows] == [
        f"journal.{medium}.2.{key}" for medium in ("sqlite", "postgres") for key, _, _ in journal.FIGURES
    ]
    assert [row.ours is None for row in rows] == [False] * 3 + [True] * 3
    assert all("(skipped: no PostgreSQL server is installed)" in row.what for row in rows[3:])
