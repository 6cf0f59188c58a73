"""A configuration is checked whole before anything starts, and says which key is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.live.opening import opened_of
from cluster.live.settings import live_settings
from router.domain.errors import ConfigError
from router.orders.memory_journal import MemoryJournal


def file_with(folder: Path, text: str) -> Path:
    file = folder / "desk.toml"
    file.write_text(f"[api]\nis_open = true\n{text}", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[live]\ntick_ms = 500.0\nwindow_ms = 10.0",
            "expected at most live.window_ms, 10, got 500.0 - at {}, live.tick_ms",
        ),
        ('[journal]\nurl = "mysql://me:secret@host/x"', "got 'mysql://host/x' - at {}, journal.url"),
        ('[journal]\nurl = "sqlite:"', "got 'sqlite:' - at {}, journal.url"),
        ("[live]\napproval_above = -1", "at `$.live.approval_above` - in {}"),
        ('[live]\napproval_above = "12,5"', "at `$.live.approval_above` - in {}"),
        ("[live]\nhosts = 65", "at `$.live.hosts` - in {}"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    file = file_with(tmp_path, text)
    with pytest.raises(ConfigError) as wrong:
        live_settings(file)
    assert str(wrong.value).endswith(said.format(file))
    assert "secret" not in str(wrong.value)


@pytest.mark.parametrize(("key", "name"), [("scenario", "nosuch"), ("policy", "nosuch")])
def test_names_of_what_is_not_there_are_said_with_their_key(tmp_path: Path, key: str, name: str) -> None:
    file = file_with(tmp_path, f'[live]\n{key} = "{name}"')
    with pytest.raises(ConfigError) as wrong:
        opened_of(live_settings(file), MemoryJournal(), 1_700_000_000 * 10**9, None)
    assert str(wrong.value).endswith(f"got '{name}' - at {file}, live.{key}")


@pytest.mark.parametrize("written", ["2000000", '"2000000"', '"2000000.00"'])
def test_from_which_value_on_orders_wait_is_a_number_or_text(tmp_path: Path, written: str) -> None:
    settings = live_settings(file_with(tmp_path, f"[live]\napproval_above = {written}"))
    assert settings.approval_above == 2_000_000 * 10**6
