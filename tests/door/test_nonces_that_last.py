"""A recorded request is of no use to the door that comes back after the one that took it, either."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from door_kit import opened, signed

from cluster.api.kept_nonces import OLD, SAY_EVERY_S, YOUNG, KeptNonces
from cluster.api.security import Nonces

NOW = 1_700_000_000.0
LAST_S = 10.0


async def test_a_request_that_one_door_took_is_refused_by_the_next(tmp_path: Path) -> None:
    headers = signed("ada", "POST", "/v1/orders", b"{}")
    statuses = []
    for _ in range(3):
        async with (
            opened(tmp_path, state=tmp_path) as door,
            door.client.post(door.url("/v1/orders"), data=b"{}", headers=headers) as answer,
        ):
            statuses.append(answer.status)
    assert statuses == [201, 401, 401]
    assert stat.S_IMODE((tmp_path / YOUNG).stat().st_mode) == 0o600


async def test_a_key_is_let_in_at_once_by_a_door_that_has_come_back(tmp_path: Path) -> None:
    for _ in range(2):
        async with opened(tmp_path, state=tmp_path) as door:
            assert (await door.ask("ada", "POST", "/v1/orders", b"{}"))[0] == 201


def test_nonces_are_known_again_for_as_long_as_a_signature_lasts(tmp_path: Path) -> None:
    first = Nonces(tmp_path, NOW)
    used = [(f"key-{n % 2}", f"nonce-{n}", NOW + n) for n in range(45)]
    assert [first.use(*one) for one in used] == [""] * 45
    after = NOW + 45
    again = {nonce: Nonces(tmp_path, after).use(key_id, nonce, after) for key_id, nonce, _ in used}
    # Each look is a life of its own, and what it used itself is known from then on.
    assert [nonce for nonce, said in again.items() if said == "used"] == [f"nonce-{n}" for n in range(35, 45)]


def test_what_two_keys_use_is_told_apart(tmp_path: Path) -> None:
    assert Nonces(tmp_path, NOW).use("key-1", "same", NOW) == ""
    assert Nonces(tmp_path, NOW).use("key-2", "same", NOW) == ""
    assert Nonces(tmp_path, NOW).use("key-1", "same", NOW) == "used"


@pytest.mark.parametrize("torn", ["1700000000.000 key-1", "x y z", "1700000000.0", "\xff\x00"])
def test_a_torn_line_is_passed_over_and_nothing_else_is(tmp_path: Path, torn: str) -> None:
    (tmp_path / YOUNG).write_bytes(b"1700000000.000 key-1 whole\n" + torn.encode("latin-1"))
    assert KeptNonces(tmp_path, LAST_S, NOW).past == (("key-1", "whole"),)


def test_a_crash_while_coming_back_forgets_nothing(tmp_path: Path) -> None:
    Nonces(tmp_path, NOW).use("key-1", "first", NOW)
    KeptNonces(tmp_path, LAST_S, NOW + 1)
    assert (tmp_path / YOUNG).read_text() == ""
    assert "first" in (tmp_path / OLD).read_text()
    assert Nonces(tmp_path, NOW + 2).use("key-1", "first", NOW + 2) == "used"


def test_files_stay_small_however_long_the_door_is_open(tmp_path: Path) -> None:
    kept = KeptNonces(tmp_path, LAST_S, NOW)
    for second in range(200):
        kept.add("key-1", f"nonce-{second}", NOW + second)
    lines = sum(len((tmp_path / name).read_text().splitlines()) for name in (YOUNG, OLD))
    assert lines <= 20


def test_a_file_that_cannot_be_read_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # A folder in its place cannot be read by any user, also by one whom no mode stops.
    (tmp_path / OLD).mkdir()
    (tmp_path / YOUNG).write_text(f"{NOW:.3f} key-1 first\n")
    nonces = Nonces(tmp_path, NOW)
    assert (nonces.use("key-1", "first", NOW), nonces.use("key-1", "second", NOW)) == ("used", "")
    assert "nonces are not kept" in caplog.text


def test_a_disk_that_fails_every_request_is_said_at_first_and_then_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = KeptNonces(tmp_path / "gone", LAST_S, NOW)
    for n in range(200):
        kept.add("key-1", f"nonce-{n}", NOW + n)
    assert len(caplog.records) == 1 + 199 // SAY_EVERY_S


def test_a_folder_that_takes_nothing_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nonces = Nonces(tmp_path / "gone", NOW)
    assert (nonces.use("key-1", "n", NOW), nonces.use("key-1", "n", NOW)) == ("", "used")
    assert "nonces are not kept" in caplog.text
