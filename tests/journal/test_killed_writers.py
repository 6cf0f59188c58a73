"""A writer killed in the middle of its work leaves all that it acknowledged, and a chain that is whole.

Rule of this file: `kill -9` of a real process that writes without pause, on every medium; the moment is not chosen. The
longest goes on until SQLite has begun its log anew over what stood there.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import BUSY_WRITER, GROUP_SIZES, Writer

from cluster.journal.open import open_journal
from router.orders.journal import Draft, verify


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'journal.sqlite'}"
    made: str = request.getfixturevalue("new_postgres_url")()
    return made


@pytest.mark.parametrize("groups", [1, 20, 300])
def test_killed_writer_leaves_all_it_acknowledged_and_a_whole_chain(url: str, groups: int) -> None:
    writer = Writer(BUSY_WRITER, url)
    said = [writer.says() for _ in range(groups)]
    acknowledged = int([*said, *writer.kill()][-1])
    journal = open_journal(url)
    records = list(verify(journal.read(), "the journal"))
    assert acknowledged <= len(records) <= acknowledged + GROUP_SIZES
    assert [record.at for record in records] == list(range(len(records)))
    assert {record.correlation_id for record in records} == {"r1"}
    # A group is there as a whole or not at all.
    assert len(records) in _sizes_of_groups(len(records))
    journal.append("P1", len(records), [Draft("ChildSent", 0, "", b"")])
    journal.sync()
    assert journal.health().durable_size == len(records) + 1
    journal.close()


def _sizes_of_groups(most: int) -> list[int]:
    sizes = [0]
    while sizes[-1] < most:
        sizes.append(sizes[-1] + sizes[-1] % GROUP_SIZES + 1)
    return sizes
