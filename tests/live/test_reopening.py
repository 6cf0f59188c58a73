"""What a configuration may say otherwise than when its session opened, and that nothing passes in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from live_material import session

from cluster.live.build import build_text, fingerprint
from cluster.live.clock import LiveClock
from cluster.live.opening import desk_of, opened_of
from cluster.live.reopening import WHO, base_approval, build_note, check_kept, check_not_over, limit_changes
from cluster.live.session import assembly_of
from cluster.live.settings import LiveSettings, live_settings
from cluster.live.starting import SettingsAt
from router.domain import codec
from router.domain.errors import ConfigError
from router.domain.facts import LimitSet, SessionOpened
from router.domain.units import SECOND
from router.orders.journal import Draft, Record
from router.orders.memory_journal import MemoryJournal
from router.risk.limits import RiskLimits
from scenarios.scenario import library

NOW = 1_700_000_000 * SECOND
RISK = """
[risk]
qty_max = 5000
restricted = ["OLD"]
[risk.by_account.ACME]
qty_max = 100
"""


def written(folder: Path, live: str = "", risk: str = "") -> LiveSettings:
    """The settings of a file with these lines."""
    file = folder / "desk.toml"
    file.write_text(f'[live]\nscenario = "smoke"\n{live}\n[api]\nis_open = true\n{risk}', encoding="utf-8")
    return live_settings(file)


def opened_with(folder: Path, live: str = "", risk: str = "") -> SessionOpened:
    """A session that opened under such a file."""
    opened, is_new = opened_of(written(folder, live, risk), MemoryJournal(), NOW, None)
    assert is_new
    return opened


def records(*facts: LimitSet) -> list[Record]:
    """The facts as the journal gives them back."""
    journal = MemoryJournal()
    journal.append("desk", 0, [Draft(type(fact).__name__, fact.at, "", codec.encode(fact)) for fact in facts])
    return list(journal.read())


def said(changes: Iterable[LimitSet]) -> dict[str, tuple[str, str]]:
    """Key, before and after of each change."""
    return {fact.key: (fact.before, fact.after) for fact in changes}


@pytest.mark.parametrize(
    ("line", "key", "kept", "got"),
    [
        ("seed = 9", "live.seed", "1", "9"),
        ('policy = "uniform"', "live.policy", "censored", "uniform"),
        ("speed = 2.5", "live.speed", "1.0", "2.5"),
        ("hosts = 3", "live.hosts", "2", "3"),
        ("tick_ms = 7", "live.tick_ms", "5.0", "7.0"),
        ("window_ms = 100", "live.window_ms", "250.0", "100.0"),
        ('approval_above = "1000"', "live.approval_above", "none", "1000"),
    ],
)
def test_what_a_session_keeps_from_its_opening_is_refused_with_the_key_and_both_values(
    tmp_path: Path, line: str, key: str, kept: str, got: str
) -> None:
    opened = opened_with(tmp_path)
    check_kept(written(tmp_path), opened)
    changed = written(tmp_path, line)
    with pytest.raises(ConfigError) as raised:
        check_kept(changed, opened)
    text = str(raised.value)
    assert text.startswith(f"expected {key} = {kept}, with which the session in {changed.state} opened, got {got} - at")
    assert text.endswith(f"desk.toml, {key}; another value takes a new folder (live.state)")


def test_another_scenario_and_another_text_of_the_same_one_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(library()["smoke"].read_text(encoding="utf-8"), encoding="utf-8")
    line = f'scenario = "{own}"'
    file = tmp_path / "desk.toml"
    file.write_text(f"[live]\n{line}\n[api]\nis_open = true\n", encoding="utf-8")
    opened, _ = opened_of(live_settings(file), MemoryJournal(), NOW, None)
    check_kept(live_settings(file), opened)
    own.write_text(own.read_text(encoding="utf-8") + "\n# Another remark.\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected live\.scenario = the text that own had"):
        check_kept(live_settings(file), opened)
    with pytest.raises(ConfigError, match=r"expected live\.scenario = own"):
        check_kept(written(tmp_path), opened)


def test_a_build_with_another_text_of_its_own_scenario_goes_on_with_the_sessions(tmp_path: Path) -> None:
    opened = msgspec.structs.replace(opened_with(tmp_path), scenario_text="an older text", seed=77)
    check_kept(written(tmp_path), opened)
    with pytest.raises(ConfigError, match=r"expected live\.seed = 77"):
        check_kept(written(tmp_path, "seed = 1"), opened)


def test_a_file_that_says_the_same_changes_nothing_whatever_people_have_set(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, risk=RISK)
    person = LimitSet(at=NOW, key="qty_max", before="5000", after="10", who="ann", why="quiet")
    assert limit_changes(written(tmp_path, risk=RISK), opened, records(person), NOW) == ()


def test_each_changed_limit_is_a_fact_and_the_next_time_it_is_none(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, risk=RISK)
    risk = '[risk]\nqty_max = 700\nrestricted = ["NEW", "OLD"]\n[risk.by_symbol.SMOK]\ncollar_bps = 5\n'
    settings = written(tmp_path, risk=risk)
    person = LimitSet(at=NOW, key="qty_max", before="5000", after="10", who="ann", why="quiet")
    changes = limit_changes(settings, opened, records(person), NOW)
    assert said(changes) == {
        "qty_max": ("10", "700"),
        "restricted": ('["OLD"]', '["NEW","OLD"]'),
        "by_account.ACME.qty_max": ("100", ""),
        "by_symbol.SMOK.collar_bps": ("", "5"),
    }
    assert {fact.who for fact in changes} == {WHO}
    assert all(fact.why == f"changed in {settings.where}" for fact in changes)
    assert limit_changes(settings, opened, records(person, *changes), NOW) == ()
    back = limit_changes(written(tmp_path, risk=RISK), opened, records(person, *changes), NOW)
    assert said(back)["by_account.ACME.qty_max"] == ("", "100")


def test_a_desk_that_reads_the_facts_stands_under_the_limits_of_the_file(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, risk=RISK)
    settings = written(tmp_path, risk='[risk]\nqty_max = 700\nshort_sale = "FREE"\nadv_share_max = 0.5\n')
    intake = desk_of(settings, opened, assembly_of(opened, None))
    assert intake.limits.qty_max == 5_000
    for record in records(*limit_changes(settings, opened, [], NOW)):
        intake.apply(record)
    assert intake.limits == settings.limits


def test_a_new_floor_above_the_old_ceiling_comes_after_the_new_ceiling(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, risk="[risk]\nprice_min = 10\nprice_max = 20\n")
    up = limit_changes(written(tmp_path, risk="[risk]\nprice_min = 30\nprice_max = 40\n"), opened, [], NOW)
    assert [fact.key for fact in up] == ["price_max", "price_min"]
    person = LimitSet(at=NOW, key="price_max", before="20", after="12", who="ann", why="quiet")
    with pytest.raises(ConfigError, match="with what people have set since"):
        limit_changes(written(tmp_path, risk="[risk]\nprice_min = 15\nprice_max = 20\n"), opened, records(person), NOW)


def test_a_session_that_kept_no_limits_goes_by_the_file(tmp_path: Path) -> None:
    settings = written(tmp_path, risk="[risk]\nqty_max = 700\n")
    opened = msgspec.structs.replace(session(), policy=opened_with(tmp_path).policy)
    assert limit_changes(settings, opened, [], NOW) == ()
    assert desk_of(settings, opened, assembly_of(opened, None)).limits.qty_max == 700


def test_a_later_life_of_the_record_goes_by_what_the_file_said_when_the_desk_came_up(tmp_path: Path) -> None:
    settings = written(tmp_path, 'approval_above = "12.5"', risk=RISK)
    opened = opened_with(tmp_path, 'approval_above = "12.5"', risk=RISK)
    file = tmp_path / "desk.toml"
    at = SettingsAt(file=str(file), text=file.read_text(encoding="utf-8"))
    file.write_text("[live]\nhosts = 'many'\n", encoding="utf-8")
    assert at.settings() == settings
    with pytest.raises(ConfigError):
        SettingsAt(file=str(file)).settings()
    assert (base_approval(written(tmp_path), opened), base_approval(settings, session())) == (12_500_000, 12_500_000)
    assert base_approval(settings, opened_with(tmp_path)) is None


def test_a_session_that_is_over_is_refused_at_once_with_its_end(tmp_path: Path) -> None:
    opened = msgspec.structs.replace(opened_with(tmp_path), speed=2.0)
    ends = opened.wall_at + (opened.close_at - opened.open_at) // 2

    def clock_at(wall: int) -> LiveClock:
        return LiveClock(opened.open_at, opened.wall_at, opened.speed, wall=lambda: wall, tick=lambda: 0)

    check_not_over(opened, clock_at(ends - SECOND), tmp_path)
    with pytest.raises(ConfigError) as raised:
        check_not_over(opened, clock_at(ends), tmp_path)
    assert "got one that ended at 2023-11-1" in str(raised.value)
    assert str(raised.value).endswith(f"{tmp_path}; a new one takes a new folder (live.state)")


def test_another_build_is_said_and_the_same_is_not(tmp_path: Path) -> None:
    opened = opened_with(tmp_path)
    assert build_note(opened) == ""
    note = build_note(msgspec.structs.replace(opened, build="anabranch 0.0.9 (abc)"))
    assert note == f"the session was opened by another build: anabranch 0.0.9 (abc); this is {build_text()}"


def test_a_fingerprint_tells_any_change_of_source_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "router" / "one.py"
    source.parent.mkdir()
    source.write_text("A = 1\n")
    before = fingerprint(tmp_path)
    (tmp_path / "router" / "notes.txt").write_text("notes")
    assert fingerprint(tmp_path) == before
    source.write_text("A = 2\n")
    assert fingerprint(tmp_path) != before
    source.rename(source.with_name("two.py"))
    source.with_name("two.py").write_text("A = 1\n")
    assert fingerprint(tmp_path) != before


def test_limits_of_a_session_come_back_as_they_were(tmp_path: Path) -> None:
    settings = written(tmp_path, risk=RISK)
    opened = opened_with(tmp_path, risk=RISK)
    kept = desk_of(written(tmp_path), opened, assembly_of(opened, None)).limits
    assert kept == settings.limits != RiskLimits()
